package store_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

func hash(c byte) []byte { return []byte(strings.Repeat(string(c), 32)) }

func TestALinkOpensOnce(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		vendor := "v" + hostileJSON()
		link := store.LinkUse{Vendor: vendor, Token: hash('a'), Expires: t0 + 100}
		must(t, s.LinkUsable(ctx, link))

		var wg sync.WaitGroup // however many press at one time
		var mu sync.Mutex
		opened := 0
		for i := range 8 {
			wg.Go(func() {
				err := s.UseLink(ctx, link, store.VendorSession{Cookie: hash('A' + byte(i)), Expires: t0 + 50}, entry("opened", ""))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					opened++
				case !errors.Is(err, store.ErrLinkUsed):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		in := 0
		for i := range 8 {
			switch got, err := s.SessionVendor(ctx, hash('A'+byte(i)), t0); {
			case err == nil && got == vendor:
				in++
			case !errors.Is(err, store.ErrNotFound):
				t.Errorf("%q %v", got, err)
			}
		}
		if opened != 1 || in != 1 {
			t.Errorf("the link opened %d times, and %d sessions began", opened, in)
		}
		is(t, s.LinkUsable(ctx, link), store.ErrLinkUsed)
		other := link
		other.Vendor = "w"
		must(t, s.LinkUsable(ctx, other)) // another vendor's is another

		// A session ends by time, by hand, and with what it began with.
		begin := func(token, cookie byte, vendor string, expires audit.Instant) {
			t.Helper()
			must(t, s.UseLink(ctx, store.LinkUse{Vendor: vendor, Token: hash(token), Expires: expires}, store.VendorSession{Cookie: hash(cookie), Expires: t0 + 50}, entry("opened", "")))
		}
		begin('b', 'b', vendor, t0+100)
		begin('c', 'c', vendor, t0+200)
		begin('d', 'd', "w", t0+100)
		_, err := s.SessionVendor(ctx, hash('b'), t0+50)
		is(t, err, store.ErrNotFound)
		must(t, s.RevokeLinks(ctx, vendor, t0+150, []audit.TrailEntry{entry("taken back", "F-1")}))
		must(t, s.RevokeLinks(ctx, vendor, t0+10, nil)) // does not give back what was taken
		is(t, s.LinkUsable(ctx, link), store.ErrLinkRevoked)
		is(t, s.UseLink(ctx, store.LinkUse{Vendor: vendor, Token: hash('e'), Expires: t0 + 150}, store.VendorSession{Cookie: hash('e'), Expires: t0 + 50}, entry("opened", "")), store.ErrLinkRevoked)
		_, err = s.SessionVendor(ctx, hash('b'), t0)
		is(t, err, store.ErrNotFound)
		for cookie, want := range map[byte]string{'c': vendor, 'd': "w"} {
			got, err := s.SessionVendor(ctx, hash(cookie), t0)
			must(t, err)
			if got != want {
				t.Errorf("session %c is of %q", cookie, got)
			}
		}
		must(t, s.EndVendorSession(ctx, hash('c')))
		_, err = s.SessionVendor(ctx, hash('c'), t0)
		is(t, err, store.ErrNotFound)
	})
}

func TestAttachments(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		room := store.AttachmentRoom{Files: 2, Vendor: 10, All: 15}
		file := func(id, finding, vendor, content string) *store.Attachment {
			return &store.Attachment{ID: id, App: "a", Finding: finding, Vendor: vendor, Name: "../" + hostileJSON(), Kind: "text/plain", Size: int64(len(content)), Digest: "d", At: t0, Content: []byte(content)}
		}
		one := file("A-1", "F-1", "v", "\x00\xff six")
		must(t, s.Attach(ctx, one, room, []audit.TrailEntry{entry("attached", "F-1")}))
		got, err := s.Attachment(ctx, "A-1")
		must(t, err)
		same(t, "attachment", got, one)
		for what, a := range map[string]*store.Attachment{"the vendor": file("A-2", "F-1", "v", "12345"), "all": file("A-3", "F-2", "w", "0123456789")} {
			if err := s.Attach(ctx, a, room, []audit.TrailEntry{entry("attached", "F-1")}); !errors.Is(err, store.ErrNoRoom) {
				t.Errorf("%s have room for more: %v", what, err)
			}
		}
		two := file("A-4", "F-1", "v", "")
		must(t, s.Attach(ctx, two, room, nil))
		is(t, s.Attach(ctx, file("A-5", "F-1", "v", ""), room, nil), store.ErrNoRoom) // a third file
		list, err := s.Attachments(ctx, []string{"F-1", "F-2"})
		must(t, err)
		if len(list) != 2 || list[0].ID != "A-1" || list[0].Content != nil || list[1].ID != "A-4" {
			t.Errorf("listed: %+v", list)
		}
		_, err = s.Attachment(ctx, "A-5")
		is(t, err, store.ErrNotFound)
		if n, _, err := s.Verify(ctx); n != 1 || err != nil {
			t.Errorf("the trail has %d entries, %v", n, err)
		}
	})
}

