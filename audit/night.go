package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"
)

// A Store keeps everything but the facts' bulk. A night needs of it what follows; whoever has one holds the lock of the night.
type Store interface {
	// Begin files a run as running and gives it its Seq and ID. Runs that were left running are failed, what they staged is removed.
	Begin(ctx context.Context, run *Run) error
	// Fail says that a run ended without a result.
	Fail(ctx context.Context, run *Run, cause error) error
	Ledger(ctx context.Context) (*Ledger, error)
	SegmentsInUse(ctx context.Context) ([]string, error)
	Apps(ctx context.Context, keys []string) (map[string]*AppFacts, error)
	// Packs gives the packs of both kinds of apps' days from from to to.
	Packs(ctx context.Context, apps []string, from, to Day) ([]Pack, error)
	// PacksBetween gives the packs that hold facts after one instant, and up to another.
	PacksBetween(ctx context.Context, after, upTo Instant) ([]Pack, error)
	Forgotten(ctx context.Context) (*Forgotten, error)
	// RetrievalDays gives, by app, those days among from to to that have retrievals.
	RetrievalDays(ctx context.Context, from, to Day) (map[string][]Day, error)
	// Contributions gives those of the days and checks that are wanted, of whatever apps.
	Contributions(ctx context.Context, want []Due) ([]Contribution, error)
	// ContributionsOf gives the contributions to findings, and of their evidence as much as a finding shows: EvidenceShown rows of the earliest, and of the
	// latest. Their occurrences are counted only (Folded), and earlier days may come as their Sum.
	ContributionsOf(ctx context.Context, findings ...FindingDays) ([]Contribution, error)
	FindingsOf(ctx context.Context, apps ...string) ([]Finding, []Act, error)
	// ActsEnding gives the acts that run and end by t.
	ActsEnding(ctx context.Context, t Instant) ([]Act, error)
	// AppsNotResolved gives the apps with findings that are not resolved and observed, or of some checks.
	AppsNotResolved(ctx context.Context, checks []string) ([]string, error)
	// NightCounts gives the finished runs in order.
	NightCounts(ctx context.Context) ([]NightCount, error)
	// OpenFindings counts, by severity, the findings that are open, acknowledged or in remediation.
	OpenFindings(ctx context.Context) (map[Severity]int, error)
	// Figures gives the days of an app that were counted, in numbers.
	Figures(ctx context.Context, app string) (map[Day]*DayFigures, error)
	// Spans gives when each contribution to an app's findings was made; those of one finding and day are one.
	Spans(ctx context.Context, app string) ([]ContributionSpan, error)
	// Observations gives an app's captures, mails and signals of the days from from to to.
	Observations(ctx context.Context, app string, from, to Day) ([]Observation, error)
	// Totals gives an app's totals of the days from from to to, where they are kept.
	Totals(ctx context.Context, app string, from, to Day) ([]DayTotals, error)
	// ObservedBetween gives the days that have observations after one instant, and up to another.
	ObservedBetween(ctx context.Context, after, upTo Instant) ([]ObservedDay, error)
	// KnownObservations gives those of ids that are kept, and whose files could be looked into as far as was tried.
	KnownObservations(ctx context.Context, ids []ObservationID) (map[ObservationID]bool, error)
	StageQuarantine(ctx context.Context, run int64, lines []Quarantined) error
	// Publish makes the run visible, all or nothing. ErrChanged: a person changed findings since they were read.
	Publish(ctx context.Context, p *Publication) error
}

func isChanged(err error) bool { return errors.Is(err, ErrChanged) }

// ErrChanged says that another changed what was read meanwhile, so that nothing was written: read again.
var ErrChanged = errors.New("another changed it meanwhile")

// An Archive keeps calls and reports.
type Archive interface {
	// ID is the archive's own: processes whose archives have another one do not share them.
	ID() string
	Calls(day Day, packs []Pack) (*CallDay, error)
	// Free takes back the memory of a day of Calls: of the day, its calls and its tables nothing may be used any more. Nobody has to.
	Free(day *CallDay)
	Reports(day Day, packs []Pack) (*ReportDay, error)
	Counting(packs []Pack) (IDs, error)
	NewIntake(run int64, purged Day, workers int, limit int64, forgotten *Forgotten) (Intake, error)
	Sweep(inUse []string) error
	// Holds says whether segments are there up to that byte of each; the error, which one is not.
	Holds(segments map[string]int64) error

	// NewErrand begins an intake whose facts are sealed by those who Gather its spool.
	NewErrand(run int64, purged Day, limit int64, forgotten *Forgotten) (Intake, error)
	Gather(run int64, spools []Spool) (Intake, error)
	Drop(spools []Spool)
	CloseFiles()
}

