package email

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit/address"
)

const bounced = "3f6c1d2e9a8b7c5d4e3f2a1b0c9d8e7f@platform.example"

func TestParseReport(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time {
		i, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return i.UTC()
	}
	unknown := Bounce{MessageID: bounced, Recipient: "privacy@acme.example", Final: true, Status: "5.1.1", At: at("2026-11-27T02:31:09Z")}
	for name, want := range map[string][]Bounce{
		"postfix":         {unknown},
		"postfix-delayed": {{MessageID: bounced, Recipient: "privacy@acme.example", Status: "4.4.1", At: at("2026-11-27T02:31:09Z")}},
		"exim":            {{MessageID: bounced, Recipient: "security@acme.example", Final: true, Status: "5.0.0", At: at("2026-11-27T02:35:00Z")}},
		"exchange":        {{MessageID: bounced, Recipient: "privacy@acme.example", Final: true, Status: "5.7.133", At: at("2026-11-27T02:32:14Z")}},
		"gmail":           {{MessageID: bounced, Recipient: "privacy@acme.example", Final: true, Status: "5.1.1", At: at("2026-11-27T02:31:40Z")}},
		"complaint":       {{MessageID: bounced, Recipient: "privacy@acme.example", Complaint: true, At: at("2026-11-28T09:10:11Z")}},
		"two-recipients": {unknown,
			{MessageID: bounced, Recipient: "security@acme.example", Final: true, Status: "4.4.7", At: at("2026-11-27T02:31:09Z")}},
		"delivered": nil,
		"hostile":   {{MessageID: bounced, Final: true, At: at("2026-11-27T02:31:09Z")}},
	} {
		f, err := os.ReadFile(filepath.Join("testdata", "bounces", name+".eml"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseReport(bytes.NewReader(f))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range got {
			if says := got[i].Says; says == "" || strings.Contains(says, "@") || len(says) > 1200 || strings.ContainsAny(says, "\x1b\u202e\n") {
				t.Errorf("%s: says %q", name, says)
			}
			got[i].Says = ""
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	others, err := filepath.Glob("testdata/bounces/other-*.eml")
	if err != nil || len(others) < 4 {
		t.Fatal(others, err)
	}
	for _, path := range others {
		f, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if list, err := parseReport(bytes.NewReader(f)); !errors.Is(err, errOther) {
			t.Errorf("%s: %+v, %v", path, list, err)
		}
	}
}

// box is a Maildir with all fixtures in new/.
func box(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	list, err := filepath.Glob("testdata/bounces/*.eml")
	if err != nil || len(list) == 0 {
		t.Fatal(err)
	}
	for i, path := range list {
		f, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("17642106%02d.M1P1.host", i)
		into := filepath.Join(dir, "new", name)
		if i%3 == 0 { // somebody has looked into the mailbox
			into = filepath.Join(dir, "cur", name+":2,F")
		}
		if err := os.WriteFile(into, f, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "new", "1764210600.link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestReadBouncesOnce: whoever is stopped in the middle is given the rest, and the one report it was at, again.
func TestReadBouncesOnce(t *testing.T) {
	t.Parallel()
	dir := box(t)
	before, err := CountBounces(t.Context(), dir)
	if err != nil || before.Reports < 9 || before.Others != 4 {
		t.Fatalf("%+v, %v", before, err)
	}
	given := map[Bounce]int{}
	stopped := errors.New("killed")
	stops := 0
	for run := 0; ; run++ {
		n := 0
		err := ReadBounces(t.Context(), dir, func(b Bounce) error {
			given[b]++
			if n++; n == 3 {
				return stopped
			}
			return nil
		})
		if err == nil {
			break
		}
		if !errors.Is(err, stopped) || run > 20 {
			t.Fatal(err)
		}
		stops++
	}
	again := 0
	for _, n := range given {
		again += n - 1
	}
	if stops == 0 || len(given) < 8 || again == 0 || again > 2*stops {
		t.Errorf("%d given, %d again, stopped %d times", len(given), again, stops)
	}
	after, err := CountBounces(t.Context(), dir)
	if want := (Tally{Others: before.Others}); err != nil || after != want {
		t.Errorf("%+v, %v", after, err)
	}
	seen, err := filepath.Glob(filepath.Join(dir, "cur", "*:2,*S"))
	if err != nil || len(seen) != before.Reports {
		t.Errorf("%d seen of %d", len(seen), before.Reports)
	}
	if flagged, _ := filepath.Glob(filepath.Join(dir, "cur", "*:2,FS")); len(flagged) == 0 {
		t.Error("flags are lost")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ReadBounces(ctx, dir, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := ReadBounces(t.Context(), filepath.Join(dir, "cur"), nil); err == nil || !strings.Contains(err.Error(), "no Maildir") {
		t.Error(err)
	}
}

func FuzzParseReport(f *testing.F) {
	list, err := filepath.Glob("testdata/bounces/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range list {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		bounces, err := parseReport(bytes.NewReader(text))
		if err != nil && !errors.Is(err, errOther) {
			t.Errorf("%v", err)
		}
		if len(bounces) > maxParts*(maxRecipients+1) {
			t.Errorf("%d bounces", len(bounces))
		}
		for _, b := range bounces {
			if !messageIDPattern.MatchString(b.MessageID) || address.LooksLike([]byte(b.Says)) || b.Final && b.Complaint {
				t.Errorf("%+v", b)
			}
		}
	})
}
