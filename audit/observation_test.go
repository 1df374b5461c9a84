package audit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

// plainly examines files that say in words what is in them: of a capture, a line is a place, perhaps a host, and an address; of a mail the first line is
// its kind and its sender, and the others are as of a capture. What the night makes of that is what these tests are about, not how it is found.
type plainly struct{}

func (plainly) Examine() audit.Look { return &plainLook{} }

type plainLook struct {
	mu   sync.Mutex
	said []plainSaid
	out  map[int][]audit.Sighting
}

type plainSaid struct {
	n       int
	address string
	audit.Sighting
}

func (l *plainLook) Capture(_ context.Context, n int, _ audit.CaptureKind, r io.Reader) ([]string, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return nil, l.see(n, string(text))
}

func (l *plainLook) see(n int, text string) error {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			return errors.New("broken")
		}
		s := plainSaid{n: n, address: f[len(f)-1], Sighting: audit.Sighting{Place: audit.Place(f[0]), Field: "text"}}
		if len(f) == 3 {
			s.Host = f[1]
		}
		l.said = append(l.said, s)
	}
	return nil
}

func (l *plainLook) Mail(_ context.Context, n int, r io.Reader, _ string) (*audit.MailReading, []string, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, nil, err
	}
	head, rest, _ := strings.Cut(string(text), "\n")
	kind, from, _ := strings.Cut(strings.TrimSpace(head), " ")
	if !l.Full() {
		err = l.see(n, rest)
	}
	return &audit.MailReading{Kind: kind, From: from, Proved: true}, nil, err
}

func (l *plainLook) Full() bool { return len(l.said) >= 1000 }

func (l *plainLook) Empty() bool { return len(l.said) == 0 }

func (l *plainLook) Against() audit.Matching {
	l.out = map[int][]audit.Sighting{}
	return l
}

func (l *plainLook) Address(account, email string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.said {
		if s.address == email {
			s.Account = account
			l.out[s.n] = append(l.out[s.n], s.Sighting)
		}
	}
}

func (l *plainLook) Digests(string, string, map[string][]string) error {
	return errors.New("its digests were made with another key")
}

func (l *plainLook) Sightings() map[int][]audit.Sighting { return l.out }

// watched is a world with captures, canary mail, signals and addresses.
func watched(t *testing.T) *world {
	w := newWorld(t)
	w.kinds = []audit.Kind{audit.KindAddresses, audit.KindSignals, audit.KindCaptures, audit.KindMail}
	w.write("addresses.jsonl", `{"account_id":"ann","email":"ann@people.example"}`, `{"account_id":"bob","email":"bob@people.example"}`,
		`{"account_id":"dora","email":"dora@people.example"}`)
	w.write("captures.jsonl")
	w.write("mail.jsonl")
	w.write("signals.jsonl")
	return w
}

func capture(at, file, viewer string) string {
	return fmt.Sprintf(`{"file":%q,"kind":"html","app_key":"acme","cloud_id":"site-1","viewer_account_id":%q,"captured_at":%q,"url":"https://acme.example/p"}`, file, viewer, at)
}

func mail(app, at, file, canary string) string {
	return fmt.Sprintf(`{"file":%q,"app_key":%q,"cloud_id":"site-1","account_id":%q,"received_at":%q}`, file, app, canary, at)
}

// source is what a run made of a source.
func source(t *testing.T, r *audit.Result, k audit.Kind) audit.SourceResult {
	t.Helper()
	for _, s := range r.Run.Summary.Sources {
		if s.Kind == k {
			return s
		}
	}
	t.Fatalf("no source of kind %s", k)
	return audit.SourceResult{}
}

func looked(r *audit.Result, check string) bool {
	return slices.ContainsFunc(r.Run.Summary.Checks, func(c audit.CheckResult) bool { return c.ID == check && c.Looked })
}

