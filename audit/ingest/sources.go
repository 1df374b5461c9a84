package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/format"
	"github.com/mailreeve/mailreeve/internal/s3"
)

// A Source is one configured source.
type Source struct {
	Kind    audit.Kind
	Name    string        // the path as the configuration gives it
	Path    string        // the same, resolved
	MaxAge  time.Duration // 0: any
	MaxBad  float64
	MaxLoss float64 // apps only; 1: any

	Authserv string // mail only: the server whose Authentication-Results are believed

	Format *format.Format // access only: how its lines are made; nil: as mailreeve asks for
	Feed   Feed           // apps and installs: where the lines come from; nil: files at Path
}

// DefaultMaxBad is the share of bad lines, of MinForMaxBad or more, above which nothing of a file is taken.
const DefaultMaxBad = 0.05

// MinForMaxBad is how many lines must have been read newly before a share of bad ones says something.
const MinForMaxBad = 1000

// Sources reads the configured sources. It implements audit.Sources.
type Sources struct {
	List     []Source
	Now      func() time.Time
	Examiner audit.Examiner // of captures and mail; nil: there are none
	Objects  *s3.Client     // for paths that begin with s3://
}

// Read implements audit.Sources. What cannot be read is the source's trouble, not an error; an error ends the run.
func (s *Sources) Read(ctx context.Context, req audit.ReadRequest) (*audit.Reading, error) {
	r := &reading{req: req, now: s.Now(), places: newPlaces(s.Objects), out: &audit.Reading{Facts: map[uint32]int64{}, Copies: map[uint32]int64{}}, registry: map[string]*audit.App{},
		bad: map[string]bool{}, replaced: map[uint32]int64{}, seen: map[uint32]audit.Newest{}, troubled: map[uint32]string{}, reached: map[string]bool{},
		known: map[string]audit.File{}, observed: observations{taken: map[audit.ObservationID]bool{}}, expired: map[uint32]int64{}}
	if s.Examiner != nil {
		r.observed.look = s.Examiner.Examine()
	}
	for account := range req.Canaries {
		r.observed.hits.add(account)
	}
	for _, n := range req.Newest {
		r.reached[fileKey(n.Kind, n.Path)] = true
	}
	for _, f := range req.Known {
		r.known[fileKey(f.Kind, f.Path)] = f
		r.lastID = max(r.lastID, f.ID)
	}
	plans, order := make([]plan, len(s.List)), make([]int, len(s.List))
	maxLoss := 1.0
	defer r.places.spools.close()
	for i, src := range s.List {
		if src.Feed != nil {
			r.places.spools[src.Path] = nil
		}
		from := r.places.of(src.Path)
		files, err := from.glob(ctx, src.Path)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		plans[i], order[i] = plan{src, files}, i
		for _, f := range files {
			if id, err := from.stat(ctx, f); err == nil {
				r.total += id.Size
			}
		}
		to := audit.SourceReading{Kind: src.Kind, Path: src.Name, MaxAge: src.MaxAge, Newest: audit.Newest{Kind: src.Kind, Path: src.Name, At: audit.Ever}}
		switch {
		case err != nil:
			to.Trouble = err.Error()
		case len(files) == 0:
			to.Trouble = fmt.Sprintf("%s: no such file", src.Path)
		}
		r.out.Sources = append(r.out.Sources, to)
		if src.Kind == audit.KindApps {
			r.registries++
			maxLoss = min(maxLoss, src.MaxLoss)
		}
	}
	var bulk []*task // to be read wherever there are hands
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(s.List[a].Kind), rank(s.List[b].Kind)) })
	for _, i := range order {
		if plans[i].Kind == audit.KindAddresses {
			continue // once it is known whether there is anything to compare with
		}
		for _, path := range plans[i].files {
			if req.Elsewhere != nil && isBulk(plans[i].Kind) {
				t, err := r.plan(i, plans[i].Source, path)
				if err != nil {
					return nil, err
				}
				if t != nil {
					bulk = append(bulk, t)
				}
				continue
			}
			if err := r.file(ctx, i, plans[i].Source, path); err != nil {
				return nil, err
			}
		}
	}
	if err := r.bulk(ctx, bulk); err != nil {
		return nil, err
	}
	if err := r.addresses(ctx, plans); err != nil {
		return nil, err
	}
	if r.registries > 0 {
		r.out.Registry = &audit.RegistryReading{Unchanged: r.unchanged, Bad: r.bad, MaxLoss: maxLoss, Replaced: r.replaced}
		for _, key := range r.order {
			r.out.Registry.Apps = append(r.out.Registry.Apps, r.registry[key])
		}
		r.untag()
	}
	for i := range req.Workers {
		for file, n := range req.Intake.Worker(i).Expired() {
			r.expired[file] += n
		}
	}
	for i := range r.out.Files {
		r.out.Files[i].Expired = r.expired[r.out.Files[i].ID]
	}
	r.out.Resolve = r.resolve
	return r.out, nil
}

