package demo_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/internal/demo"
	"github.com/mailreeve/mailreeve/internal/oracle"
)

func end() time.Time { return time.Date(2026, 11, 24, 2, 30, 0, 0, time.UTC) }

// checkIDs are the checks.
func checkIDs() []string {
	return []string{"access-unapproved", "access-refused-probing", "access-not-installed", "access-not-app", "purpose-undeclared", "purpose-not-approved",
		"purpose-prohibited", "purpose-drift", "report-overdue", "report-incomplete", "report-closed-retained", "report-updated-ignored", "retained-after-uninstall",
		"storage-undeclared", "scope-unapproved", "feature-drift", "listing-incomplete", "policy-language-changed", "ui-exposure", "ui-payload-exposure",
		"ui-hash-exposure", "third-party-sharing", "mail-prohibited", "mail-not-approved", "mail-third-party", "mail-after-uninstall", "user-reported-exposure"}
}

func TestEveryCheckIsPlantedAndNearlyMissed(t *testing.T) {
	m := demo.New(1, end())
	planted, missed := map[string]int{}, map[string]int{}
	for _, p := range m.Planted() {
		planted[p.Check]++
		if p.Occurrences == 0 || p.Story == "" {
			t.Errorf("%+v is not told", p)
		}
	}
	for _, x := range m.NearMisses() {
		missed[x.Check]++
		for _, p := range m.Planted() {
			if p.Check == x.Check && p.App == x.App {
				t.Errorf("%s of %s is planted and missed", x.Check, x.App)
			}
		}
	}
	for _, id := range checkIDs() {
		if n := planted[id]; n < 1 || n > 4 {
			t.Errorf("%s is planted %d times, want one to four", id, n)
		}
		if missed[id] == 0 {
			t.Errorf("%s is nowhere nearly violated", id)
		}
	}
	if n := len(m.Planted()); n < 40 || n > 60 {
		t.Errorf("%d findings are planted, want 40 to 60", n)
	}
}

func TestNights(t *testing.T) {
	nights := demo.New(1, end().Add(5*time.Hour)).Nights()
	if len(nights) != 30 || !nights[29].Equal(end()) || !nights[0].Equal(end().Add(-29*24*time.Hour)) {
		t.Errorf("nights from %s to %s", nights[0], nights[len(nights)-1])
	}
}

func TestConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mailreeve.yaml")
	if err := os.WriteFile(path, demo.New(1, end()).Config(), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sources) != 9 || c.Sources[2].CompleteSince == nil {
		t.Errorf("sources are %+v", c.Sources)
	}
}

