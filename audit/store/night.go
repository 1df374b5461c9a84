package store

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/mailreeve/mailreeve/audit"
)

// A Night is the store as one night sees it, under its lease: an [audit.Store]. It remembers at which version it read each finding, so that Publish
// notices what people changed since.
type Night struct {
	*Store

	lease    *Lease
	mu       sync.Mutex
	versions map[string]int64
}

// Night is the store for the night that holds l.
func (s *Store) Night(l *Lease) *Night {
	return &Night{Store: s, lease: l, versions: map[string]int64{}}
}

// Begin is Store.Begin under the night's lease.
func (n *Night) Begin(ctx context.Context, run *audit.Run) error {
	return n.Store.Begin(ctx, n.lease, run)
}

// FindingsOf is Store.FindingsOf.
func (n *Night) FindingsOf(ctx context.Context, app string) ([]audit.Finding, []audit.Act, error) {
	f, err := n.Store.FindingsOf(ctx, app)
	if err != nil {
		return nil, nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.Copy(n.versions, f.Versions)
	return f.Findings, f.Acts, nil
}

// Publish is Store.Publish under the night's lease. After an error that is [audit.ErrChanged] read the findings again and publish anew.
func (n *Night) Publish(ctx context.Context, p *audit.Publication) error {
	n.mu.Lock()
	versions := maps.Clone(n.versions)
	n.mu.Unlock()
	return n.Store.Publish(ctx, n.lease, p, versions)
}

// ContributionsOf gives all contributions to one finding, by day.
func (s *Store) ContributionsOf(ctx context.Context, app, check, subject string) (list []audit.Contribution, err error) {
	for c, err := range s.FindingSets(ctx, app, check, subject) {
		if err != nil {
			return nil, err
		}
		list = append(list, *c)
	}
	return slices.Clip(list), nil
}

var _ audit.Store = (*Night)(nil)
