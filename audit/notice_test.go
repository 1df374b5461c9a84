package audit

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	oneDay = 24 * time.Hour
	noon   = Instant(20000) * Instant(oneDay)
)

func noticePolicy() *Policy { return DefaultPolicy() }

func theFinding() *Finding {
	return &Finding{ID: "F-1", Check: "purpose-prohibited", App: "a", Severity: Critical, Confidence: Certain, Status: Open, FirstRun: "R-1", NotifiedAt: Never, DueAt: Never}
}

// drafted is a notice about the finding that waits for approval.
func drafted() Notice {
	n := Draft("v", "Acme", FirstNotice, "R-2", noon)
	n, _ = n.Revise([]FindingRef{{"a", "F-1"}}, []string{"privacy@acme.example"}, []byte(`{}`), noon)
	n.Version = 1
	return n
}

func sentAt(t *testing.T, at Instant) Notice {
	t.Helper()
	n, _, err := drafted().Approve("cli:ann@host", "", "sha256:x", at)
	if err != nil {
		t.Fatal(err)
	}
	n, _, ok := n.Queue("R-2", "sha256:x", at)
	if !ok {
		t.Fatal("not queued")
	}
	n, _ = n.Sent(at)
	return n
}

func told(t *testing.T) Matter {
	t.Helper()
	p := noticePolicy()
	n, _ := sentAt(t, noon).Settled(noon.Add(oneDay), &p.Ladder)
	m, _ := (*Matter)(nil).Notify(&n, theFinding(), p)
	return m
}

