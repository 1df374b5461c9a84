package store

import (
	"context"
	"maps"
	"sync"

	"github.com/mailreeve/mailreeve/audit"
)

// A Night is the store as one night sees it, under its lease: an [audit.Store]. It remembers what it read that people may change meanwhile, so that
// Publish overwrites nothing of theirs.
type Night struct {
	*Store

	lease    *Lease
	mu       sync.Mutex
	versions map[string]int64   // of the findings that were read
	due      map[string][]int64 // by app: the rows of what the ledger says is due
}

var _ audit.Store = (*Night)(nil)

// Night is the store for the night that holds l.
func (s *Store) Night(l *Lease) *Night {
	return &Night{Store: s, lease: l, versions: map[string]int64{}}
}

// Ledger is Store.Ledger. What it says is due is replaced, for each app, by what Publish says is left.
func (n *Night) Ledger(ctx context.Context) (*audit.Ledger, error) {
	l, due, err := n.ledger(ctx)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.due = due
	return l, nil
}

// FindingsOf reads all findings of apps, whatever their status, by id, and the suppressions and dismissals of them that have not ended.
func (n *Night) FindingsOf(ctx context.Context, apps ...string) (findings []audit.Finding, acts []audit.Act, err error) {
	err = n.read(ctx, "read the findings of apps", func(t *tx) error {
		findings, acts = nil, nil
		return chunks(texts(apps), func(apps []text) error {
			found, versions, err := t.findings(ctx, selectFindings()+` WHERE f.app_key IN (?) ORDER BY f.id`, apps)
			if err != nil {
				return err
			}
			on, err := t.acts(ctx, selectActs+` WHERE a.app_key IN (?) AND a.ended = ? ORDER BY a.id`, apps, audit.Never)
			if err != nil {
				return err
			}
			findings, acts = append(findings, found...), append(acts, on...)
			n.mu.Lock()
			defer n.mu.Unlock()
			for i := range found {
				n.versions[found[i].ID] = versions[i]
			}
			return nil
		})
	})
	return findings, acts, err
}

// Publish makes visible all that the night found, in one transaction: readers see the store before it or after it. A [ChangedError] where a person
// changed one of the findings since FindingsOf read it: read the findings again and publish anew. [ErrFenced] where the lease is no longer the newest,
// or the run no longer running. Facts of days before p.Purged leave the store; p.Run.Summary.Purged tells. What people accepted into approvals meanwhile stays accepted.
func (n *Night) Publish(ctx context.Context, p *audit.Publication) error {
	n.mu.Lock()
	read, due := maps.Clone(n.versions), n.due
	n.mu.Unlock()
	err := n.fenced(ctx, "publish run "+p.Run.ID, n.lease, func(t *tx) error {
		return (&publishing{tx: t, p: p, read: read, wasDue: due}).write(ctx)
	})
	if err == nil {
		p.Run.Status = audit.Finished
	}
	return err
}