// An Intake takes in the facts of one run; see package archive.
type Intake interface {
	Worker(i int) IntakeWorker
	Close(resolve func(place uint64) (Source, bool)) ([]Touched, error)
	Spool(chunks []Chunk) (Spool, error) // instead of Close, where another process seals
	SealCalls(app string, day Day, packs []Pack) (fresh *CallDay, pack *Pack, copies map[uint32]int64, err error)
	SealReports(app string, day Day, packs []Pack) (fresh *ReportDay, pack *Pack, copies map[uint32]int64, err error)
	Commit() error
	Abort() error
}

// An IntakeWorker takes records from one goroutine. place tells their line, once the Intake is closed.
type IntakeWorker interface {
	Call(c *CallRecord, file uint32, place uint64) error
	Report(r *ReportRecord, file uint32, place uint64) error
	// Expired counts, by file, the records of days that were purged.
	Expired() map[uint32]int64
}

// A Touched names an (app, day) that a run brought records of one kind for.
type Touched struct {
	App     string
	Kind    PackKind
	Day     Day
	Records int // copies included
}

// A Spool is facts that wait in a file of the archive to be sealed.
type Spool struct {
	Name   string    `json:"name"` // of the file
	Rows   []Spooled `json:"rows"`
	Texts  Extent    `json:"texts"`  // that rows name by number
	Chunks []Chunk   `json:"chunks"` // by which the facts' places become lines
}

// A Spooled is the facts of one app and day in a Spool.
type Spooled struct {
	App     string   `json:"app"`
	Kind    PackKind `json:"kind"`
	Day     Day      `json:"day"`
	Records int      `json:"records"`
	Extents []Extent `json:"extents"`
}

// An Extent is a place in a file, and the xxhash of what lies there.
type Extent struct {
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	Sum    uint64 `json:"sum"`
}

// Sources reads the configured sources.
type Sources interface {
	// Read reads what is new in them: calls and reports go to in, the rest is in the Reading.
	Read(ctx context.Context, r ReadRequest) (*Reading, error)
	// Errand does an errand of another process's reading: the calls or reports of one file go to in, what else there is of it into the answer. That the
	// file cannot be read is an error, for elsewhere it may be; but where the reading is here, it is the source's trouble.
	Errand(ctx context.Context, errand []byte, in Intake, forgotten *Forgotten, here bool) (answer []byte, chunks []Chunk, err error)
}

// A ReadRequest is what a run asks of the sources.
type ReadRequest struct {
	AsOf      Instant
	Known     []File
	Newest    []Newest        // of the sources that were read before
	Reread    map[uint32]bool // files to read whole, also where nothing about them changed
	Workers   int
	Purged    Day
	Intake    Intake
	Forgotten *Forgotten                                                                     // accounts that are kept under other names
	Canaries  map[string]bool                                                                // the accounts that a mail was caught for
	Pending   []Observation                                                                  // to be held against the addresses
	Observed  func(ctx context.Context, ids []ObservationID) (map[ObservationID]bool, error) // which are kept already
	Bad       func(ctx context.Context, lines []Quarantined) error                           // takes bad lines, some at a time
	Progress  func(done, total int64)                                                        // bytes

	// Elsewhere has errands done, here or on other machines, and gives their answers in order; done is told which one was. Nil: all is read here.
	Elsewhere func(ctx context.Context, errands [][]byte, done func(i int)) (answers [][]byte, err error)
}

// A Chunk says where a piece of input lies: its file, and the number in it of its first line.
type Chunk struct {
	File  uint32 `json:"file"`
	First uint64 `json:"first"`
}

// A Reading is what a run read.
type Reading struct {
	Sources   []SourceReading
	Files     []FileReading // those that were read, in order
	Lifecycle []Lifecycle
	Incidents []Incident
	Registry  *RegistryReading // nil: no apps source could be read

	Observations []Observation
	Examined     []Observation    // of the request's Pending: those that were looked into, or cannot be any more
	Canaries     []Canary         // mailed or retrieved, as the files that were read say; an account and app may come more than once
	Facts        map[uint32]int64 // by file: lines that are facts and go nowhere from here
	Copies       map[uint32]int64 // by file: lines that say what is known, and go nowhere from here
	Notes        []string         // what could be read in part only

	Resolve func(place uint64) (Source, bool)
}

