package archive_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/archive"
	"github.com/mailreeve/mailreeve/internal/s3"
	"github.com/mailreeve/mailreeve/internal/s3test"
)

// An owner is a store of archives.
type owner struct {
	id       string
	key      []byte
	segments []string
}

func (o owner) ID() string { return o.id }

func (o owner) ArchiveKey() []byte { return o.key }

func (o owner) SegmentsInUse(context.Context) ([]string, error) { return o.segments, nil }

// A storageAt opens archives by name in one kind of storage.
type storageAt struct {
	open func(name, store string, key []byte) (*archive.Archive, error)
	put  func(t *testing.T, name, text string) // a file
	slow bool
}

// eachStorage runs a test in folders and in a bucket.
func eachStorage(t *testing.T, test func(*testing.T, storageAt)) {
	t.Run("folder", func(t *testing.T) {
		dir := t.TempDir()
		test(t, storageAt{open: func(name, store string, key []byte) (*archive.Archive, error) {
			return archive.Open(t.Context(), filepath.Join(dir, name), owner{id: store, key: key})
		}, put: func(t *testing.T, name, text string) {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}})
	})
	t.Run("bucket", func(t *testing.T) {
		server := s3test.Start(t)
		s3test.Use(t, server.Address)
		bucket := server.Bucket(t)
		test(t, storageAt{open: inBucket(t, bucket), put: func(t *testing.T, name, text string) { server.Put(t, bucket, "some/"+name, []byte(text)) }, slow: true})
	})
}

func inBucket(t *testing.T, bucket string) func(name, store string, key []byte) (*archive.Archive, error) {
	return func(name, store string, key []byte) (*archive.Archive, error) {
		return archive.OpenBucket(t.Context(), s3.FromEnvironment(), "s3://"+bucket+"/some/"+name, owner{id: store, key: key})
	}
}

