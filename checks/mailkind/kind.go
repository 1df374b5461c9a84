package mailkind

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Verdict says what kind a mail is of, and why.
type Verdict struct {
	Kind  string
	Sure  bool     // much speaks for the kind, and for no other as much
	Signs []string // what speaks for the kind, the strongest first and mere words last, then what speaks against it; fixed words and names of headers
}

const maxSigns = 12

// How much a wording counts, by where it stands.
const (
	inSubject = 1.7
	atTop     = 1.25 // among the first topWords words
	inBody    = 1.0  // until bodyWords
	farDown   = 0.55
	inFooter  = 0.3

	topWords  = 45
	bodyWords = 180
)

// found is a cue that a mail gives.
type found struct {
	cue   cue
	lang  string
	score float64
	top   bool // in the subject or at the top
	title bool // in the subject
}

// sign is one reason, for one kind.
type sign struct {
	kind  string
	says  string
	score float64
}

// folded gives the subject and the text that a reader sees, made ready, and their language; empty if it is not clear.
func (m *Mail) folded(view page) (subject, body text, lang string) {
	subject, body = fold(cut(m.subject, 2000)), fold(bothEnds(view.text)).shorten()
	return subject, body, language(text{append(slices.Clone(subject.tokens), body.tokens...), append(slices.Clone(subject.wide), body.wide...)})
}

// evidence is what a mail gives to judge by.
type evidence struct {
	signs       []sign          // the strongest first
	lang        string          // empty if it is not clear
	title, rest map[string]bool // the stems of the subject, and of the beginning of the text
	lessened    map[cue]float64 // by how much cues count less
}

// Kind tells the kind of the mail. It is a pure function of the mail.
func (m *Mail) Kind() Verdict {
	return m.evidence().judge(usages())
}

func (m *Mail) evidence() evidence {
	view := m.look()
	subject, body, lang := m.folded(view)
	cues := findCues(subject, body, lang)
	factors := weigh(cues)
	var signs []sign
	for _, f := range cues {
		if f.score > 0 {
			mean := meaningOf(f.cue)
			signs = append(signs, sign{mean.kind, "wording: " + mean.says + " (" + f.lang + ")", f.score})
		}
	}
	if namesIssue(cut(m.subject, 2000)) {
		signs = append(signs, sign{SubscribedAlerts, "structure: the key of an issue in the subject", 2.5})
	}
	signs = append(signs, m.headerSigns()...)
	signs = append(signs, m.senderSigns()...)
	signs = append(signs, traceSigns(m.subject, view.text)...)
	signs = append(signs, structureSigns(view)...)
	if answers.MatchString(m.subject) && !m.header.Has("List-Unsubscribe") && !m.header.Has("List-Id") && !m.header.Has("Auto-Submitted") {
		signs = append(signs, sign{Other, "structure: an answer to a mail", 3.5})
	}
	if m.invited {
		if has(cues, eventInvitation) || has(cues, eventRegister) {
			signs = append(signs, sign{CompanyEvents, "structure: a calendar's invitation", 1})
		} else {
			signs = append(signs, sign{Other, "structure: a calendar's invitation", 3})
		}
	}
	slices.SortStableFunc(signs, func(a, b sign) int { return cmp.Compare(b.score, a.score) })
	title, rest := stemsOf(cmp.Or(lang, "en"), subject, body)
	return evidence{signs, lang, title, rest, factors}
}

// findCues finds what the subject and the text say: each cue once, with all that its wordings count together. Of a text in a known language, wordings of
// others do not count, but for English ones, which every language borrows, and for Spanish and Portuguese, which share many.
func findCues(subject, t text, lang string) []found {
	words := wordings()
	type tally struct {
		best  float64
		found found
		spots int
	}
	tallies := map[cue]*tally{}
	add := func(h hit, factor float64, top, title bool) {
		near := lang == "es" && h.lang == "pt" || lang == "pt" && h.lang == "es"
		if lang != "" && h.lang != lang && h.lang != "en" && !near {
			return
		}
		t := tallies[h.cue]
		if t == nil {
			t = &tally{found: found{cue: h.cue, lang: h.lang}}
			tallies[h.cue] = t
		}
		if factor > t.best {
			t.best, t.found.lang = factor, h.lang
		}
		t.spots++
		t.found.top = t.found.top || top
		t.found.title = t.found.title || title
	}
	for _, h := range words.find(subject) {
		add(h, inSubject, true, true)
	}
	hits := words.find(t)
	size := max(len(t.tokens), len(t.wide)/2)
	footer := footerAt(hits, size)
	last := map[cue]int{}
	for _, h := range hits {
		if at, seen := last[h.cue]; seen && h.at-at < 3 { // the same words, found by two wordings
			continue
		}
		last[h.cue] = h.at
		factor := inBody
		switch {
		case h.at < topWords:
			factor = atTop
		case h.at >= footer && !ofFooters(h.cue):
			factor = inFooter
		case h.at >= bodyWords:
			factor = farDown
		}
		add(h, factor, h.at < topWords, false)
	}
	var out []found
	for _, t := range tallies {
		t.found.score = meaningOf(t.found.cue).weight * (t.best + 0.15*float64(min(t.spots-1, 4)))
		out = append(out, t.found)
	}
	slices.SortFunc(out, func(a, b found) int { return cmp.Compare(a.cue, b.cue) })
	return out
}

