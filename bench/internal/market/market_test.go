package market

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// small is a market that is quick to write and still has some of everything.
func small(t *testing.T) Options {
	o := Defaults()
	o.Dir, o.Lines = t.TempDir(), 40_000
	return o
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lines decodes each line strictly, and gives the lines as they are.
func lines[T any](t *testing.T, b []byte) (values []T, raw []string) {
	t.Helper()
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		d := json.NewDecoder(bytes.NewReader(s.Bytes()))
		d.DisallowUnknownFields()
		var v T
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v: %s", err, s.Text())
		}
		values, raw = append(values, v), append(raw, s.Text())
	}
	return values, raw
}

type call struct {
	TS        time.Time `json:"ts"`
	RequestID string    `json:"request_id"`
	App       string    `json:"app_key"`
	Site      string    `json:"cloud_id"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Auth      string    `json:"auth"`
	Purpose   string    `json:"purpose"`
	Status    int       `json:"status"`
	Accounts  []string  `json:"account_ids"`
	SourceIP  string    `json:"source_ip"`
	UserAgent string    `json:"user_agent"`
}

type report struct {
	TS        time.Time `json:"ts"`
	RequestID string    `json:"request_id"`
	App       string    `json:"app_key"`
	Status    int       `json:"status"`
	Accounts  []struct {
		Account string    `json:"account_id"`
		Updated time.Time `json:"updated_at"`
	} `json:"accounts"`
	Result []any `json:"result"`
}

type install struct {
	TS    time.Time `json:"ts"`
	App   string    `json:"app_key"`
	Site  string    `json:"cloud_id"`
	Event string    `json:"event"`
	Users int       `json:"users"`
}

// entry is one app of the registry; json skips what it does not name.
type entry struct {
	Key       string `json:"key"`
	Stores    *bool  `json:"stores_personal_data"`
	Privacy   string `json:"privacy_policy_url"`
	Terms     string `json:"terms_url"`
	Approvals []struct {
		Status   string    `json:"status"`
		Decided  time.Time `json:"decided_at"`
		Purposes []string  `json:"purposes"`
	} `json:"approvals"`
}

func about(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if got < want*(1-tolerance) || got > want*(1+tolerance) {
		t.Errorf("%s: %.4g, want about %.4g", what, got, want)
	}
}

func TestNight(t *testing.T) {
	o := small(t)
	if err := Write(o); err != nil {
		t.Fatal(err)
	}
	day := o.Start

	apps := map[string]entry{}
	late := 0
	for l := range strings.Lines(string(read(t, o.Registry()))) {
		var e entry
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatal(err)
		}
		apps[e.Key] = e
		if e.Stores == nil || !*e.Stores || e.Privacy == "" || e.Terms == "" || len(e.Approvals) != 2 {
			t.Fatalf("registry: %s", l)
		}
		for _, a := range e.Approvals {
			if a.Status != "approved" || len(a.Purposes) != 1 || !slices.Contains(purposes[:], a.Purposes[0]) {
				t.Errorf("approval: %+v", a)
			}
		}
		if e.Approvals[0].Purposes[0] == e.Approvals[1].Purposes[0] || !e.Approvals[0].Decided.Before(day) {
			t.Errorf("approvals: %s", l)
		}
		switch at := e.Approvals[1].Decided; {
		case at.Equal(day.Add(6 * time.Hour)):
			late++
		case !at.Before(day):
			t.Errorf("approval at %v", at)
		}
	}
	if len(apps) != 500 || late != 5 {
		t.Errorf("%d apps, %d approved late", len(apps), late)
	}

	events, _ := lines[install](t, read(t, o.Glob("installs")))
	sites, left := map[string]string{}, 0
	for i, e := range events {
		switch {
		case i > 0 && e.TS.Before(events[i-1].TS), e.Users != o.Accounts:
			t.Fatalf("event %+v", e)
		case e.Event == "installed" && e.TS.Before(day.AddDate(0, 0, -59)) && sites[e.Site] == "":
			sites[e.Site] = e.App
		case e.Event == "uninstalled" && e.TS.Equal(day.Add(18*time.Hour)) && sites[e.Site] == e.App:
			left++
		default:
			t.Fatalf("event %+v", e)
		}
	}
	if len(sites) != 20_000 || left != 50 {
		t.Errorf("%d sites, %d left", len(sites), left)
	}

	access := read(t, filepath.Join(o.Dir, "access-2026-11-22.jsonl"))
	calls, raw := lines[call](t, access)
	if len(calls) != 40_200 {
		t.Errorf("%d calls", len(calls))
	}
	seen, byApp, accounts := map[string]string{}, map[string]int{}, map[string]string{}
	var bulk, held, copies, marketers, marketing int
	id := regexp.MustCompile(`^[0-9a-f]{24}$`)
	var last time.Time
	for i, c := range calls {
		if before, ok := seen[c.RequestID]; ok {
			if copies++; before != raw[i] {
				t.Fatalf("a copy differs: %s", raw[i])
			}
			continue
		}
		seen[c.RequestID] = raw[i]
		byApp[c.App]++
		if c.TS.Before(last) || c.TS.Before(day) || !c.TS.Before(day.AddDate(0, 0, 1)) {
			t.Fatalf("out of order: %s", raw[i])
		}
		last = c.TS
		e, ok := apps[c.App]
		if !ok || sites[c.Site] != c.App || c.Status != 200 || c.Method != "GET" || c.Auth != "connect-jwt" || c.SourceIP == "" || c.UserAgent == "" {
			t.Fatalf("call: %s", raw[i])
		}
		switch {
		case c.Path == "/rest/api/3/user/email/bulk" && len(c.Accounts) >= 1 && len(c.Accounts) <= 90:
			bulk++
		case c.Path != "/rest/api/3/user/email" || len(c.Accounts) != 1:
			t.Fatalf("call: %s", raw[i])
		}
		held += len(c.Accounts)
		for j, a := range c.Accounts {
			if !id.MatchString(a) || slices.Contains(c.Accounts[:j], a) || accounts[a] != "" && accounts[a] != c.Site {
				t.Fatalf("account %s: %s", a, raw[i])
			}
			accounts[a] = c.Site
		}
		if c.Purpose == "marketing" {
			marketing++
		} else if e.Approvals[0].Purposes[0] != c.Purpose && e.Approvals[1].Purposes[0] != c.Purpose {
			t.Fatalf("purpose: %s", raw[i])
		}
	}
	if copies != o.Copies() || copies != 200 {
		t.Errorf("%d copies", copies)
	}
	n := float64(o.Lines)
	about(t, "bulk", float64(bulk), 0.08*n, 0.1)
	about(t, "accounts of a call", float64(held)/n, 4.56, 0.05)
	about(t, "bytes of a call", float64(len(access))/float64(len(calls)), 470, 0.03)
	most := 0
	for _, k := range byApp {
		most = max(most, k)
	}
	about(t, "the largest app", float64(most), 0.077*n, 0.1)
	users := map[string]bool{}
	for _, c := range calls {
		if c.Purpose == "marketing" {
			users[c.App] = true
		}
	}
	for app := range users {
		marketers += byApp[app]
	}
	if len(users) < 5 || len(users) > 10 {
		t.Errorf("%d apps declare marketing", len(users))
	}
	about(t, "marketing", float64(marketing)/float64(marketers), 0.05, 0.25)

	logged := read(t, filepath.Join(o.Dir, "reports-2026-11-22.jsonl"))
	reports, _ := lines[report](t, logged)
	held, ids := 0, map[string]bool{}
	for i, r := range reports {
		if r.Status != 200 || apps[r.App].Key == "" || i > 0 && r.TS.Before(reports[i-1].TS) || ids[r.RequestID] || len(r.Accounts) < 1 || len(r.Accounts) > 90 {
			t.Fatalf("report %d: %+v", i, r)
		}
		ids[r.RequestID] = true
		held += len(r.Accounts)
		for _, a := range r.Accounts {
			if site := accounts[a.Account]; !id.MatchString(a.Account) || site != "" && sites[site] != r.App || !a.Updated.Before(r.TS) {
				t.Fatalf("report %d: %+v", i, a)
			}
		}
	}
	if len(reports) != 1080 {
		t.Errorf("%d reports", len(reports))
	}
	about(t, "accounts of a report", float64(held)/float64(len(reports)), 45.5, 0.05)
	about(t, "bytes of a report", float64(len(logged))/float64(len(reports)), 3880, 0.05)
}

// The night's options say all of it: the same again, compressed, or without the days before.
func TestSame(t *testing.T) {
	o := small(t)
	o.Lines, o.Days = 2_000, 3
	if err := Write(o); err != nil {
		t.Fatal(err)
	}
	part := o
	part.Dir, part.Skip, part.Zstd = t.TempDir(), 1, true
	if err := Write(part); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(part.Dir, "*.zst"))
	if err != nil || len(names) != 5 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		z, err := zstd.NewReader(bytes.NewReader(read(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		plain := strings.TrimSuffix(filepath.Base(name), ".zst")
		if !bytes.Equal(got, read(t, filepath.Join(o.Dir, plain))) {
			t.Errorf("%s differs", plain)
		}
	}
	if bytes.Equal(read(t, filepath.Join(o.Dir, "access-2026-11-22.jsonl")), read(t, filepath.Join(o.Dir, "access-2026-11-23.jsonl"))) {
		t.Error("two days are one")
	}
	if got, want := o.AsOf(), time.Date(2026, 11, 25, 2, 30, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("as-of %v", got)
	}
}

func TestSmallest(t *testing.T) {
	o := Options{Dir: t.TempDir(), Lines: 300, Reports: 1, Days: 1, Start: Defaults().Start, Apps: 1, Sites: 1, Accounts: 1, Workers: 1}
	if err := Write(o); err != nil {
		t.Fatal(err)
	}
	if calls, _ := lines[call](t, read(t, filepath.Join(o.Dir, "access-2026-11-22.jsonl"))); len(calls) != 301 {
		t.Errorf("%d calls", len(calls))
	}
	if err := Write(Options{}); err == nil {
		t.Error("no error")
	}
}
