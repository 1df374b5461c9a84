package notices_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/email"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	day   = 24 * time.Hour
	app   = "com.acme.mailer"
	ann   = "cli:ann@host"
	bob   = "cli:bob@host"
	start = audit.Instant(20000) * audit.Instant(day)
)

// An office is a desk, with nights that the test makes, and a clock that it sets.
type office struct {
	*notices.Desk
	t       *testing.T
	now     audit.Instant
	bounces []email.Bounce
	news    []notifier.News
	mails   []audit.Message // that were taken from the outbox
	refused []email.Refusal // recipients whom the mail server does not take
	seen    int64           // of the trail
}

func newOffice(t *testing.T) *office {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg := &config.Config{Policy: audit.DefaultPolicy(), Notices: config.Notices{SMTP: "smtp://localhost:1025", From: "compliance@platform.example", FormURL: "https://platform.example/form"}}
	o := &office{t: t, now: start}
	o.Desk = notices.New(s, cfg, func() time.Time { return o.now.Time() }, slog.New(slog.DiscardHandler))
	o.Bounces = func(_ context.Context, each func(email.Bounce) error) error {
		for _, b := range o.bounces {
			if err := each(b); err != nil {
				return err
			}
		}
		o.bounces = nil
		return nil
	}
	o.Compose = func(n notifier.News) ([]audit.Message, error) { o.news = append(o.news, n); return nil, nil }
	return o
}

