package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

// Why a link leads to a vendor's page no longer.
var (
	ErrLinkUsed    = errors.New("the link was used before")
	ErrLinkRevoked = errors.New("the link was taken back")
)

// A LinkUse is a vendor's link that a browser opens.
type LinkUse struct {
	Vendor  string // key
	Token   []byte // SHA-256 of the link's token
	Expires audit.Instant
}

// A VendorSession is a browser in which a vendor's link was opened.
type VendorSession struct {
	Cookie  []byte // SHA-256 of the cookie's value
	Expires audit.Instant
}

// LinkUsable says whether a link can still be used: nil, [ErrLinkUsed] or [ErrLinkRevoked]. It changes nothing.
func (s *Store) LinkUsable(ctx context.Context, l LinkUse) error {
	return s.read(ctx, "look at a vendor's link", func(t *tx) error {
		if err := t.linkRevoked(ctx, l); err != nil {
			return err
		}
		var used bool
		if err := t.one(ctx, &used, `SELECT EXISTS (SELECT 1 FROM vendor_links WHERE vendor = ? AND hash = ?)`, text(l.Vendor), l.Token); err != nil {
			return err
		}
		if used {
			return ErrLinkUsed
		}
		return nil
	})
}

func (t *tx) linkRevoked(ctx context.Context, l LinkUse) error {
	var until audit.Instant
	err := t.one(ctx, &until, `SELECT until FROM vendor_revocations WHERE vendor = ?`, text(l.Vendor))
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	case l.Expires <= until:
		return ErrLinkRevoked
	}
	return nil
}

// UseLink uses a link up, begins a session with it, and says so in the trail: of all who try, one succeeds. [ErrLinkUsed], [ErrLinkRevoked].
func (s *Store) UseLink(ctx context.Context, l LinkUse, begun VendorSession, e audit.TrailEntry) error {
	return s.write(ctx, "use a vendor's link", func(t *tx) error {
		if err := t.linkRevoked(ctx, l); err != nil {
			return err
		}
		n, err := t.exec(ctx, `INSERT INTO vendor_links (vendor, hash, used_at, expires) VALUES (?, ?, ?, ?) ON CONFLICT (vendor, hash) DO NOTHING`,
			text(l.Vendor), l.Token, e.At, l.Expires)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrLinkUsed
		}
		_, err = t.exec(ctx, `INSERT INTO vendor_sessions (hash, vendor, link_expires, expires) VALUES (?, ?, ?, ?)`, begun.Cookie, text(l.Vendor), l.Expires, begun.Expires)
		if err != nil {
			return err
		}
		return t.appendTrail(ctx, []audit.TrailEntry{e})
	})
}

// SessionVendor is whose page a session is for; [ErrNotFound] where there is no such session, or no longer.
func (s *Store) SessionVendor(ctx context.Context, cookie []byte, now audit.Instant) (vendor string, err error) {
	err = s.read(ctx, "look for a vendor's session", func(t *tx) error {
		var v text
		err := t.one(ctx, &v, `SELECT vendor FROM vendor_sessions s WHERE hash = ? AND expires > ?
			AND NOT EXISTS (SELECT 1 FROM vendor_revocations r WHERE r.vendor = s.vendor AND r.until >= s.link_expires)`, cookie, now)
		vendor = string(v)
		return err
	})
	return vendor, err
}

// EndVendorSession ends a session, if there is one.
func (s *Store) EndVendorSession(ctx context.Context, cookie []byte) error {
	return s.write(ctx, "end a vendor's session", func(t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM vendor_sessions WHERE hash = ?`, cookie)
		return err
	})
}

// RevokeLinks takes back the links of a vendor that expire at until or before, and ends the sessions that began with one.
func (s *Store) RevokeLinks(ctx context.Context, vendor string, until audit.Instant, trail []audit.TrailEntry) error {
	return s.write(ctx, "take a vendor's links back", func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO vendor_revocations (vendor, until) VALUES (?, ?)
			ON CONFLICT (vendor) DO UPDATE SET until = excluded.until WHERE excluded.until > vendor_revocations.until`, text(vendor), until)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `DELETE FROM vendor_sessions WHERE vendor = ? AND link_expires <= ?`, text(vendor), until); err != nil {
			return err
		}
		return t.appendTrail(ctx, trail)
	})
}