// footerAt is where the footer begins: a little before the first wording of footers in the last part of the mail.
func footerAt(hits []hit, size int) int {
	at := size
	for _, h := range hits {
		if (h.cue == marketingFooter || h.cue == notificationSettings) && h.at > size*6/10 && h.at > 25 {
			at = min(at, h.at-4)
		}
	}
	return at
}

func ofFooters(c cue) bool { return c == marketingFooter || c == notificationSettings || c == watched }

// has says whether a cue was found, and counts in full.
func has(cues []found, c cue) bool {
	i := slices.IndexFunc(cues, func(f found) bool { return f.cue == c })
	return i >= 0 && cues[i].score >= meaningOf(c).weight
}

// A rule makes some cues count less where another stands in the subject or at the top: a mail is what it opens with, not what else it holds.
type rule struct {
	where  cue
	title  bool // only where it is in the subject
	less   []cue
	factor float64
}

func rules() []rule {
	selling := []cue{offer, upgrade, news, shop, content, occasion, marketingFooter}
	return []rule{
		{where: invitedBy, less: selling, factor: 0.3},
		{where: invitedBy, less: []cue{welcome, firstSteps, activity, confirm, survey}, factor: 0.5},
		{where: eventInvitation, less: []cue{invitedBy, invitationAccept, appointment, confirm}, factor: 0.4},
		{where: eventInvitation, less: []cue{tips, content, news, shop, offer, welcome, firstSteps}, factor: 0.6},
		{where: signIn, less: append([]cue{reset, confirm, ticket, watched, tips}, selling...), factor: 0.3},
		{where: accessChanged, less: append([]cue{reset, confirm, ticket, watched, tips}, selling...), factor: 0.3},
		{where: incident, less: append([]cue{reset, confirm, ticket, tips, alarm, trace}, selling...), factor: 0.4},
		{where: reset, less: []cue{notYou, accessChanged, signInCode, incident}, factor: 0.4},
		{where: welcome, less: append([]cue{confirm, ticket, order, invoice, trialEnds, invitedBy}, selling...), factor: 0.45},
		{where: welcome, title: true, less: selling, factor: 0.25},
		{where: comeBack, less: []cue{welcome, firstSteps, tips, order, invoice}, factor: 0.3},
		{where: survey, less: []cue{ticket, confirm, order, appointment}, factor: 0.6},
		{where: order, less: append([]cue{survey, confirm}, selling...), factor: 0.4},
		{where: order, title: true, less: selling, factor: 0.15},
		{where: invoice, less: append([]cue{renews, renewAct}, selling...), factor: 0.45},
		{where: trialEnds, less: append([]cue{invoice, welcome, firstSteps, confirm, asked, tips}, selling...), factor: 0.4},
		{where: renews, less: append([]cue{confirm, asked, tips, eventRegister}, selling...), factor: 0.4},
		{where: occasion, title: true, less: []cue{renews, trialEnds, renewAct}, factor: 0.4},
		{where: invitedBy, less: []cue{renews, renewAct}, factor: 0.5},
		{where: mailConnected, less: []cue{signInCode, notYou, renewAct, welcome}, factor: 0.5},
		{where: renews, title: true, less: []cue{invoice, order, jobFailed, accessChanged}, factor: 0.5},
		{where: watched, less: append([]cue{offer, news, tips}, selling...), factor: 0.5},
		{where: activity, title: true, less: selling, factor: 0.5},
		{where: jobFailed, less: append([]cue{order, asked, ticket, usersSynced, activity}, selling...), factor: 0.5},
		{where: alarm, less: append([]cue{ticket, activity}, selling...), factor: 0.5},
		{where: terms, title: true, less: append([]cue{accessChanged, incident, alarm}, selling...), factor: 0.4},
		{where: tips, title: true, less: []cue{offer, shop, upgrade, survey, content}, factor: 0.5},
		{where: news, title: true, less: []cue{tips, firstSteps}, factor: 0.6},
		{where: mailConnected, less: append([]cue{jobFailed, alarm, accessChanged, confirm}, selling...), factor: 0.5},
		{where: usersSynced, less: append([]cue{activity, accessChanged, invitedBy, asked, digest}, selling...), factor: 0.5},
		{where: ticket, title: true, less: []cue{survey, activity, watched}, factor: 0.6},
	}
}