func TestACaptureIsLookedIntoOnce(t *testing.T) {
	w := watched(t)
	w.write("one.html", "visible ann@people.example", "payload dora@people.example", "sent t.tracker.example dora@people.example")
	w.write("captures.jsonl", capture("2026-11-22T12:00:00Z", "one.html", "dora"))
	res := w.run("2026-11-23T02:00:00Z")
	w.want(w.finding("ui-exposure", "html"), audit.Open, 1, 1)
	w.want(w.finding("third-party-sharing", "tracker.example"), audit.Open, 1, 1)
	if s := source(t, res, audit.KindAddresses); s.Lines != 3 || s.Facts != 3 {
		t.Errorf("addresses: %+v", s)
	}
	if _, err := w.store.Finding(t.Context(), audit.FindingID("ui-payload-exposure", "acme", "html")); err == nil {
		t.Error("the viewer's own address is an exposure")
	}

	// The manifest comes again under another name, and the file is gone: nothing of it is new.
	w.remove("one.html")
	w.write("captures-2.jsonl", capture("2026-11-22T12:00:00Z", "one.html", "dora"))
	res = w.run("2026-11-23T03:00:00Z")
	if s := source(t, res, audit.KindCaptures); s.Lines != 1 || s.Duplicates != 1 || s.Quarantined != 0 {
		t.Errorf("captures: %+v", s)
	}
	if s := source(t, res, audit.KindAddresses); s.Lines != 0 || !s.Looked {
		t.Errorf("addresses, with nothing to compare: %+v", s)
	}
	if len(res.Changes) > 0 {
		t.Errorf("changed %+v", res.Changes)
	}
}

func TestACaptureWaitsForTheAddresses(t *testing.T) {
	w := watched(t)
	w.write("one.html", "visible ann@people.example")
	w.write("captures.jsonl", capture("2026-11-22T12:00:00Z", "one.html", "dora"))
	w.remove("addresses.jsonl")
	res := w.run("2026-11-23T02:00:00Z")
	if looked(res, "ui-exposure") || res.Looked() {
		t.Error("looked without addresses")
	}
	if s := source(t, res, audit.KindCaptures); s.Facts != 1 || !s.Looked {
		t.Errorf("captures: %+v", s)
	}
	if counts(res).New > 0 {
		t.Error("found something without addresses")
	}

	w.write("addresses.jsonl", `{"account_id":"ann","email":"ann@people.example"}`)
	w.run("2026-11-23T03:00:00Z")
	w.want(w.finding("ui-exposure", "html"), audit.Open, 1, 1)

	// Another address comes too late for it.
	w.write("addresses.jsonl", `{"account_id":"ann","email":"ann@people.example"}`, `{"account_id":"eve","email":"ann@people.example"}`)
	w.run("2026-11-23T04:00:00Z")
	w.want(w.finding("ui-exposure", "html"), audit.Open, 1, 1)
}

func TestACaptureWhoseFileIsGoneBeforeTheAddressesCameGoesToQuarantine(t *testing.T) {
	w := watched(t)
	w.write("one.html", "visible ann@people.example")
	w.write("captures.jsonl", capture("2026-11-22T12:00:00Z", "one.html", "dora"))
	w.remove("addresses.jsonl")
	w.run("2026-11-23T02:00:00Z")
	w.remove("one.html")
	w.write("addresses.jsonl", `{"account_id":"ann","email":"ann@people.example"}`)
	res := w.run("2026-11-23T03:00:00Z")
	if !res.Looked() || counts(res).New > 0 {
		t.Errorf("%+v", res.Run.Summary)
	}
	once := func() {
		t.Helper()
		list, err := w.store.Quarantine(t.Context())
		if err != nil || len(list) != 1 || !strings.Contains(list[0].Reason, "one.html") || list[0].Line != 1 {
			t.Errorf("quarantine %+v, %v", list, err)
		}
	}
	once()
	w.run("2026-11-23T04:00:00Z")
	once() // it is not tried for ever
}