// An Attachment is a file that a vendor attached to a finding of its own.
type Attachment struct {
	ID      string
	App     string
	Finding string
	Vendor  string // key
	Name    string // of the file; for people to read, never a path
	Kind    string // content type, as the content has it
	Size    int64
	Digest  string // SHA-256, hexadecimal
	At      audit.Instant
	Content []byte // left out of lists
}

// An AttachmentRoom is how much is kept of what vendors attach.
type AttachmentRoom struct {
	Files  int   // of one finding
	Vendor int64 // bytes of one vendor
	All    int64 // bytes
}

// ErrNoRoom says that no more can be attached.
var ErrNoRoom = errors.New("there is no room for more attachments")

// Attach keeps a file, if there is room, and says so in the trail. [ErrNoRoom].
func (s *Store) Attach(ctx context.Context, a *Attachment, room AttachmentRoom, trail []audit.TrailEntry) error {
	return s.write(ctx, "keep what a vendor attached", func(t *tx) error {
		var has struct {
			Files  int   `db:"files"`
			Vendor int64 `db:"vendor"`
			All    int64 `db:"everything"`
		}
		err := t.one(ctx, &has, `SELECT coalesce(sum(CASE WHEN app_key = ? AND finding_id = ? THEN 1 ELSE 0 END), 0) AS files,
			CAST(coalesce(sum(CASE WHEN vendor = ? THEN size ELSE 0 END), 0) AS BIGINT) AS vendor, CAST(coalesce(sum(size), 0) AS BIGINT) AS everything FROM attachments`,
			text(a.App), a.Finding, text(a.Vendor))
		if err != nil {
			return err
		}
		if has.Files >= room.Files || has.Vendor+a.Size > room.Vendor || has.All+a.Size > room.All {
			return ErrNoRoom
		}
		_, err = t.exec(ctx, `INSERT INTO attachments (app_key, id, finding_id, vendor, name, kind, size, digest, at, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			text(a.App), a.ID, a.Finding, text(a.Vendor), text(a.Name), a.Kind, a.Size, a.Digest, a.At, blob(a.Content))
		if err != nil {
			return err
		}
		return t.appendTrail(ctx, trail)
	})
}

type attachmentRow struct {
	App     text          `db:"app_key"`
	ID      string        `db:"id"`
	Finding string        `db:"finding_id"`
	Vendor  text          `db:"vendor"`
	Name    text          `db:"name"`
	Kind    string        `db:"kind"`
	Size    int64         `db:"size"`
	Digest  string        `db:"digest"`
	At      audit.Instant `db:"at"`
	Content []byte        `db:"content"`
}

func (r *attachmentRow) attachment() Attachment {
	return Attachment{ID: r.ID, App: string(r.App), Finding: r.Finding, Vendor: string(r.Vendor), Name: string(r.Name), Kind: r.Kind, Size: r.Size, Digest: r.Digest,
		At: r.At, Content: r.Content}
}

const selectAttachments = `SELECT app_key, id, finding_id, vendor, name, kind, size, digest, at FROM attachments`

// Attachments gives what was attached to findings, the oldest first, without its content.
func (s *Store) Attachments(ctx context.Context, findings []string) (list []Attachment, err error) {
	err = s.read(ctx, "list what vendors attached", func(t *tx) error {
		return chunks(findings, func(findings []string) error {
			var found []attachmentRow
			err := t.all(ctx, &found, selectAttachments+` WHERE finding_id IN (?) ORDER BY at, id`, findings)
			for i := range found {
				list = append(list, found[i].attachment())
			}
			return err
		})
	})
	slices.SortStableFunc(list, func(a, b Attachment) int { return cmp.Compare(a.At, b.At) })
	return list, err
}

// Attachment gives the attachment of an id, with its content. [ErrNotFound].
func (s *Store) Attachment(ctx context.Context, id string) (*Attachment, error) {
	var a Attachment
	err := s.read(ctx, "read what a vendor attached", func(t *tx) error {
		var r attachmentRow
		if err := t.one(ctx, &r, `SELECT app_key, id, finding_id, vendor, name, kind, size, digest, at, content FROM attachments WHERE id = ?`, text(id)); err != nil {
			return fmt.Errorf("attachment %q: %w", id, err)
		}
		a = r.attachment()
		return nil
	})
	return &a, err
}

// MattersOf gives what goes on with a vendor, by app and finding.
func (s *Store) MattersOf(ctx context.Context, vendor string) ([]audit.Matter, error) {
	return s.matters(ctx, ` WHERE vendor = ?`, text(vendor))
}