// A plan is a source and the files that its pattern names.
type plan struct {
	Source
	files []string
}

func fileKey(kind audit.Kind, path string) string { return string(kind) + "\x00" + path }

// reading is one Read under way.
type reading struct {
	req         audit.ReadRequest
	now         time.Time
	places      *places
	out         *audit.Reading
	known       map[string]audit.File
	lastID      uint32
	total, done int64

	chunks []chunk // of all files so far

	registries int  // sources of kind apps
	unchanged  bool // the one that there is says that it is as it was
	registry   map[string]*audit.App
	order      []string
	bad        map[string]bool
	replaced   map[uint32]int64

	seen     map[uint32]audit.Newest // files that were read
	troubled map[uint32]string       // files that could not be
	reached  map[string]bool         // sources of which it is known how far they reach: of any other all files are read

	observed observations
	expired  map[uint32]int64 // by file: observations of days that were purged
	held     int64            // addresses that were read
}

// A chunk says where a piece of input lies: its file and the number of its first line.
type chunk struct {
	file    uint32
	first   uint64
	dropped bool
}

func (r *reading) resolve(place uint64) (audit.Source, bool) {
	c := r.chunks[place>>32]
	return audit.Source{File: c.file, Line: c.first + place&0xffffffff}, !c.dropped
}

// A task is a file of a source that is to be read.
type task struct {
	source int // index into Sources.List
	src    Source
	file   audit.File
	prior  *State // nil: read it whole
	seen   identity
}

// A fileRead is what reading a file gave.
type fileRead struct {
	res   Result
	err   error
	lines []*lines // what each worker found; nil: it had nothing to do
}

// file reads one file of a source.
func (r *reading) file(ctx context.Context, source int, src Source, path string) error {
	t, err := r.plan(source, src, path)
	if t == nil || err != nil {
		return err
	}
	if src.Feed != nil {
		return r.feed(ctx, t)
	}
	return r.finish(ctx, t, r.read(ctx, t))
}

// plan decides how to read a file. nil: there is nothing to read of it.
func (r *reading) plan(source int, src Source, path string) (*task, error) {
	if address.LooksLike([]byte(filepath.Base(path))) {
		// The name would stand in the store and in evidence.
		r.out.Sources[source].Trouble = fmt.Sprintf("%s: the file's name looks like an address: rename it", address.Redact(path))
		return nil, nil
	}
	f, ok := r.known[fileKey(src.Kind, path)]
	if !ok {
		r.lastID++
		f = audit.File{ID: r.lastID, Kind: src.Kind, Path: path}
		r.known[fileKey(src.Kind, path)] = f
	}
	var prior *State
	if len(f.State) > 0 && !r.req.Reread[f.ID] && r.reached[fileKey(src.Kind, src.Name)] && !readWhole(src.Kind) {
		prior = &State{}
		if prior.UnmarshalBinary(f.State) != nil {
			prior = nil
		}
	}
	to := &r.out.Sources[source]
	if newest, twice := r.seen[f.ID]; twice { // the patterns of two sources name it: it is read for the first
		reaches(to, newest)
		if trouble := r.troubled[f.ID]; trouble != "" {
			to.Trouble = trouble
		}
		return nil, nil
	}
	r.seen[f.ID] = audit.Newest{At: audit.Ever}
	if len(r.chunks) > 1<<31 {
		return nil, errors.New("more input than one run can number: run on fewer files at a time")
	}
	return &task{source: source, src: src, file: f, prior: prior}, nil
}