// Tasks are the desk's, which are the same where all findings are looked at.
func (o *office) Tasks(ctx context.Context) ([]notices.Task, error) {
	o.t.Helper()
	list, err := o.Desk.Tasks(ctx)
	o.must(err)
	all, err := o.TasksOfAll(ctx)
	for _, l := range [][]notices.Task{list, all} {
		for i := range l {
			if f := l[i].Finding; f != nil {
				lean := *f
				lean.Evidence = nil
				l[i].Finding = &lean
			}
		}
	}
	if diff := cmp.Diff(all, list); diff != "" {
		o.t.Errorf("tasks, where all is looked at and where not: %s", diff)
	}
	return list, err
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// finding is one as a night files it.
func finding(check, app, subject string) audit.Finding {
	return audit.Finding{ID: audit.FindingID(check, app, subject), Check: check, App: app, Subject: subject, AppName: "Acme Mailer", Vendor: "Acme", Clause: "P6",
		Severity: audit.Critical, Confidence: audit.Certain, Status: audit.Open, Title: "A title", Explanation: "97 accounts on 3 sites. joe@customer.example did it.",
		Remediation: "Stop it.", FirstSeen: start, LastSeen: start.Add(time.Hour), Occurrences: 4, Accounts: 2, Sites: 1, NotifiedAt: audit.Never, DueAt: audit.Never,
		Evidence: []audit.Evidence{{At: start, Site: "site-a", Account: "5b10a2844c20165700ede21f", Detail: "5b10a2844c20165700ede21f was retrieved"}}}
}

func acme(key string, contacts ...string) *audit.App {
	return &audit.App{Key: key, Name: "Acme Mailer", Vendor: audit.Vendor{ID: "v-1", Name: "Acme", Email: "privacy@acme.example", Contacts: contacts}}
}

// night publishes a run that files findings and reads registry entries, and then lets the desk do its work.
func (o *office) night(baseline bool, registry []*audit.App, list ...audit.Finding) string {
	o.t.Helper()
	ctx := o.t.Context()
	lease, err := o.Store.Lock(ctx, true)
	o.must(err)
	run := &audit.Run{AsOf: o.now, ScheduledAt: audit.Never, StartedAt: o.now, FinishedAt: audit.Never, By: "test", Baseline: baseline}
	n := o.Store.Night(lease)
	o.must(n.Begin(ctx, run))
	run.FinishedAt = o.now
	run.Summary = audit.RunSummary{Checks: []audit.CheckResult{{ID: "purpose-prohibited", Looked: true}}}
	p := &audit.Publication{Run: run, Purged: audit.StateDay}
	updates := map[string]*audit.AppUpdate{}
	of := func(key string) *audit.AppUpdate {
		if updates[key] == nil {
			updates[key] = &audit.AppUpdate{Key: key, StatesAt: audit.Never}
		}
		return updates[key]
	}
	for _, a := range registry {
		u := of(a.Key)
		u.Version = &audit.AppVersion{From: o.now, App: a}
		u.SetApprovals, u.Approvals = true, a.Approvals
	}
	var changes []audit.Change
	for _, f := range list {
		known, err := o.Store.Finding(ctx, f.ID)
		if err == nil {
			f.FirstRun, f.NotifiedAt, f.DueAt, f.Recommendation = known.FirstRun, known.NotifiedAt, known.DueAt, known.Recommendation
			if !audit.IsOpen(known.Status) && audit.IsOpen(f.Status) {
				of(f.App).Trail = append(of(f.App).Trail, audit.TrailEntry{At: o.now, Who: audit.ByNight, What: audit.TrailReopened, Finding: f.ID})
			}
		} else {
			f.FirstRun = run.ID
			changes = append(changes, audit.Change{Finding: f, What: audit.IsNew})
		}
		f.LastRun, f.Latest = run.ID, audit.Latest{Run: run.ID, Occurrences: 1}
		u := of(f.App)
		u.Findings = append(u.Findings, f)
	}
	for key, u := range updates {
		if _, _, err := n.FindingsOf(ctx, key); err != nil {
			o.t.Fatal(err)
		}
		p.Apps = append(p.Apps, *u)
	}
	slices.SortFunc(p.Apps, func(a, b audit.AppUpdate) int { return strings.Compare(a.Key, b.Key) })
	before, err := n.NightCounts(ctx)
	o.must(err)
	_, p.Judged = o.Policy.Ladder.JudgeRun(before, run, changes)
	o.must(n.Publish(ctx, p))
	o.must(lease.Release())
	o.must(o.Night(ctx))
	return run.ID
}

// deliver is the outbox: it gives what waits to the mail server, now.
func (o *office) deliver() {
	o.t.Helper()
	waiting, err := o.Store.Pending(o.t.Context())
	o.must(err)
	for _, m := range waiting {
		claim, err := o.Store.Take(o.t.Context(), m.Sink, m.Lane, "test", o.now, o.now.Add(time.Minute))
		o.must(err)
		o.must(o.Store.Delivered(o.t.Context(), claim, o.receipt(), o.now, o.now))
		o.mails = append(o.mails, m)
	}
	o.must(o.Advance(o.t.Context()))
}

func (o *office) receipt() string {
	r, err := json.Marshal(email.Receipt{Refused: o.refused})
	o.must(err)
	return string(r)
}

func (o *office) only() audit.Notice {
	o.t.Helper()
	list, err := o.Store.Notices(o.t.Context(), store.NoticeFilter{})
	o.must(err)
	if len(list) != 1 {
		o.t.Fatalf("%d notices: %+v", len(list), list)
	}
	return list[0]
}

func (o *office) approve(id string) {
	o.t.Helper()
	_, err := o.Approve(o.t.Context(), id, notices.Approval{By: ann, Reason: "fine"})
	o.must(err)
	o.must(o.Queue(o.t.Context()))
}

// later are the trail's entries since the last look, without what nights always write.
func (o *office) later() (lines []string) {
	o.t.Helper()
	list, err := o.Store.Trail(o.t.Context(), store.TrailFilter{After: o.seen})
	o.must(err)
	for _, e := range list {
		o.seen = e.Seq
		about := e.Finding
		if n, ok := e.Details["notice"]; ok {
			about += fmt.Sprint(" ", n)
		}
		if kind, ok := e.Details["kind"]; ok {
			about += fmt.Sprint(" ", kind)
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s: %s %s %s", e.Who, e.What, about, e.Why)))
	}
	return lines
}

// TestSixtyNights goes night by night through what a vendor is told that never answers.
func TestSixtyNights(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	bad := finding("purpose-prohibited", app, "marketing")
	var b strings.Builder
	for night := range 61 {
		o.now = start.Add(time.Duration(night) * day)
		switch night {
		case 0:
			o.night(true, []*audit.App{acme(app)}, finding("purpose-undeclared", app, "none"))
		case 2:
			o.night(false, nil, bad)
		default:
			o.night(false, nil)
		}
		list, err := o.Store.Notices(t.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeDrafted}})
		o.must(err)
		o.now = o.now.Add(time.Hour)
		for _, n := range list {
			o.approve(n.ID)
		}
		o.deliver()
		for _, l := range o.later() {
			fmt.Fprintf(&b, "night %2d  %s\n", night, l)
		}
	}
	f, err := o.Store.Finding(t.Context(), bad.ID)
	o.must(err)
	fmt.Fprintf(&b, "told %s, due %s, recommended %s by %s\n", f.NotifiedAt, f.DueAt, f.Recommendation.Act, f.Recommendation.ProposedBy)
	for _, m := range o.mails {
		fmt.Fprintf(&b, "mail %s\n", m.Key)
	}
	golden(t, "testdata/sixty-nights.txt", b.String())
	if n := len(o.news); n != len(o.mails) || o.news[0].Notices[0].Delivery != audit.NoticeSent {
		t.Errorf("%d notices were told of, %d were sent", n, len(o.mails))
	}
	var whole strings.Builder
	for _, m := range o.mails {
		whole.Write(m.Body)
	}
	for _, secret := range []string{"5b10a2844c20165700ede21f", "joe@customer.example"} {
		if strings.Contains(whole.String(), secret) {
			t.Errorf("a mail holds %s", secret)
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

// filed is an office in which a finding is old enough to be told.
func filed(t *testing.T, list ...audit.Finding) *office {
	t.Helper()
	o := newOffice(t)
	o.night(true, []*audit.App{acme(app)})
	o.now = o.now.Add(day)
	o.night(false, nil, list...)
	if list, err := o.Store.Notices(t.Context(), store.NoticeFilter{}); err != nil || len(list) != 0 {
		t.Fatalf("drafted on the night that filed it: %v, %v", list, err)
	}
	o.now = o.now.Add(day)
	o.night(false, nil)
	return o
}

func TestANoticeHoldsAllThatIsNew(t *testing.T) {
	t.Parallel()
	exposed := finding("ui-exposure", app, "html")
	exposed.Clause = "P8"
	scope := finding("scope-unapproved", app, "READ")
	scope.Severity = audit.Medium
	scope.Evidence = []audit.Evidence{{Detail: "no approval in force"}}
	o := filed(t, scope, finding("purpose-prohibited", app, "marketing"))
	first := o.only()
	o.now = o.now.Add(day)
	o.night(false, []*audit.App{acme(app, "Legal <legal@acme.example>", "PRIVACY@acme.example", "no address")}, exposed)
	o.now = o.now.Add(day)
	o.night(false, nil)
	n := o.only()
	if n.ID != first.ID || len(n.About) != 3 || !slices.Equal(n.Recipients, []string{"legal@acme.example", "PRIVACY@acme.example"}) {
		t.Fatalf("%+v", n)
	}
	var c notifier.Notice
	o.must(json.Unmarshal(n.Content, &c))
	if len(c.Asks) != 4 || c.AnswerHours != 24 || c.Findings[2].FormURL != "https://platform.example/form" || c.Findings[0].FormURL != "" || c.Findings[2].DueDays != 56 ||
		c.Findings[2].Evidence[0].At != scope.FirstSeen.Time() || c.Answer.URL != "" || c.Answer.ReplyTo != "compliance@platform.example" {
		t.Errorf("%+v", c)
	}
	if strings.Contains(string(n.Content), "customer.example") || strings.Contains(string(n.Content), "5b10a") {
		t.Error("it holds what is not the vendor's to know")
	}
	m, err := o.Preview(&n)
	o.must(err)
	if !strings.Contains(m.Text, exposed.ID) {
		t.Error(m.Text)
	}
}

func TestOneNoticeAVendorAndNight(t *testing.T) {
	t.Parallel()
	o := filed(t, finding("purpose-prohibited", app, "marketing"))
	o.approve(o.only().ID)
	o.now = o.now.Add(time.Hour)
	o.deliver()
	o.must(o.Night(t.Context())) // again, the same night
	o.only()
	o.now = o.now.Add(day)
	o.night(false, nil, finding("purpose-prohibited", app, "training-onboarding"))
	o.now = o.now.Add(day)
	o.night(false, nil)
	list, err := o.Store.Notices(t.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeDrafted}})
	o.must(err)
	if len(list) != 1 || len(list[0].About) != 1 {
		t.Errorf("%+v", list)
	}
	o.deliver()
	if len(o.mails) != 1 {
		t.Errorf("%d mails", len(o.mails))
	}
}

func TestNothingIsSentOfWhatWasTakenBack(t *testing.T) {
	t.Parallel()
	bad := finding("purpose-prohibited", app, "marketing")
	for _, when := range []string{"before approval", "after approval"} {
		o := filed(t, bad)
		id := o.only().ID
		if when == "after approval" {
			_, err := o.Approve(t.Context(), id, notices.Approval{By: ann})
			o.must(err)
		}
		gone := bad
		gone.Status, gone.Reason = audit.Resolved, "withdrawn"
		o.now = o.now.Add(day)
		o.night(false, nil, gone)
		o.must(o.Queue(t.Context()))
		o.deliver()
		if n := o.only(); n.Delivery != audit.NoticeWithdrawn || len(o.mails) != 0 {
			t.Errorf("%s: it is %s, and %d mails were sent", when, n.Delivery, len(o.mails))
		}
	}
}

// Who names the digest of what was looked at approves that, and nothing else.
func TestApprovalOfWhatWasSeen(t *testing.T) {
	t.Parallel()
	o := filed(t, finding("purpose-prohibited", app, "marketing"))
	o.PageURL = "https://vendors.platform.example"
	o.must(o.Night(t.Context()))
	first := o.only()
	var nothing *audit.NoticeError
	if _, err := o.RevokeLinks(t.Context(), first.ID, ann, "a test"); !errors.As(err, &nothing) || !strings.Contains(err.Error(), "never written to") {
		t.Errorf("a vendor without a link: %v", err)
	}
	seen, err := o.Digest(&first)
	o.must(err)
	o.now = o.now.Add(day)
	o.night(false, nil, finding("purpose-prohibited", app, "training-onboarding"))
	o.now = o.now.Add(day)
	o.night(false, nil)
	n := o.only()
	now, err := o.Digest(&n)
	o.must(err)
	if _, err := o.Approve(t.Context(), n.ID, notices.Approval{By: ann, Digest: seen}); err == nil || !strings.Contains(err.Error(), now) {
		t.Fatalf("%v", err)
	}
	if n := o.only(); n.Delivery != audit.NoticeDrafted {
		t.Errorf("it is %s", n.Delivery)
	}
	o.now = o.now.Add(time.Hour) // the mail is dated later, its link is another: that is not what a person judges
	approved, err := o.Approve(t.Context(), n.ID, notices.Approval{By: ann, Digest: now})
	o.must(err)
	if approved.Pinned != now || string(approved.Content) == string(n.Content) {
		t.Errorf("%s was approved, %s was seen", approved.Pinned, now)
	}
	o.must(o.Queue(t.Context()))
	if _, err := o.RevokeLinks(t.Context(), n.ID, ann, "a test"); err != nil {
		t.Error(err)
	}
	o.deliver()
	if len(o.mails) != 1 {
		t.Fatalf("%d mails", len(o.mails))
	}
	// The link is in the mail, and in nothing that is kept of the notice.
	sent := o.only()
	preview, err := o.Preview(&sent)
	o.must(err)
	var mail email.Mail
	o.must(json.Unmarshal(o.mails[0].Body, &mail))
	const link = "https://vendors.platform.example/v/"
	if strings.Contains(string(sent.Content)+preview.Text, link) || !strings.Contains(preview.Text, o.PageURL) || !strings.Contains(mail.Text, link) || !strings.Contains(string(mail.JSON), link) {
		t.Errorf("kept: %s\npreview: %s\nmail: %s", sent.Content, preview.Text, mail.Text)
	}
}

// An incident's questions that nobody answers in a day are a task for a person, once, until somebody answers.
func TestAnIncidentThatNobodyAnswers(t *testing.T) {
	t.Parallel()
	exposed, shared, other := finding("ui-exposure", app, "html"), finding("third-party-sharing", app, "x.example"), finding("purpose-prohibited", app, "marketing")
	o := filed(t, exposed, shared, other)
	n := o.only()
	o.approve(n.ID)
	o.deliver()
	asked := o.now
	tasks := func() (list []notices.Task) {
		all, err := o.Tasks(t.Context())
		o.must(err)
		return slices.DeleteFunc(all, func(x notices.Task) bool { return x.What != "incident" })
	}
	_, err := o.Reply(t.Context(), n.ID, "", audit.Reply{Kind: audit.ReplyViewed, By: bob})
	o.must(err)
	o.now = asked.Add(day - 1)
	if got := tasks(); len(got) != 0 {
		t.Errorf("before the day is over: %+v", got)
	}
	for range 3 {
		o.now = o.now.Add(day)
		o.night(false, nil)
	}
	if got := tasks(); len(got) != 1 || got[0].About != n.ID || got[0].Since != asked.Add(day) {
		t.Errorf("%+v", got)
	}
	list, err := o.Store.Trail(t.Context(), store.TrailFilter{What: "incident unanswered"})
	o.must(err)
	if len(list) != 2 {
		t.Errorf("%d entries in the trail, for two findings that are incidents", len(list))
	}
	done, err := o.Reply(t.Context(), n.ID, "", audit.Reply{Kind: audit.ReplyIncident, By: bob, Text: "a bug, since Monday, 12 users"})
	if len(done) != 2 || err == nil || !strings.Contains(err.Error(), other.ID) || !strings.Contains(err.Error(), "asked no questions") {
		t.Errorf("%d answered, %v", len(done), err)
	}
	if got := tasks(); len(got) != 0 {
		t.Errorf("answered: %+v", got)
	}
	for _, k := range []audit.ReplyKind{audit.ReplyExtension, audit.ReplyDispute, audit.ReplyFix} {
		o := filed(t, exposed)
		n := o.only()
		o.approve(n.ID)
		o.deliver()
		_, err := o.Reply(t.Context(), n.ID, "", audit.Reply{Kind: k, By: bob, Text: "so"})
		o.must(err)
		o.now = o.now.Add(2 * day)
		if all, err := o.Tasks(t.Context()); err != nil || slices.ContainsFunc(all, func(x notices.Task) bool { return x.What == "incident" }) {
			t.Errorf("%s answers, too: %+v, %v", k, all, err)
		}
	}
}

// What is still to be told of a notice whose mail was recalled is told, once.
func TestTheRestOfARecalledNotice(t *testing.T) {
	t.Parallel()
	bad, other := finding("purpose-prohibited", app, "marketing"), finding("purpose-prohibited", app, "training-onboarding")
	closed := bad
	closed.Status, closed.Reason = audit.Resolved, "withdrawn"
	for _, tried := range []bool{false, true} {
		o := filed(t, bad, other)
		first := o.only()
		o.approve(first.ID)
		waiting, err := o.Store.Pending(t.Context())
		o.must(err)
		if len(waiting) != 1 {
			t.Fatalf("%d messages wait", len(waiting))
		}
		var claim *audit.Claim
		if tried {
			claim, err = o.Store.Take(t.Context(), email.Sink, waiting[0].Lane, "slow", o.now, o.now.Add(time.Second))
			o.must(err)
		}
		o.now = o.now.Add(day)
		o.night(false, nil, closed)
		list, err := o.Store.Notices(t.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeDrafted}})
		o.must(err)
		if len(list) != 1 || len(list[0].About) != 1 || list[0].About[0].Finding != other.ID || (list[0].ID == first.ID) == tried {
			t.Fatalf("tried %t: drafted %+v", tried, list)
		}
		o.deliver()
		if len(o.mails) != 0 {
			t.Errorf("tried %t: the mail went all the same", tried)
		}
		o.approve(list[0].ID)
		o.deliver()
		if len(o.mails) != 1 || strings.Contains(string(o.mails[0].Body), bad.ID) {
			t.Errorf("tried %t: %d mails", tried, len(o.mails))
		}
		if !tried {
			continue
		}
		// The mail of which nobody knew had arrived after all: its vendor answers it.
		if n, err := o.Store.Notice(t.Context(), first.ID); err != nil || n.Delivery != audit.NoticeWithdrawn || !strings.Contains(n.Why, "may have arrived") {
			t.Fatalf("%+v, %v", n, err)
		}
		// So it is where who sent it says so after it was taken back.
		at := o.now
		o.must(o.Store.Delivered(t.Context(), claim, o.receipt(), at, at))
		o.must(o.Advance(t.Context()))
		if n, err := o.Store.Notice(t.Context(), first.ID); err != nil || n.Delivery != audit.NoticeSent || n.SentAt != at || n.EndedAt != audit.Never || !strings.Contains(n.Why, "accepted it: it was sent") {
			t.Fatalf("%+v, %v", n, err)
		}
		_, err = o.Reply(t.Context(), first.ID, other.ID, audit.Reply{Kind: audit.ReplyFix, By: bob, Text: "mended"})
		o.must(err)
		if n, err := o.Store.Notice(t.Context(), first.ID); err != nil || n.Delivery != audit.NoticeDelivered {
			t.Errorf("%s, %v", n.Delivery, err)
		}
	}
}