func TestBadObservationsGoToQuarantine(t *testing.T) {
	w := watched(t)
	w.write("good.html", "visible ann@people.example")
	w.write("broken.html", "x")
	good := capture("2026-11-22T12:00:00Z", "good.html", "dora")
	w.write("captures.jsonl", good, good,
		capture("2026-11-22T12:00:00Z", "broken.html", "dora"),
		capture("2026-11-22T12:00:00Z", "missing.html", "dora"),
		capture("2026-11-22T12:00:00Z", "../good.html", "dora"),
		capture("2026-11-22T12:00:00Z", "eve@people.example.html", "dora"),
		strings.Replace(good, `"html"`, `"pdf"`, 1),
		strings.Replace(good, `"acme"`, `""`, 1),
		strings.Replace(good, "dora", "dora@people.example", 1),
		capture("2026-01-01T12:00:00Z", "good.html", "dora")) // long ago: the first run takes it
	res := w.run("2026-11-23T02:00:00Z")
	s := source(t, res, audit.KindCaptures)
	if s.Lines != 10 || s.Facts != 2 || s.Duplicates != 1 || s.Quarantined != 7 {
		t.Errorf("%+v", s)
	}
	list, err := w.store.Quarantine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range list {
		if strings.Contains(q.Reason+q.Text, "@people") {
			t.Errorf("an address in %+v", q)
		}
	}
	w.write("captures-2.jsonl", capture("2026-01-02T12:00:00Z", "good.html", "dora"))
	if s := source(t, w.run("2026-11-24T02:00:00Z"), audit.KindCaptures); s.Lines != 1 || s.Expired != 1 {
		t.Errorf("a capture of a purged day: %+v", s)
	}
}

// TestWhatIsMoreThanARunComparesWaits: a mail's kind and sender are judged at once, and what it tells whom by the next run.
func TestWhatIsMoreThanARunComparesWaits(t *testing.T) {
	w := watched(t)
	w.write("addresses.jsonl", `{"account_id":"canary","email":"canary@people.example"}`, `{"account_id":"ann","email":"ann@people.example"}`)
	w.write("m1.eml", append([]string{"marketing acme.example"}, slices.Repeat([]string{"sent one.example canary@people.example"}, 1000)...)...)
	w.write("m2.eml", "marketing acme.example", "sent two.example canary@people.example")
	w.write("one.html", "visible ann@people.example")
	w.write("mail.jsonl", mail("acme", "2026-11-22T12:00:00Z", "m1.eml", "canary"), mail("acme", "2026-11-22T13:00:00Z", "m2.eml", "canary"))
	w.write("captures.jsonl", capture("2026-11-22T12:00:00Z", "one.html", "dora"))
	res := w.run("2026-11-23T02:00:00Z")
	w.want(w.finding("mail-prohibited", "marketing"), audit.Open, 2, 1)
	w.want(w.finding("third-party-sharing", "one.example"), audit.Open, 1, 1)
	for _, f := range [][2]string{{"third-party-sharing", "two.example"}, {"ui-exposure", "html"}} {
		if _, err := w.store.Finding(t.Context(), audit.FindingID(f[0], "acme", f[1])); err == nil {
			t.Errorf("%s was compared, though no more could be", f[0])
		}
	}
	if !slices.ContainsFunc(res.Run.Summary.Notes, func(n string) bool {
		return strings.HasPrefix(n, "captures and mails that wait") && strings.HasSuffix(n, ": 2")
	}) {
		t.Errorf("notes %q", res.Run.Summary.Notes)
	}
	w.run("2026-11-23T03:00:00Z")
	w.want(w.finding("third-party-sharing", "two.example"), audit.Open, 1, 1)
	w.want(w.finding("ui-exposure", "html"), audit.Open, 1, 1)
	w.want(w.finding("mail-prohibited", "marketing"), audit.Open, 2, 1)
}