// A SourceReading is what a run met at one source.
type SourceReading struct {
	Kind    Kind
	Path    string
	MaxAge  time.Duration // 0: any
	Trouble string        // why it could not be looked at
	Newest  Newest        // of what was read just now
}

// A FileReading is what a run read of one file.
type FileReading struct {
	File
	Source      int    // index into Reading.Sources
	FromLine    uint64 // first line that was read; 1: the whole file
	Lines       int64
	Quarantined int64
	Expired     int64
	Discarded   bool // too many bad lines: nothing of it was taken or counted
}

// A RegistryReading is what the apps sources list.
type RegistryReading struct {
	Unchanged bool // it is what it was when it was taken last, and nothing of it was read

	Apps    []*App          // the last good line of each app, in order
	Bad     map[string]bool // apps whose last line is bad
	MaxLoss float64         // share of the apps that may be missing; 1: any

	Replaced map[uint32]int64 // by file: good lines that a later one of the same app replaced
}

// keys is the apps that are listed, with their entries; nil where all its lines are bad.
func (r *RegistryReading) keys() map[string]*App {
	out := map[string]*App{}
	for key := range r.Bad {
		out[key] = nil
	}
	for _, a := range r.Apps {
		if !r.Bad[a.Key] || out[a.Key] == nil {
			out[a.Key] = a
		}
	}
	return out
}

// A Night is the audit: it ingests, judges, and publishes.
type Night struct {
	Store   Store
	Archive Archive
	Sources Sources
	Checks  []Check
	// ChecksOf are those of another policy than Rules has, for parts of another process's night. Nil: the same.
	ChecksOf func(*Policy) ([]Check, error)

	Rules   Rules // of the present configuration
	Clock   Clock
	Workers int    // 0: as many as there are cores
	Version string // of this program: parts of a night are done by its like only
	Log     *slog.Logger

	// Spread has parts of the night done on other machines, too. Nil: all is done here.
	Spread Spread
	// Messages are what to send about a run; they are enqueued with it. Nil: nothing.
	Messages func(r *Result) ([]Message, error)
	// Progress is told how far a run is. Nil: nobody.
	Progress func(stage string, done, total int64)
}

// Options of one run.
type Options struct {
	AsOf        Instant
	ScheduledAt Instant // Never: by hand
	By          string
	Baseline    bool
	DryRun      bool // publishes nothing
	Reread      map[uint32]bool
}

// A Change is what a run did to a finding.
type Change struct {
	Finding Finding
	What    ChangeKind

	wasOpen bool
	was     Severity
}

// ChangeKind is a kind of change.
type ChangeKind string

// The changes.
const (
	IsNew       ChangeKind = "new"
	IsReopened  ChangeKind = "reopened"
	IsWorsened  ChangeKind = "worsened"
	IsResolved  ChangeKind = "resolved"
	IsWithdrawn ChangeKind = "withdrawn"
	Grew        ChangeKind = "grew"   // or shrank, without another change
	IsGraded    ChangeKind = "graded" // only its confidence is another
	GrewSilent  ChangeKind = "silent" // the same, while suppressed or dismissed
	IsActed     ChangeKind = "acted"  // a person did something to it
)

// A Result is what a run did.
type Result struct {
	Run     *Run
	Changes []Change
	Open    map[Severity]int // findings that are open, acknowledged or in remediation after the run
	Night   NightCount       // the run among the others: whether it was abnormal
	First   bool             // the store was empty
	DryRun  bool
}

// Looked says whether every configured source was looked at.
func (r *Result) Looked() bool {
	return !slices.ContainsFunc(r.Run.Summary.Sources, func(s SourceResult) bool { return !s.Looked })
}

// ErrPast is Run's where as-of lies before the last finished run's.
var ErrPast = errors.New("as-of lies before the last run's")

// intakeLimit bounds the memory that facts take before they are sealed, in bytes.
const intakeLimit = 448 << 20