// A reminder that waits in the outbox until it is no longer true does not go.
func TestAReminderThatWaitsForTooLong(t *testing.T) {
	t.Parallel()
	bad := finding("purpose-prohibited", app, "marketing")
	o := filed(t, bad)
	first := o.only()
	o.approve(first.ID)
	o.deliver()
	for range 16 { // the reminder, 14 days before the deadline, waits for a mail server that is away
		o.now = o.now.Add(day)
		o.night(false, nil)
	}
	if waiting, err := o.Store.Pending(t.Context()); err != nil || len(waiting) != 1 {
		t.Fatalf("%v, %v", waiting, err)
	}
	_, err := o.Reply(t.Context(), first.ID, "", audit.Reply{Kind: audit.ReplyDispute, By: bob, Text: "no"})
	o.must(err)
	o.now = o.now.Add(day)
	o.night(false, nil)
	o.deliver()
	if len(o.mails) != 1 {
		t.Errorf("%d mails", len(o.mails))
	}
}

// What a first notice tells has to be fit to be told when it goes out, too.
func TestNothingIsSentOfWhatIsNoLongerTold(t *testing.T) {
	t.Parallel()
	bad := finding("purpose-prohibited", app, "marketing")
	checked := func(c audit.Check, there bool) func(*office, *audit.Finding) {
		return func(o *office, _ *audit.Finding) { o.Check = func(string) (audit.Check, bool) { return c, there } }
	}
	for name, change := range map[string]func(*office, *audit.Finding){
		"possible":   func(_ *office, f *audit.Finding) { f.Confidence = audit.Possible },
		"likely":     func(_ *office, f *audit.Finding) { f.Confidence = audit.Likely },
		"suppressed": func(_ *office, f *audit.Finding) { f.Status = audit.Suppressed },
		"off":        checked(audit.Check{Off: true}, true),
		"gone":       checked(audit.Check{}, false),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := filed(t, bad)
			_, err := o.Approve(t.Context(), o.only().ID, notices.Approval{By: ann})
			o.must(err)
			now := bad
			change(o, &now)
			o.now = o.now.Add(day)
			o.night(false, nil, now)
			o.deliver()
			if n := o.only(); n.Delivery != audit.NoticeWithdrawn || len(o.mails) != 0 {
				t.Errorf("it is %s, and %d mails were sent", n.Delivery, len(o.mails))
			}
		})
	}
}