func TestACaptureSaysItselfWhatWasSeen(t *testing.T) {
	w := watched(t)
	line := capture("2026-11-22T12:00:00Z", "redacted.html", "dora")
	w.write("captures.jsonl", strings.TrimSuffix(line, "}")+`,"sightings":[{"account_id":"ann","place":"visible","field":"text"},{"account_id":"bob","place":"payload","field":"script","hash":"md5"}]}`)
	w.run("2026-11-23T02:00:00Z")
	w.want(w.finding("ui-exposure", "html"), audit.Open, 1, 1)
	w.want(w.finding("ui-hash-exposure", "md5"), audit.Open, 1, 1)
}

func TestAnotherAppThatRetrievedTheCanaryMakesAFindingPossible(t *testing.T) {
	other := strings.Replace(call("2026-11-20T10:00:00Z", "o1", "security-alerts", "canary"), `"acme"`, `"other"`, 1)
	const approved = `"domains":["acme.example"],"approvals"`
	for _, x := range []struct {
		name   string
		nights func(w *world)
	}{
		{"in the same night", func(w *world) {
			w.write("access-other.jsonl", other)
			w.write("mail.jsonl", mail("acme", "2026-11-22T12:00:00Z", "m1.eml", "canary"))
			w.run("2026-11-23T02:00:00Z")
		}},
		{"in a night before", func(w *world) {
			w.write("access-other.jsonl", other)
			w.run("2026-11-23T02:00:00Z")
			w.write("mail.jsonl", mail("acme", "2026-11-22T12:00:00Z", "m1.eml", "canary"))
			w.run("2026-11-23T03:00:00Z")
		}},
		{"in a later night", func(w *world) {
			w.write("mail.jsonl", mail("acme", "2026-11-22T12:00:00Z", "m1.eml", "canary"))
			w.run("2026-11-23T02:00:00Z")
			if f := w.finding("mail-prohibited", "marketing"); f.Confidence != audit.Likely {
				t.Errorf("before, it is %s", f.Confidence)
			}
			w.write("access-other.jsonl", other)
			w.run("2026-11-23T03:00:00Z")
		}},
		{"when its time has come", func(w *world) {
			w.write("mail.jsonl", mail("acme", "2026-11-22T12:00:00Z", "m1.eml", "canary"))
			w.write("access-other.jsonl", strings.Replace(other, "2026-11-20T10", "2026-11-23T05", 1))
			w.run("2026-11-23T02:00:00Z")
			if f := w.finding("mail-prohibited", "marketing"); f.Confidence != audit.Likely {
				t.Errorf("before, it is %s", f.Confidence)
			}
			w.run("2026-11-23T06:00:00Z")
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := watched(t)
			w.write("apps.jsonl", strings.Replace(acme, `"approvals"`, approved, 1))
			w.write("m1.eml", "marketing acme.example")
			x.nights(w)
			f := w.finding("mail-prohibited", "marketing")
			w.want(f, audit.Open, 1, 1)
			if f.Confidence != audit.Possible || f.Severity != audit.Critical || !strings.Contains(f.Evidence[0].Detail, "another app") {
				t.Errorf("%s, %s: %+v", f.Severity, f.Confidence, f.Evidence)
			}

			// A mail to a canary that nobody else retrieved makes it likely again.
			w.write("m2.eml", "marketing acme.example")
			w.write("mail-2.jsonl", mail("acme", "2026-11-22T13:00:00Z", "m2.eml", "canary-2"))
			w.run("2026-11-23T07:00:00Z")
			if f := w.finding("mail-prohibited", "marketing"); f.Confidence != audit.Likely || f.Occurrences != 2 {
				t.Errorf("%d occurrences, %s", f.Occurrences, f.Confidence)
			}
		})
	}
}

