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

// MattersOfNotices gives what goes on about all that notices tell of, by app and finding.
func (s *Store) MattersOfNotices(ctx context.Context, notices []string) (list []audit.Matter, err error) {
	err = s.read(ctx, "read what vendors answered to notices", func(t *tx) error {
		list = nil
		seen := map[audit.FindingRef]bool{} // by a part before
		return chunks(notices, func(notices []string) error {
			found, err := t.matters(ctx, ` WHERE (app_key, finding_id) IN (SELECT app_key, finding_id FROM told WHERE notice IN (?))`, notices)
			for _, m := range found {
				if !seen[m.FindingRef] {
					seen[m.FindingRef] = true
					list = append(list, m)
				}
			}
			return err
		})
	})
	return list, err
}

func (s *Store) matters(ctx context.Context, condition string, args ...any) (list []audit.Matter, err error) {
	err = s.read(ctx, "read what vendors answered", func(t *tx) error {
		list, err = t.matters(ctx, condition, args...)
		return err
	})
	return list, err
}

func (t *tx) matters(ctx context.Context, condition string, args ...any) ([]audit.Matter, error) {
	var found []struct {
		Body    string `db:"body"`
		Version int64  `db:"version"`
	}
	if err := t.all(ctx, &found, `SELECT body, version FROM matters`+condition+` ORDER BY app_key, finding_id`, args...); err != nil {
		return nil, err
	}
	list := make([]audit.Matter, len(found))
	for i, r := range found {
		if err := unpackJSON(r.Body, &list[i]); err != nil {
			return nil, fmt.Errorf("what a vendor answered: %w", err)
		}
		list[i].Version = r.Version
	}
	return list, nil
}

// A NoticeHead is what lists know of a notice without reading it.
type NoticeHead struct {
	ID         string
	Vendor     string // key
	VendorName string
	Created    audit.Instant
	Delivery   audit.Delivery
	Open       int           // matters about what it tells of, as [audit.Matter.By] says, that are not closed
	Asks       bool          // one of them waits for a person, as [audit.Matter.Asks] says
	Due        audit.Instant // the earliest deadline of these; Never: there is none
}

// GoesOn says whether anything is still to come of the notice.
func (n *NoticeHead) GoesOn() bool {
	if n.Delivery != audit.NoticeDelivered {
		return n.Delivery != audit.NoticeWithdrawn
	}
	return n.Open > 0
}

// Waits says whether the notice waits for a person.
func (n *NoticeHead) Waits() bool {
	return n.Delivery == audit.NoticeDrafted || n.Delivery == audit.NoticeNoContact || n.Delivery == audit.NoticeBounced || n.Asks
}

// NoticeLists are what a list of notices can be cut down to: those of which something is still to come (empty), that wait for a person (waits), of a delivery,
// or all.
func NoticeLists() []string {
	return []string{"", "waits", string(audit.NoticeApproved), string(audit.NoticeSent), string(audit.NoticeDelivered), string(audit.NoticeBounced), string(audit.NoticeWithdrawn), "all"}
}

// In says whether the notice belongs to one of the [NoticeLists].
func (n *NoticeHead) In(list string) bool {
	switch list {
	case "":
		return n.GoesOn()
	case "waits":
		return n.Waits()
	case "all":
		return true
	}
	return string(n.Delivery) == list
}

