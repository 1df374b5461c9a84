package console

import (
	"context"
	"html"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// A drift is an app as it is now, held against what was approved.
type drift struct {
	Approval *audit.Approval
	Parts    []driftPart
	Policy   *wording // nil: no words were approved, or the policy's text is not known
}

// Any says whether anything differs.
func (d *drift) Any() bool {
	return d != nil && (d.Policy != nil && d.Policy.Changed() || slices.ContainsFunc(d.Parts, driftPart.Changed))
}

// A driftPart is what changed of one part: scopes, modules, egress or domains.
type driftPart struct {
	Name   string
	Lines  []driftLine // that differ
	Same   []string    // what does not
	Silent bool        // the snapshot does not have the part
}

// Changed says whether anything of the part differs.
func (p driftPart) Changed() bool { return len(p.Lines) > 0 }

// A driftLine is a feature that differs.
type driftLine struct {
	audit.Drift
	Finding string // the open finding about it; empty: none
}

// driftOf holds an app against the newest approval in force at a moment; nil: there is none, or the registry does not know the app. found are the app's open
// findings that can be accepted.
func (c *Console) driftOf(facts *audit.AppFacts, asOf audit.Instant, found []audit.Finding) *drift {
	app, _ := facts.Entry()
	approval := (&audit.Dossier{AsOf: asOf, Approvals: facts.Approvals}).ApprovalNow()
	if app == nil || approval == nil {
		return nil
	}
	d := &drift{Approval: approval, Parts: []driftPart{{Name: "scope", Silent: approval.Snapshot.Scopes == nil}, {Name: "module", Silent: approval.Snapshot.Modules == nil},
		{Name: "egress", Silent: approval.Snapshot.Egress == nil}, {Name: "domain", Silent: approval.Snapshot.Domains == nil}}}
	of := map[string]string{}
	for _, f := range found {
		of[f.Subject] = f.ID
	}
	for _, x := range c.Drift(app, approval) {
		p := &d.Parts[slices.IndexFunc(d.Parts, func(p driftPart) bool { return p.Name == x.Part })]
		switch x.Change {
		case audit.DriftNone:
			p.Same = append(p.Same, x.Name)
		case audit.DriftAdded:
			p.Lines = append(p.Lines, driftLine{x, of[x.Subject]})
		default:
			p.Lines = append(p.Lines, driftLine{Drift: x})
		}
	}
	d.Policy = wordingOf(approval.PolicyExcerpt, app.PrivacyPolicyText, c.Fold)
	return d
}

// driftAbout is the drift that a finding is about; nil where it is about none.
func (c *Console) driftAbout(ctx context.Context, f *audit.Finding) (*drift, error) {
	if f.App == "" || f.Check != audit.AcceptableCheck && f.Check != wordingCheck {
		return nil, nil
	}
	apps, err := c.Store.Apps(ctx, []string{f.App})
	if err != nil {
		return nil, err
	}
	_, asOf, err := c.asOf(ctx)
	if err != nil {
		return nil, err
	}
	d := c.driftOf(apps[f.App], asOf, nil)
	switch {
	case d == nil:
	case f.Check == wordingCheck:
		d.Parts = nil
	default: // the part that it is about
		part, _, _ := strings.Cut(f.Subject, ":")
		d.Policy, d.Parts = nil, slices.DeleteFunc(d.Parts, func(p driftPart) bool { return p.Name != part })
	}
	return d, nil
}

// wordingCheck is the check that looks for the approved words in the privacy policy.
const wordingCheck = "policy-language-changed"

// A wording is approved words as they stand in a text, word by word.
type wording struct {
	Pieces        []piece
	Before, After string // the words around the place
	Found         bool   // some of the words are there
	Long          bool   // too long to be compared: the pieces are the approved words, and how the text begins
}

// Changed says whether the words do not stand there as they were approved.
func (w *wording) Changed() bool {
	return w.Long || slices.ContainsFunc(w.Pieces, func(p piece) bool { return p.Change != audit.DriftNone })
}

// A piece is words that both texts have (same), only the approved one (gone), or only the present one (added).
type piece struct {
	Change audit.DriftChange
	Text   string
}

const (
	mostWords = 20000   // of a text that is compared
	mostCells = 8 << 20 // approved words times those of the text
	around    = 12      // words that are shown before and after
	longText  = 2000    // bytes that are shown of a text that is too long
)

// wordingOf finds the place of a text that is the most like what was approved, and says how it differs. Words are the same where fold makes them so. It is nil
// where one of them has no words.
func wordingOf(approved, present string, fold func(string) string) *wording {
	if approved == "" || present == "" {
		return nil
	}
	if len(approved)+len(present) > 20*mostWords {
		return tooLong(approved, present)
	}
	was, is := wordsOf(approved, fold), wordsOf(present, fold)
	switch {
	case len(was) == 0 || len(is) == 0:
		return nil
	case len(is) > mostWords || len(was)*len(is) > mostCells:
		return tooLong(approved, present)
	}
	// The approved words are fitted into the text as one fits a short sequence into a long one: what is before and after costs nothing, a word that is missing or new
	// costs one, and one that both have gains more, so that it is reached over a few others. steps remembers how each cell was reached.
	const (
		begin = iota
		both
		gone
		added

		shared = 4
	)
	width := len(is) + 1
	steps := make([]byte, (len(was)+1)*width)
	above, row := make([]int, width), make([]int, width)
	for i := 1; i <= len(was); i++ {
		row[0] = -i
		steps[i*width] = gone
		for j := 1; j < width; j++ {
			row[j] = row[j-1] - 1
			step := byte(added)
			if s := above[j] - 1; s >= row[j] { // of equals, what is gone comes before what is new
				row[j], step = s, gone
			}
			if was[i-1].key == is[j-1].key && above[j-1]+shared >= row[j] {
				row[j], step = above[j-1]+shared, both
			}
			steps[i*width+j] = step
		}
		above, row = row, above
	}
	end := 0
	for j, s := range above {
		if s > above[end] {
			end = j
		}
	}
	var changes []audit.DriftChange // backwards
	i, j := len(was), end
	for i > 0 {
		switch steps[i*width+j] {
		case both:
			changes, i, j = append(changes, audit.DriftNone), i-1, j-1
		case gone:
			changes, i = append(changes, audit.DriftGone), i-1
		default:
			changes, j = append(changes, audit.DriftAdded), j-1
		}
	}
	slices.Reverse(changes)
	w := &wording{Before: textOf(is[max(0, j-around):j]), After: textOf(is[end:min(len(is), end+around)])}
	w.Found = slices.Contains(changes, audit.DriftNone)
	if !w.Found { // then one place is as good as another
		w.Before, w.After = "", ""
	}
	var lost, fresh []word
	flush := func() {
		for _, p := range []piece{{audit.DriftGone, textOf(lost)}, {audit.DriftAdded, textOf(fresh)}} {
			if p.Text != "" {
				w.Pieces = append(w.Pieces, p)
			}
		}
		lost, fresh = nil, nil
	}
	for _, change := range changes {
		switch change {
		case audit.DriftGone:
			lost, was = append(lost, was[0]), was[1:]
			continue
		case audit.DriftAdded:
			fresh, j = append(fresh, is[j]), j+1
			continue
		}
		flush()
		if n := len(w.Pieces); n > 0 && w.Pieces[n-1].Change == audit.DriftNone {
			w.Pieces[n-1].Text += " " + is[j].text
		} else {
			w.Pieces = append(w.Pieces, piece{audit.DriftNone, is[j].text})
		}
		was, j = was[1:], j+1
	}
	flush()
	return w
}

func tooLong(approved, present string) *wording {
	return &wording{Long: true, Pieces: []piece{{audit.DriftGone, clip(approved, longText)}, {audit.DriftAdded, clip(present, longText)}}}
}

// A word is one as it is written, and as it is compared.
type word struct{ text, key string }

func wordsOf(text string, fold func(string) string) (list []word) {
	for _, w := range strings.Fields(html.UnescapeString(text)) {
		if key := fold(w); key != "" {
			list = append(list, word{w, key})
		}
	}
	return list
}

func textOf(list []word) string {
	texts := make([]string, len(list))
	for i, w := range list {
		texts[i] = w.text
	}
	return strings.Join(texts, " ")
}