// registryBlock is what a worker takes at a time of a registry in a file, in bytes: it is small, each of its lines is much work, and nobody reads on from where it
// was read before.
const registryBlock = 64 << 10

// read reads a file here.
func (r *reading) read(ctx context.Context, t *task) fileRead {
	out := fileRead{lines: make([]*lines, r.req.Workers)}
	opt := Options{Workers: r.req.Workers, Now: r.now, places: r.places, Progress: r.progress}
	if t.src.Kind == audit.KindApps && !s3.IsURL(t.file.Path) {
		opt.block = registryBlock
	}
	foreign := foreignOf(t.src.Format, &opt)
	out.res, out.err = Read(ctx, t.file.Path, t.prior, opt, func(i int) Lines {
		out.lines[i] = &lines{kind: t.src.Kind, foreign: foreign(), file: t.file.ID, base: uint64(len(r.chunks)), asOf: r.req.AsOf, into: r.req.Intake.Worker(i), newest: audit.Ever,
			purged: r.req.Purged, forgotten: r.req.Forgotten, watch: &r.observed.hits, match: r.observed.match}
		return out.lines[i]
	})
	return out
}

func (r *reading) progress(bytes int64) {
	r.done += bytes
	if r.req.Progress != nil {
		r.req.Progress(r.done, r.total)
	}
}

// tooManyBad says why nothing is to be taken of a file that has so many bad lines; "" where they are few enough.
func tooManyBad(src Source, path string, lines, bad int64, first func() string) string {
	if share := float64(bad) / float64(max(lines, 1)); lines < MinForMaxBad || share <= src.MaxBad {
		return ""
	}
	return fmt.Sprintf("%s: %d of %d lines are bad, more than max_bad %g: nothing of it was taken; the first: %s", path, bad, lines, src.MaxBad, first())
}

// finish takes what reading a file gave.
func (r *reading) finish(ctx context.Context, t *task, read fileRead) error {
	src, f, res, path := t.src, t.file, read.res, t.file.Path
	to := &r.out.Sources[t.source]
	if ctx.Err() != nil {
		return cmp.Or(read.err, ctx.Err())
	}
	if read.err != nil {
		to.Trouble = read.err.Error()
	}
	if res.Skipped {
		return nil
	}
	base := len(r.chunks)
	for _, first := range res.Bases {
		r.chunks = append(r.chunks, chunk{file: f.ID, first: first})
	}
	got := audit.FileReading{File: f, Source: t.source, FromLine: 1, Lines: res.Lines}
	got.State = nil
	if read.err != nil {
		// What lay before the damage may be damaged as well. The next run tries again.
		r.discard(got, base)
		return nil
	}
	var err error
	if got.State, err = res.State.MarshalBinary(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case len(res.Bases) > 0:
		got.FromLine = res.Bases[0]
	case t.prior != nil && res.Lines == 0: // nothing was read again
		got.FromLine = uint64(t.prior.Before) + 1
	}
	for _, w := range read.lines {
		if w != nil {
			got.Lines -= w.others
		}
	}
	var copies int64
	looked := len(r.observed.docs)
	if isObserved(src.Kind) {
		copies, err = r.look(ctx, got, src, read.lines)
		if errors.Is(err, s3.ErrUnreachable) {
			to.Trouble = fmt.Sprintf("%s: %s", path, err)
			r.forget(got, base, looked)
			return nil
		}
		if err != nil {
			return err
		}
	}
	for _, w := range read.lines {
		if w == nil {
			continue
		}
		if w.err != nil {
			return w.err
		}
		if w.trouble != nil {
			to.Trouble = fmt.Sprintf("%s: %s", path, w.trouble)
		}
		got.Quarantined += int64(len(w.bad))
	}
	if why := tooManyBad(src, path, got.Lines, got.Quarantined, func() string { return r.firstBad(read.lines) }); why != "" {
		to.Trouble = why
		r.forget(got, base, looked)
		return nil
	}
	r.out.Copies[f.ID] += copies
	if err := r.take(ctx, got, read.lines, to); err != nil {
		return err
	}
	r.out.Files = append(r.out.Files, got)
	return nil
}

