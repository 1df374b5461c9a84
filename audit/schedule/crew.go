package schedule

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A Crew does parts of nights, of whichever process holds the night's lock. It needs a store with a job queue (Postgres), the archive and, at the same
// paths, the source files.
//
// The queue only says that there is something to do; who does a part, whether he still lives, and whose answer counts stands in the store's own rows: the
// queue may run a job twice, or lose one of a worker that died.
type Crew struct {
	Store *store.Store
	Hands int          // how many parts are done at one time
	Night *audit.Night // does them
	Log   *slog.Logger

	id   string
	once sync.Once
}

// ID names the crew: host, process and a random number.
func (c *Crew) ID() string {
	c.once.Do(func() {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown"
		}
		c.id = fmt.Sprintf("%s/%d/%s", host, os.Getpid(), random())
	})
	return c.id
}

func random() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// beat is how often a crew, and the holder of a part, give a sign of life.
const beat = store.Silence / 5

// queueOf is the queue of the parts of nights that a version runs on an archive: no crews of another version take them, and none that would write what no
// night finds.
func queueOf(n *audit.Night) string {
	sum := sha256.Sum256([]byte(n.Version + " " + n.Archive.ID()))
	return "night-" + hex.EncodeToString(sum[:6])
}

// job is what the queue holds of a part: where it stands.
type job struct {
	Run    int64 `json:"run"`
	Number int64 `json:"number"`
}

// The kinds of jobs are the kinds of parts: whoever looks into the queue sees what is waiting.
type (
	segmentJob struct{ job }
	examineJob struct{ job }
)

func (segmentJob) Kind() string { return string(audit.Segment) }
func (examineJob) Kind() string { return string(audit.Examine) }

func jobOf(kind audit.PartKind, run, number int64) river.JobArgs {
	j := job{Run: run, Number: number}
	if kind == audit.Segment {
		return segmentJob{j}
	}
	return examineJob{j}
}

// insert puts jobs into the queue. One try is enough: whoever waits for a part enqueues it again when nobody does it.
func insert(ctx context.Context, client *river.Client[*sql.Tx], t *sql.Tx, queue string, jobs ...river.JobArgs) error {
	params := make([]river.InsertManyParams, len(jobs))
	for i, j := range jobs {
		params[i] = river.InsertManyParams{Args: j, InsertOpts: &river.InsertOpts{Queue: queue, MaxAttempts: 1}}
	}
	_, err := client.InsertManyTx(ctx, t, params)
	return err
}

// client is the job queue, with workers where there are any.
func client(s *store.Store, workers *river.Workers, queue string, hands int) (*river.Client[*sql.Tx], error) {
	db := s.Queue()
	if db == nil {
		return nil, fmt.Errorf("store %s: a night is spread over processes on Postgres only: set `store: postgres://…`", s)
	}
	// What there is to say the crew says itself: away from its database the queue would complain ten times a second.
	c := &river.Config{Logger: slog.New(slog.DiscardHandler)}
	if workers != nil {
		c.Workers = workers
		c.Queues = map[string]river.QueueConfig{queue: {MaxWorkers: hands}}
		c.FetchCooldown, c.FetchPollInterval = 50*time.Millisecond, 100*time.Millisecond
		c.PollOnly = true // lib/pq brings no listener
		c.JobTimeout = -1 // the part's holder knows by its row whether it is still wanted
		c.CompletedJobRetentionPeriod, c.DiscardedJobRetentionPeriod = time.Hour, 24*time.Hour
	}
	return river.NewClient(riverdatabasesql.New(db), c)
}

// Serve does parts until ctx is done, gives back what it has not finished, and returns nil.
func (c *Crew) Serve(ctx context.Context) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, j *river.Job[segmentJob]) error { return c.do(ctx, j.Args.job) }))
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, j *river.Job[examineJob]) error { return c.do(ctx, j.Args.job) }))
	q, err := client(c.Store, workers, queueOf(c.Night), c.Hands)
	if err != nil {
		return err
	}
	apart := false
	if err := c.signOn(ctx, &apart); err != nil {
		return err
	}
	if err := q.Start(ctx); err != nil {
		return fmt.Errorf("the job queue: %w", err)
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(beat):
			if err := c.signOn(ctx, &apart); err != nil && ctx.Err() == nil {
				c.Log.Warn("the crew could not give its sign of life; it goes on trying", "error", err)
			}
		}
	}
	<-q.Stopped()
	off, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return c.Store.SignOff(off, c.ID())
}