func TestWhatVendorsLeftIsPurgedAndForgotten(t *testing.T) {
	on(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s := open(t, url)
		const account = "5b10a2844c20165700ede21f"
		f, g := finding("a", "c", "goes on"), finding("a", "c", "closed")
		publish(t, s, false, audit.AppUpdate{Key: "a", StatesAt: audit.Never, Findings: []audit.Finding{f, g}})
		room := store.AttachmentRoom{Files: 9, Vendor: 1000, All: 1000}
		var change store.NoticesChanged
		for id, x := range map[string]struct {
			about  audit.Finding
			closed audit.Instant
		}{"A-1": {f, audit.Never}, "A-2": {g, t0 + 1}} {
			change.Matters = append(change.Matters, audit.Matter{FindingRef: audit.FindingRef{App: "a", Finding: x.about.ID}, Vendor: "v", ClosedAt: x.closed})
			text := []byte("user " + account + " left")
			must(t, s.Attach(ctx, &store.Attachment{ID: id, App: "a", Finding: x.about.ID, Vendor: "v", Name: account + ".txt", Kind: "text/plain; charset=utf-8", Size: int64(len(text)), At: t0, Content: text}, room, nil))
		}
		must(t, s.Attach(ctx, &store.Attachment{ID: "A-3", App: "a", Finding: f.ID, Vendor: "v", Name: "picture", Kind: "image/png", Size: 24, At: t0, Content: []byte(account)}, room, nil))
		must(t, s.ChangeNotices(ctx, change))
		matters, err := s.MattersOf(ctx, "v")
		must(t, err)
		if others, err := s.MattersOf(ctx, "w"); len(matters) != 2 || len(others) != 0 || err != nil {
			t.Errorf("%d matters of v, %d of w, %v", len(matters), len(others), err)
		}

		l := lock(t, s)
		erased, err := s.Night(l).Forget(ctx, store.Forgetting{Renames: audit.NewForgotten(s.ArchiveKey()).Forget([]string{account}), Who: "me", At: t0})
		must(t, err)
		if erased.Attachments != 2 {
			t.Errorf("the account was erased from %d attachments", erased.Attachments)
		}
		a, err := s.Attachment(ctx, "A-1")
		must(t, err)
		if strings.Contains(a.Name+string(a.Content), account) || !strings.HasPrefix(string(a.Content), "user forgotten-") || a.Size != int64(len(a.Content)) || len(a.Digest) != 64 {
			t.Errorf("%s of %d bytes: %s", a.Name, a.Size, a.Content)
		}

		must(t, s.UseLink(ctx, store.LinkUse{Vendor: "v", Token: hash('a'), Expires: t0 + 9}, store.VendorSession{Cookie: hash('a'), Expires: t0 + 9}, entry("opened", "")))
		run := byHand()
		run.AsOf = t0 + audit.Instant(100*24*time.Hour)
		must(t, s.Night(l).Begin(ctx, run))
		p := finish(run)
		p.Run.FinishedAt = run.AsOf
		p.Retention = audit.Retention{Findings: t0, Trail: run.AsOf}
		must(t, s.Night(l).Publish(ctx, p))
		list, err := s.Attachments(ctx, []string{f.ID, g.ID})
		must(t, err)
		if len(list) != 2 || list[0].ID != "A-1" || list[1].ID != "A-3" || run.Summary.Purged.Attachments != 1 {
			t.Errorf("left: %+v; purged %+v", list, run.Summary.Purged)
		}
		must(t, s.LinkUsable(ctx, store.LinkUse{Vendor: "v", Token: hash('a'), Expires: t0 + 9})) // what is over by itself needs no row any more
		if _, err := s.SessionVendor(ctx, hash('a'), t0); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session: %v", err)
		}
	})
}
