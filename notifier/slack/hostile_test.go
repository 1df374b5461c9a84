package slack

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/slackfake"
	"github.com/mailreeve/mailreeve/notifier/internal/nights"
)

// everywhere is a finding that holds s wherever text from outside may be.
func everywhere(s string) audit.Finding {
	f := critical("acme", "purpose-prohibited", s)
	f.App, f.AppName, f.Vendor, f.Subject, f.Explanation, f.Reason, f.Assignee, f.Status = s, s, s, s, s, s, s, audit.Acknowledged
	f.Evidence = []audit.Evidence{{Account: s}}
	f.Recommendation = &audit.Recommendation{Act: s, Decision: s}
	return f
}

// renderings is all that is made of a finding beside the digest.
func renderings(t interface{ Fatal(...any) }, f audit.Finding) map[string]any {
	look := Look{Redact: nights.Redact, Buttons: true, AccountIDs: true, Pages: "https://console.example"}
	other := f
	other.ID, other.Status = "F-OTHER", audit.Open
	d := &Desk{Client: &Client{Look: look}, Clock: (&nights.Clock{}).Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	modal, err := d.modal([]audit.Finding{f, other}, modalMeta{Finding: f.ID, Channel: "C1", TS: "1.2"})
	if err != nil {
		t.Fatal(err)
	}
	s := f.Subject
	head, _ := renderHead([]audit.Finding{f, other}, look, "and 12 more critical, in the digest")
	fresh, _ := renderNew([]audit.Finding{f, other}, look, "and 12 more critical, in the digest")
	return map[string]any{
		"head":  head,
		"new":   fresh,
		"night": renderNight([]audit.Change{change(audit.IsReopened, f), change(audit.IsResolved, other)}, look),
		"act": renderAct(&f, []audit.TrailEntry{{Who: s, What: "suppressed", Why: s, Details: map[string]any{"until": "2027-01-01", "site": s, "assignee": s}}},
			look),
		"modal": modal,
	}
}

// texts calls see with each text object and fallback text of a rendering.
func texts(v any, see func(kind, text string)) {
	switch v := v.(type) {
	case map[string]any:
		if kind, ok := v["type"].(string); ok && (kind == "plain_text" || kind == "mrkdwn") {
			see(kind, v["text"].(string))
			return
		}
		for k, x := range v {
			if s, ok := x.(string); ok && k == "Text" {
				see("fallback", s)
			}
			texts(x, see)
		}
	case []any:
		for _, x := range v {
			texts(x, see)
		}
	}
}

// harmless is what text may hold that Slack formats.
var harmless = regexp.MustCompile(`^[A-Za-z0-9 :,.()-]*$`)

func checkHarmless(t interface{ Fatalf(string, ...any) }, name string, v any) {
	text, err := json.Marshal(v)
	var back any
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	n := 0
	texts(back, func(kind, s string) {
		n++
		if strings.ContainsAny(s, "<>\x00\x1b\u202e\u200b") || strings.Contains(entity.ReplaceAllString(s, ""), "&") || strings.Contains(s, nights.Address) {
			t.Fatalf("%s: not escaped, or an address: %q", name, s)
		}
		if kind != "plain_text" && !harmless.MatchString(s) {
			t.Fatalf("%s: text from outside where Slack formats: %q", name, s)
		}
	})
	if n == 0 {
		t.Fatalf("%s: there is no text", name)
	}
}

// TestHostileNames is a registry of hostile names through heads, replies and modals; the digest of the same names is among TestGolden's.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	names := strings.Join([]string{"<!channel> <!here|here> @channel", "*bold* _it_ `code`", "<https://evil.example|Click> & </b>", "&lt;!channel&gt;", "> quoted\n# heading", ":rotating_light:",
		"\u202eevil\u202c \x1b[31mred\x00", "mail " + nights.Address + " now"}, " ")
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	all := renderings(t, everywhere(names))
	for name, v := range all {
		checkHarmless(t, name, v)
	}
	if err := e.Encode(all); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "threads.json")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Error(d)
	}
}

// TestThreadsFit: whatever is in a finding, Slack takes what is made of it.
func TestThreadsFit(t *testing.T) {
	t.Parallel()
	fake := slackfake.New("#c")
	c := New(slackfake.BotToken, fake.Start(t), nil)
	rapid.Check(t, func(t *rapid.T) {
		f := everywhere(nights.Hostile().Draw(t, "text"))
		all := renderings(t, f)
		var many []audit.Finding
		var changes []audit.Change
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			many, changes = append(many, f), append(changes, change(audit.IsWorsened, f))
		}
		look := Look{Redact: nights.Redact, Buttons: true, AccountIDs: true}
		all["many"], _ = renderHead(many, look, "")
		all["fresh"], _ = renderNew(many, look, "")
		all["changes"] = renderNight(changes, look)
		for name, v := range all {
			checkHarmless(t, name, v)
			switch v := v.(type) {
			case Message:
				msg, err := Enqueue("k", "#c", v, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.Deliver(t.Context(), msg); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			case slack.ModalViewRequest:
				if _, err := c.api.OpenViewContext(t.Context(), fake.Trigger(), v); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
	})
}

// TestWithin: what is too long is shortened, and taken.
func TestWithin(t *testing.T) {
	t.Parallel()
	fake := slackfake.New("#c")
	c := New(slackfake.BotToken, fake.Start(t), nil)
	for name, m := range map[string]Message{
		"text":    {Text: strings.Repeat("a&amp;", 20000)},
		"section": {Text: "x", Blocks: []slack.Block{markup(strings.Repeat("a&amp;", 2000))}},
		"header":  {Text: "x", Blocks: []slack.Block{slack.NewHeaderBlock(plain(strings.Repeat("x", 151)))}},
		"blocks":  {Text: "x", Blocks: slices.Repeat([]slack.Block{markup("x")}, 51)},
		"all":     {Text: "x", Blocks: slices.Repeat([]slack.Block{markup(strings.Repeat("x", 2000))}, 20)},
	} {
		msg, err := Enqueue(name, "#c", m, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Deliver(t.Context(), msg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := cut("ab&amp;cd", 5); s != "ab…" {
		t.Errorf("%q", s)
	}
}

// TestAccountIDs: they are named only where that is configured.
func TestAccountIDs(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"5b10a2844c20165700ede21g", "5b10a2844c20165700ede211", "557058:295406f3-a1fc-4733-b906-dd15d021bd79"} {
		f := critical("acme", "purpose-prohibited", "marketing")
		f.Reason, f.Evidence = "look at "+id, []audit.Evidence{{Account: id}}
		shape := accountPattern.MatchString(id)
		for _, named := range []bool{false, true} {
			m, _ := renderHead([]audit.Finding{f}, Look{Redact: nights.Redact, AccountIDs: named}, "")
			text, err := json.Marshal(m.Blocks)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "Accounts: "+id) != named || shape && strings.Contains(string(text), id) != named {
				t.Errorf("%t: %s", named, text)
			}
		}
	}
}