// reaches notes how far the records of one of a source's files reach.
func reaches(to *audit.SourceReading, newest audit.Newest) {
	to.Newest.At = max(to.Newest.At, newest.At)
	to.Newest.Future = append(to.Newest.Future, newest.Future...)
}

// discard takes nothing of a file whose chunks begin at base.
func (r *reading) discard(f audit.FileReading, base int) {
	f.Discarded, f.Broken, f.State = true, true, nil
	r.troubled[f.ID] = r.out.Sources[f.Source].Trouble
	for i := base; i < len(r.chunks); i++ {
		r.chunks[i].dropped = true
	}
	r.out.Files = append(r.out.Files, f)
}

// forget takes nothing of a manifest, from whose files on the docs were looked into.
func (r *reading) forget(f audit.FileReading, base, docs int) {
	r.discard(f, base)
	clear(r.observed.docs[docs:])
}

func (r *reading) firstBad(workers []*lines) string {
	var all []badLine
	for _, w := range workers {
		if w != nil && len(w.bad) > 0 {
			all = append(all, slices.MinFunc(w.bad, func(a, b badLine) int { return cmp.Compare(a.place, b.place) }))
		}
	}
	first := slices.MinFunc(all, func(a, b badLine) int { return cmp.Compare(a.place, b.place) })
	s, _ := r.resolve(first.place)
	return fmt.Sprintf("line %d: %s", s.Line, first.reason)
}

// stageAtOnce is how many bad lines are handed on at a time.
const stageAtOnce = 1000

// take hands on what the workers found in a file, in the order of its lines.
func (r *reading) take(ctx context.Context, f audit.FileReading, workers []*lines, to *audit.SourceReading) error {
	var bad []badLine
	var events []placed[audit.Lifecycle]
	var incidents []placed[audit.Incident]
	var apps []placed[*audit.App]
	var observed []placed[audit.Observation]
	newest := audit.Newest{At: audit.Ever}
	for _, w := range workers {
		if w == nil {
			continue
		}
		bad = append(bad, w.bad...)
		events = append(events, w.events...)
		incidents = append(incidents, w.incidents...)
		apps = append(apps, w.apps...)
		observed = append(observed, w.observed...)
		r.out.Canaries = append(r.out.Canaries, w.canaries...)
		r.out.Facts[f.ID] += w.held
		r.held += w.held
		r.expired[f.ID] += w.expired
		newest.At = max(newest.At, w.newest)
		for _, t := range w.future {
			newest.Future = append(newest.Future, t)
		}
	}
	r.seen[f.ID] = newest
	reaches(to, newest)
	slices.SortFunc(bad, func(a, b badLine) int { return cmp.Compare(a.place, b.place) })
	for len(bad) > 0 {
		n := min(len(bad), stageAtOnce)
		rows := make([]audit.Quarantined, n)
		for i, b := range bad[:n] {
			s, _ := r.resolve(b.place)
			rows[i] = audit.Quarantined{File: f.ID, Path: f.Path, Line: s.Line, Kind: f.Kind, Reason: b.reason, Text: b.text}
			if b.key != "" {
				apps = append(apps, placed[*audit.App]{b.place, &audit.App{Key: b.key, Kind: badEntry}})
			}
		}
		if r.req.Bad != nil {
			if err := r.req.Bad(ctx, rows); err != nil {
				return err
			}
		}
		bad = bad[n:]
	}
	sortPlaced(events)
	for _, e := range events {
		e.what.Source, _ = r.resolve(e.place)
		r.out.Lifecycle = append(r.out.Lifecycle, e.what)
	}
	sortPlaced(observed)
	for _, e := range observed {
		o := e.what
		o.Source, _ = r.resolve(e.place)
		r.observed.taken[o.ID] = true
		if o.Kind == audit.KindMail {
			r.observed.hits.add(o.Account)
			r.out.Canaries = append(r.out.Canaries, audit.Canary{Account: o.Account, App: o.App, Mailed: true, Retrieved: audit.Never})
		}
		r.out.Observations = append(r.out.Observations, o)
	}
	sortPlaced(incidents)
	for _, e := range incidents {
		e.what.Source, _ = r.resolve(e.place)
		r.out.Incidents = append(r.out.Incidents, e.what)
	}
	sortPlaced(apps)
	for _, a := range apps {
		key := a.what.Key
		if a.what.Kind == badEntry {
			r.bad[key] = true
			continue
		}
		a.what.Source, _ = r.resolve(a.place)
		if before := r.registry[key]; before != nil {
			r.replaced[before.Source.File]++
		} else {
			r.order = append(r.order, key)
		}
		r.registry[key] = a.what
		delete(r.bad, key)
	}
	return nil
}

