package notices_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A notice whose message is given up was not sent: no deadline runs, no other system is told that it was, and the next night drafts it anew. What the mail server took meanwhile cannot be given up.
func TestANoticeThatIsGivenUp(t *testing.T) {
	t.Parallel()
	bad := finding("purpose-prohibited", app, "marketing")
	o := filed(t, bad)
	first := o.only()
	o.approve(first.ID)
	waiting, err := o.Store.Pending(t.Context())
	o.must(err)
	o.later()
	o.must(o.GiveUp(t.Context(), &waiting[0], bob, "the mail server is gone"))
	n := o.only()
	if n.Delivery != audit.NoticeWithdrawn || n.SentAt != audit.Never || n.EndedAt != o.now || !strings.Contains(n.Why, "the mail server is gone") {
		t.Errorf("%+v", n)
	}
	got := strings.Join(o.later(), "\n")
	for _, want := range []string{bob + ": message given up ", bob + ": notice withdrawn " + bad.ID + " " + n.ID + " notice given up: the mail server is gone"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in the trail:\n%s", want, got)
		}
	}
	o.now = o.now.Add(2 * time.Hour)
	o.must(o.Night(t.Context()))
	o.deliver()
	if f, err := o.Store.Finding(t.Context(), bad.ID); err != nil || f.NotifiedAt != audit.Never || f.DueAt != audit.Never || len(o.mails)+len(o.news) != 0 {
		t.Errorf("told at %s, due %s, %d mails, %d news; %v", f.NotifiedAt, f.DueAt, len(o.mails), len(o.news), err)
	}
	o.only()

	o.now = o.now.Add(day)
	o.night(false, nil)
	list, err := o.Store.Notices(t.Context(), store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeDrafted}})
	o.must(err)
	if len(list) != 1 || list[0].ID == n.ID || !list[0].Has(bad.ID) {
		t.Fatalf("drafted anew: %+v", list)
	}
	o.approve(list[0].ID)
	waiting, err = o.Store.Pending(t.Context())
	o.must(err)
	o.deliver()
	if err := o.GiveUp(t.Context(), &waiting[0], bob, "too late"); err == nil {
		t.Error("a mail that was sent is given up")
	}
	if sent, err := o.Store.Notice(t.Context(), list[0].ID); err != nil || sent.Delivery != audit.NoticeSent {
		t.Errorf("%+v, %v", sent, err)
	}
}
