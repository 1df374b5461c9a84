package console_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/console"
)

// written is pieces as one line: [-gone-] {+there now+}.
func written(pieces []console.Piece) string {
	var out []string
	for _, p := range pieces {
		switch p.Change {
		case audit.DriftGone:
			out = append(out, "[-"+p.Text+"-]")
		case audit.DriftAdded:
			out = append(out, "{+"+p.Text+"+}")
		default:
			out = append(out, p.Text)
		}
	}
	return strings.Join(out, " ")
}

func TestApprovedWordsAreFoundInTheText(t *testing.T) {
	t.Parallel()
	const policy = "Acme and you. We collect what we need, and we never sell addresses to anybody. Addresses are deleted after 30 days. Write to us."
	for _, tt := range []struct{ name, approved, present, want, before, after string }{
		{"as it was", "we never sell addresses", policy, "we never sell addresses", "Acme and you. We collect what we need, and", "to anybody. Addresses are deleted after 30 days. Write to us."},
		{"one word", "we will never sell addresses", policy, "we [-will-] never sell addresses", "Acme and you. We collect what we need, and", "to anybody. Addresses are deleted after 30 days. Write to us."},
		{"other words", "Addresses are erased within 7 days.", policy, "Addresses are [-erased within 7-] {+deleted after 30+} days.", "We collect what we need, and we never sell addresses to anybody.", "Write to us."},
		{"written otherwise", "we NEVER  sell\u00a0addresses &ndash; ever", "We never sell\n“addresses” — ever", "We never sell [-addresses-] {+“addresses”+} — ever", "", ""},
		{"gone", "Nobody reads mail", policy, "[-Nobody reads mail-]", "", ""},
	} {
		pieces, before, after, ok := console.WordingOf(tt.approved, tt.present, checks.PlainWords)
		if got := written(pieces); !ok || got != tt.want || before != tt.before || after != tt.after {
			t.Errorf("%s: %q, after %q, before %q; want %q, %q, %q", tt.name, got, before, after, tt.want, tt.before, tt.after)
		}
	}
	for _, text := range []string{"", " \u200b "} {
		if _, _, _, ok := console.WordingOf("we never sell", text, checks.PlainWords); ok {
			t.Errorf("%q has a wording", text)
		}
	}
	if pieces, _, _, _ := console.WordingOf("we never sell", strings.Repeat("x ", 1<<20), checks.PlainWords); len(pieces) != 2 || len(pieces[1].Text) > 2010 {
		t.Error("a text that is too long is compared, or shown whole")
	}
}

// What is the same and gone is what was approved; what is the same and new stands so in the text; and what stands in it is found as it is.
func TestAWordingLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"we", "never", "sell", "mail", "to", "you"}), 1, 12)
		approved, present := words.Draw(t, "approved"), words.Draw(t, "present")
		same := func(s string) string { return s }
		pieces, _, _, _ := console.WordingOf(strings.Join(approved, " "), strings.Join(present, " "), same)
		var was, is []string
		changed := false
		for _, p := range pieces {
			if p.Change != audit.DriftAdded {
				was = append(was, p.Text)
			}
			if p.Change != audit.DriftGone {
				is = append(is, p.Text)
			}
			changed = changed || p.Change != audit.DriftNone
		}
		if got := strings.Join(was, " "); got != strings.Join(approved, " ") {
			t.Fatalf("the approved words are told as %q", got)
		}
		padded := func(list []string) string { return " " + strings.Join(list, " ") + " " }
		if len(is) > 0 && !strings.Contains(padded(present), padded(is)) {
			t.Fatalf("%q does not stand in the text", is)
		}
		if changed == strings.Contains(padded(present), padded(approved)) {
			t.Fatalf("changed: %v, told as %s", changed, written(pieces))
		}
	})
}