// Of stores that claim an archive at the same moment, one gets it.
func TestOneStoreClaimsABucket(t *testing.T) {
	server := s3test.Start(t)
	s3test.Use(t, server.Address)
	open := inBucket(t, server.Bucket(t))
	var group sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 8 {
		group.Go(func() {
			_, err := open("x", fmt.Sprint("store", i), make([]byte, 16))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !strings.Contains(err.Error(), "another store") {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won != 1 {
		t.Errorf("%d stores have it", won)
	}
}

// calls are many of one app and second: some KB of pack.
func calls(app string, n int) []fact {
	var out []fact
	for i := range n {
		out = append(out, fact{Kind: audit.CallPack, App: app, Sec: int64(i % 80000), Nsec: int64(i), Request: fmt.Sprint("r", i), Site: "s", Path: "/p", Status: 200, Accounts: fmt.Sprintf("5b10a2844c20165700%06x", i)})
	}
	return out
}

// A run that fails to upload leaves nothing that is taken for a segment, also not on the local disk; the next one does.
func TestUploadsThatFail(t *testing.T) {
	server := s3test.Start(t)
	proxy := server.Proxy(t)
	s3test.Use(t, proxy.Address)
	local := t.TempDir()
	t.Setenv("TMPDIR", local)
	bucket := server.Bucket(t)
	a, err := inBucket(t, bucket)("x", "one", make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	facts := calls("a", 60_000)
	in, err := a.NewIntake(1, audit.StateDay, 1, 1<<40, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range facts {
		if err := in.Worker(0).Call(f.call(), 7, uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	touched, err := in.Close(func(place uint64) (audit.Source, bool) { return audit.Source{File: 7, Line: place + 1}, true })
	if err != nil || len(touched) != 1 {
		t.Fatal(touched, err)
	}
	_, pack, _, err := in.SealCalls("a", touched[0].Day, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := a.Calls(pack.Day, []audit.Pack{*pack}); err != nil || len(d.Calls) != len(facts) {
		t.Fatalf("a run reads its own segment: %v", err)
	}
	if names, err := os.ReadDir(local); err != nil || len(names) > 0 {
		t.Fatalf("files that a killed process would leave: %v (%v)", names, err)
	}
	proxy.Break(func(r *http.Request) s3test.Fault {
		if r.Method == http.MethodPut {
			return s3test.Fault{Status: 403, Code: "AccessDenied"}
		}
		return s3test.Fault{}
	})
	if err := in.Commit(); err == nil || !strings.Contains(err.Error(), "allow s3:PutObject") || strings.Contains(err.Error(), s3test.AccessKey) {
		t.Fatalf("got %v", err)
	}
	proxy.Break(nil)
	if keys := server.Keys(t, bucket); !slices.Equal(keys, []string{"some/x/archive.json"}) {
		t.Errorf("%v", keys)
	}
	// The storage was away for some seconds, and the segment goes up all the same: it is still here.
	server.Kill()
	time.AfterFunc(2*time.Second, func() { server.Restart(t) })
	if err := in.Commit(); err != nil {
		t.Fatal(err)
	}
	b, err := inBucket(t, bucket)("x", "one", make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if d, err := b.Calls(pack.Day, []audit.Pack{*pack}); err != nil || len(d.Calls) != len(facts) {
		t.Fatalf("another process reads it: %v", err)
	}
	if err := b.Sweep(nil); err != nil {
		t.Fatal(err)
	}
	if keys := server.Keys(t, bucket); !slices.Equal(keys, []string{"some/x/archive.json"}) {
		t.Errorf("after the sweep: %v", keys)
	}
}

// A pack costs what it holds, not its segment; packs side by side come together.
func TestPacksAreReadWithFewRequests(t *testing.T) {
	server := s3test.Start(t)
	proxy := server.Proxy(t)
	s3test.Use(t, proxy.Address)
	bucket := server.Bucket(t)
	open := inBucket(t, bucket)
	a, err := open("x", "one", make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var facts []fact
	for i := range 200 {
		facts = append(facts, calls(fmt.Sprintf("app-%03d", i), 600)...)
	}
	packs := map[audit.Touched][]audit.Pack{}
	keep(t, a, 1, facts, 1, 1<<40, packs)
	var all []audit.Pack
	var size int64
	for _, p := range packs {
		all = append(all, p...)
		size += p[0].Length
	}
	slices.SortFunc(all, func(x, y audit.Pack) int { return int(x.Offset - y.Offset) })

	b, err := open("x", "one", make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	proxy.Asked()
	if _, err := b.Calls(all[100].Day, all[100:101]); err != nil {
		t.Fatal(err)
	}
	if asked, n := proxy.Asked(); len(asked) > 1 || n > 600<<10 {
		t.Errorf("a pack of %d bytes took %d requests and %d bytes, of a segment of %d", all[100].Length, len(asked), n, size)
	}
	for i := range all {
		if _, err := b.Calls(all[i].Day, all[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	asked, n := proxy.Asked()
	t.Logf("%d packs in a segment of %d bytes: %d requests, %d bytes", len(all), size, len(asked), n)
	if len(asked) > 16 || n > size+5<<20 {
		t.Errorf("%d packs in a segment of %d bytes: %d requests, %d bytes", len(all), size, len(asked), n)
	}
}

// When its context ends, an archive in a silent storage lets go.
func TestArchiveStopsAtOnce(t *testing.T) {
	server := s3test.Start(t)
	proxy := server.Proxy(t)
	s3test.Use(t, proxy.Address)
	ctx, cancel := context.WithCancel(t.Context())
	a, err := archive.OpenBucket(ctx, s3.FromEnvironment(), "s3://"+server.Bucket(t), owner{id: "one", key: make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	packs := map[audit.Touched][]audit.Pack{}
	keep(t, a, 1, calls("a", 10), 1, 1<<40, packs)
	proxy.Break(func(*http.Request) s3test.Fault { return s3test.Fault{Delay: 3 * time.Second} })
	time.AfterFunc(200*time.Millisecond, cancel)
	began := time.Now()
	for k, p := range packs {
		if _, err := a.Calls(k.Day, p); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
	if err := a.Sweep(nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
}

// A pack that cannot be had is no damaged one.
func TestAStorageThatIsAwayIsNoDamage(t *testing.T) {
	server := s3test.Start(t)
	s3test.Use(t, server.Address)
	a, err := inBucket(t, server.Bucket(t))("x", "one", make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	packs := map[audit.Touched][]audit.Pack{}
	keep(t, a, 1, calls("a", 10), 1, 1<<40, packs)
	server.Kill()
	for k, p := range packs {
		_, err := a.Calls(k.Day, p)
		if !errors.Is(err, s3.ErrUnreachable) || strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), "AWS_ENDPOINT_URL_S3") {
			t.Errorf("%v", err)
		}
	}
	server.Restart(t)
	for k, p := range packs {
		if d, err := a.Calls(k.Day, p); err != nil || len(d.Calls) != 10 {
			t.Errorf("%v", err)
		}
	}
}

// What doctor asks: is it whole, ours, and may it be written?
func TestLookInBucket(t *testing.T) {
	server := s3test.Start(t)
	proxy := server.Proxy(t)
	s3test.Use(t, proxy.Address)
	bucket := server.Bucket(t)
	client, url := s3.FromEnvironment(), "s3://"+bucket+"/some/x"
	check := func(store string, segments map[string]int64, want string) {
		t.Helper()
		err := archive.LookInBucket(t.Context(), client, url, store, segments)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	check("one", nil, "")
	check("one", map[string]int64{"run-000001.seg": 1}, "is gone or empty")
	a, err := inBucket(t, bucket)("x", "one", make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	keep(t, a, 1, calls("a", 10), 1, 1<<40, map[audit.Touched][]audit.Pack{})
	check("one", map[string]int64{"run-000001.seg": 10}, "")
	check("one", map[string]int64{"run-000001.seg": 1 << 40}, "has only the beginning of 1 of the 1 segments that the store names, such as run-000001.seg")
	check("one", map[string]int64{"run-000002.seg": 1}, "lacks 1 of the 1 segments that the store names, such as run-000002.seg")
	check("two", nil, "another store")
	check("", nil, "its store one is not")
	proxy.Break(func(r *http.Request) s3test.Fault {
		if r.Method == http.MethodPut {
			return s3test.Fault{Status: 403, Code: "AccessDenied"}
		}
		return s3test.Fault{}
	})
	check("one", nil, "allow s3:PutObject")
	if keys := server.Keys(t, bucket); len(keys) != 2 {
		t.Errorf("%v", keys)
	}
}

// Whoever opens an archive knows it by the same id, also where its archive.json is from before there were any; another one has another.
func TestAnArchiveHasAnID(t *testing.T) { eachStorage(t, anArchiveHasAnID) }

func anArchiveHasAnID(t *testing.T, at storageAt) {
	open := func(name string) string {
		t.Helper()
		a, err := at.open(name, "one", make([]byte, 16))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		return a.ID()
	}
	at.put(t, "old/archive.json", `{"store":"one"}`)
	fresh, old := open("new"), open("old")
	if fresh == "" || old == "" || fresh == old {
		t.Errorf("ids %q and %q", fresh, old)
	}
	if got := open("new"); got != fresh {
		t.Errorf("it is %q, then %q", fresh, got)
	}
	if got := open("old"); got != old {
		t.Errorf("the older one is %q, then %q", old, got)
	}
}

// A folder that is empty, because nothing is mounted there, does not become the archive of a store whose facts are elsewhere.
func TestNoArchiveIsMadeForAStoreThatHasOne(t *testing.T) {
	dir := t.TempDir()
	o := owner{id: "one", key: make([]byte, 16), segments: []string{"run-000001.seg"}}
	if _, err := archive.Open(t.Context(), dir, o); err == nil || !strings.Contains(err.Error(), "see that it is mounted") {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// What a night is about to name has to be there, whole.
func TestHolds(t *testing.T) { eachStorage(t, holds) }

func holds(t *testing.T, at storageAt) {
	a, err := at.open("x", "one", make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	at.put(t, "x/run-000001.seg", "12345678")
	for _, x := range []struct {
		segment string
		until   int64
		want    string // of the error
	}{
		{"run-000001.seg", 8, ""},
		{"run-000001.seg", 9, "only 8 bytes of the segment run-000001.seg"},
		{"run-000002.seg", 1, "lacks the segment run-000002.seg"},
	} {
		err := a.Holds(map[string]int64{x.segment: x.until})
		if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("%s up to %d: %v", x.segment, x.until, err)
		}
	}
}
