package notices

import (
	"context"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// GiveUp gives up a message that cannot be delivered, for a person, with a reason. If it is a vendor's notice, that is withdrawn with it: its vendor was not
// told, no deadline runs, and the next night drafts anew what there is to tell. An error is one of [store.Store.GiveUp].
func (d *Desk) GiveUp(ctx context.Context, m *audit.Message, by, why string) error {
	return again(func() error {
		now := audit.At(d.Clock())
		g := store.GiveUp{ID: m.ID, GivenUp: audit.GivenUp{At: now, By: by, Why: why}}
		if !IsKey(m.Key) {
			return d.Store.GiveUp(ctx, g)
		}
		list, err := d.Store.Notices(ctx, store.NoticeFilter{Deliveries: []audit.Delivery{audit.NoticeApproved}})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(n audit.Notice) bool { return n.Queued() && n.Key() == m.Key })
		if i < 0 {
			return d.Store.GiveUp(ctx, g)
		}
		n, trail := list[i].GivenUp(by, why, now)
		return d.Store.ChangeNotices(ctx, store.NoticesChanged{Notices: []audit.Notice{n}, GivenUp: []store.GiveUp{g}, Trail: trail})
	})
}

// IsKey says whether a key is that of a notice's message: see [audit.Notice.Key].
func IsKey(key string) bool { return strings.HasPrefix(key, "notice ") }