// TestEvidenceIsToldAnewThoughNothingGrew: of two mails of a day one is in doubt now, the finding is as sure as the other.
func TestEvidenceIsToldAnewThoughNothingGrew(t *testing.T) {
	w := watched(t)
	w.write("apps.jsonl", strings.Replace(acme, `"approvals"`, `"domains":["acme.example"],"approvals"`, 1))
	w.write("m1.eml", "marketing acme.example")
	w.write("mail.jsonl", mail("acme", "2026-11-22T12:00:00Z", "m1.eml", "canary"), mail("acme", "2026-11-22T13:00:00Z", "m1.eml", "canary-2"))
	w.run("2026-11-23T02:00:00Z")
	before := w.finding("mail-prohibited", "marketing")
	w.write("access-other.jsonl", strings.Replace(call("2026-11-20T10:00:00Z", "o1", "security-alerts", "canary"), `"acme"`, `"other"`, 1))
	res := w.run("2026-11-23T03:00:00Z")
	f := w.finding("mail-prohibited", "marketing")
	w.want(f, audit.Open, 2, 2)
	if !strings.Contains(f.Evidence[0].Detail, "another app") || strings.Contains(f.Evidence[1].Detail, "another app") || f.Confidence != audit.Likely {
		t.Errorf("%s: %+v", f.Confidence, f.Evidence)
	}
	if f.Latest != before.Latest || f.Latest.Occurrences != 2 {
		t.Errorf("the latest that was added is %+v, and was %+v", f.Latest, before.Latest)
	}
	for _, c := range res.Changes {
		if c.Finding.ID == f.ID {
			t.Errorf("told as %s", c.What)
		}
	}
}

func TestAMailIsHeldAgainstTheRetrievalsBeforeIt(t *testing.T) {
	w := watched(t)
	w.write("apps.jsonl", strings.Replace(acme, `"stores_personal_data":true`, `"stores_personal_data":false`, 1))
	w.write("m1.eml", "security-alerts acme.example")
	w.write("mail.jsonl", mail("acme", "2026-11-22T12:00:00Z", "m1.eml", "canary"))
	w.run("2026-11-23T02:00:00Z")
	w.want(w.finding("storage-undeclared", "stale-mail"), audit.Open, 1, 1)
	// The log of the retrieval comes late.
	w.write("access-late.jsonl", call("2026-11-15T12:00:00Z", "late", "security-alerts", "canary"))
	res := w.run("2026-11-23T03:00:00Z")
	w.want(w.finding("storage-undeclared", "stale-mail"), audit.Resolved, 0, 0)
	if counts(res).Withdrawn != 1 {
		t.Errorf("%+v", counts(res))
	}
	// The other sign of the same check is another finding, and stays.
	w.want(w.finding("storage-undeclared", "reports"), audit.Open, 1, 2)
}

func TestOnePartOfACheckLooksWithoutTheOther(t *testing.T) {
	w := watched(t)
	w.write("apps.jsonl", strings.Replace(acme, `"stores_personal_data":true`, `"stores_personal_data":null`, 1))
	w.write("m1.eml", "security-alerts acme.example")
	w.write("mail.jsonl", mail("acme", "2026-11-22T12:00:00Z", "m1.eml", "canary"))
	w.remove("reports.jsonl")
	res := w.run("2026-11-23T02:00:00Z")
	if !looked(res, "storage-undeclared") {
		t.Error("the check did not look, though one of its parts could")
	}
	w.want(w.finding("storage-undeclared", "stale-mail"), audit.Open, 1, 1)
	w.write("reports.jsonl", `{"ts":"2026-11-22T00:00:00Z","request_id":"rep","app_key":"acme","status":200,"accounts":[{"account_id":"ann"},{"account_id":"bob"}]}`)
	w.remove("mail.jsonl")
	w.run("2026-11-23T03:00:00Z")
	w.want(w.finding("storage-undeclared", "reports"), audit.Open, 1, 2)
	w.want(w.finding("storage-undeclared", "stale-mail"), audit.Open, 1, 1)
}

