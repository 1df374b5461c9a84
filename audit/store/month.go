package store

import (
	"context"
	"errors"

	"github.com/mailreeve/mailreeve/audit"
)

// RunsAsOf gives the runs as of a moment in [from, to), whatever became of them, in the order in which they ran.
func (s *Store) RunsAsOf(ctx context.Context, from, to audit.Instant) ([]audit.Run, error) {
	return s.runs(ctx, selectRuns+` WHERE as_of >= ? AND as_of < ? ORDER BY seq`, from, to)
}

// TrailBefore gives the last entry of the trail that belongs before a moment: those of nights as of then, whenever they ran, and of what else happened after
// the last of them, before the moment and before the next night began. So moments part the trail without a gap. Seq 0: nothing is before it.
func (s *Store) TrailBefore(ctx context.Context, moment audit.Instant) (e Entry, err error) {
	err = s.read(ctx, "look for the end of a part of the trail", func(t *tx) error {
		before, err := t.runs(ctx, selectRuns+` WHERE status = 'finished' AND as_of < ? ORDER BY seq DESC LIMIT 1`, moment)
		if err != nil {
			return err
		}
		next, err := t.runs(ctx, selectRuns+` WHERE status = 'finished' AND as_of >= ? ORDER BY seq LIMIT 1`, moment)
		if err != nil {
			return err
		}
		var last int64
		if len(before) > 0 && before[0].Summary.Trail != nil {
			last = before[0].Summary.Trail.Seq
		}
		until := moment
		if len(next) > 0 {
			until = min(until, next[0].StartedAt)
		}
		var after int64 // the first entry that no longer belongs
		err = t.one(ctx, &after, `SELECT seq FROM trail WHERE seq > ? AND at >= ? ORDER BY seq LIMIT 1`, last, until)
		if errors.Is(err, ErrNotFound) {
			err = t.one(ctx, &after, `SELECT coalesce(max(seq), 0) + 1 FROM trail`)
		}
		if err != nil {
			return err
		}
		var r trailRow
		switch err := t.one(ctx, &r, selectTrail+` WHERE seq = ?`, after-1); {
		case errors.Is(err, ErrNotFound):
			e = Entry{}
			return nil
		case err != nil:
			return err
		}
		e, err = r.entry()
		return err
	})
	return e, err
}

// A History is a finding and what of the trail is about it.
type History struct {
	ID, App, AppName, Check, Clause, Subject string
	Severity                                 audit.Severity
	Status                                   audit.Status  // now
	Observed                                 bool          // likewise
	Vendor                                   audit.Vendor  // its id and name
	Filed                                    audit.Instant // as-of of the night that filed it
	Entries                                  []Entry       // in order, without their hashes
}