// A reminder or second notice that waits goes out only while what it says holds.
func TestFollowUpsThatNoLongerHold(t *testing.T) {
	t.Parallel()
	bad := finding("purpose-prohibited", app, "marketing")
	for name, x := range map[string]struct {
		kind    audit.NoticeKind
		at      int // days after it was told
		replies []audit.Reply
		wait    time.Duration
	}{
		"a dispute":                    {audit.SecondNotice, 36, []audit.Reply{{Kind: audit.ReplyDispute, By: bob}}, 0},
		"a fix":                        {audit.SecondNotice, 36, []audit.Reply{{Kind: audit.ReplyFix, By: bob}}, 0},
		"an extension":                 {audit.SecondNotice, 36, []audit.Reply{{Kind: audit.ReplyExtension, By: bob}, {Kind: audit.GrantExtension, By: bob, For: 28 * day}}, 0},
		"a reminder past its deadline": {audit.Reminder, 26, nil, 4 * day},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := filed(t, bad)
			first := o.only()
			o.approve(first.ID)
			o.deliver()
			for range x.at {
				o.now = o.now.Add(day)
				if x.kind == audit.Reminder { // to new contacts, so that it waits for approval
					o.night(false, []*audit.App{acme(app, "new@acme.example")})
				} else {
					o.night(false, nil)
				}
			}
			of := func(n audit.Notice) bool { return n.Kind == x.kind }
			list, err := o.Store.Notices(t.Context(), store.NoticeFilter{})
			o.must(err)
			i := slices.IndexFunc(list, func(n audit.Notice) bool { return of(n) && n.Delivery == audit.NoticeDrafted })
			if i < 0 {
				t.Fatalf("no %s waits: %+v", x.kind, list)
			}
			for _, r := range x.replies {
				r.Text = "so"
				_, err := o.Reply(t.Context(), first.ID, bad.ID, r)
				o.must(err)
			}
			o.now = o.now.Add(x.wait)
			o.approve(list[i].ID) // without a night in between
			n, err := o.Store.Notice(t.Context(), list[i].ID)
			o.must(err)
			if n.Delivery != audit.NoticeWithdrawn {
				t.Errorf("it is %s", n.Delivery)
			}
			o.now = o.now.Add(day)
			o.night(false, nil)
			list, err = o.Store.Notices(t.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeDrafted, audit.NoticeApproved}})
			o.must(err)
			if slices.ContainsFunc(list, of) {
				t.Error("it was drafted again")
			}
		})
	}
}

