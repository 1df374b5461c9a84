package slack

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/internal/nights"
)

var update = flag.Bool("update", false, "write the golden files")

func TestGolden(t *testing.T) {
	for name, d := range nights.All() {
		t.Run(name, func(t *testing.T) {
			m := Render(d)
			check(t, d, m)
			var got bytes.Buffer
			e := json.NewEncoder(&got)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			if err := e.Encode(map[string]any{"text": m.Text, "blocks": m.Blocks}); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".json")
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
		})
	}
}

// own is all that mrkdwn may hold: mailreeve's words, its table, one emoji, bold.
var own = regexp.MustCompile("^(```\n[a-z0-9 \n]*```|[A-Za-z0-9 :*().,_\n]*)$")

var (
	entity = regexp.MustCompile(`&(amp|lt|gt);`)
	andN   = regexp.MustCompile(`^and (\d+) more (.+)$`)
	headed = regexp.MustCompile(`^\*(.+)\* \((\d+)\)$`)
)

// check asserts all that Slack and the rules ask of a message, whatever the digest.
func check(t interface{ Fatalf(string, ...any) }, d notifier.Digest, m Message) {
	if len(m.Blocks) > 50 || len(m.Blocks) == 0 {
		t.Fatalf("%d blocks", len(m.Blocks))
	}
	if utf16 := units(m.Text); utf16 == 0 || utf16 > 300 {
		t.Fatalf("fallback text of %d", utf16)
	}
	text := func(o *slack.TextBlockObject, most int) {
		if n := units(o.Text); n > most || n == 0 || strings.TrimSpace(o.Text) == "" {
			t.Fatalf("%d characters: %q", n, o.Text)
		}
		if err := o.Validate(); err != nil {
			t.Fatalf("%v", err)
		}
		if !utf8.ValidString(o.Text) {
			t.Fatalf("no UTF-8: %q", o.Text)
		}
		if strings.ContainsAny(o.Text, "<>\x00\x1b\u202e\u200b") || strings.Contains(entity.ReplaceAllString(o.Text, ""), "&") {
			t.Fatalf("not escaped: %q", o.Text)
		}
		if strings.Contains(o.Text, nights.Address) {
			t.Fatalf("an address: %q", o.Text)
		}
		switch o.Type {
		case slack.MarkdownType:
			if !own.MatchString(o.Text) || !o.Verbatim {
				t.Fatalf("mrkdwn that is not all mailreeve's: %q", o.Text)
			}
		case slack.PlainTextType:
			if o.Emoji == nil || *o.Emoji {
				t.Fatalf("shows emoji: %q", o.Text)
			}
		default:
			t.Fatalf("type %q", o.Type)
		}
	}
	group, named, promised := "", map[string]int{}, map[string]int{}
	for i, b := range m.Blocks {
		switch b := b.(type) {
		case *slack.HeaderBlock:
			text(b.Text, 150)
			if i != 0 || b.Text.Type != slack.PlainTextType {
				t.Fatalf("header %d %q", i, b.Text.Type)
			}
		case *slack.SectionBlock:
			text(b.Text, 3000)
			if len(b.Fields) > 10 {
				t.Fatalf("%d fields", len(b.Fields))
			}
			if h := headed.FindStringSubmatch(b.Text.Text); h != nil {
				group = h[1]
				promised[group], _ = strconv.Atoi(h[2])
			} else if group != "" && b.Text.Type == slack.PlainTextType {
				named[group]++
				if lines := strings.Count(b.Text.Text, "\n") + 1; lines < 3 || lines > 4 {
					t.Fatalf("a finding in %d lines, it is cut or broken: %q", lines, b.Text.Text)
				}
			}
		case *slack.ContextBlock:
			if n := len(b.ContextElements.Elements); n == 0 || n > 10 {
				t.Fatalf("%d elements", n)
			}
			for _, e := range b.ContextElements.Elements {
				o := e.(*slack.TextBlockObject)
				text(o, 3000)
				if a := andN.FindStringSubmatch(o.Text); a != nil && group != "" {
					n, _ := strconv.Atoi(a[1])
					named[group] += n
				}
			}
		default:
			t.Fatalf("a %T", b)
		}
	}
	body, err := json.Marshal(m.Blocks)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if n := utf8.RuneCount(body); n > maxMessage {
		t.Fatalf("%d characters in all", n)
	}
	if n := size(m.Blocks...); n > maxMessage {
		t.Fatalf("size %d", n)
	}
	for _, g := range d.Groups() {
		if promised[g.Heading] != len(g.Items) || named[g.Heading] != len(g.Items) {
			t.Fatalf("%s: %d items, %d promised, %d told of", g.Heading, len(g.Items), promised[g.Heading], named[g.Heading])
		}
	}
}

func TestLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := nights.Any(t)
		m := Render(d)
		check(t, d, m)
		// The outbox gives back what was put in.
		msg, err := Enqueue("key", "#c", m, 0)
		if err != nil {
			t.Fatal(err)
		}
		var b body
		if err := json.Unmarshal(msg.Body, &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(slack.Blocks{BlockSet: m.Blocks}, b.Blocks); diff != "" || b.Text != m.Text || b.Channel != "#c" {
			t.Fatalf("changed on its way: %s", diff)
		}
	})
}

// TestNobodyHidesOthers: names of 4,000 signs do not keep findings from being named.
func TestNobodyHidesOthers(t *testing.T) {
	d := nights.Baseline()
	for _, bad := range []string{strings.Repeat("&", 4000), strings.Repeat("👍", 4000), strings.Repeat("\"", 4000), strings.Repeat("漢", 4000)} {
		for i := range d.Named {
			d.Named[i].AppName, d.Named[i].Vendor, d.Named[i].Subject, d.Named[i].Why = bad, bad, bad, bad
		}
		m := Render(d)
		check(t, d, m)
		n := 0
		for _, b := range m.Blocks {
			if s, ok := b.(*slack.SectionBlock); ok && strings.Contains(s.Text.Text, "(com.vendor") {
				n++
			}
		}
		if n < 5 {
			t.Errorf("only %d named beside %.20s", n, bad)
		}
	}
}

func TestNamesAtLeast(t *testing.T) {
	n := 0
	for _, b := range Render(nights.Baseline()).Blocks {
		if s, ok := b.(*slack.SectionBlock); ok && strings.Contains(s.Text.Text, "(com.vendor") {
			n++
		}
	}
	if n < 20 {
		t.Errorf("a baseline of thousands names %d", n)
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"a&b", 7, "a&amp;b"}, {"a&b", 6, "a…"}, {"a&b", 5, "a…"}, {"<<", 8, "&lt;&lt;"}, {"<<", 7, "&lt;…"}, {"👍👍", 4, "👍👍"},
		{"👍👍", 3, "👍…"}, {"ab cd", 4, "ab…"}, {"abc", 1, "…"},
	} {
		if got := fit(c.in, c.most); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.in, c.most, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s, most := notifier.Line(nights.Hostile().Draw(t, "s")), rapid.IntRange(1, 200).Draw(t, "most")
		got := fit(s, most)
		back := strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(got)
		cut := strings.TrimSuffix(back, "…")
		if units(got) > most || !utf8.ValidString(got) || back != s && !(strings.HasSuffix(back, "…") && strings.HasPrefix(s, cut)) {
			t.Fatalf("%q in %d: %q", s, most, got)
		}
	})
}

func ExampleRender() {
	m := Render(nights.Busy())
	fmt.Println(m.Text)
	fmt.Println(m.Blocks[4].(*slack.SectionBlock).Text.Text)
	// Output:
	// Email API audit, 2026-11-22 02:30 UTC: 3 new (1 critical, 1 high, 1 medium), 1 reopened, 1 worsened
	// 🔴 critical: App 0 for Jira (com.vendor0.app0), Vendor 0
	// P6 purpose-prohibited, marketing
	// 40 occurrences, 10 accounts, 1 site, F-RNKFVAYJ3ZX2
	// 40 calls between 1 and 21 November got addresses of 10 accounts.
}
