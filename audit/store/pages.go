package store

import (
	"context"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// A CheckCount is how many findings of a check have a status.
type CheckCount struct {
	Check  string       `db:"check_id"`
	Status audit.Status `db:"status"`
	N      int          `db:"n"`
}

// CheckCounts counts the findings of each check by status; app is the only one to look at, nil: all.
func (s *Store) CheckCounts(ctx context.Context, app *string) (list []CheckCount, err error) {
	err = s.read(ctx, "count the findings of checks", func(t *tx) error {
		where, args := "", []any(nil)
		if app != nil {
			where, args = ` WHERE app_key = ?`, []any{text(*app)}
		}
		list = nil
		return t.all(ctx, &list, `SELECT check_id, status, count(*) AS n FROM listed`+where+` GROUP BY status, check_id ORDER BY check_id, status`, args...)
	})
	return list, err
}

// AppDays gives how often all findings of an app occurred, by day, from a day on, ascending.
func (s *Store) AppDays(ctx context.Context, app string, from audit.Day) (days []DayCount, err error) {
	err = s.read(ctx, "read the days of an app's findings", func(t *tx) error {
		days = nil
		return t.all(ctx, &days, `SELECT day, sum(occurrences) AS occurrences FROM contributions WHERE app_key = ? AND day >= ? AND day NOT IN (?) AND occurrences > 0 GROUP BY day ORDER BY day`,
			text(app), from, []audit.Day{audit.StateDay, audit.BaseDay})
	})
	return days, err
}

// RunsBefore gives the last n runs before a Seq, the newest first; 0: up to the newest.
func (s *Store) RunsBefore(ctx context.Context, seq int64, n int) ([]audit.Run, error) {
	if seq == 0 {
		return s.Runs(ctx, n)
	}
	return s.runs(ctx, selectRuns+` WHERE seq < ? ORDER BY seq DESC LIMIT ?`, seq, n)
}

// A Suppression is an act that runs, and when its finding was last seen.
type Suppression struct {
	Kind     audit.ActKind  `db:"kind"`
	Finding  string         `db:"finding_id"`
	App      string         `db:"-"`
	Check    string         `db:"check_id"`
	Site     string         `db:"-"` // empty: all
	Reason   string         `db:"-"`
	By       string         `db:"-"`
	At       audit.Instant  `db:"at"`
	Until    audit.Instant  `db:"until"`
	LastSeen audit.Instant  `db:"last_seen"`
	Severity audit.Severity `db:"-"`
}

// QuietFor is after how long a suppression is quiet that matched nothing.
const QuietFor = 90 * 24 * time.Hour

// Suppressions gives n of the acts that run at a moment, from an offset on, those that end first before others. With quiet only those that began before it,
// and whose finding was not seen since; 0: all.
func (s *Store) Suppressions(ctx context.Context, at, quiet audit.Instant, offset, n int) (list []Suppression, err error) {
	err = s.read(ctx, "read the suppressions", func(t *tx) error {
		var found []struct {
			Suppression
			App    text `db:"app_key"`
			Site   text `db:"site"`
			Reason text `db:"reason"`
			By     text `db:"done_by"`
			Rank   int  `db:"rank"`
		}
		where, args := ` WHERE a.ended = ? AND a.until > ?`, []any{audit.Never, at}
		if quiet != 0 {
			where, args = and(where, args, `a.at < ? AND l.last_seen < ?`, quiet, quiet)
		}
		err := t.all(ctx, &found, `SELECT a.kind, a.finding_id, a.app_key, l.check_id, l.rank, a.site, a.reason, a.done_by, a.at, a.until, l.last_seen
			FROM acts a JOIN listed l ON l.app_key = a.app_key AND l.id = a.finding_id`+where+` ORDER BY a.until, a.id LIMIT ? OFFSET ?`, append(args, n, offset)...)
		list = make([]Suppression, len(found))
		for i, r := range found {
			x := r.Suppression
			x.App, x.Site, x.Reason, x.By, x.Severity = string(r.App), string(r.Site), string(r.Reason), string(r.By), audit.Severities()[r.Rank]
			list[i] = x
		}
		return err
	})
	return list, err
}