// Run audits once. It either publishes everything or nothing.
func (n *Night) Run(ctx context.Context, o Options) (*Result, error) {
	led, err := n.Store.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	if led.Last != nil && o.AsOf < led.Last.AsOf {
		if o.ScheduledAt != Never && led.Last.AsOf <= At(n.Clock()).Add(clockTrouble) {
			// A run by hand, or of a machine whose clock is ahead, came before this night.
			o.AsOf = led.Last.AsOf
		}
	}
	if led.Last != nil && o.AsOf < led.Last.AsOf {
		return nil, fmt.Errorf("%w: %s is before %s of run %s, and nights are not judged again: give a later time", ErrPast, o.AsOf, led.Last.AsOf, led.Last.ID)
	}
	run := &Run{AsOf: o.AsOf, ScheduledAt: o.ScheduledAt, StartedAt: At(n.Clock()), FinishedAt: Never, Status: Running,
		Baseline: o.Baseline || led.Last == nil, By: o.By}
	if o.DryRun {
		run.ID = "dry run"
	} else if err := n.Store.Begin(ctx, run); err != nil {
		return nil, err
	}
	n.Log.Debug("run begun", "run", run.ID, "as_of", run.AsOf)
	r := &running{Night: n, ctx: ctx, led: led, run: run, o: o, prev: Ever}
	if led.Last != nil {
		r.prev = led.Last.AsOf
	}
	res, err := r.do()
	if err != nil {
		if r.intake != nil && !r.committed {
			r.intake.Abort() // once committed, the store may name the segment; if it does not, the next run sweeps it away
		}
		if !o.DryRun {
			cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if ferr := n.Store.Fail(cleanup, run, err); ferr != nil {
				n.Log.Warn("the run's failure could not be filed; the next run does it", "run", run.ID, "error", ferr)
			}
		}
		return nil, err
	}
	return res, nil
}

// running is one run under way.
type running struct {
	*Night
	ctx    context.Context
	led    *Ledger
	run    *Run
	o      Options
	prev   Instant // as-of of the run before
	intake Intake
	spools []Spool // of what was read elsewhere

	committed bool // the intake is durable

	reading           *Reading
	rules             RulesTimeline
	newRules          *RulesFrom
	incidents         []Incident // of the reporting API, merged
	newIncs           []Incident
	looked            map[Kind]bool
	set               map[Kind]bool
	canLook           map[string]bool // checks and parts of checks, by key
	unset             map[string]bool // those that the configuration does not let look: nothing waits for them
	version           int             // of the registry
	listed            map[string]*App // nil: the registry was not looked at
	canaryOf          Canaries
	canaries          []Canary        // new or changed ones
	touchedByCanaries map[string]bool // apps with mails whose canaries these are
	oldBy             func(Day) Deadline
	newBy             func(Day) Deadline

	names  sync.Once
	nameOf map[uint32]string

	mu      sync.Mutex
	total   counts
	updates []*appResult
}

