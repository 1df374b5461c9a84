package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// Sink is the name of this sink in the outbox.
const Sink = "slack"

// EventType is the type of the metadata that each message carries. Its payload holds the message's key, by which it can be found again.
const EventType = "mailreeve_message"

// What a message of the outbox does.
const (
	doPost   = ""       // posts what was rendered when it was enqueued
	doHead   = "head"   // posts the head of a thread, rendered when it is delivered
	doReply  = "reply"  // posts into the thread of the message of a key
	doUpdate = "update" // renders the head of a thread anew
	doChart  = "chart"  // uploads a picture into the thread of the message of a key
)

// body is a message of the outbox. A head and its updates are rendered when they are delivered, from what the findings are then: so an update that
// comes late, twice or out of turn shows no old state, and no account id waits in the outbox.
type body struct {
	Do      string       `json:"do,omitempty"`
	Channel string       `json:"channel"`
	Of      string       `json:"of,omitempty"`      // key of the head, or of the message with the thread
	Finding string       `json:"finding,omitempty"` // one of the head's
	Nights  []Night      `json:"nights,omitempty"`
	Text    string       `json:"text,omitempty"` // of a head: a note in it
	Blocks  slack.Blocks `json:"blocks"`

	Broadcast bool `json:"broadcast,omitempty"` // of a reply: the channel is shown it, too
}

func post(do, of string, m Message) body {
	return body{Do: do, Of: of, Text: m.Text, Blocks: slack.Blocks{BlockSet: m.Blocks}}
}

func (b body) enqueue(key string, at audit.Instant) (audit.Message, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return audit.Message{}, fmt.Errorf("slack message %s: %w", key, err)
	}
	return audit.Message{Key: key, Sink: Sink, Lane: b.Channel, Body: text, Created: at, NextAt: at, SentAt: audit.Never}, nil
}

// Enqueue makes a message for the outbox that posts m to a channel, given by name or id. No two messages of one key are enqueued.
func Enqueue(key, channel string, m Message, at audit.Instant) (audit.Message, error) {
	b := post(doPost, "", m)
	b.Channel = channel
	return b.enqueue(key, at)
}

// A Client posts messages. It is a notifier.Sink, and safe for concurrent use.
type Client struct {
	// Where messages are about findings, or follow others.
	Findings Findings
	Receipts notifier.Receipts
	Look     Look

	token string
	api   *slack.Client

	mu       sync.Mutex
	ids      map[string]string // of channels, by name
	searches map[string]search // that did not come to an end
}