// Without a mail server notices are drafted and approved, and nothing goes where nobody takes it.
func TestWithoutAMailServer(t *testing.T) {
	t.Parallel()
	o := filed(t, finding("purpose-prohibited", app, "marketing"))
	o.Mail.SMTP = ""
	o.approve(o.only().ID)
	if n := o.only(); n.Delivery != audit.NoticeApproved || n.Queued() {
		t.Errorf("%+v", n)
	}
	if waiting, err := o.Store.Pending(t.Context()); err != nil || len(waiting) != 0 {
		t.Errorf("%v, %v", waiting, err)
	}
}

func TestNewContactsNeedANewApproval(t *testing.T) {
	t.Parallel()
	o := filed(t, finding("purpose-prohibited", app, "marketing"))
	_, err := o.Approve(t.Context(), o.only().ID, notices.Approval{By: ann})
	o.must(err)
	o.now = o.now.Add(day)
	o.night(false, []*audit.App{acme(app, "new@acme.example")})
	o.deliver()
	if n := o.only(); n.Delivery != audit.NoticeDrafted || len(n.Recipients) != 2 || len(o.mails) != 0 {
		t.Errorf("%+v", n)
	}
}

// A contact that no mail can be sent to is left out and a task; neither it nor a notice that fails keeps other vendors waiting.
func TestABadContactStopsNobody(t *testing.T) {
	t.Parallel()
	other := acme("com.other", `"a b"@other.example`)
	other.Vendor.ID, other.Vendor.Email = "v-0", "x@my_host.example"
	broken := acme("com.broken")
	broken.Vendor.ID = "v-9"
	o := newOffice(t)
	o.night(true, []*audit.App{acme(app, "x@ab--cd.example"), other, broken})
	o.now = o.now.Add(day)
	o.night(false, nil, finding("purpose-prohibited", app, "marketing"), finding("purpose-prohibited", other.Key, "marketing"), finding("purpose-prohibited", broken.Key, "marketing"))
	o.now = o.now.Add(day)
	o.night(false, nil)
	list, err := o.Store.Notices(t.Context(), store.NoticeFilter{})
	o.must(err)
	for _, n := range list {
		if want := map[string][]string{"v-0": {`"a b"@other.example`}}[n.Vendor]; want != nil && !slices.Equal(n.Recipients, want) {
			t.Errorf("%s: %q", n.Vendor, n.Recipients)
		}
	}
	tasks, err := o.Tasks(t.Context())
	o.must(err)
	if n := len(slices.DeleteFunc(tasks, func(x notices.Task) bool { return x.What != "contact" })); n != 2 {
		t.Errorf("%d tasks", n)
	}
	for _, n := range list {
		_, err := o.Approve(t.Context(), n.ID, notices.Approval{By: ann})
		o.must(err)
	}
	// What one notice says can no longer be read.
	i := slices.IndexFunc(list, func(n audit.Notice) bool { return n.Vendor == "v-0" })
	n, err := o.Store.Notice(t.Context(), list[i].ID)
	o.must(err)
	n.Content = json.RawMessage(`[]`)
	o.must(o.Store.ChangeNotices(t.Context(), store.NoticesChanged{Notices: []audit.Notice{*n}}))
	if err := o.Queue(t.Context()); err == nil || !strings.Contains(err.Error(), n.ID) {
		t.Errorf("%v", err)
	}
	o.deliver()
	if len(o.mails) != 2 {
		t.Errorf("%d mails", len(o.mails))
	}
}

func TestAnAbnormalNightHoldsUpEveryNotice(t *testing.T) {
	t.Parallel()
	o := filed(t, finding("purpose-prohibited", app, "marketing"))
	_, err := o.Approve(t.Context(), o.only().ID, notices.Approval{By: ann})
	o.must(err)
	o.now = o.now.Add(day)
	var many []audit.Finding
	for i := range 51 {
		many = append(many, finding("purpose-prohibited", fmt.Sprintf("com.other.%02d", i), "marketing"))
	}
	run := o.night(false, nil, many...)
	o.must(o.Queue(t.Context()))
	o.deliver()
	if len(o.mails) != 0 {
		t.Fatal("it was sent")
	}
	tasks, err := o.Tasks(t.Context())
	o.must(err)
	if i := slices.IndexFunc(tasks, func(x notices.Task) bool { return x.What == "release" && x.About == run }); i < 0 || !strings.Contains(tasks[i].Says, "51 new") {
		t.Errorf("%+v", tasks)
	}
	if got, err := o.Release(t.Context(), "", ann, "looked"); err != nil || !slices.Equal(got, []string{run}) {
		t.Fatalf("%v, %v", got, err)
	}
	o.must(o.Queue(t.Context()))
	o.deliver()
	if len(o.mails) != 1 {
		t.Errorf("%d mails", len(o.mails))
	}
	if _, err := o.Release(t.Context(), run, ann, ""); err == nil {
		t.Error("it was released twice")
	}
}

