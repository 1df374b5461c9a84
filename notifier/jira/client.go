package jira

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/outbound"
	"github.com/mailreeve/mailreeve/notifier"
)

// Horizon is how long after an issue may have been made a search is taken to find it. Jira says that it takes seconds, at times minutes.
const Horizon = 5 * time.Minute

const maxAnswer = 4 << 20

// A Site is where issues are kept, and as whom.
type Site struct {
	URL          string // https, or http to this machine
	User, Token  string // of an Atlassian account and its API token
	Project      string // its key
	IssueType    string // its name
	AllowPrivate bool   // the site may be at an address that is not public
}

// A Client keeps the issues of a site. It is a notifier.Sink, its Tell a notifier.Composer, and it is safe for concurrent use.
type Client struct {
	site     Site
	redact   func(string) string
	receipts notifier.Receipts
	findings func(ctx context.Context, app, clause string) ([]audit.Finding, error)
	clock    audit.Clock
	http     *http.Client

	mu   sync.Mutex
	done map[string]steps // by the message's key
}

// steps are those of a message's delivery that are done, and what came of them. A delivery takes several requests; where one fails, the next attempt goes on from there,
// or a bad network would never let all of them pass.
type steps map[string]any

// once does a step that was not done before.
func once[T any](s steps, name string, do func() (T, error)) (T, error) {
	if was, ok := s[name].(T); ok {
		return was, nil
	}
	got, err := do()
	if err == nil {
		s[name] = got
	}
	return got, err
}

// An issue is known by its key, which a person can change, and by its id. Empty: there is none.
type issue struct{ key, id string }

// New makes a client. findings gives all findings of an app against a clause, as they are now; redact masks addresses.
func New(site Site, receipts notifier.Receipts, findings func(ctx context.Context, app, clause string) ([]audit.Finding, error), redact func(string) string, clock audit.Clock) *Client {
	return &Client{site: site, receipts: receipts, findings: findings, redact: redact, clock: clock, http: outbound.Client(site.AllowPrivate), done: map[string]steps{}}
}

// Pace keeps a project's issues well below what Jira lets one account do; where that is too fast, it says when to come again.
func (c *Client) Pace() time.Duration { return time.Second }

// Deliver makes or updates an issue. Its receipt is the issue's key and id, and the news that it was made of.
func (c *Client) Deliver(ctx context.Context, msg audit.Message) (receipt string, err error) {
	var b body
	if err := json.Unmarshal(msg.Body, &b); err != nil {
		return "", notifier.Final(fmt.Errorf("jira: message %s of the outbox cannot be read: %w", msg.Key, err))
	}
	findings, err := c.findings(ctx, b.App, b.Clause)
	if err != nil {
		return "", fmt.Errorf("jira: %w", err)
	}
	c.mu.Lock()
	done := c.done[msg.Key]
	if done == nil {
		done = steps{}
		c.done[msg.Key] = done
	}
	c.mu.Unlock()
	if b.Make {
		receipt, err = c.open(ctx, msg, &b, findings, done)
	} else {
		receipt, err = c.update(ctx, msg, &b, findings, done)
	}
	err = c.class(err)
	var failed *notifier.Failure
	if err == nil || errors.As(err, &failed) && failed.Final {
		c.mu.Lock()
		delete(c.done, msg.Key)
		c.mu.Unlock()
	}
	return receipt, err
}

// open finds the group's issue, or makes it. What fails without one having been made, or perhaps made, is marked as such: so the outbox knows since when there may be one, whichever process made it.
func (c *Client) open(ctx context.Context, msg audit.Message, b *body, findings []audit.Finding, done steps) (receipt string, err error) {
	wait := unsettled(msg)
	if wait > 0 {
		delete(done, "search")
	}
	was, err := once(done, "search", func() (issue, error) { return c.find(ctx, b.group) })
	if err != nil {
		return "", notifier.Unsent(err)
	}
	if was.id != "" {
		news := "earlier"
		if msg.Attempts > 0 { // an attempt of which no answer came has made it
			news = b.News
		}
		return was.key + " " + was.id + " " + news, nil
	}
	if wait > 0 {
		delete(done, "search")
		return "", notifier.Unsent(&notifier.Failure{Err: errors.New("jira: an issue may have been made of which no answer came; it is made anew only if a search does not find it in some minutes"), RetryAfter: wait})
	}
	fields := map[string]any{
		"project": map[string]string{"key": c.site.Project}, "issuetype": map[string]string{"name": c.site.IssueType},
		"summary": c.summary(b.group, findings), "description": c.description(findings), "labels": []string{b.label()},
	}
	var made struct{ ID, Key string }
	err = c.call(ctx, http.MethodPost, "issue", map[string]any{"fields": fields}, &made)
	if err == nil && made.ID == "" {
		err = errors.New("the answer does not say which issue was made")
	}
	var refused *refusal
	if notifier.Unreached(err) || errors.As(err, &refused) && refused.status < 500 && refused.status != http.StatusRequestTimeout && refused.status != http.StatusTooManyRequests { // that may be said by what stands between
		return "", notifier.Unsent(err)
	}
	if err != nil {
		return "", err
	}
	return made.Key + " " + made.ID + " " + b.News, nil
}