// New makes a client. apiURL is Slack's where it is empty. No redirect is followed: the token would go with it.
func New(token, apiURL string, client *http.Client) *Client {
	own := http.Client{}
	if client != nil {
		own = *client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	url := strings.TrimRight(cmp.Or(apiURL, slack.APIURL), "/") + "/"
	return &Client{token: token, ids: map[string]string{}, searches: map[string]search{}, api: slack.New(token, slack.OptionAPIURL(url), slack.OptionHTTPClient(&own))}
}

// Pace is Slack's limit: a message a second and channel, https://docs.slack.dev/apis/web-api/rate-limits.
func (c *Client) Pace() time.Duration { return time.Second }

// nowhere is the receipt of what there was nothing to do about any more.
const nowhere = "-"

// Deliver does what msg says, and returns where in Slack its message is, as CHANNEL/TS. A message that was tried before is looked for first, for it may have been
// accepted and the answer lost. Errors that are known not to pass by themselves, and those with a Retry-After, are a *notifier.Failure. No error holds
// the token.
func (c *Client) Deliver(ctx context.Context, msg audit.Message) (receipt string, err error) {
	var b body
	if err := json.Unmarshal(msg.Body, &b); err != nil {
		return "", final(fmt.Errorf("slack: message %s of the outbox cannot be read: %w", msg.Key, err))
	}
	switch b.Do {
	case doPost:
		return c.post(ctx, msg, place{channel: b.Channel}, Message{b.Text, b.Blocks.BlockSet})
	case doHead:
		m, ok, err := c.head(ctx, msg.Key, b.Finding, b.Text)
		if err != nil || !ok {
			return nowhere, err
		}
		return c.post(ctx, msg, place{channel: b.Channel}, m)
	case doReply:
		return c.reply(ctx, msg, b)
	case doUpdate:
		return c.update(ctx, msg, b)
	case doChart:
		return c.chart(ctx, msg, b)
	}
	return "", final(fmt.Errorf("slack: message %s of the outbox is of another version: it wants %.20q", msg.Key, b.Do))
}

// A place is where a message is, or where it belongs: with a ts into that message's thread.
type place struct {
	channel, ts string
	broadcast   bool // what goes into the thread is also shown in the channel
}

func (p place) String() string { return p.channel + "/" + p.ts }

// placeOf is where the message of a key is. False: nowhere any more.
func (c *Client) placeOf(ctx context.Context, key string) (p place, ok bool, err error) {
	r, err := c.Receipts.Receipt(ctx, key)
	if err != nil {
		return p, false, fmt.Errorf("slack: where %s is: %w", key, err)
	}
	if r == nowhere {
		return p, false, nil
	}
	if p.channel, p.ts, ok = strings.Cut(r, "/"); !ok {
		return p, false, final(fmt.Errorf("slack: %s, which this belongs to, is not delivered: mend that first", key))
	}
	return p, true, nil
}

// head renders the head of a key, of which a finding is, as it is now. False: its findings are not kept any more.
func (c *Client) head(ctx context.Context, key, id, note string) (m Message, ok bool, err error) {
	list, err := under(ctx, c.Findings, key, id)
	if err != nil {
		return m, false, fmt.Errorf("slack: finding %s: %w", id, err)
	}
	if len(list) == 0 {
		return m, false, nil
	}
	m, _ = renderHead(list, c.Look, note)
	return m, true, nil
}

// options are what a message carries, posted or updated.
func options(key string, m Message) []slack.MsgOption {
	m = within(m)
	return []slack.MsgOption{
		slack.MsgOptionText(m.Text, false),
		slack.MsgOptionBlocks(m.Blocks...),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: EventType, EventPayload: map[string]any{"key": key}}),
		slack.MsgOptionParse(false),
		slack.MsgOptionLinkNames(false),
		slack.MsgOptionDisableLinkUnfurl(),
		slack.MsgOptionDisableMediaUnfurl(),
	}
}

// post posts m, unless it was posted before.
func (c *Client) post(ctx context.Context, msg audit.Message, to place, m Message) (receipt string, err error) {
	if msg.Attempts > 0 {
		at, ok, err := c.find(ctx, msg, to, func(m slack.Message) bool {
			return m.Metadata.EventType == EventType && m.Metadata.EventPayload["key"] == msg.Key
		})
		if err != nil || ok {
			return at.String(), err
		}
	}
	o := append(options(msg.Key, m), slack.MsgOptionPost())
	if to.ts != "" {
		o = append(o, slack.MsgOptionTS(to.ts))
	}
	if to.broadcast {
		o = append(o, slack.MsgOptionBroadcast())
	}
	id, ts, _, err := c.api.SendMessageContext(ctx, to.channel, o...)
	switch {
	case to.ts != "" && isGone(err):
		return "", errGone
	case err != nil:
		return "", c.class(err, "chat:write")
	case ts == "":
		return "", errors.New("slack: the answer does not say that the message was posted")
	}
	c.learn(to.channel, id)
	return place{channel: cmp.Or(id, to.channel), ts: ts}.String(), nil
}

// reply posts into a thread. Where somebody removed its head, only what the channel was to be shown is posted, by itself.
func (c *Client) reply(ctx context.Context, msg audit.Message, b body) (receipt string, err error) {
	m := Message{b.Text, b.Blocks.BlockSet}
	at, ok, err := c.placeOf(ctx, b.Of)
	if err != nil {
		return "", err
	}
	if at.broadcast = b.Broadcast; ok {
		if receipt, err := c.post(ctx, msg, at, m); !errors.Is(err, errGone) {
			return receipt, err
		}
	}
	if b.Broadcast {
		return c.post(ctx, msg, place{channel: b.Channel}, m)
	}
	return nowhere, nil
}

// errGone says that a thread is not there any more.
var errGone = errors.New("slack: the thread is gone")

