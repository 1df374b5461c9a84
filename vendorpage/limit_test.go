package vendorpage

import (
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Whatever the pace, in any stretch of time no more comes through than a burst and one each every; and who keeps to that pace is never held up.
func TestALimiterHoldsInAnyStretch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		every, burst := time.Duration(rapid.IntRange(1, 60).Draw(t, "every"))*time.Second, rapid.IntRange(1, 10).Draw(t, "burst")
		l := newLimiter(every, burst)
		now := time.Unix(1_700_000_000, 0)
		var through []time.Time
		for _, pause := range rapid.SliceOfN(rapid.IntRange(0, 90), 1, 100).Draw(t, "pauses") {
			now = now.Add(time.Duration(pause) * time.Second)
			wait := l.take("one", now)
			if wait == 0 {
				through = append(through, now)
				continue
			}
			if at := now.Add(wait); l.take("one", at.Add(-1)) == 0 {
				t.Fatalf("told to wait %s, and let through before", wait)
			} else if l.take("one", at) != 0 {
				t.Fatalf("told to wait %s, and held up after", wait)
			} else {
				now, through = at, append(through, at)
			}
		}
		for i := range through {
			for j := i; j < len(through); j++ {
				if most := burst + int(through[j].Sub(through[i])/every); j-i+1 > most {
					t.Fatalf("%d within %s, where %d are the most", j-i+1, through[j].Sub(through[i]), most)
				}
			}
		}
		if l.take("one", now.Add(time.Duration(burst)*every)) != 0 {
			t.Fatal("held up after a long pause")
		}
		l.take("one", now.Add(1000*time.Hour))
		if l.take("one", now) != 0 {
			t.Fatal("a clock that was set back holds everybody up")
		}
	})
}

func TestClient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		remote string
		seen   []string // X-Forwarded-For
		want   string
	}{
		{"198.51.100.7:1", nil, "198.51.100.7"},
		{"198.51.100.7:1", []string{"203.0.113.9"}, "198.51.100.7"},
		{"127.0.0.1:1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"10.1.2.3:1", []string{"192.0.2.1, 203.0.113.9"}, "203.0.113.9"},
		{"10.1.2.3:1", []string{"192.0.2.1", "203.0.113.9"}, "203.0.113.9"},
		{"[::1]:1", []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::/64"},
		{"[2001:db8:1:2::9]:1", nil, "2001:db8:1:2::/64"},
		{"[::ffff:198.51.100.7]:1", nil, "198.51.100.7"},
		{"127.0.0.1:1", []string{"unknown"}, "127.0.0.1"},
		{"127.0.0.1:1", []string{""}, "127.0.0.1"},
		{"@", nil, "@"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.remote
		r.Header["X-Forwarded-For"] = tt.seen
		if got := client(r); got != tt.want {
			t.Errorf("%s, seen %q: counted under %s, want %s", tt.remote, tt.seen, got, tt.want)
		}
	}
}

// Whatever a file is called, its name is one of a file, in no folder, that ends as what it is, and names no other kind.
func TestNamesOfFiles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sent := rapid.OneOf(rapid.Just(".Ⱥ"), rapid.String(), rapid.StringMatching(`(\.\./|\\|[a-z:]|\.pdf|\.exe|\.html|CON|\x00| ){0,12}`)).Draw(t, "sent")
		k := kind{"text/plain; charset=utf-8", []string{".txt", ".csv"}}
		name := nameOf(sent, k)
		if strings.ContainsAny(name, "/\\:\x00\r\n\"") || filepath.Base(name) != name || !filepath.IsLocal(name) || strings.HasPrefix(name, ".") || !slices.Contains(k.endings, filepath.Ext(name)) ||
			utf8.RuneCountInString(name) > maxName+4 || !utf8.ValidString(name) {
			t.Fatalf("%q is kept as %q", sent, name)
		}
	})
}
