package slack

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// Look is how findings are shown.
type Look struct {
	Redact     func(string) string // masks addresses: every text that is not mailreeve's own passes it
	Buttons    bool                // heads carry buttons
	AccountIDs bool                // heads name accounts
	Pages      string              // the console's address, under which a finding has a page; empty: there is none
}

// accountPattern is the shapes that most account ids have.
var accountPattern = regexp.MustCompile(`\b(\d{5,6}:[0-9a-fA-F-]{8,36}|[0-9a-f]{24})\b`)

// redact masks addresses and, where accounts are not to be named, what looks like the id of one: people write them into reasons.
func (l Look) redact(s string) string {
	s = l.Redact(s)
	if !l.AccountIDs {
		s = accountPattern.ReplaceAllString(s, "[account]")
	}
	return s
}

// Actions of the buttons, and of the modal that asks for a suppression's reason and end.
const (
	actAcknowledge = "mailreeve_acknowledge"
	actAssign      = "mailreeve_assign"
	actSuppress    = "mailreeve_suppress"
	actOpen        = "mailreeve_open"
)

// maxHead is how much of a head's size its findings take at most.
const (
	maxHead     = 9000
	maxAccounts = 10 // that a head names of a finding
)

// fill makes blocks of n things, of so many at most and as many as there is place for, one at least. It says how many, and the last block how many more there are.
func fill(n, most int, more string, block func(i int) slack.Block) (blocks []slack.Block, shown int) {
	left := maxHead
	for i := range n {
		b := block(i)
		if left -= size(b); i > 0 && (left < 0 || i >= most) {
			return append(blocks, small(plain(fmt.Sprintf("and %d more %s", n-i, more)))), i
		}
		blocks = append(blocks, b)
	}
	return blocks, n
}

// renderHead makes the head of a thread from its findings as they are now; one at least. Those that are open come first, and the worst of them. It says how many of them it names. note, where there is
// one, is mailreeve's own.
func renderHead(list []audit.Finding, look Look, note string) (m Message, shown int) {
	list = slices.Clone(list)
	closed := func(f *audit.Finding) int {
		if audit.IsOpen(f.Status) {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b audit.Finding) int {
		return cmp.Or(cmp.Compare(closed(&a), closed(&b)), audit.WorstFirst(&a, &b))
	})
	worst := notifier.NewItem(&list[0], look.redact)
	show := func(s string) string { return fit(notifier.Line(s), maxName) }
	title := fmt.Sprintf("%s %s: %s", mark(worst.Severity), show(string(worst.Severity)), cmp.Or(show(worst.AppName), show(worst.App), "calls by no app"))
	blocks := []slack.Block{slack.NewHeaderBlock(plain(cut(title, maxHeader)))}
	named, shown := fill(len(list), maxBlocks-5, "of this app and clause", func(i int) slack.Block { return section(&list[i], look) })
	blocks = append(blocks, named...)
	if note != "" {
		blocks = append(blocks, small(plain(note)))
	}
	if b := buttons(&list[0], list, look); b != nil {
		blocks = append(blocks, b)
	}
	text := fmt.Sprintf("%s finding: %s", capital(string(worst.Severity)), ourName(worst))
	if n := len(list); n > 1 {
		text = fmt.Sprintf("%s, %d findings", text, n)
	}
	return within(Message{Text: text, Blocks: blocks}), shown
}

