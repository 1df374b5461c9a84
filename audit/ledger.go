package audit

// What the night reads from the store and publishes to it. Everything here but findings and the trail is derived from facts.

// A Ledger is what a night needs to know before it starts.
type Ledger struct {
	Last      *Run // the last finished run; nil: the store is empty
	Rules     RulesTimeline
	Purged    Day        // facts of earlier days are no longer kept; StateDay: nothing was purged
	Registry  int        // number of the registry's version; 0: none was read
	Files     []File     // every file that was ever read
	Newest    []Newest   // of each source
	Incidents []Incident // as facts, one for each line
	Apps      []AppIndex // every app that has any fact or registry entry, the empty key included
	Due       []Due      // what earlier runs could not look at
	Canaries  []Canary
	Forgotten *Forgotten    // nil: nobody was
	Pending   []Observation // captures and mails that no run has held against the addresses yet
}

// A File is an input file that was read, and how far.
type File struct {
	ID     uint32
	Kind   Kind
	Path   string // as the configuration's folder and pattern give it
	State  []byte // the reader's own; empty: read it again
	Broken bool   // it could not be read to its end
}

// Newest says up to when the records of a source reach.
type Newest struct {
	Kind   Kind
	Path   string // the source's pattern
	At     Instant
	Future []Instant // some later instants, ascending, of records that came before their time
}

// An AppIndex is the little that is known of every app without loading it.
type AppIndex struct {
	Key      string
	Listed   bool
	Blind    bool
	StatesAt Instant // when the passing of time may next change a state; Never: not by itself
	Entry    string  // digest of the registry line that it was last read from
}

// Due is an (app, day) that checks have yet to judge. Day is StateDay for states.
type Due struct {
	App    string
	Day    Day
	Checks []string // ids
	Since  int64    // the first run (Seq) whose facts made it due
}

// PackKind tells what a pack holds.
type PackKind uint8

// The kinds of packs.
const (
	CallPack PackKind = iota + 1
	ReportPack
)

// A Pack names the place in the archive of facts of one app and day. An (app, day) may have several.
type Pack struct {
	App         string
	Day         Day
	Kind        PackKind
	Segment     string // file of the archive
	Offset      int64
	Length      int64
	Records     int
	First, Last Instant
	Run         int64 // Seq of the run that wrote it
}

// An ObservedDay says that an app has observations of one kind on a day.
type ObservedDay struct {
	App  string
	Kind Kind
	Day  Day
}

// An Arrival is a lifecycle event and the run that brought it.
type Arrival struct {
	Lifecycle
	Run int64 // Seq
}

// AppFacts is what the store holds of one app, beside packs, contributions and findings.
type AppFacts struct {
	Key       string
	Versions  []AppVersion
	Approvals []Approval
	Blind     bool
	StatesAt  Instant
	Events    []Arrival // in no order
	Headers   []DayHeader
	Answers   []byte // see Answers.AppendTo
}

// An AppUpdate is what a run publishes of one app.
type AppUpdate struct {
	Key       string
	Version   *AppVersion // a new one
	Entry     string      // digest of the registry line that was read; empty: as before
	Approvals []Approval  // all of them, where SetApprovals
	Blind     bool
	StatesAt  Instant

	SetApprovals bool
	SetAnswers   bool
	Answers      []byte

	Events       []Lifecycle   // new ones
	Observations []Observation // new ones, and earlier ones that were looked into

	Headers  []DayHeader // new or changed ones
	Packs    []Pack      // new ones
	Due      []Due       // all that is left
	Put      []Contribution
	Delete   []ContributionKey
	Sums     []Sum
	Findings []Finding // new or changed ones
	Ended    []Act     // acts that this run ended, with Ended set
	Trail    []TrailEntry
}

// A ContributionKey names a contribution.
type ContributionKey struct {
	Check, App, Subject string
	Day                 Day
}

// A ContributionSpan is a contribution without what it holds.
type ContributionSpan struct {
	ContributionKey
	First, Last Instant
}

// Finding is the key of the finding that the contribution is to.
func (k ContributionKey) Finding() FindingKey {
	return FindingKey{Check: k.Check, App: k.App, Subject: k.Subject}
}

// Key is the contribution's name.
func (c *Contribution) Key() ContributionKey {
	return ContributionKey{c.Check, c.App, c.Subject, c.Day}
}

// A Sum is the contributions to a finding of all its days up to one as one, under BaseDay. It says nothing that they do not say, and is kept beside them
// so that a night need not read them all. What changes one of its days takes it back.
type Sum struct {
	Contribution
	To Day
}

// A Publication is all that a run makes visible, at once.
type Publication struct {
	Run       *Run   // Finished
	Archive   string // id of the archive that its packs lie in
	Rules     *RulesFrom
	Purged    Day // facts of earlier days leave the store
	Retention Retention
	Registry  int
	Files     []File // new or changed ones
	Read      []ReadFrom
	Newest    []Newest
	Incidents []Incident // new ones
	Canaries  []Canary   // new or changed ones
	Apps      []AppUpdate
	Trail     []TrailEntry // of the run itself, after the apps'
	Judged    []NightCount // runs that are judged for the first time, itself among them
	Outbox    []Message

	// Messages gives more for the outbox. It is asked when all else is written, and Run's summary complete; perhaps more than once. Nil: there are none.
	Messages func() ([]Message, error)
}

// A ReadFrom says from which line on a run read a file: what lay in quarantine of it from there on is replaced.
type ReadFrom struct {
	File     uint32
	FromLine uint64
}

// A Quarantined line is one that could not be taken for a fact.
type Quarantined struct {
	File   uint32
	Path   string // of the file
	Line   uint64
	Kind   Kind
	Reason string
	Text   string // redacted, perhaps cut
}