// write writes nights into a folder.
func write(t *testing.T, m *demo.Market, nights ...int) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range nights {
		if err := m.Write(dir, n); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func allNights() []int {
	out := make([]int, 30)
	for i := range out {
		out[i] = i
	}
	return out
}

// content reads the files of a folder, unpacked, by path.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		var r io.Reader = f
		switch filepath.Ext(path) {
		case ".gz":
			if r, err = gzip.NewReader(f); err != nil {
				return err
			}
		case ".zst":
			z, err := zstd.NewReader(f)
			if err != nil {
				return err
			}
			defer z.Close()
			r = z
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name, err := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// raw reads the files of a folder as they are, by path.
func raw(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		out[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDeterministic(t *testing.T) {
	a := raw(t, write(t, demo.New(7, end()), allNights()...))
	b := raw(t, write(t, demo.New(7, end()), 29))
	for name, text := range a {
		if b[name] != text {
			t.Errorf("%s differs between nights one by one and the last at once", name)
		}
	}
	if len(a) != len(b) {
		t.Errorf("%d files against %d", len(a), len(b))
	}
	if c := raw(t, write(t, demo.New(8, end()), 0)); c["registry/apps.jsonl"] == a["registry/apps.jsonl"] {
		t.Error("another seed gives the same market")
	}
}

func TestSizes(t *testing.T) {
	files := content(t, write(t, demo.New(1, end()), 29))
	seen, sites, kinds, endings := map[string]bool{}, map[string]bool{}, map[string]int{}, map[string]int{}
	calls := 0
	for name, text := range files {
		kind, _, _ := strings.Cut(filepath.Base(name), "-")
		kinds[kind]++
		endings[filepath.Ext(name)]++
		if kind != "access" {
			continue
		}
		for l := range strings.Lines(text) {
			if !seen[l] {
				seen[l] = true
				calls++
			}
			if _, rest, ok := strings.Cut(l, `"cloud_id":"`); ok && len(rest) > 36 {
				sites[rest[:36]] = true
			}
		}
	}
	if calls < 180_000 || calls > 220_000 {
		t.Errorf("%d calls, want about 200,000", calls)
	}
	if n := len(sites); n < 40 || n > 82 {
		t.Errorf("calls are of %d sites", n)
	}
	if n := strings.Count(files["registry/apps.jsonl"], "\n"); n != 200 {
		t.Errorf("%d apps in the registry", n)
	}
	keys := map[string]bool{}
	for l := range strings.Lines(files["registry/apps.jsonl"]) {
		var app struct{ Key string }
		if err := json.Unmarshal([]byte(l), &app); err != nil {
			t.Fatal(err)
		}
		if keys[app.Key] {
			t.Errorf("%s is there twice", app.Key)
		}
		keys[app.Key] = true
	}
	if kinds["access"] != 32 || endings[".gz"] == 0 || endings[".zst"] == 0 || endings[".jsonl"] == 0 {
		t.Errorf("files: %v, %v", kinds, endings)
	}
}

func TestTruncatedFileIsWholeTheNextNight(t *testing.T) {
	m := demo.New(1, end())
	read := func(night int) error {
		dir := write(t, m, night)
		names, err := filepath.Glob(filepath.Join(dir, "logs", "access-2026-11-04*"))
		if err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
		f, err := os.Open(names[0])
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return err
	}
	if read(10) == nil {
		t.Error("it should be cut off in its night")
	}
	if err := read(11); err != nil {
		t.Error(err)
	}
}

func BenchmarkTour(b *testing.B) {
	for b.Loop() {
		m := demo.New(1, end())
		dir := b.TempDir()
		for n := range 30 {
			if err := m.Write(dir, n); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// TestOracle holds the planter's numbers against the independent reading of the rules: app by app, since all checks are of one app.
func TestOracle(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			last := end().AddDate(0, 0, 3*int(seed-1)) // other days are weekends
			m := demo.New(seed, last)
			var only map[string]bool
			if seed != 1 {
				only = told(m)
			}
			found := judge(content(t, write(t, m, 29)), last, only)
			table := demo.Compare(m.Planted(), found)
			if !table.Perfect() {
				var b bytes.Buffer
				if err := table.Write(&b); err != nil {
					t.Fatal(err)
				}
				t.Errorf("the oracle differs:\n%s", &b)
			}
		})
	}
}

// told is the apps that something is told of.
func told(m *demo.Market) map[string]bool {
	out := map[string]bool{}
	for _, p := range m.Planted() {
		out[p.App] = true
	}
	for _, x := range m.NearMisses() {
		out[x.App] = true
	}
	return out
}

// TestLastNightsAreInteresting asks the oracle what is open after each of the last nights.
func TestLastNightsAreInteresting(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	m := demo.New(1, end())
	dir := write(t, m, allNights()[:26]...)
	nights := m.Nights()
	var before map[string]bool
	for n := 26; n < 30; n++ {
		if err := m.Write(dir, n); err != nil {
			t.Fatal(err)
		}
		now := map[string]bool{}
		for _, f := range judge(content(t, dir), nights[n], told(m)) {
			now[f.Check+" "+f.App+" "+f.Subject] = true
		}
		var came, went []string
		for f := range now {
			if !before[f] {
				came = append(came, f)
			}
		}
		for f := range before {
			if !now[f] {
				went = append(went, f)
			}
		}
		slices.Sort(came)
		slices.Sort(went)
		if before != nil {
			t.Logf("night %d: %d open; came %q; went %q", n, len(now), came, went)
			if len(came) < 1 || len(came) > 5 {
				t.Errorf("night %d: %d findings came, want 1 to 5", n, len(came))
			}
		}
		if n == 29 && (len(came) != 5 || len(went) != 2) {
			t.Errorf("in the last night %d findings came and %d went, want 4 new and one reopened, one withdrawn and one resolved", len(came), len(went))
		}
		before = now
	}
}

// judge asks the oracle about each app, or only some.
func judge(files map[string]string, asOf time.Time, only map[string]bool) []audit.Finding {
	byApp := map[string]map[string]*bytes.Buffer{} // app, kind
	put := func(app, kind, text string) {
		if byApp[app] == nil {
			byApp[app] = map[string]*bytes.Buffer{}
		}
		if byApp[app][kind] == nil {
			byApp[app][kind] = &bytes.Buffer{}
		}
		byApp[app][kind].WriteString(text)
	}
	var incidents, addresses string
	beside := map[string]map[string][]byte{"captures": {}, "canary": {}} // by folder: the files that manifests name
	for name, text := range files {
		kind, _, _ := strings.Cut(filepath.Base(name), "-")
		switch folder, file := filepath.Split(name); {
		case name == "status/incidents.jsonl":
			incidents = text
			continue
		case name == "registry/addresses.jsonl":
			addresses = text
			continue
		case name == "registry/apps.jsonl":
			kind = "apps"
		case beside[filepath.Clean(folder)] != nil && !strings.HasSuffix(file, ".jsonl"):
			beside[filepath.Clean(folder)][file] = []byte(text)
			continue
		}
		field := `"app_key":"`
		if kind == "apps" {
			field = `"key":"`
		}
		for l := range strings.Lines(text) {
			_, rest, _ := strings.Cut(l, field)
			app, _, _ := strings.Cut(rest, `"`)
			put(app, kind, l)
		}
	}
	apps := make([]string, 0, len(byApp))
	for app := range byApp {
		if only == nil || only[app] {
			apps = append(apps, app)
		}
	}
	var mu sync.Mutex
	var found []audit.Finding
	var wg sync.WaitGroup
	next := make(chan string)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for app := range next {
				of := func(kind string) []oracle.File {
					if b := byApp[app][kind]; b != nil {
						return []oracle.File{{Name: kind, Data: b.Bytes()}}
					}
					return []oracle.File{{Name: kind}}
				}
				registry := of("apps")
				if byApp[app]["apps"] == nil { // an app that is not in the registry; the registry is not empty, though
					registry = []oracle.File{{Name: "apps", Data: []byte(`{"key":"another","privacy_policy_url":"x","terms_url":"x","stores_personal_data":false}` + "\n")}}
				}
				known := &oracle.Source{}
				if known.Files = of("addresses"); byApp[app]["captures"] != nil || byApp[app]["mail"] != nil { // elsewhere no address is looked for: reading them takes minutes
					known.Files[0].Data = []byte(addresses)
				}
				res := oracle.Judge(oracle.Input{
					AsOf: asOf, Access: []oracle.AccessSource{{Purposes: true, Files: of("access")}}, Reports: &oracle.Source{Files: of("reports")},
					Installs: &oracle.Source{Files: of("installs")}, Incidents: &oracle.Source{Files: []oracle.File{{Name: "incidents", Data: []byte(incidents)}}},
					Captures:  &oracle.Manifest{Files: of("captures"), Beside: beside["captures"]},
					Mail:      &oracle.Mailboxes{Manifest: oracle.Manifest{Files: of("mail"), Beside: beside["canary"]}, AuthservID: "mx.marketplace.example"},
					Signals:   &oracle.Source{Files: of("signals")},
					Addresses: known,
					Apps:      &oracle.Source{Files: registry}, CompleteSince: asOf.Add(-150 * 24 * time.Hour).Truncate(24 * time.Hour),
				})
				mu.Lock()
				for k, n := range res.Open {
					found = append(found, audit.Finding{Check: k.Check, App: k.App, Subject: k.Subject, Status: audit.Open,
						Occurrences: n.Occurrences, Accounts: n.Accounts, Sites: n.Sites})
				}
				mu.Unlock()
			}
		})
	}
	for _, app := range apps {
		next <- app
	}
	close(next)
	wg.Wait()
	slices.SortFunc(found, func(a, b audit.Finding) int { return cmp.Compare(a.Check+a.App+a.Subject, b.Check+b.App+b.Subject) })
	return found
}