// ourName is an item in mailreeve's own words only: it may stand where text is not plain.
func ourName(i notifier.Item) string {
	s := fit(i.ID, maxID)
	if c := fit(i.Check, maxName); c != "" {
		s = c + " " + s
	}
	return s
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// section is one finding of a head.
func section(f *audit.Finding, look Look) slack.Block {
	i := notifier.NewItem(f, look.redact)
	render := func(name, why int) slack.Block {
		show := func(s string) string { return fit(notifier.Line(s), name) }
		lines := []string{i.Who(show), i.What(show), i.Numbers(false) + ", " + show(i.ID), "Now: " + state(f, look, name)}
		if w := fit(notifier.Line(i.Why), why); w != "" {
			lines = append(lines, w)
		}
		if ids := accounts(f, look); ids != "" {
			lines = append(lines, fit(ids, 4*name))
		}
		return slack.NewSectionBlock(plain(strings.Join(lines, "\n")), nil, nil)
	}
	b := render(maxName, maxWhy)
	if size(b) > 2*maxFinding {
		b = render(maxName*2/5, maxWhy/4)
	}
	return b
}

// state says where a finding stands.
func state(f *audit.Finding, look Look, most int) string {
	show := func(s string) string { return fit(look.redact(notifier.Line(s)), most) }
	s := show(string(f.Status))
	if r := show(f.Reason); r != "" {
		s += " (" + r + ")"
	}
	if a := show(f.Assignee); a != "" {
		s += ", assigned to " + a
	}
	if f.Worsened {
		s += ", worsened"
	}
	if f.Observed {
		s += ", " + notifier.Observed
	}
	if r := f.Recommendation; r != nil {
		s += ", recommended: " + show(r.Act)
		if r.Decision != "" {
			s += ", decided: " + show(r.Decision)
		}
	}
	return s
}

// accounts names some of a finding's, where that is allowed.
func accounts(f *audit.Finding, look Look) string {
	if !look.AccountIDs {
		return ""
	}
	var ids []string
	for _, e := range f.Evidence {
		if id := look.redact(notifier.Line(e.Account)); id != "" && !slices.Contains(ids, id) && len(ids) < maxAccounts {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return "Accounts: " + strings.Join(ids, ", ")
}

// buttons are what a person can press; nil: nothing. Those that change something carry the id of a finding, which stands for its thread, and the last run of those that filed what the head shows: what
// comes under it later, nobody who presses has seen.
func buttons(f *audit.Finding, list []audit.Finding, look Look) slack.Block {
	last := slices.MaxFunc(list, func(a, b audit.Finding) int { return order(a.FirstRun, b.FirstRun) }).FirstRun
	var elements []slack.BlockElement
	button := func(action, label string) *slack.ButtonBlockElement {
		b := slack.NewButtonBlockElement(action, strings.TrimSpace(f.ID+" "+last), plain(label))
		elements = append(elements, b)
		return b
	}
	if look.Buttons && slices.ContainsFunc(list, func(f audit.Finding) bool { return audit.IsOpen(f.Status) }) {
		if slices.ContainsFunc(list, func(f audit.Finding) bool { return f.Status == audit.Open }) {
			button(actAcknowledge, "Acknowledge")
		}
		button(actAssign, "Assign to me")
		button(actSuppress, "Suppress…")
	}
	if look.Pages != "" {
		button(actOpen, "Open").URL = strings.TrimRight(look.Pages, "/") + "/findings/" + f.ID
	}
	if len(elements) == 0 {
		return nil
	}
	return slack.NewActionBlock("buttons", elements...)
}

// renderNew makes the reply that tells a thread what a night filed that comes under its head, the worst first; one at least. It says how many of them it names.
func renderNew(list []audit.Finding, look Look, note string) (m Message, shown int) {
	blocks, shown := fill(len(list), maxBlocks-2, "of this app and clause", func(i int) slack.Block { return finding(notifier.NewItem(&list[i], look.redact), false) })
	if note != "" {
		blocks = append(blocks, small(plain(note)))
	}
	worst := notifier.NewItem(&list[0], look.redact)
	text := fmt.Sprintf("%s finding: %s", capital(string(worst.Severity)), ourName(worst))
	if n := len(list); n > 1 {
		text = fmt.Sprintf("%s, %d new findings", text, n)
	}
	return within(Message{Text: text, Blocks: blocks}), shown
}

// renderNight makes the reply that tells a thread what a night changed of its findings.
func renderNight(changes []audit.Change, look Look) Message {
	blocks, _ := fill(len(changes), maxBlocks-1, "changes", func(n int) slack.Block {
		c := &changes[n]
		i := notifier.NewItem(&c.Finding, look.redact)
		show := func(s string) string { return fit(notifier.Line(s), maxName) }
		what := capital(string(c.What))
		lines := []string{what + ": " + i.What(show) + ", " + show(i.ID)}
		switch c.What {
		case audit.IsReopened, audit.IsWorsened:
			lines = append(lines, i.Numbers(true))
		default:
			if r := fit(look.redact(notifier.Line(c.Finding.Reason)), maxWhy); r != "" {
				lines = append(lines, r)
			}
		}
		return slack.NewSectionBlock(plain(strings.Join(lines, "\n")), nil, nil)
	})
	text := fmt.Sprintf("%s: %s", capital(string(changes[0].What)), ourName(notifier.NewItem(&changes[0].Finding, look.redact)))
	if n := len(changes); n > 1 {
		text = fmt.Sprintf("%d findings changed", n)
	}
	return within(Message{Text: text, Blocks: blocks})
}

// renderAct makes the reply that tells a thread what a person did to one of its findings.
func renderAct(f *audit.Finding, trail []audit.TrailEntry, look Look) Message {
	i := notifier.NewItem(f, look.redact)
	show := func(s string, most int) string { return fit(look.redact(notifier.Line(s)), most) }
	var blocks []slack.Block
	for _, e := range trail {
		line := fmt.Sprintf("%s by %s: %s", capital(show(e.What, maxName)), show(e.Who, maxName), show(i.ID, maxID))
		for _, k := range []string{"assignee", "until", "site", "act"} {
			if v, ok := e.Details[k].(string); ok && v != "" {
				line += ", " + k + " " + show(v, maxName)
			}
		}
		if why := show(e.Why, maxWhy); why != "" {
			line += "\n" + why
		}
		blocks = append(blocks, slack.NewSectionBlock(plain(line), nil, nil))
	}
	return within(Message{Text: "A person acted on " + ourName(i), Blocks: blocks})
}
