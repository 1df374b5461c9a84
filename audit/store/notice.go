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

// A NoticeFilter says which notices. What is empty does not matter.
type NoticeFilter struct {
	Deliveries []audit.Delivery
	Vendors    []string // keys
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
		list, err = t.notices(ctx, condition, args...)
		return err
	})
	return list, err
}

func (t *tx) notices(ctx context.Context, condition string, args ...any) ([]audit.Notice, error) {
	var found []struct {
		Recipients string `db:"recipients"`
		Body       string `db:"body"`
		Version    int64  `db:"version"`
	}
	if err := t.all(ctx, &found, `SELECT recipients, body, version FROM notices`+condition, args...); err != nil {
		return nil, err
	}
	list := make([]audit.Notice, len(found))
	for i, r := range found {
		n := &list[i]
		if err := unpackJSON(r.Body, n); err != nil {
			return nil, fmt.Errorf("a notice: %w", err)
		}
		if err := unpackJSON(r.Recipients, &n.Recipients); err != nil {
			return nil, fmt.Errorf("the recipients of notice %s: %w", n.ID, err)
		}
		n.Version = r.Version
	}
	return list, nil
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
	GivenUp  []GiveUp
	Trail    []audit.TrailEntry
}

// ChangeNotices writes c, all or nothing. [audit.ErrChanged] where a notice or matter is no longer of the version that was read, or a finding is no longer open.
func (s *Store) ChangeNotices(ctx context.Context, c NoticesChanged) error {
	return s.write(ctx, "change notices", func(t *tx) error {
		for _, k := range c.Open {
			var status audit.Status
			err := t.one(ctx, &status, `SELECT status FROM findings WHERE app_key = ? AND id = ?`+t.d.forUpdate(), text(k.App), k.Finding)
			if errors.Is(err, ErrNotFound) {
				return audit.ErrChanged
			} else if err != nil {
				return err
			}
			if !audit.IsOpen(status) {
				return audit.ErrChanged
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
		if err := t.giveUp(ctx, c.GivenUp); err != nil {
			return err
		}
		if err := t.appendTrail(ctx, c.Trail); err != nil {
			return err
		}
		return t.enqueue(ctx, c.Messages)
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
		err = audit.ErrChanged
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
		err = audit.ErrChanged
	}
	return err
}

// LinkKey is the store's key for links that vendors get. It is never to be printed.
func (s *Store) LinkKey() []byte {
	m := hmac.New(sha256.New, s.archiveKey)
	m.Write([]byte("links for vendors"))
	return m.Sum(nil)
}