// unsettled says how long to wait until a search would find what an earlier attempt may have made.
func unsettled(msg audit.Message) time.Duration {
	if msg.Doubt == 0 {
		return 0
	}
	return Horizon - time.Duration(msg.Began-msg.Doubt)
}

// update brings the group's issue up to date.
func (c *Client) update(ctx context.Context, msg audit.Message, b *body, findings []audit.Finding, done steps) (string, error) {
	was, err := c.receipts.Receipt(ctx, b.opening())
	if err != nil {
		return "", err
	}
	var i issue
	var news string
	if parts := strings.Fields(was); len(parts) == 3 {
		i, news = issue{parts[0], parts[1]}, parts[2]
	} else if i, err = once(done, "find", func() (issue, error) { return c.find(ctx, b.group) }); err != nil {
		return "", err
	}
	if i.id != "" && done["gone"] == nil {
		_, err := once(done, "category", func() (string, error) { return c.category(ctx, i.id) })
		switch {
		case isGone(err):
			done["gone"] = true
		case err != nil:
			return "", err
		}
	}
	if done["gone"] != nil { // a person deleted it; there may be another by now
		if i, err = once(done, "find another", func() (issue, error) { return c.find(ctx, b.group) }); err != nil {
			return "", err
		}
	}
	switch {
	case i.id == "" && !b.Opens:
		return "no issue", nil // there was nothing to file, or a person deleted it
	case i.id == "":
		return c.open(ctx, msg, b, findings, done)
	case news != b.News: // else the issue was made of this
		_, err := once(done, "comment", func() (bool, error) { return true, c.comment(ctx, msg, b, i.id, done) })
		if err != nil {
			return "", err
		}
		_, err = once(done, "description", func() (bool, error) {
			return true, c.call(ctx, http.MethodPut, "issue/"+i.id, map[string]any{"fields": map[string]any{"description": c.description(findings)}}, nil)
		})
		if err != nil {
			return "", err
		}
	}
	category, err := once(done, "category", func() (string, error) { return c.category(ctx, i.id) })
	if err != nil {
		return "", err
	}
	anyOpen := slices.ContainsFunc(findings, func(f audit.Finding) bool { return audit.IsOpen(f.Status) })
	switch {
	case !anyOpen && category != "done":
		err = c.transition(ctx, i, done, "done")
	case anyOpen && category == "done" && b.Opens:
		err = c.transition(ctx, i, done, "new", "indeterminate")
	}
	if err != nil {
		return "", err
	}
	return i.key + " " + i.id + " " + b.News, nil
}

// find looks for the group's issue by its label. Of several, as when a person cloned it, it is the oldest.
func (c *Client) find(ctx context.Context, g group) (issue, error) {
	var found struct{ Issues []struct{ ID, Key string } }
	err := c.call(ctx, http.MethodPost, "search/jql", map[string]any{
		"jql":        fmt.Sprintf(`project = "%s" AND labels = "%s" ORDER BY created ASC`, c.site.Project, g.label()),
		"fields":     []string{"status"},
		"maxResults": 1,
	}, &found)
	if err != nil || len(found.Issues) == 0 {
		return issue{}, err
	}
	return issue{found.Issues[0].Key, found.Issues[0].ID}, nil
}

// category is the category of an issue's status: new, indeterminate or done, whatever its workflow calls them.
func (c *Client) category(ctx context.Context, id string) (string, error) {
	var answer struct {
		Fields struct {
			Status struct{ StatusCategory struct{ Key string } }
		}
	}
	err := c.call(ctx, http.MethodGet, "issue/"+id+"?fields=status", nil, &answer)
	return answer.Fields.Status.StatusCategory.Key, err
}

// commentProperty is the property of a comment that holds the digest of its message.
const commentProperty = "mailreeve"

// comment writes b's comment, unless an attempt before has.
func (c *Client) comment(ctx context.Context, msg audit.Message, b *body, id string, done steps) error {
	mark := group{msg.Key, ""}.digest()
	if msg.Attempts > 0 {
		there, err := once(done, "look for the comment", func() (bool, error) { return c.hasComment(ctx, id, mark) })
		if err != nil || there {
			return err
		}
	}
	err := c.call(ctx, http.MethodPost, "issue/"+id+"/comment", map[string]any{
		"body": comment(b), "properties": []any{map[string]any{"key": commentProperty, "value": mark}},
	}, nil)
	if err != nil {
		delete(done, "look for the comment")
	}
	return err
}

// hasComment says whether one of the newest comments has a mark. Comments show at once.
func (c *Client) hasComment(ctx context.Context, id, mark string) (bool, error) {
	var page struct {
		Comments []struct {
			Properties []struct {
				Key   string
				Value any
			}
		}
	}
	err := c.call(ctx, http.MethodGet, "issue/"+id+"/comment?expand=properties&orderBy=-created&maxResults=100", nil, &page)
	for _, x := range page.Comments {
		for _, p := range x.Properties {
			if p.Key == commentProperty && p.Value == mark {
				return true, err
			}
		}
	}
	return false, err
}

