package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// ErrChanged says that another changed what was read meanwhile, so that nothing was written: read again.
var ErrChanged = errors.New("another changed it meanwhile")

// A NoticeFilter says which notices. What is empty does not matter.
type NoticeFilter struct {
	Deliveries []audit.Delivery
	Vendors    []string // keys
	IDs        []string
}

// Notices gives the notices that f asks for, the newest first.
func (s *Store) Notices(ctx context.Context, f NoticeFilter) ([]audit.Notice, error) {
	var where []string
	var args []any
	if len(f.Deliveries) > 0 {
		where, args = append(where, `delivery IN (?)`), append(args, f.Deliveries)
	}
	if len(f.Vendors) > 0 {
		where, args = append(where, `vendor IN (?)`), append(args, texts(f.Vendors))
	}
	if len(f.IDs) > 0 {
		where, args = append(where, `id IN (?)`), append(args, f.IDs)
	}
	condition := ""
	if len(where) > 0 {
		condition = ` WHERE ` + strings.Join(where, ` AND `)
	}
	return s.notices(ctx, condition+` ORDER BY created DESC, id`, args...)
}

// Notice gives the notice whose id begins with prefix, in whatever case, with or without N-. [ErrNotFound], [ErrAmbiguous].
func (s *Store) Notice(ctx context.Context, prefix string) (*audit.Notice, error) {
	p := strings.ToUpper(strings.TrimSpace(prefix))
	if !strings.HasPrefix(p, "N-") {
		p = "N-" + p
	}
	list, err := s.notices(ctx, ` WHERE id >= ? AND id < ? ORDER BY id LIMIT 2`, text(p), text(p+"~"))
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, fmt.Errorf("notice %q: %w: `mailreeve notices list --all` shows what there is", prefix, ErrNotFound)
	case len(list) > 1:
		return nil, fmt.Errorf("notice %q: %w, such as %s and %s", prefix, ErrAmbiguous, list[0].ID, list[1].ID)
	}
	return &list[0], nil
}

func (s *Store) notices(ctx context.Context, condition string, args ...any) (list []audit.Notice, err error) {
	err = s.read(ctx, "read the notices", func(t *tx) error {
		var found []struct {
			Recipients string `db:"recipients"`
			Body       string `db:"body"`
			Version    int64  `db:"version"`
		}
		if err := t.all(ctx, &found, `SELECT recipients, body, version FROM notices`+condition, args...); err != nil {
			return err
		}
		list = make([]audit.Notice, len(found))
		for i, r := range found {
			n := &list[i]
			if err := unpackJSON(r.Body, n); err != nil {
				return fmt.Errorf("a notice: %w", err)
			}
			if err := unpackJSON(r.Recipients, &n.Recipients); err != nil {
				return fmt.Errorf("the recipients of notice %s: %w", n.ID, err)
			}
			n.Version = r.Version
		}
		return nil
	})
	return list, err
}

// Matters gives what goes on with vendors about findings, by app and finding; with open only what is not closed.
func (s *Store) Matters(ctx context.Context, open bool) ([]audit.Matter, error) {
	if open {
		return s.matters(ctx, ` WHERE closed_at = ?`, audit.Never)
	}
	return s.matters(ctx, "")
}

func (s *Store) matters(ctx context.Context, condition string, args ...any) (list []audit.Matter, err error) {
	err = s.read(ctx, "read what vendors answered", func(t *tx) error {
		var found []struct {
			Body    string `db:"body"`
			Version int64  `db:"version"`
		}
		if err := t.all(ctx, &found, `SELECT body, version FROM matters`+condition+` ORDER BY app_key, finding_id`, args...); err != nil {
			return err
		}
		list = make([]audit.Matter, len(found))
		for i, r := range found {
			if err := unpackJSON(r.Body, &list[i]); err != nil {
				return fmt.Errorf("what a vendor answered: %w", err)
			}
			list[i].Version = r.Version
		}
		return nil
	})
	return list, err
}

// FindingNotice is what notices make of a finding.
type FindingNotice struct {
	audit.FindingRef
	NotifiedAt, DueAt audit.Instant
	Recommend         *audit.Recommendation // nil: as it is
}

// NoticesChanged is what is written together.
type NoticesChanged struct {
	Notices  []audit.Notice // Version as it was read; 0: new
	Matters  []audit.Matter // likewise
	Findings []FindingNotice
	Open     []audit.FindingRef // that have to be open still
	Messages []audit.Message
	Trail    []audit.TrailEntry
}