// signOn gives a sign of life. apart is whether nights have another archive than this crew, so that it has nothing to do: that is said once.
func (c *Crew) signOn(ctx context.Context, apart *bool) error {
	mine := c.Night.Archive.ID()
	if err := c.Store.SignOn(ctx, store.Crew{ID: c.ID(), Hands: c.Hands, Version: c.Night.Version, Archive: mine}); err != nil {
		return err
	}
	nights, err := c.Store.NightsArchive(ctx)
	if err != nil {
		return err
	}
	was := *apart
	if *apart = nights != "" && nights != mine; *apart && !was {
		c.Log.Warn("this process is given no parts of nights", "error", audit.ErrAnotherArchive)
	}
	return nil
}

// do does a part, if it is there to be done.
func (c *Crew) do(ctx context.Context, j job) error {
	holder := c.ID() + "/" + random() // of this take: after a pause two hands of one crew may do one part
	p, err := c.Store.TakePart(ctx, j.Run, j.Number, holder)
	if errors.Is(err, store.ErrNotFound) {
		return nil // done, or another does it
	}
	if err != nil {
		return err
	}
	_ = c.hold(ctx, j, holder, p, func(ctx context.Context) ([]byte, error) { return c.Night.Do(ctx, j.Run, p) }) // the part's row says what happened
	return nil
}

// errNotWanted ends work on a part that another has done, or whose night has ended.
var errNotWanted = errors.New("nobody wants this part any more")

// hold does a part that holder has taken, with signs of life, and keeps its answer or gives the part back. It returns why the part is not done; nil where
// it is, or nobody wants it any more.
func (c *Crew) hold(ctx context.Context, j job, holder string, p audit.Part, do func(ctx context.Context) ([]byte, error)) error {
	began := time.Now()
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		for {
			select {
			case <-working.Done():
				return
			case <-time.After(beat):
			}
			if ok, err := c.Store.HoldPart(working, j.Run, j.Number, holder); err == nil && !ok {
				stop(errNotWanted)
			}
		}
	}()
	answer, err := safely(working, do)
	if err == nil {
		ok, ferr := c.Store.FinishPart(ctx, j.Run, j.Number, holder, answer)
		switch {
		case ferr != nil: // nobody knows whether it was kept
		case ok:
			c.Log.Debug("part done", "run", j.Run, "part", j.Number, "took", time.Since(began))
		default:
			c.Night.Undo(p, answer)
		}
		err = ferr
	}
	if err == nil || errors.Is(context.Cause(working), errNotWanted) {
		return nil
	}
	if ctx.Err() == nil {
		c.Log.Warn("a part of the night could not be done here", "run", j.Run, "part", j.Number, "error", err)
	}
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, c.Store.LeavePart(back, j.Run, j.Number, holder, ctx.Err() == nil, err))
}

// safely makes an error of a panic: a part that ends so is one that failed, not one whose holder died.
func safely(ctx context.Context, do func(ctx context.Context) ([]byte, error)) (answer []byte, err error) {
	defer func() {
		if what := recover(); what != nil {
			err = fmt.Errorf("panic: %v: please report this as a bug\n%s", what, debug.Stack())
		}
	}()
	return do(ctx)
}

// A Spreader has parts of a night done by all crews that are there. It implements audit.Spread.
type Spreader struct {
	Crew  *Crew        // of this process
	Night *store.Night // under the night's lock
}

// Hands is those of all crews that live and have the night's archive. Where no other is there than this process's own, it is 0: it does better alone.
func (s *Spreader) Hands(ctx context.Context) (int, error) {
	list, err := s.Crew.Store.Crews(ctx)
	if err != nil {
		return 0, err
	}
	hands, others := 0, false
	for _, c := range list {
		if c.Silent >= store.Silence || c.Version != s.Crew.Night.Version {
			continue
		}
		if c.Archive != s.Crew.Night.Archive.ID() {
			s.Crew.Log.Warn("a worker is given no parts of the night: its archive is another folder than this night's", "worker", c.ID)
			continue
		}
		hands += c.Hands
		others = others || c.ID != s.Crew.ID()
	}
	if !others {
		return 0, nil
	}
	return hands, nil
}