// Histories calls each with all findings that are kept, by id, and with their entries up to a Seq, but for those that say some things. It holds one at a time, and
// what it is called with only until it is called again. A finding that the trail does not name is left out.
func (s *Store) Histories(ctx context.Context, upTo int64, but []string, each func(*History) error) error {
	return s.read(ctx, "read the histories of findings", func(t *tx) error {
		query, args, err := t.expand(`SELECT t.seq, t.at, t.who, t.what, t.body, f.id, f.app_key, f.check_id, f.clause, f.subject, f.severity, f.status, f.observed,
			coalesce(a.name, '') AS app_name, coalesce(a.vendor_id, '') AS vendor_id, coalesce(a.vendor_name, '') AS vendor_name, coalesce(r.as_of, f.first_seen) AS filed
			FROM trail t JOIN findings f ON f.id = t.finding_id LEFT JOIN apps a ON a.app_key = f.app_key LEFT JOIN runs r ON r.id = f.first_run
			WHERE t.finding_id <> '' AND t.seq <= ? AND t.what NOT IN (?) ORDER BY t.finding_id, t.seq`, []any{upTo, but})
		if err != nil {
			return err
		}
		rows, err := t.QueryxContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		var h History
		for rows.Next() {
			var r struct {
				Seq      int64          `db:"seq"`
				At       audit.Instant  `db:"at"`
				Who      text           `db:"who"`
				What     text           `db:"what"`
				Body     *string        `db:"body"`
				ID       string         `db:"id"`
				App      text           `db:"app_key"`
				Check    string         `db:"check_id"`
				Clause   string         `db:"clause"`
				Subject  text           `db:"subject"`
				Severity audit.Severity `db:"severity"`
				Status   audit.Status   `db:"status"`
				Observed bool           `db:"observed"`
				AppName  text           `db:"app_name"`
				VendorID text           `db:"vendor_id"`
				Vendor   text           `db:"vendor_name"`
				Filed    audit.Instant  `db:"filed"`
			}
			if err := rows.StructScan(&r); err != nil {
				return err
			}
			if r.ID != h.ID {
				if h.ID != "" {
					if err := each(&h); err != nil {
						return err
					}
				}
				h = History{ID: r.ID, App: string(r.App), AppName: string(r.AppName), Check: r.Check, Clause: r.Clause, Subject: string(r.Subject), Severity: r.Severity,
					Status: r.Status, Observed: r.Observed, Vendor: audit.Vendor{ID: string(r.VendorID), Name: string(r.Vendor)}, Filed: r.Filed, Entries: h.Entries[:0]}
			}
			row := trailRow{Seq: r.Seq, At: r.At, Who: r.Who, What: r.What, Finding: text(r.ID), Body: r.Body}
			e, err := row.entry()
			if err != nil {
				return err
			}
			h.Entries = append(h.Entries, e)
		}
		if err := rows.Err(); err != nil || h.ID == "" {
			return err
		}
		return each(&h)
	})
}

// A PastAct is a suppression or dismissal, also one that has ended, and what it was about.
type PastAct struct {
	ID                   int64
	Kind                 audit.ActKind
	Finding, Check       string
	Clause               string
	Severity             audit.Severity
	App, AppName, Vendor string
	Site                 string // empty: all
	Reason, By           string
	At, Until, Ended     audit.Instant // Ended Never: it has not been ended
}

// ActsDuring gives n of the acts that were done up to a moment and ran at or after another, by id, from those after an id on.
func (s *Store) ActsDuring(ctx context.Context, from, to audit.Instant, after int64, n int) (list []PastAct, err error) {
	err = s.read(ctx, "read the acts of a time", func(t *tx) error {
		var found []struct {
			ID       int64          `db:"id"`
			Kind     audit.ActKind  `db:"kind"`
			Finding  string         `db:"finding_id"`
			Check    string         `db:"check_id"`
			Clause   string         `db:"clause"`
			Severity audit.Severity `db:"severity"`
			App      text           `db:"app_key"`
			AppName  text           `db:"app_name"`
			Vendor   text           `db:"vendor"`
			Site     text           `db:"site"`
			Reason   text           `db:"reason"`
			By       text           `db:"done_by"`
			At       audit.Instant  `db:"at"`
			Until    audit.Instant  `db:"until"`
			Ended    audit.Instant  `db:"ended"`
		}
		err := t.all(ctx, &found, `SELECT a.id, a.kind, a.finding_id, f.check_id, f.clause, f.severity, a.app_key, coalesce(p.name, '') AS app_name,
			coalesce(nullif(p.vendor_name, ''), p.vendor_id, '') AS vendor, a.site, a.reason, a.done_by, a.at, a.until, a.ended
			FROM acts a JOIN findings f ON f.app_key = a.app_key AND f.id = a.finding_id LEFT JOIN apps p ON p.app_key = a.app_key
			WHERE a.id > ? AND a.at <= ? AND a.until >= ? AND a.ended >= ? ORDER BY a.id LIMIT ?`, after, to, from, from, n)
		list = make([]PastAct, len(found))
		for i, r := range found {
			list[i] = PastAct{ID: r.ID, Kind: r.Kind, Finding: r.Finding, Check: r.Check, Clause: r.Clause, Severity: r.Severity, App: string(r.App), AppName: string(r.AppName),
				Vendor: string(r.Vendor), Site: string(r.Site), Reason: string(r.Reason), By: string(r.By), At: r.At, Until: r.Until, Ended: r.Ended}
		}
		return err
	})
	return list, err
}
