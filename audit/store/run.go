package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// runRow is a run as the database holds it.
type runRow struct {
	Seq         int64           `db:"seq"`
	ID          string          `db:"id"`
	AsOf        audit.Instant   `db:"as_of"`
	ScheduledAt *audit.Instant  `db:"scheduled_at"`
	StartedAt   audit.Instant   `db:"started_at"`
	FinishedAt  audit.Instant   `db:"finished_at"`
	Status      audit.RunStatus `db:"status"`
	Error       text            `db:"error"`
	Baseline    bool            `db:"baseline"`
	By          text            `db:"started_by"`
	Summary     string          `db:"summary"`
}

func (r *runRow) run() (audit.Run, error) {
	out := audit.Run{Seq: r.Seq, ID: r.ID, AsOf: r.AsOf, ScheduledAt: audit.Never, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Status: r.Status,
		Error: string(r.Error), Baseline: r.Baseline, By: string(r.By)}
	if r.ScheduledAt != nil {
		out.ScheduledAt = *r.ScheduledAt
	}
	if err := unpackJSON(r.Summary, &out.Summary); err != nil {
		return out, fmt.Errorf("the summary of run %s: %w", r.ID, err)
	}
	return out, nil
}

const selectRuns = `SELECT seq, id, as_of, scheduled_at, started_at, finished_at, status, error, baseline, started_by, summary FROM runs`

// killed is the error of a run that never said how it ended.
const killed = "was killed or lost its lock"

