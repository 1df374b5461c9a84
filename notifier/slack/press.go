package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// Path is where Slack sends presses to, over HTTP.
const Path = "/slack/interactions"

const (
	maxRequest    = 1 << 20          // of a request's body
	pressTime     = 30 * time.Second // to do what a press asks for, once it is acknowledged
	maxAtOnce     = 16               // presses that are worked on
	reconnectIn   = time.Minute
	maxReason     = 1000
	modalSuppress = "mailreeve_suppress_modal"
	inputReason   = "reason"
	inputUntil    = "until"
)

// Deeds is what presses lead to.
type Deeds interface {
	// Do does a deed to the finding of an id, and records who did it. A *audit.RefusedError says why it is not possible now.
	Do(ctx context.Context, d audit.Deed, id string) error
}

// A Desk takes what people press under messages. Slack is answered at once; the work comes after. It is safe for concurrent use.
type Desk struct {
	Client    *Client
	Deeds     Deeds
	Reviewers []string         // ids of the Slack users who may act
	Clock     func() time.Time // the time
	Log       *slog.Logger

	once  sync.Once
	slots chan struct{}
	ended context.Context // when what is not done yet is cut off
	end   context.CancelFunc

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func (d *Desk) ready() {
	d.once.Do(func() {
		d.slots = make(chan struct{}, maxAtOnce)
		d.ended, d.end = context.WithCancel(context.Background())
	})
}

// Close takes no more presses, and waits until what was begun is done, for no longer than patience: what is not done by then is cut off. Of a press on many findings
// some may be done then, each of them wholly; the log says that it was not done.
func (d *Desk) Close(patience time.Duration) {
	d.ready()
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	t := time.AfterFunc(patience, d.end)
	defer t.Stop()
	d.wg.Wait()
	d.end()
}

// Handler answers Slack's requests to Path, signed with secret no more than 5 minutes ago.
func (d *Desk) Handler(secret string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "only POST", http.StatusMethodNotAllowed)
			return
		}
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		v, err := slack.NewSecretsVerifier(r.Header, secret) // it compares in constant time
		if err == nil {
			_, _ = v.Write(text) // into a hash
			err = v.Ensure()
		}
		if err != nil {
			d.Log.Warn("a request that Slack did not sign, or not lately, was refused", "path", Path)
			http.Error(w, "not signed", http.StatusUnauthorized)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(text))
		cb, err := slack.InteractionCallbackParse(r)
		if err != nil {
			http.Error(w, "not an interaction", http.StatusBadRequest)
			return
		}
		answer, ok := d.Take(context.WithoutCancel(r.Context()), cb)
		if !ok {
			http.Error(w, "closing", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if answer != nil {
			_ = json.NewEncoder(w).Encode(answer) // who asked may be gone
		}
	})
}

// Listen takes presses over Socket Mode until ctx is done. apiURL is Slack's where it is empty.
func (d *Desk) Listen(ctx context.Context, appToken, apiURL string) {
	for ctx.Err() == nil {
		err := d.listen(ctx, appToken, apiURL)
		if ctx.Err() != nil {
			return
		}
		d.Log.Warn("no connection to Slack's Socket Mode: nobody's press is heard; it tries again", "error", d.Client.withoutSecrets(err, appToken), "in", reconnectIn)
		select {
		case <-ctx.Done():
		case <-time.After(reconnectIn):
		}
	}
}

func (d *Desk) listen(ctx context.Context, appToken, apiURL string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := []slack.Option{slack.OptionAppLevelToken(appToken)}
	if apiURL != "" {
		o = append(o, slack.OptionAPIURL(strings.TrimRight(apiURL, "/")+"/"))
	}
	c := socketmode.New(slack.New("", o...))
	ended := make(chan error, 1)
	go func() { ended <- c.RunContext(ctx) }()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return err
		case e := <-c.Events:
			switch e.Type {
			case socketmode.EventTypeInvalidAuth:
				return errors.New("invalid_auth (the app token is not, or no longer, valid, or lacks the scope connections:write)")
			case socketmode.EventTypeInteractive:
				cb, ok := e.Data.(slack.InteractionCallback)
				if !ok || e.Request == nil {
					continue
				}
				answer, ok := d.Take(context.WithoutCancel(ctx), cb) // what it begins outlives this connection
				if !ok {
					continue // not acknowledged: Slack asks another connection, or tells the person
				}
				if err := c.AckCtx(ctx, e.Request.EnvelopeID, answer); err != nil {
					d.Log.Warn("a press could not be acknowledged", "error", err)
				}
			}
		}
	}
}