func isGone(err error) bool {
	switch codeOf(err) {
	case "thread_not_found", "message_not_found", "cannot_reply_to_message":
		return true
	}
	return false
}

// update shows a head as it is now. Twice is as once.
func (c *Client) update(ctx context.Context, msg audit.Message, b body) (receipt string, err error) {
	at, ok, err := c.placeOf(ctx, b.Of)
	if err != nil || !ok {
		return nowhere, err
	}
	m, ok, err := c.head(ctx, b.Of, b.Finding, "")
	if err != nil || !ok {
		return nowhere, err
	}
	o := append(options(b.Of, m), slack.MsgOptionUpdate(at.ts))
	_, _, _, err = c.api.SendMessageContext(ctx, at.channel, o...)
	if code := codeOf(err); code == "message_not_found" || code == "edit_window_closed" || code == "cant_update_message" {
		return nowhere, nil // somebody removed it, or the workspace's rules keep it as it is
	}
	if err != nil {
		return "", c.class(err, "chat:write")
	}
	return at.String(), nil
}

// A Workspace is what Slack says of the token.
type Workspace struct {
	Team   string
	Scopes []string // that the token has; nil: Slack did not say
}

// Check asks Slack whether it knows the token.
func (c *Client) Check(ctx context.Context) (*Workspace, error) {
	a, err := c.api.AuthTestContext(ctx)
	if err != nil {
		return nil, c.class(err, "")
	}
	w := &Workspace{Team: a.Team}
	if h := a.Header.Get("X-OAuth-Scopes"); h != "" {
		for s := range strings.SplitSeq(h, ",") {
			w.Scopes = append(w.Scopes, strings.TrimSpace(s))
		}
	}
	return w, nil
}

// asRefused is what Slack answered where it refused.
func asRefused(err error) (r slack.SlackErrorResponse, ok bool) {
	ok = errors.As(err, &r)
	return r, ok
}

func codeOf(err error) string {
	r, _ := asRefused(err)
	return r.Err
}

// class says what to do about an error of a call that needs a scope.
func (c *Client) class(err error, scope string) error {
	var limited *slack.RateLimitedError
	var status slack.StatusCodeError
	var refused slack.SlackErrorResponse
	switch {
	case errors.As(err, &limited):
		return &notifier.Failure{Err: fmt.Errorf("slack: asked to wait %s", limited.RetryAfter), RetryAfter: limited.RetryAfter, Everyone: true}
	case errors.As(err, &status):
		err := fmt.Errorf("slack: answered with status %d", status.Code)
		if status.Code < 500 && status.Code != http.StatusTooManyRequests && status.Code != http.StatusRequestTimeout {
			return final(err)
		}
		return err
	case errors.As(err, &refused):
		code := refused.Err
		if !codePattern.MatchString(code) {
			code = "an unknown error"
		}
		err := fmt.Errorf("slack: %s%s", code, advice(code, scope))
		if passes(code) {
			return err
		}
		return final(err)
	}
	// What is left is the network, or an answer that is no JSON.
	return errors.New("slack: " + c.withoutSecrets(err))
}

// withoutSecrets is an error's text without the token, and others.
func (c *Client) withoutSecrets(err error, others ...string) string {
	text := fmt.Sprint(err)
	for _, secret := range append(others, c.token) {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

var codePattern = regexp.MustCompile(`^[a-z0-9_.-]{1,64}$`)

func final(err error) error { return notifier.Final(err) }

// passes says whether a code of https://docs.slack.dev/reference/methods/chat.postMessage#errors is of Slack's own trouble.
func passes(code string) bool {
	switch code {
	case "fatal_error", "internal_error", "service_unavailable", "request_timeout", "ratelimited", "rate_limited", "team_added_to_org":
		return true
	}
	return false
}

// advice says what an operator can do about a code.
func advice(code, scope string) string {
	switch code {
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired":
		return " (the token is not, or no longer, valid)"
	case "missing_scope":
		return " (the app needs the scope " + cmp.Or(scope, "that docs/slack.md names") + ": add it, and install the app again)"
	case "channel_not_found":
		return " (there is no such channel, or it is private and the app is not in it)"
	case "not_in_channel":
		return " (invite the app into the channel)"
	case "is_archived":
		return " (the channel is archived)"
	}
	return ""
}