// What was found of a night when it was filed stays, whatever is purged of it later, or whatever the policy says by then.
func TestAVerdictStays(t *testing.T) {
	t.Parallel()
	o := filed(t, finding("purpose-prohibited", app, "marketing"))
	o.now = o.now.Add(day)
	var many []audit.Finding
	for i := range 51 {
		many = append(many, finding("purpose-prohibited", fmt.Sprintf("com.other.%02d", i), "marketing"))
	}
	run := o.night(false, nil, many...)
	o.Policy.Ladder.Abnormal = 1000
	held, err := o.Held(t.Context())
	o.must(err)
	if held == nil || held.Run != run || held.Severe != 51 || held.Verdict.Limit != 50 {
		t.Fatalf("%+v", held)
	}
	o.Policy.Ladder.Abnormal = 0
	o.now = o.now.Add(day)
	o.night(false, nil)
	o.Policy.Ladder.AbnormalTimes = 0
	if got, err := o.Release(t.Context(), "", ann, ""); err != nil || !slices.Equal(got, []string{run}) {
		t.Errorf("released %v, %v: nights that were normal are no longer", got, err)
	}
}

// The day in which late facts may take a finding back begins anew when a night reopens it.
func TestAReopenedFindingIsAsNewAsAFiledOne(t *testing.T) {
	t.Parallel()
	bad := finding("purpose-prohibited", app, "marketing")
	closed := bad
	closed.Status = audit.Resolved
	o := newOffice(t)
	for night, f := range []audit.Finding{bad, closed, closed, bad} {
		o.night(night == 0, []*audit.App{acme(app)}, f)
		if night == 0 {
			_, err := o.Release(t.Context(), "R-000001", ann, "")
			o.must(err)
		}
		o.now = o.now.Add(day - time.Hour)
		if list, err := o.Store.Notices(t.Context(), store.NoticeFilter{}); err != nil || len(list) != 0 {
			t.Fatalf("night %d: drafted, %+v, %v", night, list, err)
		}
	}
	o.night(false, nil) // 23 hours later
	if list, err := o.Store.Notices(t.Context(), store.NoticeFilter{}); err != nil || len(list) != 0 {
		t.Fatalf("drafted within 24 hours: %+v, %v", list, err)
	}
	o.now = o.now.Add(time.Hour)
	o.night(false, nil)
	o.only()
}

func TestAFirstRunTellsNobody(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	run := o.night(true, []*audit.App{acme(app)}, finding("purpose-prohibited", app, "marketing"))
	o.now = o.now.Add(3 * day)
	o.night(false, nil)
	if list, err := o.Store.Notices(t.Context(), store.NoticeFilter{}); err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
	_, err := o.Release(t.Context(), run, ann, "")
	o.must(err)
	o.must(o.Night(t.Context()))
	o.only()
}

// A recipient whom the mail server refuses while it takes the mail for others is a bounce that comes at once.
func TestARefusedRecipient(t *testing.T) {
	t.Parallel()
	bad := finding("purpose-prohibited", app, "marketing")
	o := newOffice(t)
	o.night(true, []*audit.App{acme(app, "legal@acme.example")})
	o.now = o.now.Add(day)
	o.night(false, nil, bad)
	o.now = o.now.Add(day)
	o.night(false, nil)
	n := o.only()
	o.approve(n.ID)
	o.refused = []email.Refusal{{To: 1, Status: "5.1.1", Says: "no such user"}}
	o.deliver()
	if n = o.only(); n.Delivery != audit.NoticeBounced || n.Why != "5.1.1 no such user" {
		t.Errorf("%s (%s)", n.Delivery, n.Why)
	}
	o.now = o.now.Add(2 * day)
	o.must(o.Advance(t.Context()))
	if f, err := o.Store.Finding(t.Context(), bad.ID); err != nil || f.DueAt != audit.Never {
		t.Errorf("due %v, %v", f.DueAt, err)
	}
}

// Where all are refused nothing was sent: it is a bounce, and another contact gets a notice of its own.
func TestAllRecipientsRefused(t *testing.T) {
	t.Parallel()
	o := filed(t, finding("purpose-prohibited", app, "marketing"))
	n := o.only()
	o.approve(n.ID)
	o.refused = []email.Refusal{{To: 0, Status: "5.1.1", Says: "no such user"}}
	o.deliver()
	if n = o.only(); n.Delivery != audit.NoticeBounced || n.SentAt != audit.Never || len(o.news) != 0 {
		t.Errorf("%s, sent %s, %d were told", n.Delivery, n.SentAt, len(o.news))
	}
	tasks, err := o.Tasks(t.Context())
	o.must(err)
	if len(tasks) != 1 || tasks[0].What != "bounced" {
		t.Errorf("%+v", tasks)
	}
	o.now = o.now.Add(day)
	corrected := acme(app)
	corrected.Vendor.Email = "right@acme.example"
	o.night(false, []*audit.App{corrected})
	list, err := o.Store.Notices(t.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeDrafted}})
	o.must(err)
	if len(list) != 1 || !slices.Equal(list[0].Recipients, []string{"right@acme.example"}) {
		t.Errorf("%+v", list)
	}
}

func TestBounces(t *testing.T) {
	t.Parallel()
	bad := finding("purpose-prohibited", app, "marketing")
	for name, x := range map[string]struct {
		after time.Duration
		final bool
		want  audit.Delivery
		told  bool
	}{
		"at once":    {time.Hour, true, audit.NoticeBounced, false},
		"a day late": {2 * day, true, audit.NoticeBounced, false},
		"only late":  {2 * day, false, audit.NoticeDelivered, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := filed(t, bad)
			n := o.only()
			o.approve(n.ID)
			o.deliver()
			o.now = o.now.Add(x.after)
			o.must(o.Advance(t.Context()))
			id, err := email.MessageID(n.Key(), o.Mail.From)
			o.must(err)
			o.bounces = []email.Bounce{{MessageID: "other@platform.example", Final: true}, {MessageID: id, Final: x.final, Status: "5.1.1", Says: "no such user joe@acme.example"}}
			o.must(o.Advance(t.Context()))
			n = o.only()
			f, err := o.Store.Finding(t.Context(), bad.ID)
			o.must(err)
			if n.Delivery != x.want || (f.DueAt != audit.Never) != x.told || (f.NotifiedAt != audit.Never) != x.told || strings.Contains(n.Why, "joe@") {
				t.Errorf("%s (%s), due %s", n.Delivery, n.Why, f.DueAt)
			}
			for range 60 {
				o.now = o.now.Add(day)
				o.night(false, nil)
			}
			if f, err = o.Store.Finding(t.Context(), bad.ID); err != nil || !x.told && f.Recommendation != nil {
				t.Errorf("escalated without delivery: %+v, %v", f.Recommendation, err)
			}
			if x.told {
				return
			}
			// With another contact it is written anew.
			o.night(false, []*audit.App{acme(app, "new@acme.example")})
			list, err := o.Store.Notices(t.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeDrafted}})
			o.must(err)
			if len(list) != 1 {
				t.Errorf("%d drafts", len(list))
			}
		})
	}
}

