package archive_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/archive"
)

// fact is a call or report in words, as a test writes and reads it.
type fact struct {
	Kind     audit.PackKind
	App      string
	Sec      int64
	Nsec     int64
	Request  string
	Site     string
	Path     string
	Purpose  string
	Status   int
	Accounts string // joined by spaces
	Answers  string
}

func (f fact) call() *audit.CallRecord {
	c := &audit.CallRecord{Sec: f.Sec, Nsec: f.Nsec, RequestID: []byte(f.Request), App: []byte(f.App), Path: []byte(f.Path),
		Purpose: []byte(f.Purpose), Auth: audit.OAuth2, Status: f.Status}
	c.Site.Add([]byte(f.Site))
	for _, a := range strings.Fields(f.Accounts) {
		c.Accounts.Add([]byte(a))
	}
	return c
}

func (f fact) report() *audit.ReportRecord {
	r := &audit.ReportRecord{Sec: f.Sec, Nsec: f.Nsec, RequestID: []byte(f.Request), App: []byte(f.App), Status: f.Status}
	for i, a := range strings.Fields(f.Accounts) {
		r.Accounts = append(r.Accounts, audit.ReportedRecord{ID: []byte(a), HasUpdated: i%2 == 0, Sec: f.Sec - int64(i), Nsec: f.Nsec})
	}
	for i, a := range strings.Fields(f.Answers) {
		r.Results = append(r.Results, audit.AnswerRecord{ID: []byte(a), Closed: i%2 == 0})
	}
	return r
}

// said is a fact as the archive gives it back: the values, without request id and place.
func said(day *audit.CallDay, reports *audit.ReportDay) []string {
	var out []string
	for i := range day.Calls {
		c := &day.Calls[i]
		var ids []string
		for _, a := range c.Accounts {
			ids = append(ids, day.Accounts.At(int(a)))
		}
		slices.Sort(ids)
		out = append(out, fmt.Sprint(c.At, c.Hash, day.Sites[c.Site], day.Paths[c.Path], day.Purposes[c.Purpose], c.Auth, c.Status, ids))
	}
	for i := range reports.Reports {
		r := &reports.Reports[i]
		var ids []string
		for _, a := range r.Accounts {
			ids = append(ids, fmt.Sprint(reports.Accounts.At(int(a.Account)), a.Updated))
		}
		for _, a := range r.Answers {
			ids = append(ids, fmt.Sprint(reports.Accounts.At(int(a.Account)), a.Closed))
		}
		slices.Sort(ids)
		out = append(out, fmt.Sprint(r.At, r.Hash, r.Status, ids))
	}
	slices.Sort(out)
	return out
}

var (
	accountIDs = []string{"5b10a2844c20165700ede21f", "5b10a2844c20165700ede220", "5B10A2844C20165700EDE21F", "557058:f58131cb-b67d-43c7-b30d-6b58d40bd077",
		"712020:f58131cb-b67d-43c7-b30d-6b58d40bd077", "f58131cb-b67d-43c7-b30d-6b58d40bd077", "qm:a:b:c", "ü", "unknown"}
	sites = []string{"f58131cb-b67d-43c7-b30d-6b58d40bd077", "site", "0058131c-b67d-43c7-b30d-6b58d40bd077"}
)

func genFact() *rapid.Generator[fact] {
	return rapid.Custom(func(t *rapid.T) fact {
		ids := rapid.SliceOfN(rapid.SampledFrom(accountIDs), 0, 6)
		return fact{
			Kind:     rapid.SampledFrom([]audit.PackKind{audit.CallPack, audit.ReportPack}).Draw(t, "kind"),
			App:      rapid.SampledFrom([]string{"", "a", "com.acme"}).Draw(t, "app"),
			Sec:      1763769600 + 86400*rapid.Int64Range(0, 2).Draw(t, "day") + rapid.Int64Range(0, 3).Draw(t, "sec"),
			Nsec:     rapid.SampledFrom([]int64{0, 1, 5e8, 999_999_999}).Draw(t, "nsec"),
			Request:  rapid.SampledFrom([]string{"r1", "r2", "r3"}).Draw(t, "request"),
			Site:     rapid.SampledFrom(sites).Draw(t, "site"),
			Path:     rapid.SampledFrom([]string{"/p", "/q"}).Draw(t, "path"),
			Purpose:  rapid.SampledFrom([]string{"", "marketing"}).Draw(t, "purpose"),
			Status:   rapid.SampledFrom([]int{200, 204, 403}).Draw(t, "status"),
			Accounts: strings.Join(ids.Draw(t, "accounts"), " "),
			Answers:  strings.Join(ids.Draw(t, "answers"), " "),
		}
	})
}