func TestAnApprovalPinsRecipientsAndContent(t *testing.T) {
	n, trail, err := drafted().Approve("cli:ann@host", "fine", "sha256:x", noon)
	if err != nil || n.Delivery != NoticeApproved || trail[0].Who != "cli:ann@host" || trail[0].Finding != "F-1" || trail[0].Details["content"] != "sha256:x" {
		t.Fatalf("%+v, %v, %v", n, trail, err)
	}
	if _, _, err := n.Approve("cli:bob@host", "", "sha256:x", noon); err == nil {
		t.Error("it was approved twice")
	}
	for name, change := range map[string]func(Notice) Notice{
		"other recipients": func(n Notice) Notice {
			n, _ = n.Revise(n.About, []string{"other@acme.example"}, n.Content, noon)
			return n
		},
		"other content": func(n Notice) Notice { n, _ = n.Revise(n.About, n.Recipients, []byte(`{"a":1}`), noon); return n },
		"other template": func(n Notice) Notice {
			n, _, ok := n.Queue("R-2", "sha256:y", noon)
			if ok {
				t.Error("what was not approved was queued")
			}
			return n
		},
	} {
		if got := change(n); got.Delivery != NoticeDrafted || got.ApprovedBy != "" || got.Pinned != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	n, _, ok := n.Queue("R-2", "sha256:x", noon)
	if !ok {
		t.Fatal("what was approved was not queued")
	}
	if after, trail := n.Revise(nil, nil, nil, noon); after.Delivery != NoticeApproved || trail != nil {
		t.Error("what is on its way was changed")
	}
}

func TestNobodyToSendItTo(t *testing.T) {
	n, _ := drafted().Revise([]FindingRef{{"a", "F-1"}}, nil, []byte(`{}`), noon)
	var refused *NoticeError
	if _, _, err := n.Approve("cli:ann@host", "", "x", noon); n.Delivery != NoticeNoContact || !errors.As(err, &refused) || !strings.Contains(err.Error(), "registry") {
		t.Errorf("%s, %v", n.Delivery, err)
	}
}

func TestADeadlineRunsFromDelivery(t *testing.T) {
	p := noticePolicy()
	for severity, days := range map[Severity]int{Critical: 28, High: 42, Medium: 56, Low: 175} {
		n := sentAt(t, noon)
		if n, _ = n.Settled(noon.Add(oneDay-1), &p.Ladder); n.Delivery != NoticeSent {
			t.Error("delivered before a day has passed")
		}
		n, _ = n.Settled(noon.Add(3*oneDay), &p.Ladder) // looked at late
		f := theFinding()
		f.Severity = severity
		m, _ := (*Matter)(nil).Notify(&n, f, p)
		if want := noon.Add(oneDay); n.Delivery != NoticeDelivered || m.Notified != want || m.Due != want.Add(time.Duration(days)*oneDay) {
			t.Errorf("%s: %s, told %s, due %s", severity, n.Delivery, m.Notified, m.Due)
		}
	}
	n, _ := sentAt(t, noon).Bounced("5.1.1", noon.Add(time.Hour))
	if n, _ = n.Settled(noon.Add(3*oneDay), &p.Ladder); n.Delivery != NoticeBounced {
		t.Error("what bounced was delivered")
	}
	if n, _, err := n.Answered(noon.Add(2 * oneDay)); err != nil || n.Delivery != NoticeDelivered {
		t.Errorf("an answer shows that it arrived: %s, %v", n.Delivery, err)
	}
	if _, _, err := drafted().Answered(noon); err == nil {
		t.Error("what was not sent was answered")
	}
}

// The ladder, night by night, of a vendor that does not answer.
func TestLadder(t *testing.T) {
	p := noticePolicy()
	m, f := told(t), theFinding()
	got := map[int]Step{}
	for day := 1; day < 60; day++ {
		now := noon.Add(time.Duration(day) * oneDay)
		var due Step
		if m, due, _ = m.Advance(f, Nights{}, now, &p.Ladder); due == "" {
			continue
		}
		got[day] = due
		m = m.Did(due, fmt.Sprint("N-", day), now, &p.Ladder)
		if due == StepSecond {
			m.SecondAt = now.Add(oneDay)
		}
	}
	// Delivered on day 1, due on day 29. The task of day 29 is one of the matter itself.
	want := map[int]Step{15: StepRemind, 26: StepRemind, 29: StepOverdue, 36: StepSecond, 37: StepRecommend}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAfterALongPauseOneReminderIsEnough(t *testing.T) {
	p := noticePolicy()
	m, f := told(t), theFinding()
	now := m.Due.Add(-oneDay)
	m, due, _ := m.Advance(f, Nights{}, now, &p.Ladder)
	if due != StepRemind {
		t.Fatal(due)
	}
	m = m.Did(due, "", now, &p.Ladder)
	if _, due, _ = m.Advance(f, Nights{}, now, &p.Ladder); due != "" {
		t.Error("reminded twice")
	}
}

func TestReplies(t *testing.T) {
	const ann, bob = "cli:ann@host", "cli:bob@host" // ann approved
	start := noon.Add(2 * oneDay)
	type say struct {
		kind ReplyKind
		by   string
		day  int // after start
		days int // of an extension
	}
	for name, x := range map[string]struct {
		says   []say
		wrong  string // what the last of them is refused for
		answer VendorAnswer
		moved  int // days that the deadline moved
	}{
		"viewed":                           {[]say{{ReplyViewed, ann, 0, 0}}, "", Viewed, 0},
		"an extension":                     {[]say{{ReplyExtension, ann, 0, 0}, {GrantExtension, ann, 1, 28}}, "", Viewed, 28},
		"one that is too long":             {[]say{{ReplyExtension, ann, 0, 0}, {GrantExtension, ann, 1, 29}}, "1 to 28 days", ExtensionRequested, 0},
		"one that nobody asked for":        {[]say{{GrantExtension, ann, 1, 7}}, "nobody asked", NoAnswer, 0},
		"a second one":                     {[]say{{ReplyExtension, ann, 0, 0}, {GrantExtension, ann, 1, 7}, {ReplyExtension, ann, 2, 0}}, "one extension", Viewed, 7},
		"a refused one":                    {[]say{{ReplyExtension, ann, 0, 0}, {RefuseExtension, ann, 1, 0}}, "", Viewed, 0},
		"a dispute":                        {[]say{{ReplyDispute, ann, 0, 0}}, "", Disputed, 0},
		"two at once":                      {[]say{{ReplyDispute, ann, 0, 0}, {ReplyDispute, ann, 0, 0}}, "disputed already", Disputed, 0},
		"decided by who approved":          {[]say{{ReplyDispute, ann, 0, 0}, {RejectDispute, ann, 3, 0}}, "another person", Disputed, 0},
		"decided by who changed a name":    {[]say{{ReplyDispute, ann, 0, 0}, {RejectDispute, ann + " (Anna)", 3, 0}}, "another person", Disputed, 0},
		"decided by the console's link":    {[]say{{ReplyDispute, ann, 0, 0}, {RejectDispute, ByLink + " (joe)", 3, 0}}, "another person", Disputed, 0},
		"decided by whom a login knows":    {[]say{{ReplyDispute, ann, 0, 0}, {RejectDispute, "console:17 (joe)", 3, 0}}, "", Viewed, 3},
		"decided by nobody":                {[]say{{ReplyDispute, ann, 0, 0}, {AcceptDispute, ApprovedByPolicy, 3, 0}}, "a person decides", Disputed, 0},
		"rejected":                         {[]say{{ReplyDispute, ann, 0, 0}, {RejectDispute, bob, 3, 0}}, "", Viewed, 3},
		"rejected late":                    {[]say{{ReplyDispute, ann, 0, 0}, {RejectDispute, bob, 20, 0}}, "", Viewed, 14},
		"disputed again and again":         {[]say{{ReplyDispute, ann, 0, 0}, {RejectDispute, bob, 10, 0}, {ReplyDispute, ann, 10, 0}, {RejectDispute, bob, 22, 0}}, "", Viewed, 14},
		"accepted":                         {[]say{{ReplyDispute, ann, 0, 0}, {AcceptDispute, bob, 3, 0}}, "", Disputed, 3},
		"accepted, and there is no more":   {[]say{{ReplyDispute, ann, 0, 0}, {AcceptDispute, bob, 3, 0}, {ReplyFix, ann, 4, 0}}, "was accepted", Disputed, 3},
		"mended":                           {[]say{{ReplyFix, ann, 0, 0}}, "", FixClaimed, 0},
		"mended, and a dispute of another": {[]say{{ReplyDispute, ann, 0, 0}, {ReplyExtension, ann, 0, 0}}, "decide that first", Disputed, 0},
		"something else":                   {[]say{{"shrug", ann, 0, 0}}, "nobody can answer", NoAnswer, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := noticePolicy()
			m := told(t)
			due := m.Due
			for i, s := range x.says {
				after, _, err := m.Reply(Reply{Kind: s.kind, By: s.by, At: start.Add(time.Duration(s.day) * oneDay), For: time.Duration(s.days) * oneDay}, theFinding(), &p.Ladder)
				switch {
				case i == len(x.says)-1 && x.wrong != "":
					if err == nil || !strings.Contains(err.Error(), x.wrong) {
						t.Errorf("error %v, want …%s…", err, x.wrong)
					}
				case err != nil:
					t.Fatal(err)
				}
				m = after
			}
			if m.Answer != x.answer || m.Due != due.Add(time.Duration(x.moved)*oneDay) {
				t.Errorf("answer %s, the deadline moved by %s", m.Answer, time.Duration(m.Due-due))
			}
		})
	}
}

func TestACleanFixIsVerified(t *testing.T) {
	p := noticePolicy()
	m, _, err := told(t).Reply(Reply{Kind: ReplyFix, By: "cli:ann@host", At: noon.Add(2 * oneDay)}, theFinding(), &p.Ladder)
	if err != nil {
		t.Fatal(err)
	}
	f := theFinding()
	run := func(id string, day int, looked bool) Run {
		return Run{ID: id, AsOf: noon.Add(time.Duration(day) * oneDay), Status: Finished, Summary: RunSummary{Checks: []CheckResult{{ID: f.Check, Looked: looked}}}}
	}
	failed := run("R-6", 6, true)
	failed.Status = Failed
	runs := []Run{run("R-2", 2, true), run("R-3", 3, true), run("R-4", 4, false), run("R-5", 5, true), failed, run("R-7", 7, true)}
	if n := NightsSince(m.ClaimedAt, f, IsEvent, runs); n != (Nights{3, 3}) { // 3, 5, 7
		t.Errorf("%+v", n)
	}
	if n := NightsSince(m.ClaimedAt, f, IsState, runs); n != (Nights{3, 0}) {
		t.Errorf("of a state that holds, %+v", n)
	}
	f.Latest = Latest{Run: "R-5", Occurrences: 1}
	if n := NightsSince(m.ClaimedAt, f, IsEvent, runs); n != (Nights{3, 1}) {
		t.Errorf("since one that found more, %+v", n)
	}
	if after, _, _ := m.Advance(f, Nights{2, 2}, noon.Add(7*oneDay), &p.Ladder); after.Answer != FixClaimed {
		t.Error("verified too soon")
	}
	after, due, trail := m.Advance(f, Nights{3, 3}, m.Due.Add(30*oneDay), &p.Ladder)
	if after.Answer != Verified || due != "" || trail[0].What != "fix verified" {
		t.Errorf("%s, %s", after.Answer, due)
	}
	if _, due, _ := after.Advance(f, Nights{3, 3}, m.Due.Add(60*oneDay), &p.Ladder); due != "" {
		t.Errorf("of what is mended, %s", due)
	}
}

// night is what a matter is after a night, and what is due; what is due counts as done, and a second notice as delivered at once.
func (c Matter) night(f *Finding, nights Nights, now Instant, l *Ladder) (Matter, Step) {
	c, due, _ := c.Advance(f, nights, now, l)
	c = c.Did(due, "N-2", now, l)
	if due == StepSecond {
		c.SecondAt = now
	}
	return c, due
}

func must(t *testing.T) func(Matter, []TrailEntry, error) Matter {
	return func(m Matter, _ []TrailEntry, err error) Matter {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

// A fix that nights do not confirm holds up the ladder once only.
func TestAFixThatIsNoneHoldsUpTheLadderOnce(t *testing.T) {
	p, f := noticePolicy(), theFinding()
	m := told(t)
	late := m.Due.Add(p.Ladder.Second)
	m, _ = m.night(f, Nights{}, m.Due, &p.Ladder) // overdue
	claim := Reply{Kind: ReplyFix, By: "cli:ann@host", At: late}
	m = must(t)(m.Reply(claim, f, &p.Ladder))
	for looked := range p.Ladder.CleanNights {
		var due Step
		if m, due = m.night(f, Nights{Looked: looked}, late, &p.Ladder); due != "" || m.Answer != FixClaimed {
			t.Fatalf("after %d nights: %s, %s", looked, m.Answer, due)
		}
	}
	m, due := m.night(f, Nights{Looked: p.Ladder.CleanNights}, late, &p.Ladder)
	if m.Answer != Viewed || due != StepSecond {
		t.Errorf("it still holds: %s, %s", m.Answer, due)
	}
	m = must(t)(m.Reply(claim, f, &p.Ladder))
	if _, due = m.night(f, Nights{}, late, &p.Ladder); due != StepRecommend {
		t.Errorf("a second claim: %q", due)
	}
}

// What comes after a verified fix is held against the deadline, of which as much is left as when the fix was verified.
func TestAVerifiedFixThatDoesNotLast(t *testing.T) {
	p, f := noticePolicy(), theFinding()
	m := must(t)(told(t).Reply(Reply{Kind: ReplyFix, By: "cli:ann@host", At: noon.Add(2 * oneDay)}, f, &p.Ladder))
	f.Latest = Latest{Run: "R-1", Occurrences: 4}
	verified, left := noon.Add(6*oneDay), time.Duration(m.Due-noon.Add(6*oneDay))
	m, _ = m.night(f, Nights{3, 3}, verified, &p.Ladder)
	if m.Answer != Verified {
		t.Fatal(m.Answer)
	}
	f.Latest = Latest{Run: "R-90", Occurrences: 1}
	again := noon.Add(90 * oneDay)
	m, due := m.night(f, Nights{}, again, &p.Ladder)
	if m.Answer != Viewed || due != "" || m.Due != again.Add(left) {
		t.Errorf("%s, %q, due %s", m.Answer, due, m.Due)
	}
	var steps []Step
	for day := range 60 {
		if m, due = m.night(f, Nights{}, again.Add(time.Duration(day)*oneDay), &p.Ladder); due != "" {
			steps = append(steps, due)
		}
	}
	if want := []Step{StepRemind, StepRemind, StepOverdue, StepSecond, StepRecommend}; !slices.Equal(steps, want) {
		t.Errorf("%v", steps)
	}
}

// An accepted dispute ends the matter: its vendor is told of what comes after, and of nothing else; it is no notice that later ones repeat.
func TestAnAcceptedDisputeEndsTheMatter(t *testing.T) {
	p, f := noticePolicy(), theFinding()
	f.Latest = Latest{Run: "R-1", Occurrences: 4}
	m := must(t)(told(t).Reply(Reply{Kind: ReplyDispute, By: "cli:ann@host", At: noon.Add(2 * oneDay)}, f, &p.Ladder))
	m = must(t)(m.Reply(Reply{Kind: AcceptDispute, By: "cli:bob@host", At: noon.Add(3 * oneDay)}, f, &p.Ladder))
	x := Prospect{Finding: f, Matter: &m, Opened: noon, Night: noon.Add(9 * oneDay)}
	if err := x.Telling(&p.Ladder); m.ClosedAt != noon.Add(3*oneDay) || !errors.Is(err, ErrDisputed) {
		t.Errorf("closed at %s, %v", m.ClosedAt, err)
	}
	f.Latest = Latest{Run: "R-9", Occurrences: 1}
	if err := x.Telling(&p.Ladder); err != nil {
		t.Error(err)
	}
	n, _ := sentAt(t, noon.Add(9*oneDay)).Settled(noon.Add(10*oneDay), &p.Ladder)
	if again, _ := m.Notify(&n, f, p); again.ClosedAt != Never || again.DisputeAccepted || len(again.Rounds) != 0 {
		t.Errorf("%+v", again)
	}
}

// Whatever moves the deadline moves what follows it, a second notice before a granted extension too.
func TestALaterDeadlineComesFirst(t *testing.T) {
	p, f := noticePolicy(), theFinding()
	m := told(t)
	late := m.Due.Add(p.Ladder.Second)
	m, _ = m.night(f, Nights{}, m.Due, &p.Ladder)
	say := func(m Matter, kind ReplyKind, at Instant) Matter {
		t.Helper()
		return must(t)(m.Reply(Reply{Kind: kind, By: "cli:bob@host", At: at, For: 28 * oneDay}, f, &p.Ladder))
	}
	if _, due := say(m, ReplyExtension, late).night(f, Nights{}, late, &p.Ladder); due != "" {
		t.Errorf("while an extension waits for a decision: %s", due)
	}
	m, due := m.night(f, Nights{}, late, &p.Ladder)
	if due != StepSecond {
		t.Fatal(due)
	}
	m = say(say(m, ReplyExtension, late), GrantExtension, late)
	if m.SecondAt != Never || m.Wants(&Notice{ID: "N-2", Kind: SecondNotice}) {
		t.Errorf("second notice %q at %s", m.Second, m.SecondAt)
	}
	for day := range 28 {
		now := late.Add(time.Duration(day) * oneDay)
		if m, due = m.night(f, Nights{}, now, &p.Ladder); now < m.Due.Add(p.Ladder.Second) && (due == StepRecommend || due == StepSecond) {
			t.Errorf("due %s: %s at %s", m.Due, due, now)
		}
	}
	if m, due = m.night(f, Nights{}, late.Add(28*oneDay), &p.Ladder); due != StepSecond {
		t.Errorf("after the longer time: %q", due)
	}
}

// While nobody looks at a finding its deadline does not come nearer.
func TestTheClockStandsWhileAFindingIsQuiet(t *testing.T) {
	for _, status := range []Status{Suppressed, FalsePositive} {
		p, f := noticePolicy(), theFinding()
		m := told(t)
		left, from := 10*oneDay, m.Due.Add(-10*oneDay)
		f.Status = status
		for day := range 100 {
			if m, _ = m.night(f, Nights{}, from.Add(time.Duration(day)*oneDay), &p.Ladder); !m.Stands() {
				t.Fatal("the clock runs")
			}
		}
		f.Status = Open
		now := from.Add(100 * oneDay)
		m, due := m.night(f, Nights{}, now, &p.Ladder)
		if m.Due != now.Add(left) || m.Stopped != 0 || due != StepRemind {
			t.Errorf("%s: due %s, %q", status, m.Due, due)
		}
	}
}

func TestAFindingThatComesBackIsToldAnew(t *testing.T) {
	p := noticePolicy()
	m, f := told(t), theFinding()
	f.Status, f.Reason = Resolved, "mended"
	m, _, trail := m.Advance(f, Nights{}, noon.Add(5*oneDay), &p.Ladder)
	if m.ClosedAt == Never || len(trail) != 1 {
		t.Fatal("it goes on")
	}
	f.Status = Open
	n, _ := sentAt(t, noon.Add(9*oneDay)).Settled(noon.Add(10*oneDay), &p.Ladder)
	again, _ := m.Notify(&n, f, p)
	if again.Due != noon.Add(38*oneDay) || len(again.Rounds) != 1 || again.ClosedAt != Never {
		t.Errorf("%+v", again)
	}
	if n := again.Repeats([]Matter{again, {FindingRef: FindingRef{"a", "F-2"}, Check: again.Check, Notified: noon.Add(-400 * oneDay)}}, &p.Ladder); n != 1 {
		t.Errorf("%d repeats", n)
	}
}

func TestRecommend(t *testing.T) {
	l := DefaultLadder()
	for _, x := range []struct {
		severity          Severity
		repeats, accounts int
		want              string
	}{
		{Low, 0, 0, "warn"}, {Medium, 0, 10, "warn"}, {Medium, 1, 10, "block-new-installs"}, {High, 0, 999, "block-new-installs"}, {High, 0, 1000, "remove-from-allow-list"},
		{Critical, 0, 1, "remove-from-allow-list"}, {Critical, 1, 1, "delist"}, {Critical, 9, 9999, "delist"}, {Low, 2, 1000, "delist"},
	} {
		if got := Recommend(x.severity, x.repeats, x.accounts, &l); got != x.want {
			t.Errorf("%+v: %s", x, got)
		}
	}
}

func TestAbnormalNights(t *testing.T) {
	l := DefaultLadder()
	night := func(severe int) NightCount { return NightCount{Severe: severe} }
	nights := []NightCount{{Severe: 5000, Baseline: true}, night(50), night(51)}
	for range 30 {
		nights = append(nights, night(20))
	}
	nights = append(nights, night(100), night(101))
	if got := l.Judge(nights); len(got) != len(nights) {
		t.Errorf("%d nights were judged", len(got))
	}
	var got []int
	for i, n := range nights {
		if n.Abnormal() {
			got = append(got, i)
		}
	}
	// 50 is the least limit, but once the median of 30 nights is 20, it is 100; 5 times 50 after one night of 50.
	if want := []int{len(nights) - 1}; !slices.Equal(got, want) || nights[2].Verdict.Limit != 250 || nights[1].Verdict.Limit != 50 {
		t.Errorf("abnormal: %v, want %v", got, want)
	}
}

// A run is judged after those before it; so is, once, what an older mailreeve left unjudged, and nothing else is judged again.
func TestARunIsJudgedOnce(t *testing.T) {
	l := DefaultLadder()
	severe := func(n int) (list []Change) {
		for range n {
			list = append(list, Change{What: IsNew, Finding: Finding{Severity: High}})
		}
		return append(list, Change{What: IsNew, Finding: Finding{Severity: Medium}}, Change{What: IsReopened, Finding: Finding{Severity: Critical}})
	}
	before := []NightCount{{Run: "R-1", Severe: 40, Verdict: &Verdict{Limit: 3, Abnormal: true}}, {Run: "R-2", Severe: 60}}
	night, judged := l.JudgeRun(before, &Run{ID: "R-3", AsOf: noon}, severe(201))
	want := []NightCount{{Run: "R-2", Severe: 60, Verdict: &Verdict{Limit: 200}}, {Run: "R-3", AsOf: noon, Severe: 201, Verdict: &Verdict{Limit: 200, Abnormal: true}}}
	if !reflect.DeepEqual(judged, want) || !reflect.DeepEqual(night, want[1]) || !night.Holds() {
		t.Errorf("%+v", judged)
	}
	if before[1].Verdict != nil {
		t.Error("it changed what it was given")
	}
	if night, _ := l.JudgeRun(nil, &Run{ID: "R-1", Baseline: true}, severe(5000)); night.Holds() || night.Severe != 5000 {
		t.Errorf("a baseline: %+v", night)
	}
}

func TestWhoIsTold(t *testing.T) {
	l := DefaultLadder()
	fine := func() *Prospect { return &Prospect{Finding: theFinding(), Opened: noon, Night: noon.Add(oneDay)} }
	for name, x := range map[string]struct {
		change func(*Prospect)
		want   error
	}{
		"all is well":               {func(*Prospect) {}, nil},
		"a moment too new":          {func(x *Prospect) { x.Night-- }, ErrFresh},
		"possible":                  {func(x *Prospect) { x.Finding.Confidence, x.Commented = Possible, true }, ErrPossible},
		"likely":                    {func(x *Prospect) { x.Finding.Confidence = Likely }, ErrNoComment},
		"likely, with a comment":    {func(x *Prospect) { x.Finding.Confidence, x.Commented = Likely, true }, nil},
		"of a first run":            {func(x *Prospect) { x.Baseline = true }, ErrBaseline},
		"resolved":                  {func(x *Prospect) { x.Finding.Status = Resolved }, ErrNotOpen},
		"suppressed":                {func(x *Prospect) { x.Finding.Status = Suppressed }, ErrNotOpen},
		"acknowledged":              {func(x *Prospect) { x.Finding.Status = Acknowledged }, nil},
		"no app":                    {func(x *Prospect) { x.Finding.App = "" }, ErrNoApp},
		"told":                      {func(x *Prospect) { x.Matter = &Matter{ClosedAt: Never} }, ErrTold},
		"told before it came back":  {func(x *Prospect) { x.Matter = &Matter{ClosedAt: noon} }, nil},
		"waits for the platform":    {func(x *Prospect) { x.Finding.Check, x.Waited = "access-unapproved", 30*oneDay+1 }, ErrOwnQueue},
		"waits not so long":         {func(x *Prospect) { x.Finding.Check, x.Waited = "access-unapproved", 30*oneDay }, nil},
		"waits, and does other ill": {func(x *Prospect) { x.Waited = 90 * oneDay }, nil},
	} {
		p := fine()
		x.change(p)
		if got := p.Telling(&l); !errors.Is(got, x.want) {
			t.Errorf("%s: %v, want %v", name, got, x.want)
		}
	}
}

// Whatever happens in whatever order: nothing is escalated without delivery, nothing is sent about a finding that is gone, and deadlines never move back.
func TestLifeOfANotice(t *testing.T) {
	p := noticePolicy()
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		n, f, now := drafted(), theFinding(), noon
		var m *Matter
		queues := 0
		if rapid.Bool().Draw(t, "told") { // else few would come far
			n, queues, now = sentAt(outer, noon), 1, noon.Add(oneDay)
			n, _ = n.Settled(now, &p.Ladder)
			x, _ := m.Notify(&n, f, p)
			m = &x
		}
		ever := map[Step]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(24, 12*24).Draw(t, "hours")) * time.Hour)
			due := Ever
			if m != nil && m.ClosedAt == Never {
				due = m.Due
			}
			switch rapid.SampledFrom([]string{"approve", "revise", "queue", "sent", "bounce", "settle", "reply", "advance", "advance", "advance", "advance", "advance", "advance", "advance", "advance", "advance", "advance", "advance", "status", "more"}).Draw(t, "event") {
			case "approve":
				n, _, _ = n.Approve("cli:ann@host", "", string(n.Content), now) // refused where it does not fit
			case "revise":
				about := []FindingRef{{"a", "F-1"}}
				if !IsOpen(f.Status) {
					about = nil
				}
				n, _ = n.Revise(about, []string{"x@acme.example"}[:rapid.IntRange(0, 1).Draw(t, "contacts")], []byte(fmt.Sprint(now)), now)
			case "queue":
				if !IsOpen(f.Status) {
					break // the store holds it against the finding
				}
				approved := n.Delivery == NoticeApproved
				var ok bool
				if n, _, ok = n.Queue("R-9", string(n.Content), now); ok {
					queues++
					if !approved {
						t.Fatal("queued without approval")
					}
				}
			case "sent":
				n, _ = n.Sent(now)
			case "bounce":
				n, _ = n.Bounced("5.1.1", now)
				if m != nil && n.Delivery == NoticeBounced {
					after, _, _ := m.Undelivered(n.ID, now)
					m = &after
				}
			case "settle":
				was := n.Delivery
				if n, _ = n.Settled(now, &p.Ladder); n.Delivery != was && IsOpen(f.Status) {
					after, _ := m.Notify(&n, f, p)
					m = &after
				}
			case "reply":
				r := Reply{Kind: rapid.SampledFrom(ReplyKinds()).Draw(t, "kind"), By: rapid.SampledFrom([]string{"cli:ann@host", "cli:bob@host"}).Draw(t, "by"), At: now,
					For: time.Duration(rapid.IntRange(0, 40).Draw(t, "days")) * oneDay}
				if r.Kind.ByVendor() {
					was := n.Delivery
					after, _, err := n.Answered(now)
					if err != nil {
						break
					}
					if n = after; was != NoticeDelivered && IsOpen(f.Status) {
						x, _ := m.Notify(&n, f, p)
						m = &x
					}
				}
				if m != nil {
					if x, _, err := m.Reply(r, f, &p.Ladder); err == nil {
						m = &x
					}
				}
			case "advance":
				if m == nil {
					break
				}
				nights := Nights{Looked: rapid.IntRange(0, 4).Draw(t, "looked")}
				nights.Clean = rapid.IntRange(0, nights.Looked).Draw(t, "clean")
				wasQuiet := m.Quiet
				x, step, _ := m.Advance(f, nights, now, &p.Ladder)
				if wasQuiet && (step == StepSecond || step == StepRecommend) && now >= x.Due && !m.Overdue {
					t.Fatalf("%s, and the clock stood until now", step)
				}
				if step != "" {
					switch {
					case n.Delivery != NoticeDelivered:
						t.Fatalf("%s, and the notice is %s", step, n.Delivery)
					case !IsOpen(f.Status):
						t.Fatalf("%s about a finding that is %s", step, f.Status)
					case step == StepRecommend && x.SecondAt == Never:
						t.Fatal("recommended before the second notice was delivered")
					case (step == StepSecond || step == StepRecommend) && now < x.Due.Add(p.Ladder.Second):
						t.Fatalf("%s too soon", step)
					case (step == StepSecond || step == StepRecommend) && (x.ExtensionAsked || x.Answer == FixClaimed && !x.Refuted):
						t.Fatalf("%s, and the vendor awaits something", step)
					case x.Answer == Verified || x.DisputeAccepted || x.Stands():
						t.Fatalf("%s, and it is %s", step, x.Answer)
					case ever[step] && step == StepSecond && x.Second != "":
						t.Fatal("a second second notice")
					}
					ever[step] = true
				}
				x = x.Did(step, "N-2", now, &p.Ladder)
				if step == StepSecond && rapid.Bool().Draw(t, "arrives") {
					x.SecondAt = now
				}
				m = &x
				switch {
				case m.ClosedAt != Never:
				case !IsOpen(f.Status) && !m.Stands():
					t.Fatalf("the clock runs while the finding is %s", f.Status)
				case m.Answer == Verified && m.Fresh(f):
					t.Fatal("a fix is verified, and more was found since")
				}
			case "more":
				f.Latest = Latest{Run: fmt.Sprint("R-", now), Occurrences: 1}
			case "status":
				f.Status = rapid.SampledFrom(Statuses()).Draw(t, "status")
			}
			switch {
			case queues > 1:
				t.Fatal("queued twice")
			case m != nil && due != Ever && m.ClosedAt == Never && m.Due < due:
				t.Fatalf("the deadline moved from %s back to %s", due, m.Due)
			case m != nil && m.Stopped > p.Ladder.DisputeMax:
				t.Fatalf("the clock stood for %s", m.Stopped)
			case m != nil && m.Extended > p.Ladder.ExtensionMax:
				t.Fatalf("extended by %s", m.Extended)
			case m != nil && m.DisputeAccepted && m.ClosedAt == Never:
				t.Fatal("its dispute was accepted, and it goes on")
			}
		}
	})
}