// A report counts for those to whom the notice was sent, and once others have it a person decides.
func TestWhoseBounce(t *testing.T) {
	t.Parallel()
	bad := finding("purpose-prohibited", app, "marketing")
	for name, x := range map[string]struct {
		who   string
		after time.Duration
		want  audit.Delivery
		task  bool
	}{
		"somebody else":            {"member@list.example", time.Hour, audit.NoticeSent, false},
		"one of two":               {"LEGAL@acme.example", time.Hour, audit.NoticeBounced, true},
		"one of two, a day late":   {"legal@acme.example", 2 * day, audit.NoticeDelivered, true},
		"somebody else, days late": {"member@list.example", 2 * day, audit.NoticeDelivered, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.night(true, []*audit.App{acme(app, "legal@acme.example")})
			o.now = o.now.Add(day)
			o.night(false, nil, bad)
			o.now = o.now.Add(day)
			o.night(false, nil)
			n := o.only()
			o.approve(n.ID)
			o.deliver()
			o.now = o.now.Add(x.after)
			o.must(o.Advance(t.Context()))
			id, err := email.MessageID(n.Key(), o.Mail.From)
			o.must(err)
			o.later()
			o.bounces = []email.Bounce{{MessageID: id, Recipient: x.who, Final: true, Status: "5.1.1", Says: "no such user"}}
			o.must(o.Advance(t.Context()))
			f, err := o.Store.Finding(t.Context(), bad.ID)
			o.must(err)
			if n = o.only(); n.Delivery != x.want || (f.DueAt != audit.Never) != (x.want == audit.NoticeDelivered) {
				t.Errorf("%s, due %s", n.Delivery, f.DueAt)
			}
			if lines := o.later(); len(lines) == 0 || !strings.Contains(lines[0], "no such user") {
				t.Errorf("the trail says %q", lines)
			}
			tasks, err := o.Tasks(t.Context())
			o.must(err)
			if got := slices.ContainsFunc(tasks, func(x notices.Task) bool { return x.What == "bounced" }); got != x.task {
				t.Errorf("%+v", tasks)
			}
			if x.want == audit.NoticeDelivered && x.task {
				_, err := o.Reply(t.Context(), n.ID, "", audit.Reply{Kind: audit.ReplyViewed, By: ann})
				o.must(err)
				if tasks, err := o.Tasks(t.Context()); err != nil || len(tasks) != 0 {
					t.Errorf("answered: %+v, %v", tasks, err)
				}
			}
		})
	}
}

// What fits some findings only is taken for these, and says why not for the others.
func TestAnAnswerThatFitsSome(t *testing.T) {
	t.Parallel()
	one, two := finding("purpose-prohibited", app, "marketing"), finding("purpose-prohibited", app, "training-onboarding")
	o := filed(t, one, two)
	n := o.only()
	o.approve(n.ID)
	o.deliver()
	dispute := audit.Reply{Kind: audit.ReplyDispute, By: ann, Text: "no"}
	_, err := o.Reply(t.Context(), n.ID, one.ID, dispute)
	o.must(err)
	done, err := o.Reply(t.Context(), n.ID, "", dispute)
	if len(done) != 1 || done[0].Finding != two.ID || err == nil || !strings.Contains(err.Error(), one.ID) {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	bad := finding("purpose-prohibited", app, "marketing")
	o := filed(t, bad)
	n := o.only()
	ctx := t.Context()
	if _, err := o.Reply(ctx, n.ID, "", audit.Reply{Kind: audit.ReplyDispute, By: ann, Text: "no"}); err == nil {
		t.Error("what was not sent was answered")
	}
	o.approve(n.ID)
	o.deliver()
	o.now = o.now.Add(time.Hour)
	done, err := o.Reply(ctx, n.ID, "", audit.Reply{Kind: audit.ReplyDispute, By: ann, Text: "ask joe@acme.example"})
	o.must(err)
	f, err := o.Store.Finding(ctx, bad.ID)
	o.must(err)
	if n = o.only(); n.Delivery != audit.NoticeDelivered || f.NotifiedAt != o.now || f.DueAt != o.now.Add(28*day) || done[0].Answer != audit.Disputed {
		t.Errorf("%s, told %s, due %s, %+v", n.Delivery, f.NotifiedAt, f.DueAt, done)
	}
	if _, err := o.Reply(ctx, n.ID, bad.ID, audit.Reply{Kind: audit.AcceptDispute, By: ann, Text: "yes"}); err == nil {
		t.Error("decided by who approved")
	}
	o.now = o.now.Add(5 * day)
	_, err = o.Reply(ctx, n.ID, bad.ID, audit.Reply{Kind: audit.RejectDispute, By: bob, Text: "no"})
	o.must(err)
	if f, err = o.Store.Finding(ctx, bad.ID); err != nil || f.DueAt != f.NotifiedAt.Add(33*day) {
		t.Errorf("due %s, %v", f.DueAt, err)
	}
	_, err = o.Reply(ctx, n.ID, bad.ID, audit.Reply{Kind: audit.ReplyFix, By: ann, Text: "mended"})
	o.must(err)
	for range 3 {
		o.now = o.now.Add(day)
		o.night(false, nil)
	}
	tasks, err := o.Tasks(ctx)
	o.must(err)
	if !slices.ContainsFunc(tasks, func(x notices.Task) bool { return x.What == "resolve" && x.About == bad.ID }) {
		t.Errorf("%+v", tasks)
	}
	if text := strings.Join(o.later(), "\n"); strings.Contains(text, "joe@") || !strings.Contains(text, "[address]") {
		t.Error(text)
	}
}

func TestARequestThatWaits(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := acme(app)
	a.Approvals = []audit.Approval{{RequestID: "REQ-1", Status: audit.Pending, Decided: audit.Never, Revoked: audit.Never}}
	o.night(true, []*audit.App{a})
	o.now = o.now.Add(30 * day)
	bad := finding("access-unapproved", app, "")
	o.night(false, nil, bad)
	o.now = o.now.Add(day)
	o.night(false, nil)
	list, err := o.Store.Notices(t.Context(), store.NoticeFilter{})
	o.must(err)
	tasks, err := o.Tasks(t.Context())
	o.must(err)
	if len(list) != 0 || !slices.ContainsFunc(tasks, func(x notices.Task) bool { return x.What == "request" && x.About == bad.ID }) {
		t.Errorf("%+v, %+v", list, tasks)
	}
}

func TestAuto(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.Mail.Approve = "auto"
	o.night(true, []*audit.App{acme(app)})
	o.now = o.now.Add(day)
	likely := finding("mail-prohibited", app, "marketing")
	likely.Confidence = audit.Likely
	o.night(false, nil, finding("purpose-prohibited", app, "marketing"), likely)
	o.now = o.now.Add(day)
	o.night(false, nil)
	o.deliver()
	if n := o.only(); n.Delivery != audit.NoticeSent || n.ApprovedBy != audit.ApprovedByPolicy || n.Has(likely.ID) {
		t.Errorf("%+v", n)
	}
	o.must(o.Store.Record(t.Context(), audit.TrailEntry{At: o.now, Who: ann, What: "commented", Finding: likely.ID, Why: "seen"}))
	o.now = o.now.Add(day)
	o.night(false, nil)
	list, err := o.Store.Notices(t.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeApproved}})
	o.must(err)
	if len(list) != 1 || !list[0].Has(likely.ID) {
		t.Errorf("%+v", list)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	key := []byte("a key")
	token := notices.Token(key, "v-1", start)
	if v, expires, err := notices.OpenToken(key, token, start-1); err != nil || v != "v-1" || expires != start {
		t.Errorf("%q until %s, %v", v, expires, err)
	}
	for name, open := range map[string]func() (string, error){
		"run out":     func() (string, error) { return opened(notices.OpenToken(key, token, start)) },
		"another key": func() (string, error) { return opened(notices.OpenToken([]byte("b"), token, start-1)) },
		"cut off":     func() (string, error) { return opened(notices.OpenToken(key, token[:20], start-1)) },
		"longer":      func() (string, error) { return opened(notices.OpenToken(key, token+"AAAA", start-1)) },
	} {
		if v, err := open(); !errors.Is(err, notices.ErrLink) || (name == "run out") != errors.Is(err, notices.ErrLinkOver) {
			t.Errorf("%s: it opens as %q, %v", name, v, err)
		}
	}
}