func TestASuppressedExposureBreaksOffOnANewSite(t *testing.T) {
	w := watched(t)
	w.write("one.html", "visible ann@people.example")
	w.write("captures.jsonl", capture("2026-11-22T12:00:00Z", "one.html", "dora"))
	w.run("2026-11-23T02:00:00Z")
	f := w.finding("ui-exposure", "html")
	w.act(f, audit.Suppressed, audit.Act{App: "acme", Finding: f.ID, Kind: audit.Suppress, Reason: "known", By: "test", At: at("2026-11-23T02:30:00Z"), Until: at("2026-12-23T00:00:00Z"),
		Ended: audit.Never, Held: audit.Holding{Accounts: audit.NewIDs("ann"), Sites: audit.NewIDs("site-1"), Hosts: audit.NewIDs("acme.example")}})
	w.write("captures-2.jsonl", capture("2026-11-23T02:40:00Z", "one.html", "dora"))
	w.run("2026-11-23T03:00:00Z")
	w.want(w.finding("ui-exposure", "html"), audit.Suppressed, 2, 1)
	w.write("captures-3.jsonl", strings.Replace(capture("2026-11-23T03:40:00Z", "one.html", "dora"), "site-1", "site-2", 1))
	w.run("2026-11-23T04:00:00Z")
	if f := w.finding("ui-exposure", "html"); f.Status != audit.Open || !f.Worsened {
		t.Errorf("%s, worsened %v", f.Status, f.Worsened)
	}
}

func TestASuppressedSharingBreaksOffOnANewHost(t *testing.T) {
	w := watched(t)
	w.write("one.html", "sent a.tracker.example dora@people.example")
	w.write("captures.jsonl", capture("2026-11-22T12:00:00Z", "one.html", "dora"))
	w.run("2026-11-23T02:00:00Z")
	f := w.finding("third-party-sharing", "tracker.example")
	w.act(f, audit.Suppressed, audit.Act{App: "acme", Finding: f.ID, Kind: audit.Suppress, Reason: "known", By: "test", At: at("2026-11-23T02:30:00Z"), Until: at("2026-12-23T00:00:00Z"), Ended: audit.Never})
	w.write("captures-2.jsonl", capture("2026-11-23T02:40:00Z", "one.html", "dora"))
	w.run("2026-11-23T03:00:00Z")
	w.want(w.finding("third-party-sharing", "tracker.example"), audit.Suppressed, 2, 1)
	w.write("two.html", "sent b.tracker.example dora@people.example")
	w.write("captures-3.jsonl", capture("2026-11-23T03:40:00Z", "two.html", "dora"))
	w.run("2026-11-23T04:00:00Z")
	if f := w.finding("third-party-sharing", "tracker.example"); f.Status != audit.Open || !f.Worsened {
		t.Errorf("%s, worsened %v", f.Status, f.Worsened)
	}
}

func TestASignalIsKeptWithoutAddresses(t *testing.T) {
	w := watched(t)
	w.write("signals.jsonl", `{"ts":"2026-11-22T12:00:00Z","app_key":"acme","cloud_id":"site-1","kind":"ui-exposure","text":"It shows ann@people.example to me","source":"support-ticket"}`)
	w.run("2026-11-23T02:00:00Z")
	f := w.finding("user-reported-exposure", "")
	w.want(f, audit.Open, 1, 0)
	if d := f.Evidence[0].Detail; strings.Contains(d, "ann@") || !strings.Contains(d, "It shows [address] to me") {
		t.Errorf("evidence says %s", d)
	}
}

func TestDigestsOfAnotherKeyCannotBeLookedAt(t *testing.T) {
	w := watched(t)
	w.write("one.html", "visible ann@people.example")
	w.write("captures.jsonl", capture("2026-11-22T12:00:00Z", "one.html", "dora"))
	w.write("addresses.jsonl", `{"account_id":"ann","key_id":"k1","digests":{"address":["AAAA"]}}`)
	res := w.run("2026-11-23T02:00:00Z")
	if s := source(t, res, audit.KindAddresses); s.Looked || !strings.Contains(s.Trouble, "another key") {
		t.Errorf("%+v", s)
	}
	if looked(res, "ui-exposure") {
		t.Error("looked")
	}
}