// What the policy's four_eyes names takes two people, whoever proposed it.
func TestFourEyes(t *testing.T) {
	p := DefaultPolicy()
	p.FourEyes = []string{"delist"}
	decide := func(f Finding, by, act string) (Finding, error) {
		done, err := Deed{Kind: DoDecide, By: by, At: noon, Act: act, Policy: p}.Do(f, nil)
		if err != nil {
			return f, err
		}
		return done.Finding, nil
	}
	f := *theFinding()
	f.Recommendation = &Recommendation{Act: "delist", ProposedBy: ByNight, ProposedAt: noon, DecidedAt: Never}
	if g, err := decide(f, "cli:ann@host", "warn"); err != nil || g.Recommendation.Decision != "warn" {
		t.Errorf("what four_eyes does not name: %+v, %v", g.Recommendation, err)
	}
	f, err := decide(f, "cli:ann@host", "")
	if err != nil || f.Recommendation.DecidedBy != "" || f.Recommendation.ProposedBy != "cli:ann@host" {
		t.Fatalf("%+v, %v", f.Recommendation, err)
	}
	if _, err := decide(f, "cli:ann@host", ""); err == nil || !strings.Contains(err.Error(), "another person") {
		t.Errorf("one person decided twice: %v", err)
	}
	for who, why := range map[string]string{"cli:bob@host": "vouches", "console:link (bob)": "another person"} { // who comes by the link can be ann
		if _, err := decide(f, who, ""); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s, for whom nobody vouches, was the second: %v", who, err)
		}
	}
	if _, err := decide(f, ByToken("bot", "console:17 (bob)"), "warn"); err == nil || !strings.Contains(err.Error(), "a person decides") {
		t.Errorf("a program decided: %v", err)
	}
	g := f
	g.Recommendation = &Recommendation{Act: "delist", ProposedBy: ByToken("bot", "cli:ann@host"), ProposedAt: noon, DecidedAt: Never}
	if g, err := decide(g, "console:17 (bob)", ""); err != nil || g.Recommendation.DecidedBy != "" || g.Recommendation.ProposedBy != "console:17 (bob)" {
		t.Errorf("a program was the first of two people: %+v, %v", g.Recommendation, err)
	}
	g.Recommendation = &Recommendation{Act: "delist", ProposedBy: "console:17 (bob)", ProposedAt: noon, DecidedAt: Never}
	if _, err := decide(g, "console:17 (rob)", ""); err == nil || !strings.Contains(err.Error(), "another person") {
		t.Errorf("who changes their name is another: %v", err)
	}
	if f, err = decide(f, "console:17 (bob)", ""); err != nil || f.Recommendation.Decision != "delist" || f.Recommendation.DecidedBy != "console:17 (bob)" {
		t.Errorf("%+v, %v", f.Recommendation, err)
	}
}