// Take takes one press, begins what it asks for, and gives what to answer Slack with at once; nil: nothing but that it came. False: the desk is closed, and nothing is begun.
func (d *Desk) Take(ctx context.Context, cb slack.InteractionCallback) (answer any, ok bool) {
	switch cb.Type {
	case slack.InteractionTypeBlockActions:
		for _, a := range cb.ActionCallback.BlockActions {
			if a != nil && a.ActionID != actOpen && !d.begin(ctx, cb, func(ctx context.Context) string { return d.press(ctx, cb, a.ActionID, a.Value) }) {
				return nil, false
			}
		}
	case slack.InteractionTypeViewSubmission:
		if cb.View.CallbackID != modalSuppress {
			return nil, true
		}
		deed, f, wrong := d.suppression(cb)
		if wrong != nil {
			return &slack.ViewSubmissionResponse{ResponseAction: slack.RAErrors, Errors: wrong}, true
		}
		cb.Channel.ID, cb.Message.ThreadTimestamp = f.Channel, f.TS
		return nil, d.begin(ctx, cb, func(ctx context.Context) string { return d.do(ctx, cb, deed, f.Finding) })
	}
	return nil, true
}

// begin works on a press beside others, and tells the person, and nobody else, what work returns, if anything. False: the desk is closed.
func (d *Desk) begin(ctx context.Context, cb slack.InteractionCallback, work func(context.Context) string) bool {
	d.ready()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.wg.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, pressTime)
		defer cancel()
		defer context.AfterFunc(d.ended, cancel)()
		select {
		case d.slots <- struct{}{}:
			defer func() { <-d.slots }()
		case <-ctx.Done():
			d.Log.Error("what somebody pressed in Slack was not done: too much else was", "user", cb.User.ID)
			return
		}
		said := "You may not act on findings here: your id, " + cb.User.ID + ", is not among slack.reviewers."
		if d.may(cb.User.ID) {
			said = work(ctx)
		} else {
			d.Log.Warn("somebody without a role pressed a button in Slack", "user", notifier.Shorten(notifier.Line(cb.User.ID), maxID))
		}
		if said == "" {
			return
		}
		o := []slack.MsgOption{slack.MsgOptionText(cut(fit(notifier.Line(said), maxText), maxText), false), slack.MsgOptionDisableMarkdown(), slack.MsgOptionParse(false), slack.MsgOptionLinkNames(false)}
		if ts := cb.Message.ThreadTimestamp; ts != "" {
			o = append(o, slack.MsgOptionTS(ts))
		}
		if _, err := d.Client.api.PostEphemeralContext(ctx, cb.Channel.ID, cb.User.ID, o...); err != nil {
			d.Log.Warn("somebody who pressed a button in Slack could not be answered", "error", d.Client.class(err, "chat:write"))
		}
	})
	return true
}

func (d *Desk) may(user string) bool { return user != "" && slices.Contains(d.Reviewers, user) }

// press does what a button says, and gives what to tell the person.
func (d *Desk) press(ctx context.Context, cb slack.InteractionCallback, action, value string) string {
	switch action {
	case actAcknowledge:
		return d.do(ctx, cb, audit.Deed{Kind: audit.DoAcknowledge}, value)
	case actAssign:
		return d.do(ctx, cb, audit.Deed{Kind: audit.DoAssign, Assignee: d.who(cb)}, value)
	case actSuppress:
		list, said := d.meant(ctx, value)
		if said != "" {
			return said
		}
		v, err := d.modal(list, modalMeta{Finding: value, Channel: cb.Channel.ID, TS: cb.Message.Timestamp})
		if err != nil {
			return d.failed(err)
		}
		if _, err := d.Client.api.OpenViewContext(ctx, cb.TriggerID, v); err != nil {
			if code := codeOf(err); code == "expired_trigger_id" {
				return "That took too long; please press again."
			}
			return d.failed(d.Client.class(err, ""))
		}
		return ""
	}
	return "This button is of another version of mailreeve."
}

// who is the person, as the trail names them.
func (d *Desk) who(cb slack.InteractionCallback) string {
	who := "slack:" + notifier.Shorten(notifier.Line(cb.User.ID), maxID)
	name := cb.User.Name
	if name == "" {
		name = cb.User.RealName
	}
	if name = notifier.Shorten(d.Client.Look.Redact(notifier.Line(name)), maxName); name != "" {
		who += " (" + name + ")"
	}
	return who
}