// ChangeNotices writes c, all or nothing. [ErrChanged] where a notice or matter is no longer of the version that was read, or a finding is no longer open.
func (s *Store) ChangeNotices(ctx context.Context, c NoticesChanged) error {
	return s.write(ctx, "change notices", func(t *tx) error {
		for _, k := range c.Open {
			var status audit.Status
			err := t.one(ctx, &status, `SELECT status FROM findings WHERE app_key = ? AND id = ?`+t.d.forUpdate(), text(k.App), k.Finding)
			if errors.Is(err, ErrNotFound) {
				return ErrChanged
			} else if err != nil {
				return err
			}
			if !audit.IsOpen(status) {
				return ErrChanged
			}
		}
		for i := range c.Notices {
			if err := t.notice(ctx, &c.Notices[i]); err != nil {
				return err
			}
		}
		for i := range c.Matters {
			if err := t.matter(ctx, &c.Matters[i]); err != nil {
				return err
			}
		}
		for i := range c.Findings {
			f := &c.Findings[i]
			set, args := `notified_at = ?, due_at = ?, version = version + 1`, []any{f.NotifiedAt, f.DueAt}
			if f.Recommend != nil {
				packed, err := packJSON(f.Recommend)
				if err != nil {
					return err
				}
				set, args = set+`, recommendation = ?`, append(args, packed)
			}
			if _, err := t.exec(ctx, `UPDATE findings SET `+set+` WHERE app_key = ? AND id = ?`, append(args, text(f.App), f.Finding)...); err != nil {
				return err
			}
		}
		if err := t.enqueue(ctx, c.Messages); err != nil {
			return err
		}
		return t.appendTrail(ctx, c.Trail)
	})
}

func (t *tx) notice(ctx context.Context, n *audit.Notice) error {
	body, err := packJSON(n)
	if err != nil {
		return err
	}
	recipients, err := packJSON(append([]string{}, n.Recipients...))
	if err != nil {
		return err
	}
	var changed int64
	if n.Version == 0 {
		changed, err = t.exec(ctx, `INSERT INTO notices (vendor, id, delivery, created, recipients, body, version) VALUES (?, ?, ?, ?, ?, ?, 1)
			ON CONFLICT (vendor, id) DO NOTHING`, text(n.Vendor), n.ID, string(n.Delivery), n.Created, recipients, body)
	} else {
		changed, err = t.exec(ctx, `UPDATE notices SET delivery = ?, recipients = ?, body = ?, version = version + 1 WHERE vendor = ? AND id = ? AND version = ?`,
			string(n.Delivery), recipients, body, text(n.Vendor), n.ID, n.Version)
	}
	if err == nil && changed == 0 {
		err = ErrChanged
	}
	return err
}

func (t *tx) matter(ctx context.Context, m *audit.Matter) error {
	body, err := packJSON(m)
	if err != nil {
		return err
	}
	var changed int64
	if m.Version == 0 {
		changed, err = t.exec(ctx, `INSERT INTO matters (app_key, finding_id, vendor, closed_at, body, version) VALUES (?, ?, ?, ?, ?, 1)
			ON CONFLICT (app_key, finding_id) DO NOTHING`, text(m.App), m.Finding, text(m.Vendor), m.ClosedAt, body)
	} else {
		changed, err = t.exec(ctx, `UPDATE matters SET vendor = ?, closed_at = ?, body = ?, version = version + 1 WHERE app_key = ? AND finding_id = ? AND version = ?`,
			text(m.Vendor), m.ClosedAt, body, text(m.App), m.Finding, m.Version)
	}
	if err == nil && changed == 0 {
		err = ErrChanged
	}
	return err
}

// Sent gives those messages of keys that were delivered, with when and with the receipt.
func (s *Store) Sent(ctx context.Context, keys []string) (map[string]audit.Message, error) {
	out := map[string]audit.Message{}
	err := chunks(texts(keys), func(keys []text) error {
		list, err := s.messages(ctx, selectMessages+` WHERE key IN (?) AND sent_at <> ?`, keys, audit.Never)
		for _, m := range list {
			out[m.Key] = m
		}
		return err
	})
	return out, err
}

// NightCounts gives the finished runs in order, each with how many critical and high findings it filed that are kept.
func (s *Store) NightCounts(ctx context.Context) (list []audit.NightCount, err error) {
	err = s.read(ctx, "count what nights filed", func(t *tx) error {
		var runs []struct {
			ID       string        `db:"id"`
			AsOf     audit.Instant `db:"as_of"`
			Baseline bool          `db:"baseline"`
			Released bool          `db:"released"`
		}
		err := t.all(ctx, &runs, `SELECT id, as_of, baseline, EXISTS (SELECT 1 FROM releases r WHERE r.run = runs.id) AS released FROM runs
			WHERE status = 'finished' ORDER BY seq`)
		if err != nil {
			return err
		}
		var filed []struct {
			Run string `db:"first_run"`
			N   int    `db:"n"`
		}
		err = t.all(ctx, &filed, `SELECT first_run, count(*) AS n FROM findings WHERE severity IN (?) GROUP BY first_run`, []audit.Severity{audit.Critical, audit.High})
		if err != nil {
			return err
		}
		severe := map[string]int{}
		for _, r := range filed {
			severe[r.Run] = r.N
		}
		for _, r := range runs {
			list = append(list, audit.NightCount{Run: r.ID, AsOf: r.AsOf, Baseline: r.Baseline, Released: r.Released, Severe: severe[r.ID]})
		}
		return nil
	})
	return list, err
}