func TestAPipeInAManifestDoesNotHoldUpTheNight(t *testing.T) {
	w := watched(t)
	if err := syscall.Mkfifo(filepath.Join(w.dir, "pipe.html"), 0o600); err != nil {
		t.Skipf("no pipes here: %v", err)
	}
	w.write("captures.jsonl", capture("2026-11-22T12:00:00Z", "pipe.html", "dora"))
	if s := source(t, w.run("2026-11-23T02:00:00Z"), audit.KindCaptures); s.Quarantined != 1 || s.Newest != audit.Ever {
		t.Errorf("%+v", s)
	}
}

// A file without a good line, as a half-written export leaves it, must not use up the one look that a capture gets.
func TestAddressesWithoutAnyAddressAreNotLookedAt(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "bad": `{"account_id":"ann","email":"ann"}`} {
		t.Run(name, func(t *testing.T) {
			w := watched(t)
			w.write("one.html", "visible ann@people.example")
			w.write("captures.jsonl", capture("2026-11-22T12:00:00Z", "one.html", "dora"))
			w.write("addresses.jsonl", content)
			res := w.run("2026-11-23T02:00:00Z")
			if s := source(t, res, audit.KindAddresses); s.Looked || !strings.Contains(s.Trouble, "no address") {
				t.Errorf("%+v", s)
			}
			w.write("addresses.jsonl", `{"account_id":"ann","email":"ann@people.example"}`)
			w.run("2026-11-23T03:00:00Z")
			w.want(w.finding("ui-exposure", "html"), audit.Open, 1, 1)
		})
	}
}

func TestAFileThatWasReplacedWhileItWaitedIsNotJudged(t *testing.T) {
	w := watched(t)
	w.write("one.html", "visible ann@people.example")
	w.write("captures.jsonl", capture("2026-11-22T12:00:00Z", "one.html", "dora"))
	w.remove("addresses.jsonl")
	w.run("2026-11-23T02:00:00Z")
	w.write("one.html", "visible bob@people.example", "payload bob@people.example")
	w.write("addresses.jsonl", `{"account_id":"ann","email":"ann@people.example"}`, `{"account_id":"bob","email":"bob@people.example"}`)
	if res := w.run("2026-11-23T03:00:00Z"); counts(res).New > 0 {
		t.Errorf("%+v", res.Changes)
	}
	list, err := w.store.Quarantine(t.Context())
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Reason, "is another than when its line was first read") {
		t.Errorf("quarantine %+v, %v", list, err)
	}
}

func TestCapturesThatHoldTooMuchAreComparedNightByNight(t *testing.T) {
	w := watched(t)
	w.write("much.html", slices.Repeat([]string{"visible nobody@people.example"}, 1000)...)
	w.write("one.html", "visible ann@people.example")
	w.write("captures.jsonl", capture("2026-11-22T12:00:00Z", "much.html", "dora"), capture("2026-11-22T13:00:00Z", "one.html", "dora"))
	res := w.run("2026-11-23T02:00:00Z")
	if counts(res).New > 0 || len(res.Run.Summary.Notes) != 1 || !strings.Contains(res.Run.Summary.Notes[0], "compare: 1") {
		t.Errorf("%+v", res.Run.Summary)
	}
	w.run("2026-11-23T03:00:00Z")
	w.want(w.finding("ui-exposure", "html"), audit.Open, 1, 1)
}

func TestUnknownIsNobody(t *testing.T) {
	w := watched(t)
	line := strings.TrimSuffix(capture("2026-11-22T12:00:00Z", "x.html", "unknown"), "}")
	w.write("captures.jsonl", line+`,"sightings":[{"account_id":"unknown","place":"visible"},{"account_id":"ann","place":"visible"}]}`)
	w.write("m1.eml", "marketing acme.example")
	w.write("mail.jsonl", mail("acme", "2026-11-22T12:00:00Z", "m1.eml", "unknown"))
	res := w.run("2026-11-23T02:00:00Z")
	w.want(w.finding("ui-exposure", "html"), audit.Open, 1, 1)
	if s := source(t, res, audit.KindMail); s.Quarantined != 1 {
		t.Errorf("%+v", s)
	}
}
