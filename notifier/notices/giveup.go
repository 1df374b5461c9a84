package notices

import (
	"context"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// GiveUp gives up a message that cannot be delivered, for a person, with a reason. If it is a vendor's notice, that is withdrawn with it: its vendor was not
// told, no deadline runs, and the next night drafts anew what there is to tell. An error is one of [store.Store.GiveUp].
func (d *Desk) GiveUp(ctx context.Context, m *audit.Message, by, why string) error {
	return again(func() error {
		now := audit.At(d.Clock())
		g := store.GiveUp{ID: m.ID, GivenUp: audit.GivenUp{At: now, By: by, Why: why}}
		if !audit.IsNoticeKey(m.Key) {
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
		tried, err := d.Store.Message(ctx, m.ID)
		if err != nil {
			return err
		}
		n, trail := list[i].Recall(*tried, false, by, "given up: "+why, now)
		return d.Store.ChangeNotices(ctx, store.NoticesChanged{Notices: []audit.Notice{n}, GivenUp: []store.GiveUp{g}, Trail: trail})
	})
}