// meant gives the findings that a button's value stands for: the open ones of those that its head showed. Where there are none, it says so.
func (d *Desk) meant(ctx context.Context, value string) (list []audit.Finding, said string) {
	id, run, _ := strings.Cut(value, " ")
	list, err := under(ctx, d.Client.Findings, "", id)
	if err != nil {
		return nil, d.failed(err)
	}
	if len(list) == 0 {
		return nil, "This finding is not kept any more."
	}
	list = slices.DeleteFunc(list, func(f audit.Finding) bool { return !audit.IsOpen(f.Status) || run != "" && order(f.FirstRun, run) > 0 })
	if len(list) == 0 {
		return nil, "Nothing to do: nothing of what this message showed is open any more."
	}
	return list, ""
}

// do does a deed to all findings that a button's value stands for and that take it. What came of it is seen in the thread; what is said is what did not.
func (d *Desk) do(ctx context.Context, cb slack.InteractionCallback, deed audit.Deed, value string) string {
	list, said := d.meant(ctx, value)
	if said != "" {
		return said
	}
	deed.By, deed.At = d.who(cb), audit.At(d.Clock())
	done := 0
	var refused []string
	for _, f := range list {
		err := d.Deeds.Do(ctx, deed, f.ID)
		var why *audit.RefusedError
		switch {
		case err == nil:
			done++
		case errors.As(err, &why):
			refused = append(refused, f.ID+": "+why.Why)
		default:
			return d.failed(err)
		}
	}
	switch {
	case len(refused) == 0, done > 0 && deed.Kind != audit.DoSuppress:
		return "" // the others were done with before
	case len(list) == 1:
		return "Nothing to do: " + strings.TrimPrefix(refused[0], list[0].ID+": ") + "."
	}
	return fmt.Sprintf("Done for %d of %d findings; not for %s.", done, len(list), strings.Join(refused, "; "))
}

// failed says that something went wrong; what, the log says.
func (d *Desk) failed(err error) string {
	d.Log.Error("what somebody pressed in Slack could not be done", "error", err)
	return "That did not work; mailreeve's log says why. Please try again."
}

// modalMeta is what a modal brings back.
type modalMeta struct {
	Finding string `json:"finding"` // the button's value
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

// modal asks for a suppression's reason and end.
func (d *Desk) modal(list []audit.Finding, m modalMeta) (v slack.ModalViewRequest, err error) {
	meta, err := json.Marshal(m)
	if err != nil {
		return v, err
	}
	item := notifier.NewItem(&list[0], d.Client.Look.redact)
	show := func(s string) string { return fit(notifier.Line(s), maxName) }
	about := item.Who(show) + "\n" + item.What(show)
	if n := len(list); n > 1 {
		about += fmt.Sprintf("\nand %d more findings of this app and clause", n-1)
	}
	reason := slack.NewPlainTextInputBlockElement(nil, inputReason)
	reason.Multiline, reason.MaxLength, reason.MinLength = true, maxReason, 1
	until := slack.NewDatePickerBlockElement(inputUntil)
	until.InitialDate = d.Clock().UTC().AddDate(0, 0, 30).Format(time.DateOnly)
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: modalSuppress, PrivateMetadata: string(meta),
		Title: plain("Suppress"), Submit: plain("Suppress"), Close: plain("Cancel"),
		Blocks: slack.Blocks{BlockSet: []slack.Block{
			slack.NewSectionBlock(plain(about), nil, nil),
			slack.NewInputBlock(inputReason, plain("Why"), plain("It is kept in the trail."), reason),
			slack.NewInputBlock(inputUntil, plain("Until"), plain("It ends when this day begins, UTC."), until),
		}},
	}, nil
}

// suppression is what a submitted modal asks for; wrong says by input what is not right.
func (d *Desk) suppression(cb slack.InteractionCallback) (deed audit.Deed, m modalMeta, wrong map[string]string) {
	if err := json.Unmarshal([]byte(cb.View.PrivateMetadata), &m); err != nil {
		return deed, m, map[string]string{inputReason: "This form is of another version; please press the button again."}
	}
	deed = audit.Deed{Kind: audit.DoSuppress}
	wrong = map[string]string{}
	if s := cb.View.State; s != nil {
		deed.Reason = d.Client.Look.Redact(notifier.Shorten(strings.TrimSpace(s.Values[inputReason][inputReason].Value), maxReason))
		if t, err := time.Parse(time.DateOnly, s.Values[inputUntil][inputUntil].SelectedDate); err == nil {
			deed.Until = audit.At(t)
		}
	}
	if deed.Reason == "" {
		wrong[inputReason] = "Please say why."
	}
	if deed.Until <= audit.At(d.Clock()) {
		wrong[inputUntil] = "Please give a day to come."
	}
	if len(wrong) == 0 {
		wrong = nil
	}
	return deed, m, wrong
}