// badEntry marks, among the registry's lines of one file, a bad one that names its app. No good line has such a kind.
const badEntry = "\x00bad"

type placed[T any] struct {
	place uint64
	what  T
}

func sortPlaced[T any](list []placed[T]) {
	slices.SortFunc(list, func(a, b placed[T]) int { return cmp.Compare(a.place, b.place) })
}

type badLine struct {
	place        uint64
	reason, text string
	key          string // of the app that a registry line names
}

// lines is one worker on one file.
type lines struct {
	kind    audit.Kind
	file    uint32
	base    uint64 // number of the file's first chunk
	asOf    audit.Instant
	into    audit.IntakeWorker
	decoder Decoder
	foreign *format.Reader // of lines of another format; nil: the decoder's
	others  int64          // lines that are of no call that is asked for
	call    audit.CallRecord
	report  audit.ReportRecord

	bad       []badLine
	reasons   map[string]string
	events    []placed[audit.Lifecycle]
	incidents []placed[audit.Incident]
	apps      []placed[*audit.App]
	observed  []placed[audit.Observation]
	newest    audit.Instant
	future    map[audit.Instant]audit.Instant // by hour: the first instant after as-of
	err       error

	forgotten *audit.Forgotten

	purged   audit.Day
	expired  int64 // observations of days that were purged
	watch    *watch
	canaries []audit.Canary // retrievals of watched accounts
	match    audit.Matching
	held     int64 // addresses that were held against what was found
	trouble  error // why addresses could not be
}

func (l *lines) place(p Pos) uint64 { return (l.base+uint64(p.Chunk))<<32 | uint64(p.Line) }

// Line implements Lines.
func (l *lines) Line(p Pos, line []byte) {
	if l.err != nil {
		return
	}
	var err error
	switch l.kind {
	case audit.KindAccess:
		if l.foreign == nil {
			err = l.decoder.Call(line, &l.call)
		} else if l.call, err = foreignCall(l.foreign, line); errors.Is(err, format.ErrOther) {
			l.others++
			return
		}
		if err == nil {
			l.see(audit.AtUnix(l.call.Sec, l.call.Nsec))
			l.spot()
			l.err = l.into.Call(&l.call, l.file, l.place(p))
		}
	case audit.KindReports:
		if err = l.decoder.Report(line, &l.report); err == nil {
			l.see(audit.AtUnix(l.report.Sec, l.report.Nsec))
			l.err = l.into.Report(&l.report, l.file, l.place(p))
		}
	case audit.KindInstalls:
		var e audit.Lifecycle
		if e, err = l.decoder.Lifecycle(line); err == nil {
			l.see(e.At)
			l.events = append(l.events, placed[audit.Lifecycle]{l.place(p), e})
		}
	case audit.KindIncidents:
		var e audit.Incident
		if e, err = Incident(line); err == nil {
			l.see(e.From)
			l.incidents = append(l.incidents, placed[audit.Incident]{l.place(p), e})
		}
	case audit.KindApps:
		var a *audit.App
		if l.forgotten != nil { // vendors' texts are compared with what is kept of them
			line = []byte(l.forgotten.Text(string(line)))
		}
		if a, err = App(line); err == nil {
			l.apps = append(l.apps, placed[*audit.App]{l.place(p), a})
		}
	case audit.KindCaptures, audit.KindMail, audit.KindSignals:
		var o audit.Observation
		if o, err = Observation(l.kind, line); err == nil {
			if o.At.Day() < l.purged {
				l.expired++
				return
			}
			l.forgotten.Observation(&o)
			l.observed = append(l.observed, placed[audit.Observation]{l.place(p), o})
		}
	case audit.KindAddresses:
		err = l.hold(line)
	}
	if err != nil {
		b := badLine{place: l.place(p), reason: l.forgotten.Text(l.reason(err)), text: l.shown(line)}
		if l.kind == audit.KindApps {
			if key, ok := AppKey(line); ok && !address.LooksLike([]byte(key)) {
				b.key = key
			}
		}
		l.bad = append(l.bad, b)
	}
}