// NoticeHeads gives the notices of a vendor, the newest first; of all where its key is empty.
func (s *Store) NoticeHeads(ctx context.Context, vendor string) (list []NoticeHead, err error) {
	where, args := ``, []any(nil)
	from := `matters m CROSS JOIN told o` // in this order SQLite reads them: what is open is in an index that has all that is asked for
	if vendor != "" {
		where, args = ` WHERE vendor = ?`, []any{text(vendor)}
		from = `told o CROSS JOIN matters m`
	}
	err = s.read(ctx, "list the notices", func(t *tx) error {
		var found []struct {
			ID       string         `db:"id"`
			Vendor   text           `db:"vendor"`
			Name     text           `db:"name"`
			Created  audit.Instant  `db:"created"`
			Delivery audit.Delivery `db:"delivery"`
		}
		if err := t.all(ctx, &found, `SELECT id, vendor, coalesce(name, '') AS name, created, delivery FROM notices`+where+` ORDER BY created DESC, id`, args...); err != nil {
			return err
		}
		var open []struct {
			ID   string        `db:"notice"`
			N    int           `db:"n"`
			Asks int           `db:"asks"`
			Due  audit.Instant `db:"due"`
		}
		where, args := ` WHERE m.closed_at = ? AND o.app_key = m.app_key AND o.finding_id = m.finding_id AND (m.notice = o.notice OR m.second = o.notice OR o.kind = ?)`,
			[]any{audit.Never, string(audit.Reminder)}
		if vendor != "" {
			where, args = and(where, args, `o.vendor = ?`, text(vendor))
		}
		err := t.all(ctx, &open, `SELECT o.notice, count(*) AS n, max(CASE WHEN m.asks THEN 1 ELSE 0 END) AS asks, min(m.due) AS due FROM `+from+where+` GROUP BY o.notice`, args...)
		at := make(map[string]int, len(open))
		for i := range open {
			at[open[i].ID] = i
		}
		list = make([]NoticeHead, len(found))
		for i, r := range found {
			h := NoticeHead{ID: r.ID, Vendor: string(r.Vendor), VendorName: string(r.Name), Created: r.Created, Delivery: r.Delivery, Due: audit.Never}
			if k, ok := at[r.ID]; ok {
				h.Open, h.Asks, h.Due = open[k].N, open[k].Asks != 0, open[k].Due
			}
			list[i] = h
		}
		return err
	})
	return list, err
}

// EverRecommended gives the ids of the findings that something was ever recommended for, as the trail has it; those that a forgotten account gave another id
// are among them, whatever was recommended.
func (s *Store) EverRecommended(ctx context.Context) (ids []string, err error) {
	err = s.read(ctx, "look for recommendations", func(t *tx) error {
		ids = nil
		return t.all(ctx, &ids, `SELECT DISTINCT finding_id FROM trail WHERE what IN ('recommended', 'renamed')`)
	})
	return ids, err
}

// Requesting gives the keys of the apps whose requests for approval wait.
func (s *Store) Requesting(ctx context.Context) (keys []string, err error) {
	err = s.read(ctx, "look for requests that wait", func(t *tx) error {
		var found []text
		err := t.all(ctx, &found, `SELECT DISTINCT app_key FROM requests ORDER BY app_key`)
		keys = make([]string, len(found))
		for i, k := range found {
			keys[i] = string(k)
		}
		return err
	})
	return keys, err
}

// CountUntold counts the findings that a run filed, that vendors are told of, and that no vendor was told of yet.
func (s *Store) CountUntold(ctx context.Context, run string) (n int, err error) {
	err = s.read(ctx, "count what a run found", func(t *tx) error {
		return t.one(ctx, &n, `SELECT count(*) FROM listed l JOIN findings f ON f.app_key = l.app_key AND f.id = l.id
			WHERE l.first_run = ? AND l.status IN (?) AND l.app_key <> '' AND f.confidence <> ? AND NOT f.observed AND NOT EXISTS (SELECT 1 FROM matters m WHERE m.finding_id = f.id)`,
			run, audit.OpenStatuses(), audit.Possible)
	})
	return n, err
}

// NextDraft gives the notice to be approved that waits the longest after another one, or of all where none waits after it; ErrNotFound where no other waits.
func (s *Store) NextDraft(ctx context.Context, after *audit.Notice) (h NoticeHead, err error) {
	err = s.read(ctx, "look for the next notice to approve", func(t *tx) error {
		var r struct {
			ID      string        `db:"id"`
			Vendor  text          `db:"vendor"`
			Name    text          `db:"name"`
			Created audit.Instant `db:"created"`
		}
		err := t.one(ctx, &r, `SELECT id, vendor, coalesce(name, '') AS name, created FROM notices WHERE delivery = ? AND id <> ?
			ORDER BY CASE WHEN created > ? OR created = ? AND id > ? THEN 0 ELSE 1 END, created, id LIMIT 1`, string(audit.NoticeDrafted), after.ID, after.Created, after.Created, after.ID)
		h = NoticeHead{ID: r.ID, Vendor: string(r.Vendor), VendorName: string(r.Name), Created: r.Created, Delivery: audit.NoticeDrafted, Due: audit.Never}
		return err
	})
	return h, err
}

// CountNotices counts the notices of a delivery.
func (s *Store) CountNotices(ctx context.Context, d audit.Delivery) (n int, err error) {
	err = s.read(ctx, "count the notices", func(t *tx) error {
		return t.one(ctx, &n, `SELECT count(*) FROM notices WHERE delivery = ?`, string(d))
	})
	return n, err
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