// A passage is a transition that an issue's workflow offers.
type passage struct {
	ID string
	To struct{ StatusCategory struct{ Key string } }
}

// transition takes an issue to a status of one of the categories, the first that its workflow lets it go to.
func (c *Client) transition(ctx context.Context, i issue, done steps, categories ...string) error {
	list, err := once(done, "transitions", func() ([]passage, error) {
		var answer struct{ Transitions []passage }
		err := c.call(ctx, http.MethodGet, "issue/"+i.id+"/transitions", nil, &answer)
		return answer.Transitions, err
	})
	if err != nil {
		return err
	}
	for _, category := range categories {
		for _, t := range list {
			if t.To.StatusCategory.Key != category {
				continue
			}
			err := c.call(ctx, http.MethodPost, "issue/"+i.id+"/transitions", map[string]any{"transition": map[string]string{"id": t.ID}}, nil)
			if err != nil { // it may have gone there, and then this transition is no longer one of its
				delete(done, "category")
				delete(done, "transitions")
			}
			return err
		}
	}
	return notifier.Final(fmt.Errorf("jira: from the status of %s no transition leads to one of the category %s: let the workflow have one", i.key, categories[0]))
}

// Check asks Jira whether it knows the account, the project and its issue type, and gives the account's name. It makes nothing.
func (c *Client) Check(ctx context.Context) (name string, err error) {
	var me struct{ DisplayName string }
	if err := c.call(ctx, http.MethodGet, "myself", nil, &me); err != nil {
		return "", c.class(err)
	}
	var project struct{ IssueTypes []struct{ Name string } }
	if err := c.call(ctx, http.MethodGet, "project/"+url.PathEscape(c.site.Project), nil, &project); err != nil {
		if isGone(err) {
			return "", notifier.Final(fmt.Errorf("jira: there is no project %s, or this account may not see it", c.site.Project))
		}
		return "", c.class(err)
	}
	var names []string
	for _, t := range project.IssueTypes {
		names = append(names, c.clean(t.Name))
	}
	if !slices.Contains(names, c.site.IssueType) {
		return "", notifier.Final(fmt.Errorf("jira: the project %s has no issue type %s; it has %s", c.site.Project, c.site.IssueType, strings.Join(names, ", ")))
	}
	return c.clean(me.DisplayName), nil
}

// A refusal is an answer other than 2xx.
type refusal struct {
	status int
	wait   time.Duration
	says   string
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("answered %d", r.status)
	if r.says != "" {
		text += ": " + r.says
	}
	return text
}

func isGone(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusNotFound
}

// call asks the REST API.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var content io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return notifier.Final(fmt.Errorf("jira: %w", err))
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.site.URL, "/")+"/rest/api/3/"+path, content)
	if err != nil {
		return notifier.Final(errors.New("jira: the URL of the configuration cannot be read"))
	}
	req.SetBasicAuth(c.site.User, c.site.Token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "mailreeve")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return outbound.Cause(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode/100 != 2 {
		return &refusal{res.StatusCode, outbound.RetryAfter(res.Header, c.clock()), c.says(text)}
	}
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return errors.New("the answer is cut short, or no JSON")
	}
	return nil
}

// says is what Jira gives as the reasons of a refusal.
func (c *Client) says(text []byte) string {
	var e struct {
		ErrorMessages []string
		Errors        map[string]string
	}
	if json.Unmarshal(text, &e) != nil {
		return ""
	}
	for _, field := range slices.Sorted(maps.Keys(e.Errors)) {
		e.ErrorMessages = append(e.ErrorMessages, field+": "+e.Errors[field])
	}
	said := c.clean(strings.Join(e.ErrorMessages, "; "))
	if c.site.Token != "" {
		said = strings.ReplaceAll(said, c.site.Token, "…")
	}
	return notifier.Shorten(said, 300)
}

// class says what to do about an error.
func (c *Client) class(err error) error {
	var known *notifier.Failure
	if err == nil || errors.As(err, &known) {
		return err
	}
	var r *refusal
	told := fmt.Errorf("jira: %s: %w", outbound.Place(c.site.URL), err)
	switch {
	case errors.Is(err, outbound.ErrPrivate):
		return notifier.Final(told)
	case !errors.As(err, &r):
		return told
	case r.status == http.StatusUnauthorized:
		return notifier.Final(fmt.Errorf("%w (user and token are not, or no longer, valid)", told))
	case r.status == http.StatusForbidden:
		return notifier.Final(fmt.Errorf("%w (the account may not do that: it has to browse the project, create, edit and transition issues, and add comments)", told))
	case r.status/100 == 3:
		return notifier.Final(fmt.Errorf("%w (redirects are not followed: configure where it leads to)", told))
	case r.status == http.StatusTooManyRequests, r.status/100 == 5, r.status == http.StatusRequestTimeout:
		return &notifier.Failure{Err: told, RetryAfter: r.wait, Everyone: true}
	case r.status == http.StatusConflict: // the issue is being written
		return told
	}
	return notifier.Final(told)
}