// weigh applies the rules, by what was found before any of them was applied, and gives by how much which cues count less.
func weigh(cues []found) map[cue]float64 {
	factors := map[cue]float64{}
	for _, r := range rules() {
		i := slices.IndexFunc(cues, func(f found) bool { return f.cue == r.where })
		if i < 0 || !cues[i].top || r.title && !cues[i].title {
			continue
		}
		for _, c := range r.less {
			if old, seen := factors[c]; !seen || r.factor < old {
				factors[c] = r.factor
			}
		}
	}
	for i := range cues {
		if f, lessened := factors[cues[i].cue]; lessened {
			cues[i].score *= f
		}
	}
	return factors
}

// headerSign tells what a header that is there speaks for.
type headerSign struct {
	name   string
	holds  string // in lower case; empty: anything
	kind   string
	weight float64
}

func headerTable() []headerSign {
	return []headerSign{
		{"List-Unsubscribe", "", Marketing, 0.5}, // alerts and digests carry it, too
		{"List-Unsubscribe-Post", "", Marketing, 0.2},
		{"Precedence", "bulk", Marketing, 0.4},
		{"Feedback-Id", "campaign", Marketing, 1.5},
		{"Feedback-Id", "marketing", Marketing, 1.5},
		{"Feedback-Id", "newsletter", Marketing, 1.5},
		{"Feedback-Id", "", Marketing, 0.3},
		{"X-Campaign", "", Marketing, 1.5},
		{"X-Campaign-Id", "", Marketing, 1.5},
		{"X-Campaignid", "", Marketing, 1.5},
		{"X-Campaign-Name", "", Marketing, 1.5},
		{"X-Mailchimp-Campaign", "", Marketing, 1.5},
		{"X-Mailgun-Campaign-Id", "", Marketing, 1.5},
		{"X-Mailgun-Tag", "newsletter", Marketing, 1.5},
		{"X-Mailgun-Tag", "campaign", Marketing, 1.5},
		{"X-Mc-User", "", Marketing, 1.2},
		{"X-Mcda", "", Marketing, 1},
		{"X-Sg-Campaign", "", Marketing, 1.2},
		{"X-Marketo", "", Marketing, 1.2},
		{"X-Marketo-Campaign", "", Marketing, 1.5},
		{"X-Hubspot-Campaign", "", Marketing, 1.5},
		{"X-Hs-Campaign", "", Marketing, 1.5},
		{"X-Hubspot", "", Marketing, 1},
		{"X-Cmail-Campaign", "", Marketing, 1.5},
		{"X-Klaviyo-Message-Id", "", Marketing, 1.2},
		{"X-Cio-Campaign", "", Marketing, 1.2},
		{"X-Sfmc-Stack", "", Marketing, 1},
		{"X-Newsletter", "", Marketing, 1.5},
		{"X-Mailer", "mailchimp", Marketing, 1.2},
		{"X-Mailer", "campaign", Marketing, 1.2},
		{"X-Mailer", "newsletter", Marketing, 1.5},
		{"X-Mailer", "sendinblue", Marketing, 0.8},
		{"X-Mailer", "brevo", Marketing, 0.8},
		{"X-Mailer", "mailjet", Marketing, 0.5},
		{"X-Mailer", "acymailing", Marketing, 1.2},
		{"X-Mailer", "phplist", Marketing, 1.2},
		{"List-Id", "newsletter", Marketing, 1.5},
		{"List-Id", "marketing", Marketing, 1.5},
		{"List-Id", "mcsv.net", Marketing, 1.5},
		{"X-Github-Reason", "", SubscribedAlerts, 3},
		{"X-Jira-Fingerprint", "", SubscribedAlerts, 1.5},
		{"X-Gitlab-Notificationreason", "", SubscribedAlerts, 3},
		{"X-Gitlab-Pipeline-Status", "failed", ErrorReports, 3},
		{"X-Pagerduty-Incident", "", ErrorReports, 2},
		{"X-Sentry-Project", "", ErrorReports, 2},
	}
}