// Release lets the notices go that a run holds up, and says so in the trail. It is done once: again, it changes nothing.
func (s *Store) Release(ctx context.Context, run string, e audit.TrailEntry) error {
	return s.write(ctx, "release run "+run, func(t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO releases (run, at) VALUES (?, ?) ON CONFLICT (run) DO NOTHING`, text(run), e.At)
		if err != nil || n == 0 {
			return err
		}
		return t.appendTrail(ctx, []audit.TrailEntry{e})
	})
}

// A Registrant is what the registry says of an app now, and since when its oldest request for approval waits; Never: none does.
type Registrant struct {
	App     *audit.App
	Waiting audit.Instant
}

// Registrants gives what the registry says of apps. An app that it does not list any more is as it was last; one that it never listed is missing.
func (s *Store) Registrants(ctx context.Context, keys []string) (map[string]Registrant, error) {
	apps := map[string]*audit.AppFacts{}
	for _, k := range keys {
		apps[k] = &audit.AppFacts{Key: k}
	}
	out := map[string]Registrant{}
	err := s.read(ctx, "read the registry", func(t *tx) error {
		return chunks(texts(keys), func(keys []text) error {
			if err := t.apps(ctx, keys, apps); err != nil {
				return err
			}
			if err := t.versions(ctx, keys, apps); err != nil {
				return err
			}
			var waiting []struct {
				App     text          `db:"app_key"`
				Request text          `db:"request_id"`
				Since   audit.Instant `db:"since"`
			}
			if err := t.all(ctx, &waiting, `SELECT app_key, request_id, since FROM requests WHERE app_key IN (?)`, keys); err != nil {
				return err
			}
			since := map[audit.FindingRef]audit.Instant{}
			for _, r := range waiting {
				since[audit.FindingRef{App: string(r.App), Finding: string(r.Request)}] = r.Since
			}
			for _, k := range keys {
				r := Registrant{Waiting: audit.Never}
				facts := apps[string(k)]
				for _, v := range facts.Versions {
					if v.App != nil {
						r.App = v.App
					}
				}
				for i := range facts.Approvals {
					if a := &facts.Approvals[i]; waits(a) {
						if at, ok := since[audit.FindingRef{App: string(k), Finding: a.RequestID}]; ok {
							r.Waiting = min(r.Waiting, at)
						}
					}
				}
				if r.App != nil {
					out[string(k)] = r
				}
			}
			return nil
		})
	})
	return out, err
}

func waits(a *audit.Approval) bool { return a.Status == audit.Pending && a.Dropped == 0 }

// NoteRequests remembers since when requests for approval wait: those that are not known yet, since at.
func (s *Store) NoteRequests(ctx context.Context, at audit.Instant) error {
	return s.write(ctx, "note the requests that wait", func(t *tx) error {
		var found []struct {
			Key       text    `db:"app_key"`
			Approvals *string `db:"approvals"`
		}
		if err := t.all(ctx, &found, `SELECT app_key, approvals FROM apps WHERE approvals LIKE '%"pending"%' ORDER BY app_key`); err != nil {
			return err
		}
		for _, r := range found {
			list, err := approvals(string(r.Key), r.Approvals)
			if err != nil {
				return err
			}
			for i := range list {
				if !waits(&list[i]) {
					continue
				}
				_, err := t.exec(ctx, `INSERT INTO requests (app_key, request_id, since) VALUES (?, ?, ?) ON CONFLICT (app_key, request_id) DO NOTHING`,
					r.Key, text(list[i].RequestID), at)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Commented gives those of findings that a reviewer commented on: neither the night nor their vendor.
func (s *Store) Commented(ctx context.Context, ids []string) (map[string]bool, error) {
	out := map[string]bool{}
	err := s.read(ctx, "look for comments", func(t *tx) error {
		return chunks(ids, func(ids []string) error {
			var found []string
			err := t.all(ctx, &found, `SELECT DISTINCT finding_id FROM trail WHERE what = 'commented' AND who <> 'night' AND who NOT LIKE 'vendor:%' AND finding_id IN (?)`, ids)
			for _, id := range found {
				out[id] = true
			}
			return err
		})
	})
	return out, err
}

// LinkKey is the store's key for links that vendors get. It is never to be printed.
func (s *Store) LinkKey() []byte {
	m := hmac.New(sha256.New, s.archiveKey)
	m.Write([]byte("links for vendors"))
	return m.Sum(nil)
}