func opened(vendor string, _ audit.Instant, err error) (string, error) { return vendor, err }

// Of a finding that was closed while its notice was on its way no deadline is set; its vendor is told anew once it comes back.
func TestClosedWhileTheNoticeIsOnItsWay(t *testing.T) {
	t.Parallel()
	bad := finding("purpose-prohibited", app, "marketing")
	o := filed(t, bad)
	o.approve(o.only().ID)
	o.deliver()
	quiet := bad
	quiet.Status = audit.Suppressed
	o.now = o.now.Add(2 * day)
	o.night(false, nil, quiet)
	f, err := o.Store.Finding(t.Context(), bad.ID)
	o.must(err)
	if n := o.only(); n.Delivery != audit.NoticeDelivered || f.DueAt != audit.Never {
		t.Errorf("%s, due %s", n.Delivery, f.DueAt)
	}
	o.now = o.now.Add(day)
	o.night(false, nil, bad)
	o.now = o.now.Add(day)
	o.night(false, nil)
	list, err := o.Store.Notices(t.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeDrafted}})
	o.must(err)
	if len(list) != 1 {
		t.Errorf("%d drafts", len(list))
	}
}

// Neither who approved the first notice decides a dispute, nor who approved the second.
func TestWhoDecidesADispute(t *testing.T) {
	t.Parallel()
	const eve = "cli:eve@host"
	bad := finding("purpose-prohibited", app, "marketing")
	o := filed(t, bad)
	first := o.only()
	o.approve(first.ID)
	o.deliver()
	for range 37 {
		o.now = o.now.Add(day)
		o.night(false, nil)
		drafted, err := o.Store.Notices(t.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeDrafted}})
		o.must(err)
		for _, n := range drafted {
			_, err := o.Approve(t.Context(), n.ID, notices.Approval{By: bob})
			o.must(err)
			o.must(o.Queue(t.Context()))
		}
		o.deliver()
	}
	matters, err := o.Store.Matters(t.Context(), true)
	o.must(err)
	if len(matters) != 1 || matters[0].Second == "" {
		t.Fatalf("no second notice: %+v", matters)
	}
	_, err = o.Reply(t.Context(), first.ID, "", audit.Reply{Kind: audit.ReplyDispute, By: ann, Text: "no"})
	o.must(err)
	for _, who := range []string{ann, bob} {
		if _, err := o.Reply(t.Context(), first.ID, "", audit.Reply{Kind: audit.RejectDispute, By: who, Text: "yes"}); err == nil || !strings.Contains(err.Error(), "another person") {
			t.Errorf("%s: %v", who, err)
		}
	}
	_, err = o.Reply(t.Context(), first.ID, "", audit.Reply{Kind: audit.RejectDispute, By: eve, Text: "yes"})
	o.must(err)
}

// An accepted dispute leaves no deadline, and a task until somebody dismisses the finding. What is found later is told anew.
func TestAnAcceptedDispute(t *testing.T) {
	t.Parallel()
	bad := finding("purpose-prohibited", app, "marketing")
	o := filed(t, bad)
	n := o.only()
	o.approve(n.ID)
	o.deliver()
	for _, r := range []audit.Reply{{Kind: audit.ReplyDispute, By: ann, Text: "no"}, {Kind: audit.AcceptDispute, By: bob, Text: "right"}} {
		o.now = o.now.Add(time.Hour)
		_, err := o.Reply(t.Context(), n.ID, bad.ID, r)
		o.must(err)
	}
	o.now = o.now.Add(day)
	o.night(false, nil)
	o.only()
	tasks, err := o.Tasks(t.Context())
	o.must(err)
	f, err := o.Store.Finding(t.Context(), bad.ID)
	o.must(err)
	if f.DueAt != audit.Never || !slices.ContainsFunc(tasks, func(x notices.Task) bool { return x.What == "dismiss" && x.About == bad.ID }) {
		t.Errorf("due %s, %+v", f.DueAt, tasks)
	}
	o.now = o.now.Add(day)
	o.night(false, nil, bad)
	list, err := o.Store.Notices(t.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeDrafted}})
	o.must(err)
	if len(list) != 1 || !list[0].Has(bad.ID) {
		t.Errorf("%+v", list)
	}
}