func (m *Mail) headerSigns() []sign {
	var out []sign
	seen := map[string]bool{}
	for _, h := range headerTable() {
		if seen[h.name] || !m.header.Has(h.name) {
			continue
		}
		if h.holds != "" && !strings.Contains(strings.ToLower(cut(m.header.Get(h.name), 2000)), h.holds) {
			continue
		}
		seen[h.name] = true
		out = append(out, sign{h.kind, "header " + h.name, h.weight})
	}
	return out
}

func structureSigns(p page) []sign {
	sentences := 0
	for _, r := range p.text {
		switch r {
		case '.', '!', '?', '。', '！', '？':
			sentences++
		}
	}
	var out []sign
	if p.images >= 5 {
		out = append(out, sign{Marketing, "structure: many images", 0.4})
	}
	if p.links >= 5 && p.links > sentences {
		out = append(out, sign{Marketing, "structure: more links than sentences", 0.5})
	}
	if p.images >= 1 && p.links >= 1 && utf8.RuneCountInString(strings.TrimSpace(p.text)) < 60*p.images {
		out = append(out, sign{Marketing, "structure: images instead of text", 0.6})
	}
	return out
}

// answers is how the subject of an answer begins. Mailing lists and trackers answer, too.
var answers = regexp.MustCompile(`(?i)^\s*(?:re|aw|sv|res|rép|ré|rv|fw|fwd|wg|tr|enc)\s*(?:\[\d+\])?\s*[:：]`)

// namesIssue says whether a subject names an issue, by a key as trackers write it: capital letters, a dash, up to six digits.
func namesIssue(subject string) bool {
	for _, w := range strings.FieldsFunc(subject, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("[](){}:,;#/", r) }) {
		letters, digits, found := strings.Cut(w, "-")
		if !found || len(letters) < 2 || len(letters) > 10 || len(digits) < 1 || len(digits) > 6 {
			continue
		}
		if strings.Trim(letters, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" && strings.Trim(digits, "0123456789") == "" && letters != "INV" && letters != "COVID" {
			return true
		}
	}
	return false
}

// sums says how much speaks for each kind, in the order of Kinds: of its signs the strongest in full, the next ones less and less, so that many weak signs do
// not make a strong one; and its words. Of that, own is what the mail itself gives.
func (e evidence) sums(used map[string]usage) (totals, own, leaning [11]float64) {
	leaning = leanings(e, used)
	if f, lessened := e.lessened[offer]; lessened {
		i := slices.Index(Kinds(), Marketing)
		leaning[i] = min(leaning[i], f*leaning[i])
	}
	share := []float64{1, 0.65, 0.45, 0.3}
	for n, k := range Kinds() {
		i := 0
		for _, s := range e.signs {
			if s.kind == k {
				own[n] += s.score * share[min(i, len(share)-1)]
				i++
			}
		}
		totals[n] = own[n] + leaning[n]
		own[n] += wordsAlone * max(0, leaning[n])
	}
	return totals, own, leaning
}

// judge sums up.
func (e evidence) judge(used map[string]usage) Verdict {
	totals, own, leaning := e.sums(used)
	kind, best, next := Other, math.Inf(-1), math.Inf(-1)
	for n, k := range Kinds() {
		switch {
		case own[n] >= threshold && totals[n] > best:
			kind, best, next = k, totals[n], max(best, next)
		case totals[n] > next:
			next = totals[n]
		}
	}
	signs := slices.Clone(e.signs)
	words := "wording: words that mails of this kind use more than others (" + cmp.Or(e.lang, "en") + ")"
	for n, k := range Kinds() {
		if leaning[n] >= 0.5 && (k == kind || leaning[n] >= 0.6*leaning[slices.Index(Kinds(), kind)]) {
			signs = append(signs, sign{k, words, leaning[n]})
		}
	}
	v := Verdict{Kind: kind, Sure: best >= 4.5 && best >= 1.4*next}
	if math.IsInf(best, -1) {
		v.Signs = append(v.Signs, "nothing that tells a kind")
	}
	for _, s := range signs {
		if s.kind == v.Kind && len(v.Signs) < maxSigns {
			v.Signs = append(v.Signs, s.says)
		}
	}
	against := 0
	for _, s := range signs {
		if s.kind != v.Kind && s.score >= 1 && against < 4 && len(v.Signs) < maxSigns {
			v.Signs = append(v.Signs, "against, for "+s.kind+": "+s.says)
			against++
		}
	}
	return v
}

// bothEnds leaves out what is in the midst of a long text, a little less than shorten does.
func bothEnds(s string) string {
	const head, tail = 24 << 10, 6 << 10
	if len(s) <= head+tail {
		return s
	}
	return strings.ToValidUTF8(s[:head], "") + "\n" + strings.ToValidUTF8(s[len(s)-tail:], "")
}

// cut is the beginning of s, at most n bytes of it.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