func TestSamePerson(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"cli:ann@host", "cli:ann@host", true},
		{"cli:ann@host", "cli:bob@host", false},
		{"cli:ann@mailreeve-7f9c", "cli:ann@mailreeve-b1d2", true}, // the same in the next container
		{"cli:ann@corp@host", "cli:bob@corp@host", false},
		{"cli:ann@corp@host", "cli:ann@corp@other", true},
		{"cli:joe@host", "console:link (joe)", true},
		{"cli:joe@host", "console:link (ann)", true}, // whose name nobody vouches for
		{"console:link (joe)", "console:link (ann)", true},
		{ByToken("bot", "cli:joe@host"), "console:link (joe)", true},
		{"console:ann@corp (ann)", "console:ann@other (ann)", false}, // subjects of a provider are whole
		{"cli:joe@host", "console:linker (joe)", false},
		{"console:17 (bob)", "console:17 (rob)", true},
		{"console:17 (bob)", "console:18 (bob)", false},
		{ByToken("bot", "cli:ann@host"), "cli:ann@host", true},
		{ByToken("bot", "cli:ann@host"), "cli:bob@host", false},
		{ByToken("bot", "console:17 (bob)"), "console:17 (rob)", true},
		{"console:17 (made by cli:ann@host)", "cli:ann@host", false}, // what people call themselves
	} {
		if SamePerson(tt.a, tt.b) != tt.want || SamePerson(tt.b, tt.a) != tt.want {
			t.Errorf("%s and %s are one: %t, want %t", tt.a, tt.b, !tt.want, tt.want)
		}
	}
}

func TestVendorKey(t *testing.T) {
	t.Parallel()
	seen := map[string]Vendor{}
	for _, v := range []Vendor{{ID: "v1"}, {Name: "V1"}, {ID: "name:v1"}, {ID: "app:a"}, {ID: "id:app:a"}, {}} {
		key := VendorKey("a", v)
		if was, ok := seen[key]; ok {
			t.Errorf("%+v and %+v are both %q", was, v, key)
		}
		seen[key] = v
	}
	if got := VendorKey("a", Vendor{ID: "v1", Name: "Other"}); got != "v1" {
		t.Errorf("%q", got)
	}
}