const (
	lookEvery = 50 * time.Millisecond // between two looks at how far the parts are
	maxTries  = 3                     // of a part by the crews; then it is done here, and its error is the night's
	overdue   = 5 * time.Second       // for how long nobody may take up a part before it is enqueued again
	patience  = 2 * store.Silence     // for how long nobody may do anything before the night does it itself
)

// Do implements audit.Spread.
func (s *Spreader) Do(ctx context.Context, run int64, parts []audit.Part, done func(i int), here func(ctx context.Context, p audit.Part) ([]byte, error)) ([][]byte, error) {
	if len(parts) == 0 {
		return nil, nil
	}
	queue := queueOf(s.Crew.Night)
	q, err := client(s.Crew.Store, nil, queue, 0)
	if err != nil {
		return nil, err
	}
	first, err := s.Night.AddParts(ctx, run, parts, func(ctx context.Context, t *sql.Tx, first int64) error {
		jobs := make([]river.JobArgs, len(parts))
		for i, p := range parts {
			jobs[i] = jobOf(p.Kind, run, first+int64(i))
		}
		return insert(ctx, q, t, queue, jobs...)
	})
	if err != nil {
		return nil, err
	}
	answers := make([][]byte, len(parts))
	held := make([]time.Time, len(parts))  // when it was last seen to be held, since it was enqueued
	asked := make([]time.Time, len(parts)) // when it was enqueued
	tries := make([]int, len(parts))
	for i := range asked {
		asked[i] = time.Now()
	}
	busy := time.Now() // when somebody was last seen to do something
	for left := len(parts); left > 0; {
		states, err := s.Crew.Store.Parts(ctx, run)
		if err != nil {
			return nil, err
		}
		if len(states) < len(parts) {
			return nil, fmt.Errorf("store %s: %w: another run began, and dropped the parts of this one: run again", s.Crew.Store, store.ErrFenced)
		}
		for _, p := range states {
			i := int(p.Number - first)
			switch {
			case i < 0 || i >= len(parts) || answers[i] != nil:
			case p.Done:
				busy = time.Now()
				if answers[i], err = s.Crew.Store.Answer(ctx, run, p.Number); err != nil {
					return nil, err
				}
				left--
				if done != nil {
					done(i)
				}
			case p.Held:
				busy, held[i] = time.Now(), time.Now()
			case p.Tries >= maxTries || time.Since(busy) > patience:
				if err := s.alone(ctx, run, p, parts[i], here); err != nil {
					return nil, err
				}
			case p.Tries > tries[i], time.Since(asked[i]) > overdue && (time.Since(busy) > overdue || !held[i].IsZero() && time.Since(held[i]) > overdue):
				// It failed, nobody does anything, or its holder died. What waits while all hands are busy is in the queue already.
				err := s.Crew.Store.Enqueue(ctx, func(ctx context.Context, t *sql.Tx) error {
					return insert(ctx, q, t, queue, jobOf(parts[i].Kind, run, p.Number))
				})
				if err != nil {
					return nil, err
				}
				asked[i], held[i], tries[i] = time.Now(), time.Time{}, p.Tries
			}
		}
		if left == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lookEvery):
		}
	}
	return answers, nil
}

// alone does a part that the crews could not do.
func (s *Spreader) alone(ctx context.Context, run int64, state store.PartState, p audit.Part, here func(ctx context.Context, p audit.Part) ([]byte, error)) error {
	holder := s.Crew.ID() + "/alone"
	_, err := s.Crew.Store.TakePart(ctx, run, state.Number, holder)
	if errors.Is(err, store.ErrNotFound) {
		return nil // somebody was faster
	}
	if err != nil {
		return err
	}
	s.Crew.Log.Warn("a part of the night failed elsewhere, or nobody takes it up, and is done here", "run", run, "part", state.Number, "tries", state.Tries, "error", state.Error)
	return s.Crew.hold(ctx, job{Run: run, Number: state.Number}, holder, p, func(ctx context.Context) ([]byte, error) { return here(ctx, p) })
}