// take gives facts to the workers of an intake.
func take(t fataler, in audit.Intake, facts []fact, workers int) {
	for i, f := range facts {
		w := in.Worker(i % workers)
		var err error
		if f.Kind == audit.CallPack {
			err = w.Call(f.call(), 7, uint64(i))
		} else {
			err = w.Report(f.report(), 7, uint64(i))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// keep takes facts in as one run, by workers, with a limit to memory, and seals them beside packs.
func keep(t fataler, a *archive.Archive, run int64, facts []fact, workers int, limit int64, packs map[audit.Touched][]audit.Pack) (fresh, copies int) {
	in, err := a.NewIntake(run, audit.StateDay, workers, limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	take(t, in, facts, workers)
	return seal(t, in, func(place uint64) (audit.Source, bool) { return audit.Source{File: 7, Line: place + 1}, true }, packs)
}

// keepByErrands is keep where each errand takes some of the facts in, and another archive on the same folder seals them.
func keepByErrands(t fataler, open func() *archive.Archive, run int64, facts []fact, errands int, limit int64, packs map[audit.Touched][]audit.Pack) (fresh, copies int) {
	var spools []audit.Spool
	for list := range slices.Chunk(facts, len(facts)/errands+1) {
		in, err := open().NewErrand(run, audit.StateDay, limit, nil)
		if err != nil {
			t.Fatal(err)
		}
		take(t, in, list, 1)
		s, err := in.Spool([]audit.Chunk{{File: 7, First: 1}})
		if err != nil {
			t.Fatal(err)
		}
		spools = append(spools, s)
	}
	a := open()
	in, err := a.Gather(run, spools)
	if err != nil {
		t.Fatal(err)
	}
	fresh, copies = seal(t, in, nil, packs)
	a.Drop(spools)
	return fresh, copies
}

func seal(t fataler, in audit.Intake, resolve func(place uint64) (audit.Source, bool), packs map[audit.Touched][]audit.Pack) (fresh, copies int) {
	touched, err := in.Close(resolve)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range touched {
		k.Records = 0
		var pack *audit.Pack
		var dropped map[uint32]int64
		if k.Kind == audit.CallPack {
			_, pack, dropped, err = in.SealCalls(k.App, k.Day, packs[k])
		} else {
			_, pack, dropped, err = in.SealReports(k.App, k.Day, packs[k])
		}
		if err != nil {
			t.Fatal(err)
		}
		if pack != nil {
			packs[k] = append(packs[k], *pack)
			fresh += pack.Records
		}
		copies += int(dropped[7])
	}
	if err := in.Commit(); err != nil {
		t.Fatal(err)
	}
	return fresh, copies
}

type fataler interface {
	Fatal(args ...any)
	Helper()
}

func everything(t fataler, a *archive.Archive, packs map[audit.Touched][]audit.Pack) map[audit.Touched][]string {
	out := map[audit.Touched][]string{}
	for k, p := range packs {
		calls, reports := &audit.CallDay{}, &audit.ReportDay{}
		var err error
		if k.Kind == audit.CallPack {
			calls, err = a.Calls(k.Day, p)
		} else {
			reports, err = a.Reports(k.Day, p)
		}
		if err != nil {
			t.Fatal(err)
		}
		out[k] = said(calls, reports)
		a.Free(calls) // the next is read into what this one leaves
	}
	return out
}

// Facts read back are the same, in whatever parts and order they came, how often they came, and whether memory sufficed.
func TestFactsReadBackAreTheSame(t *testing.T) { eachStorage(t, factsReadBackAreTheSame) }

func factsReadBackAreTheSame(t *testing.T, at storageAt) {
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		if n++; at.slow && n > 15 {
			return
		}
		open := func(name string) *archive.Archive {
			a, err := at.open(fmt.Sprint(n, name), "store", []byte("0123456789abcdef"))
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		facts := rapid.SliceOfN(genFact(), 0, 40).Draw(t, "facts")

		whole := open("whole")
		defer whole.Close()
		wholePacks := map[audit.Touched][]audit.Pack{}
		fresh, copies := keep(t, whole, 1, facts, 1, 1<<30, wholePacks)
		distinct := map[string]bool{}
		for _, f := range facts {
			if f.Kind == audit.CallPack {
				f.Answers = ""
			} else {
				f.Site, f.Path, f.Purpose = "", "", ""
			}
			distinct[fmt.Sprintf("%+v", f)] = true
		}
		if fresh != len(distinct) || fresh+copies != len(facts) {
			t.Fatalf("%d lines, %d distinct: kept %d, dropped %d", len(facts), len(distinct), fresh, copies)
		}

		parts := open("parts")
		defer parts.Close()
		partPacks := map[audit.Touched][]audit.Pack{}
		again := rapid.Permutation(append(slices.Clone(facts), facts[:len(facts)/2]...)).Draw(t, "again")
		total := 0
		for run := int64(1); len(again) > 0; run++ {
			k := rapid.IntRange(1, len(again)).Draw(t, "part")
			limit := rapid.SampledFrom([]int64{-1 << 30, 1 << 30}).Draw(t, "limit")
			var fresh int
			if hands := rapid.IntRange(1, 3).Draw(t, "hands"); rapid.Bool().Draw(t, "spread") {
				fresh, _ = keepByErrands(t, func() *archive.Archive { return open("parts") }, run, again[:k], hands, limit, partPacks)
			} else {
				fresh, _ = keep(t, parts, run, again[:k], hands, limit, partPacks)
			}
			total += fresh
			again = again[k:]
		}
		if total != len(distinct) {
			t.Fatalf("in parts %d facts were kept, not %d", total, len(distinct))
		}
		if diff := cmp.Diff(everything(t, whole, wholePacks), everything(t, parts, partPacks)); diff != "" {
			t.Fatalf("facts differ (-whole +parts):\n%s", diff)
		}
		for k, p := range wholePacks {
			want, err := whole.Counting(p)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parts.Counting(partPacks[k])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Strings(), got.Strings()); diff != "" {
				t.Fatalf("the accounts that count differ (-whole +parts):\n%s", diff)
			}
		}
	})
}

// A call whose path names a forgotten account in the middle of a word, where only forgetting finds it, is the same call when it comes again.
func TestACopyOfAForgottenCallIsACopy(t *testing.T) {
	a, err := archive.Open(t.Context(), t.TempDir(), owner{id: "store", key: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	facts := []fact{{Kind: audit.CallPack, App: "a", Sec: 1763769600, Request: "r", Site: "site", Path: "/xcustomaccount12y", Status: 200, Accounts: "customaccount12"}}
	packs := map[audit.Touched][]audit.Pack{}
	keep(t, a, 1, facts, 1, 1<<30, packs)
	forgotten := audit.NewForgotten([]byte("0123456789abcdef0123456789abcdef"))
	renames := forgotten.Forget([]string{"customaccount12"})
	for k, list := range packs {
		moved, changed, err := a.Rewrite(t.Context(), "forget-1", list, renames)
		if err != nil || changed != 1 {
			t.Fatalf("%d packs changed, %v", changed, err)
		}
		packs[k] = []audit.Pack{moved[0].To}
	}
	in, err := a.NewIntake(2, audit.StateDay, 1, 1<<30, forgotten)
	if err != nil {
		t.Fatal(err)
	}
	take(t, in, facts, 1)
	if fresh, copies := seal(t, in, func(place uint64) (audit.Source, bool) { return audit.Source{File: 7, Line: place + 1}, true }, packs); fresh != 0 || copies != 1 {
		t.Errorf("%d new facts, %d copies", fresh, copies)
	}
}

// Of stores that begin at once on one folder, one has it.
func TestOfTwoStoresOneHasTheFolder(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		var group sync.WaitGroup
		var have atomic.Int32
		for i := range 4 {
			group.Go(func() {
				if a, err := archive.Open(t.Context(), dir, owner{id: fmt.Sprint("store", i), key: make([]byte, 16)}); err == nil {
					have.Add(1)
					a.Close()
				}
			})
		}
		group.Wait()
		if have.Load() != 1 {
			t.Fatalf("%d stores have it", have.Load())
		}
	}
}

func TestAnotherStoresArchiveIsRefused(t *testing.T) { eachStorage(t, anotherStoresArchiveIsRefused) }

func anotherStoresArchiveIsRefused(t *testing.T, at storageAt) {
	if _, err := at.open("x", "one", make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	if _, err := at.open("x", "two", make([]byte, 16)); err == nil || !strings.Contains(err.Error(), "another store") {
		t.Fatalf("got %v", err)
	}
}

func TestSweepRemovesWhatNoRowNames(t *testing.T) { eachStorage(t, sweepRemovesWhatNoRowNames) }

func sweepRemovesWhatNoRowNames(t *testing.T, at storageAt) {
	a, err := at.open("x", "one", make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	packs := map[audit.Touched][]audit.Pack{}
	keep(t, a, 1, []fact{{Kind: audit.CallPack, App: "a", Status: 200}}, 1, 1<<30, packs)
	keep(t, a, 2, []fact{{Kind: audit.CallPack, App: "b", Status: 200}}, 1, 1<<30, packs)
	if err := a.Sweep([]string{"run-000002.seg"}); err != nil {
		t.Fatal(err)
	}
	for k, p := range packs {
		_, err := a.Calls(k.Day, p)
		if (k.App == "a") != (err != nil) {
			t.Errorf("app %s: %v", k.App, err)
		}
	}
}

// A damaged pack is an error that names it, never a wrong fact and never a panic.
func TestDamageIsFound(t *testing.T) {
	dir := t.TempDir()
	a, err := archive.Open(t.Context(), dir, owner{id: "one", key: make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	packs := map[audit.Touched][]audit.Pack{}
	var facts []fact
	for i := range 20 {
		facts = append(facts, fact{Kind: audit.CallPack, App: "a", Sec: int64(i), Site: "s", Path: "/p", Status: 200, Accounts: strings.Join(accountIDs, " ")})
	}
	keep(t, a, 1, facts, 1, 1<<30, packs)
	segment := filepath.Join(dir, "run-000001.seg")
	good, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x55
		if err := os.WriteFile(segment, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		for k, p := range packs {
			if _, err := a.Calls(k.Day, p); err == nil && i != 6 && i != 7 { // two bytes of the header are free
				t.Fatalf("byte %d was changed, and nobody saw", i)
			}
		}
	}
}