// Begin begins run: it gets the next Seq and ID, and the status running. A run that is still marked as running was killed: it is marked as failed, and
// what it had staged is swept. [ErrAlreadyRun] where the night of run.ScheduledAt or a later one has finished: that stands for it. A failed one's time is
// free again. [ErrFenced].
func (n *Night) Begin(ctx context.Context, run *audit.Run) error {
	var seq int64
	err := n.fenced(ctx, "begin a run", n.lease, func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE runs SET status = 'failed', error = ?, finished_at = ? WHERE status = 'running'`, killed, run.StartedAt)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `DELETE FROM quarantine WHERE run IN (SELECT seq FROM runs WHERE status = 'failed')`); err != nil {
			return err
		}
		if err := t.dropParts(ctx); err != nil {
			return err
		}
		var scheduled any
		if run.ScheduledAt != audit.Never {
			scheduled = run.ScheduledAt
			var id string
			err := t.one(ctx, &id, `SELECT id FROM runs WHERE scheduled_at >= ? AND status <> 'failed' ORDER BY scheduled_at LIMIT 1`, scheduled)
			if err == nil {
				return fmt.Errorf("%w: %s did", ErrAlreadyRun, id)
			} else if !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		if err := t.one(ctx, &seq, `SELECT coalesce(max(seq), 0) + 1 FROM runs`); err != nil {
			return err
		}
		summary, err := packJSON(run.Summary)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `INSERT INTO runs (seq, id, as_of, scheduled_at, started_at, finished_at, status, error, baseline, started_by, summary)
			VALUES (?, ?, ?, ?, ?, ?, 'running', '', ?, ?, ?)`, seq, runID(seq), run.AsOf, scheduled, run.StartedAt, audit.Never, run.Baseline, text(run.By), summary)
		return err
	})
	if err != nil {
		return err
	}
	run.Seq, run.ID, run.Status, run.FinishedAt, run.Error = seq, runID(seq), audit.Running, audit.Never, ""
	return nil
}

func runID(seq int64) string { return fmt.Sprintf("R-%06d", seq) }

// Fail marks a run as failed and sweeps what it had staged, also where ctx has ended. A run that has been published stays finished.
func (s *Store) Fail(ctx context.Context, run *audit.Run, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.patience)
	defer cancel()
	finished := run.FinishedAt
	if finished == audit.Never || finished == 0 {
		finished = audit.At(time.Now())
	}
	var marked int64
	err := s.write(ctx, "mark run "+run.ID+" as failed", func(t *tx) (err error) {
		marked, err = t.exec(ctx, `UPDATE runs SET status = 'failed', error = ?, finished_at = ? WHERE seq = ? AND status = 'running'`,
			text(cause.Error()), finished, run.Seq)
		if err != nil || marked == 0 {
			return err
		}
		if _, err = t.exec(ctx, `DELETE FROM quarantine WHERE run = ?`, run.Seq); err != nil {
			return err
		}
		return t.dropParts(ctx)
	})
	if err == nil && marked > 0 {
		run.Status, run.Error, run.FinishedAt = audit.Failed, cause.Error(), finished
	}
	return err
}

// Runs gives the last n runs, the newest first; all where n is 0.
func (s *Store) Runs(ctx context.Context, n int) ([]audit.Run, error) {
	if n <= 0 {
		n = 1 << 31
	}
	return s.runs(ctx, selectRuns+` ORDER BY seq DESC LIMIT ?`, n)
}

// LastGood is the id of the newest run that finished; "" where none ever did.
func (s *Store) LastGood(ctx context.Context) (id string, err error) {
	err = s.read(ctx, "look for the newest run that finished", func(t *tx) error {
		err := t.one(ctx, &id, `SELECT id FROM runs WHERE status = 'finished' ORDER BY seq DESC LIMIT 1`)
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		return err
	})
	return id, err
}

// Run gives the run of an id; [ErrNotFound].
func (s *Store) Run(ctx context.Context, id string) (*audit.Run, error) {
	list, err := s.runs(ctx, selectRuns+` WHERE id = ?`, text(id))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("run %q: %w: `mailreeve runs list` shows what there is", id, ErrNotFound)
	}
	return &list[0], nil
}

// LastNight says up to when nights were run: the time of the latest scheduled one that finished, or what a later run by hand was as of, but for one of the future; where none was
// scheduled, when the last run finished. Zero: nothing ever ran.
func (s *Store) LastNight(ctx context.Context) (last time.Time, err error) {
	err = s.read(ctx, "look for the last night", func(t *tx) error {
		var runs struct {
			Scheduled *audit.Instant `db:"scheduled"`
			AsOf      *audit.Instant `db:"as_of"`
			Finished  *audit.Instant `db:"finished"`
		}
		err := t.one(ctx, &runs, `SELECT max(scheduled_at) AS scheduled, max(CASE WHEN as_of < finished_at THEN as_of ELSE finished_at END) AS as_of, max(finished_at) AS finished FROM runs WHERE status = 'finished'`)
		switch {
		case err != nil || runs.Finished == nil:
		case runs.Scheduled == nil:
			last = runs.Finished.Time()
		default:
			last = max(*runs.Scheduled, *runs.AsOf).Time()
		}
		return err
	})
	return last, err
}

// LastFinished is when the last run finished; Never where none ever did.
func (s *Store) LastFinished(ctx context.Context) (at audit.Instant, err error) {
	err = s.read(ctx, "look for the last run that finished", func(t *tx) error {
		return t.one(ctx, &at, `SELECT coalesce(max(finished_at), ?) FROM runs WHERE status = 'finished'`, audit.Never)
	})
	return at, err
}

func (s *Store) runs(ctx context.Context, query string, args ...any) (list []audit.Run, err error) {
	err = s.read(ctx, "read the runs", func(t *tx) error {
		list, err = t.runs(ctx, query, args...)
		return err
	})
	return list, err
}

func (t *tx) runs(ctx context.Context, query string, args ...any) ([]audit.Run, error) {
	var found []runRow
	if err := t.all(ctx, &found, query, args...); err != nil {
		return nil, err
	}
	list := make([]audit.Run, len(found))
	for i := range found {
		var err error
		if list[i], err = found[i].run(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// FinishedBetween gives the runs that finished and are as of a moment in [from, to), in the order in which they ran.
func (s *Store) FinishedBetween(ctx context.Context, from, to audit.Instant) ([]audit.Run, error) {
	return s.runs(ctx, selectRuns+` WHERE status = 'finished' AND as_of >= ? AND as_of < ? ORDER BY seq`, from, to)
}

// Finished gives the last n runs that finished, the newest first.
func (s *Store) Finished(ctx context.Context, n int) ([]audit.Run, error) {
	return s.runs(ctx, selectRuns+` WHERE status = 'finished' ORDER BY seq DESC LIMIT ?`, n)
}

// NightCounts gives the finished runs in order. Of one that is not judged yet, what it filed is counted among the findings that are kept.
func (s *Store) NightCounts(ctx context.Context) (list []audit.NightCount, err error) {
	err = s.read(ctx, "count what nights filed", func(t *tx) error {
		var runs []struct {
			ID       string        `db:"id"`
			AsOf     audit.Instant `db:"as_of"`
			Baseline bool          `db:"baseline"`
			Released bool          `db:"released"`
			Severe   *int          `db:"severe"`
			Limit    *int          `db:"severe_limit"`
			Abnormal *bool         `db:"abnormal"`
		}
		err := t.all(ctx, &runs, `SELECT id, as_of, baseline, severe, severe_limit, abnormal, EXISTS (SELECT 1 FROM releases r WHERE r.run = runs.id) AS released FROM runs
			WHERE status = 'finished' ORDER BY seq`)
		if err != nil {
			return err
		}
		list = make([]audit.NightCount, len(runs))
		var kept map[string]int
		for i, r := range runs {
			n := &list[i]
			*n = audit.NightCount{Run: r.ID, AsOf: r.AsOf, Baseline: r.Baseline, Released: r.Released}
			if r.Abnormal != nil && r.Severe != nil && r.Limit != nil {
				n.Severe, n.Verdict = *r.Severe, &audit.Verdict{Limit: *r.Limit, Abnormal: *r.Abnormal}
				continue
			}
			if kept == nil {
				if kept, err = t.severe(ctx); err != nil {
					return err
				}
			}
			n.Severe = kept[r.ID]
		}
		return nil
	})
	return list, err
}

// severe counts the critical and high findings that are kept, by the run that filed them.
func (t *tx) severe(ctx context.Context) (map[string]int, error) {
	var filed []struct {
		Run string `db:"first_run"`
		N   int    `db:"n"`
	}
	err := t.all(ctx, &filed, `SELECT first_run, count(*) AS n FROM listed WHERE rank IN (?) GROUP BY first_run`, []int{rank(audit.Critical), rank(audit.High)})
	kept := map[string]int{}
	for _, r := range filed {
		kept[r.Run] = r.N
	}
	return kept, err
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