func (r *running) do() (*Result, error) {
	began := time.Now()
	inUse, err := r.Store.SegmentsInUse(r.ctx)
	if err != nil {
		return nil, err
	}
	if err := r.Archive.Sweep(inUse); err != nil {
		return nil, err
	}
	workers, hands := r.Night.Hands(), 0
	if r.Spread != nil && !r.o.DryRun {
		if hands, err = r.Spread.Hands(r.ctx); err != nil {
			return nil, err
		}
	}
	seq := r.run.Seq
	if r.o.DryRun {
		seq = 999999
	}
	if r.intake, err = r.Archive.NewIntake(seq, r.led.Purged, workers, intakeLimit, r.led.Forgotten); err != nil {
		return nil, err
	}
	request := ReadRequest{
		AsOf: r.o.AsOf, Known: r.led.Files, Newest: r.led.Newest, Reread: r.o.Reread, Workers: workers, Purged: r.led.Purged, Intake: r.intake,
		Forgotten: r.led.Forgotten, Canaries: mailedCanaries(r.led.Canaries), Pending: r.led.Pending, Observed: r.Store.KnownObservations,
		Bad: func(ctx context.Context, lines []Quarantined) error {
			if r.o.DryRun {
				return nil
			}
			return r.Store.StageQuarantine(ctx, r.run.Seq, lines)
		},
		Progress: func(done, total int64) { r.progress("reading", done, total) },
	}
	if hands > 1 {
		request.Elsewhere = r.elsewhere
		defer func() { r.Archive.Drop(r.spools) }()
	}
	if r.reading, err = r.Sources.Read(r.ctx, request); err != nil {
		return nil, err
	}
	began = r.step("read", began)
	if len(r.spools) > 0 { // all facts that are to be sealed were taken in by errands
		if err := r.intake.Abort(); err != nil {
			return nil, err
		}
		if r.intake, err = r.Archive.Gather(seq, r.spools); err != nil {
			return nil, err
		}
	}
	touched, err := r.intake.Close(r.reading.Resolve)
	if err != nil {
		return nil, err
	}
	r.total = newCounts()
	r.total.add(&counts{Copies: r.reading.Copies, Facts: r.reading.Facts})
	if err := r.setRules(); err != nil {
		return nil, err
	}
	r.setIncidents()
	r.run.Summary.Notes = append(r.run.Summary.Notes, r.reading.Notes...)
	if err := r.setCanaries(); err != nil {
		return nil, err
	}
	sources, newest := r.sourceResults()
	r.setRegistry(sources)
	r.setChecks(sources)

	works, err := r.works(touched)
	if err != nil {
		return nil, err
	}
	if len(r.spools) > 0 {
		err = r.spreadOut(works, recordsOf(touched), hands)
	} else {
		err = r.examine(works, workers)
	}
	if err != nil {
		return nil, err
	}
	began = r.step("judge", began)
	if err := r.account(sources); err != nil {
		return nil, err
	}
	r.run.Summary.Sources = sources
	r.run.Summary.UnknownInstalls = r.total.Unknown
	r.run.Summary.ClockTrouble = r.total.Trouble
	r.run.Summary.Judged = r.total.Judged
	for i := range r.run.Summary.Checks {
		if c := &r.run.Summary.Checks[i]; c.Looked {
			if f, ok := r.total.Failed[c.ID]; ok {
				c.Looked, c.Why = false, fmt.Sprintf("the rule could not judge %d of the apps, such as %s: %s", f.N, f.App, f.Why)
			}
		}
	}
	durable := r.makeDurable()
	defer durable()
	defer func() { r.step("publish", began) }()
	return r.publish(newest, durable)
}

// makeDurable makes the archive durable beside what else is to be done. What it gives waits until it is.
func (r *running) makeDurable() (wait func() error) {
	if r.o.DryRun {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		began := time.Now()
		err := r.intake.Commit()
		r.step("make the archive durable", began)
		done <- err
	}()
	return sync.OnceValue(func() error {
		if err := <-done; err != nil {
			return err
		}
		r.committed = true
		return r.Archive.Holds(r.written())
	})
}