// spot notes the retrievals of watched accounts. The lines of a file that is not taken after all are forgotten with it.
func (l *lines) spot() {
	if len(l.watch.all) == 0 || l.call.Status != 200 || len(l.call.App) == 0 {
		return
	}
	at := audit.AtUnix(l.call.Sec, l.call.Nsec)
	for id := range l.call.Accounts.All() {
		id = l.forgotten.Account(id)
		if l.watch.has(id) && at.Day() >= l.purged {
			l.canaries = append(l.canaries, audit.Canary{Account: string(id), App: string(l.call.App), Retrieved: at})
		}
	}
}

// hold holds an address against what was found in files.
func (l *lines) hold(line []byte) error {
	a, err := l.decoder.Address(line)
	if err != nil {
		return err
	}
	l.held++
	a.Account = string(l.forgotten.Account([]byte(a.Account)))
	switch {
	case a.Account == audit.UnknownAccount:
	case a.Email != "":
		l.match.Address(a.Account, a.Email)
	case l.trouble == nil:
		l.trouble = l.match.Digests(a.Account, a.KeyID, a.Digests)
	}
	return nil
}

// readWhole says whether sources of a kind are read whole each run that reads them.
func readWhole(k audit.Kind) bool { return k == audit.KindApps || k == audit.KindAddresses }

// reason is why a line is bad, kept once however many are.
func (l *lines) reason(err error) string {
	text := err.Error()
	if known, ok := l.reasons[text]; ok {
		return known
	}
	if l.reasons == nil {
		l.reasons = map[string]string{}
	}
	if len(l.reasons) < manyBadOnes {
		l.reasons[text] = text
	}
	return text
}

// TooLong implements Lines.
func (l *lines) TooLong(p Pos) {
	l.bad = append(l.bad, badLine{place: l.place(p), reason: fmt.Sprintf("the line is longer than %d MiB", MaxLine>>20)})
}

// see notes up to when the source's records reach.
func (l *lines) see(at audit.Instant) {
	if at <= l.asOf {
		l.newest = max(l.newest, at)
		return
	}
	if l.future == nil {
		l.future = map[audit.Instant]audit.Instant{}
	}
	hour := at - at%audit.Instant(time.Hour)
	if t, ok := l.future[hour]; !ok || at < t {
		l.future[hour] = at
	}
}

const (
	shownBytes  = 2000   // of a bad line
	manyBadOnes = 10_000 // of a worker and a file, beyond which only place and reason are kept
)

// shown is a bad line as it may be kept: cut, and without anything that looks like an address.
func (l *lines) shown(line []byte) string {
	const limit = shownBytes
	if len(l.bad) >= manyBadOnes || l.kind == audit.KindAddresses || l.foreign != nil {
		return "" // the file has them; and what is an address in a line of addresses, or in some program's query, nobody can say for sure
	}
	if len(line) <= limit {
		return l.forgotten.Text(address.Redact(string(line)))
	}
	// What lies on the cut may be half an address, which nobody would recognise: it is left out.
	const edge = 400
	text := []rune(l.forgotten.Text(address.Redact(string(line[:limit]))))
	return string(text[:max(0, len(text)-edge)]) + "…"
}