// Hands is how many goroutines work here.
func (n *Night) Hands() int {
	if n.Workers > 0 {
		return n.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// step logs how long a part of the run took, by the machine's clock.
func (r *running) step(what string, began time.Time) time.Time {
	now := time.Now()
	r.Log.Debug("step done", "run", r.run.ID, "step", what, "took", now.Sub(began))
	return now
}

func (r *running) progress(stage string, done, total int64) {
	if r.Progress != nil {
		r.Progress(stage, done, total)
	}
}

// setRules finds whether the configuration's rules are new.
func (r *running) setRules() error {
	r.rules = r.led.Rules
	now := r.Rules
	if len(r.rules) > 0 {
		if r.rules[len(r.rules)-1].Equal(&now) {
			return nil
		}
		r.newRules = &RulesFrom{From: r.o.AsOf, Rules: now}
		r.rules = slices.Clone(r.rules)
		if last := &r.rules[len(r.rules)-1]; last.From == r.o.AsOf {
			*last = *r.newRules
			return nil
		}
	} else {
		r.newRules = &RulesFrom{From: Ever, Rules: now}
	}
	r.rules = append(r.rules, *r.newRules)
	return nil
}

// setIncidents finds the new incidents, and how they and the rules move deadlines.
func (r *running) setIncidents() {
	type name struct {
		api      string
		from, to Instant
	}
	known := map[name]bool{}
	for _, x := range r.led.Incidents {
		known[name{x.API, x.From, x.To}] = true
	}
	for _, x := range r.reading.Incidents {
		k := name{x.API, x.From, x.To}
		if known[k] {
			r.total.Copies[x.Source.File]++
			continue
		}
		known[k] = true
		r.total.Facts[x.Source.File]++
		if x.From > r.o.AsOf.Add(clockTrouble) {
			r.total.Trouble++
		}
		r.newIncs = append(r.newIncs, x)
	}
	before := mergeIncidents(r.led.Incidents)
	r.incidents = mergeIncidents(append(slices.Clone(r.led.Incidents), r.newIncs...))
	r.newBy = deadlines(r.rules, r.incidents)
	if len(r.led.Rules) > 0 {
		r.oldBy = deadlines(r.led.Rules, before)
	} else {
		r.oldBy = r.newBy
	}
}

// deadlines tells of each day until when its accounts had to be reported.
func deadlines(rules RulesTimeline, incidents []Incident) func(Day) Deadline {
	d := &Dossier{Rules: rules, Incidents: incidents}
	memo := map[Day]Deadline{}
	var mu sync.Mutex
	return func(day Day) Deadline {
		mu.Lock()
		defer mu.Unlock()
		l, ok := memo[day]
		if !ok {
			l = d.ReportBy(day)
			memo[day] = l
		}
		return l
	}
}

// clockTrouble is how far after as-of a record's time may lie before somebody should look at a clock.
const clockTrouble = 24 * time.Hour

// mergeIncidents is the outages of the reporting API that the lines tell: of those with one start, a line with an end says when it ended.
func mergeIncidents(lines []Incident) []Incident {
	at := map[Instant]int{}
	var out []Incident
	for _, x := range lines {
		if x.API != ReportingAPI {
			continue
		}
		i, ok := at[x.From]
		switch {
		case !ok:
			at[x.From] = len(out)
			out = append(out, x)
		case out[i].To == Never || x.To != Never && x.To > out[i].To:
			out[i] = x
		}
	}
	slices.SortFunc(out, func(a, b Incident) int { return cmp.Compare(a.From, b.From) })
	return out
}

// sourceResults tells of each source whether it was looked at, and up to when its records reach.
func (r *running) sourceResults() ([]SourceResult, []Newest) {
	type name struct {
		kind Kind
		path string
	}
	known := map[name]Newest{}
	for _, x := range r.led.Newest {
		known[name{x.Kind, x.Path}] = x
	}
	var results []SourceResult
	var newest []Newest
	for _, s := range r.reading.Sources {
		x := mergeNewest(known[name{s.Kind, s.Path}], s.Newest, r.o.AsOf)
		x.Kind, x.Path = s.Kind, s.Path
		newest = append(newest, x)
		res := SourceResult{Kind: s.Kind, Path: s.Path, Newest: x.At, Trouble: s.Trouble, Looked: s.Trouble == ""}
		if res.Looked && s.MaxAge > 0 && s.Kind != KindApps && s.Kind != KindAddresses { // these have no times
			switch {
			case x.At == Ever:
				res.Looked, res.Trouble = false, fmt.Sprintf("it has no record up to %s, and max_age is %s", r.o.AsOf, s.MaxAge)
			case r.o.AsOf > x.At.Add(s.MaxAge):
				res.Looked, res.Trouble = false, fmt.Sprintf("its newest record is of %s, older than max_age %s", x.At, s.MaxAge)
			}
		}
		results = append(results, res)
	}
	return results, newest
}

// mergeNewest is what two looks at a source tell together at asOf.
func mergeNewest(a, b Newest, asOf Instant) Newest {
	out := Newest{At: max(a.At, b.At)}
	if a.Kind == "" {
		out.At = b.At
	}
	for _, t := range slices.Concat(a.Future, b.Future) {
		if t <= asOf {
			out.At = max(out.At, t)
		} else {
			out.Future = append(out.Future, t)
		}
	}
	slices.Sort(out.Future)
	out.Future = slices.Compact(out.Future)
	return out
}

// setRegistry decides whether the registry was looked at, and what it lists.
func (r *running) setRegistry(sources []SourceResult) {
	r.version = r.led.Registry
	var mine []*SourceResult
	for i := range sources {
		if sources[i].Kind == KindApps {
			mine = append(mine, &sources[i])
		}
	}
	if len(mine) == 0 {
		return
	}
	forget := func() { // the next run is to read it again, changed or not
		for i := range r.reading.Files {
			if f := &r.reading.Files[i]; f.Kind == KindApps {
				f.State = nil
			}
		}
	}
	refuse := func(why string) {
		forget()
		for _, s := range mine {
			if s.Looked {
				s.Looked, s.Trouble = false, why
			}
		}
	}
	for _, s := range mine {
		if !s.Looked {
			forget()
			return
		}
	}
	if r.reading.Registry.Unchanged {
		return
	}
	keys := r.reading.Registry.keys()
	if len(keys) == 0 {
		refuse("the registry is empty")
		return
	}
	lost, before := 0, 0
	for _, a := range r.led.Apps {
		if a.Listed {
			before++
			if _, ok := keys[a.Key]; !ok {
				lost++
			}
		}
	}
	if before > 0 && float64(lost) > r.reading.Registry.MaxLoss*float64(before) {
		refuse(fmt.Sprintf("it lacks %d of the %d apps that it listed before, more than max_loss %g", lost, before, r.reading.Registry.MaxLoss))
		return
	}
	r.listed = keys
	for file, n := range r.reading.Registry.Replaced {
		r.total.Copies[file] += n
	}
}

// setChecks decides which checks can look.
func (r *running) setChecks(sources []SourceResult) {
	r.looked, r.set = map[Kind]bool{}, map[Kind]bool{}
	r.canLook, r.unset = map[string]bool{}, map[string]bool{}
	for _, s := range sources {
		if !r.set[s.Kind] {
			r.set[s.Kind], r.looked[s.Kind] = true, true
		}
		r.looked[s.Kind] = r.looked[s.Kind] && s.Looked
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		res, configured := c.look(r.set, r.looked, r.Rules.Purposes)
		switch {
		case res.Looked:
			r.canLook[c.Key()] = true
		case !configured:
			r.unset[c.Key()] = true
		}
		// The parts of one check are one check to those who read: it looked where any of its parts did.
		of := &r.run.Summary.Checks
		if n := len(*of); n > 0 && (*of)[n-1].ID == res.ID {
			if last := &(*of)[n-1]; res.Looked && !last.Looked {
				*last = res
			}
			continue
		}
		*of = append(*of, res)
	}
}

// look says whether c can look, and whether the configuration lets it: set are the kinds of its sources, looked those that could all be looked at.
func (c *Check) look(set, looked map[Kind]bool, purposes bool) (res CheckResult, configured bool) {
	res, configured = CheckResult{ID: c.ID, Looked: true}, true
	need := func(k Kind, must bool) {
		switch {
		case !res.Looked:
		case !set[k] && must:
			configured = false
			res.Looked, res.Why = false, fmt.Sprintf("no source of kind %s is configured", k)
		case set[k] && !looked[k]:
			res.Looked, res.Why = false, fmt.Sprintf("%s could not be looked at", k)
		}
	}
	for _, k := range c.Needs {
		need(k, true)
	}
	for _, k := range slices.Concat(c.NeedsIfSet, c.NeedsOneOf) {
		need(k, false)
	}
	if len(c.NeedsOneOf) > 0 && !slices.ContainsFunc(c.NeedsOneOf, func(k Kind) bool { return set[k] }) {
		need(c.NeedsOneOf[0], true)
	}
	if c.Off {
		return CheckResult{ID: c.ID, Why: "the policy turns it off", Off: true}, false
	}
	if res.Looked && c.Purposes && !purposes {
		configured = false
		res.Looked, res.Why = false, "the access source says purposes: false"
	}
	return res, configured
}

// account holds what was read against what became of it: nothing may be lost silently.
func (r *running) account(sources []SourceResult) error {
	for _, f := range r.reading.Files {
		s := &sources[f.Source]
		if f.Discarded || s.Kind == KindApps && r.listed == nil {
			continue
		}
		s.Lines += f.Lines
		s.Facts += r.total.Facts[f.ID]
		s.Duplicates += r.total.Copies[f.ID]
		s.Quarantined += f.Quarantined
		expired := f.Expired + r.total.Expired[f.ID]
		s.Expired += expired
		if got := r.total.Facts[f.ID] + r.total.Copies[f.ID] + f.Quarantined + expired; got != f.Lines {
			return fmt.Errorf("%s: %d lines were read, but they became %d facts, %d duplicates, %d quarantined and %d expired: nothing was filed; please report this as a bug",
				f.Path, f.Lines, r.total.Facts[f.ID], r.total.Copies[f.ID], f.Quarantined, expired)
		}
	}
	return nil
}
