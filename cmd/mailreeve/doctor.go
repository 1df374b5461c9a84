package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/archive"
	"github.com/mailreeve/mailreeve/audit/config"
	"github.com/mailreeve/mailreeve/audit/format"
	"github.com/mailreeve/mailreeve/audit/ingest"
	"github.com/mailreeve/mailreeve/audit/schedule"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/capture"
	"github.com/mailreeve/mailreeve/checks"
	"github.com/mailreeve/mailreeve/internal/s3"
	"github.com/mailreeve/mailreeve/notifier/notices"
	"github.com/mailreeve/mailreeve/notifier/slack"
)

// The states of what doctor looks at.
const (
	isOK      = "ok"
	isWarning = "warning" // it works, and somebody should look
	isWrong   = "wrong"
)

// A symptom is what doctor says of one thing.
type symptom struct {
	State string `json:"state"`
	About string `json:"about"`
	Says  string `json:"says"`
}

// A doctor looks at what a configuration names, and changes nothing.
type doctor struct {
	cfg   *config.Config
	now   time.Time
	found []symptom

	objects *s3.Client
}

func (c *cli) doctorCommand() *cobra.Command {
	var format string
	var send bool
	cmd := &cobra.Command{
		Use:     "doctor",
		Example: "  mailreeve doctor\n  mailreeve doctor -c /etc/mailreeve/mailreeve.yaml --send",
		Short:   "Look at configuration, store, archive, sources and Slack: each ok, or what to do",
		Long: `doctor looks at all that the configuration names, and says of each thing that it is ok, or what is wrong and what to do about it.
It changes nothing, and ends with 1 where something is wrong. Run it as the user whose nights it is about. docs/runbook.md says more of each mistake.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found := c.doctor(cmd.Context(), send)
			err := listing[symptom]{
				record: func(x symptom) any { return x },
				columns: []column[symptom]{
					{name: "state", of: func(x symptom) string { return x.State }},
					{name: "about", of: func(x symptom) string { return x.About }},
					{name: "says", of: func(x symptom) string { return x.Says }},
				},
			}.print(c, format, slices.Values(found))
			if err == nil && slices.ContainsFunc(found, func(x symptom) bool { return x.State == isWrong }) {
				err = exitCode(exitFailed)
			}
			return err
		},
	}
	formatFlag(cmd, &format)
	cmd.Flags().BoolVar(&send, "send", false, "also send a test message to Slack, the operators' mail and each webhook, and see whether the heartbeat's host answers")
	return cmd
}

// bedside is how long doctor waits for a server.
const bedside = 15 * time.Second

func (c *cli) doctor(ctx context.Context, send bool) []symptom {
	d := &doctor{now: c.clock(), objects: s3.FromEnvironment()}
	var err error
	if d.cfg, err = c.load(); err != nil {
		d.wrong("configuration", "%w", err)
		for _, says := range config.PolicyMistakes(c.config) {
			file, rest, _ := strings.Cut(says.Error(), ": ")
			line, _, _ := strings.Cut(rest, ": ")
			if !strings.Contains(err.Error(), file+": "+line+":") { // else that is told already
				d.wrong("policy", "%w", says)
			}
		}
		return d.found
	}
	d.ok("configuration", "%s", d.cfg.Path)
	d.policy(ctx, c.checks)
	plan, err := schedule.Parse(d.cfg.Schedule) // load has parsed it before
	if err != nil {
		d.wrong("schedule", "%w", err)
		return d.found
	}
	d.schedule(plan)
	if s := d.store(ctx); s != nil {
		d.nights(ctx, s, plan)
		d.crews(ctx, s)
		d.outbox(ctx, s)
		d.notices(ctx, s)
		d.quarantine(ctx, s)
		d.archive(ctx, s)
		d.trail(ctx, s)
		if err := s.Close(); err != nil {
			d.wrong("store", "%w", err)
		}
	}
	d.room()
	d.sources(ctx)
	d.secrets()
	d.browser()
	d.console(ctx)
	d.slack(ctx, send)
	d.mail(ctx)
	if send {
		d.sendMail(ctx)
	}
	d.vendorPage()
	d.webhooks(ctx, send)
	d.jira(ctx)
	d.heartbeat(ctx, send)
	return d.found
}

func (d *doctor) ok(about, format string, args ...any) { d.say(isOK, about, format, args...) }

func (d *doctor) warn(about, format string, args ...any) { d.say(isWarning, about, format, args...) }

func (d *doctor) wrong(about, format string, args ...any) { d.say(isWrong, about, format, args...) }

// say notes what an error says, a line each. What begins with a key of the configuration gets its line.
func (d *doctor) say(state, about, format string, args ...any) {
	err := fmt.Errorf(format, args...)
	if state != isOK && d.cfg != nil && slices.Contains([]string{"mail", "console", "capture"}, about) {
		if located := d.cfg.Located(err); located != err {
			err = fmt.Errorf("%s: %w", filepath.Base(d.cfg.Path), located)
		}
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		d.found = append(d.found, symptom{state, about, line})
	}
}

// at is where a key of the configuration stands, as messages begin; "" where it says nothing of it.
func (d *doctor) at(path ...any) string {
	if n := d.cfg.Line(path...); n > 0 {
		return fmt.Sprintf("%s: line %d: ", filepath.Base(d.cfg.Path), n)
	}
	return ""
}

// policy says what the policy turns off, only observes, and excepts, and which exceptions are no use any more.
func (d *doctor) policy(ctx context.Context, set checks.Set) {
	p, now := d.cfg.Policy, audit.At(d.now)
	for _, says := range config.PolicyMistakes(d.cfg.Path) {
		d.wrong("policy", "%w", says)
	}
	for _, doubt := range d.cfg.PolicyDoubts() {
		d.warn("policy", "%w", doubt)
	}
	var off, observed []string
	for _, parts := range set.Catalogue() {
		switch c := &parts[0]; {
		case c.Off:
			off = append(off, c.ID)
		case c.EnforceFrom > now:
			observed = append(observed, fmt.Sprintf("%s until %s", c.ID, when(c.EnforceFrom)))
		}
	}
	d.ok("policy", "%s, %s", cmp.Or(d.cfg.PolicyFile, "the built-in one"), count(len(p.Own), "rule of its own", "rules of its own"))
	if len(off) > 0 {
		d.warn("policy", "checks that are turned off: %s", strings.Join(off, ", "))
	}
	if len(observed) > 0 {
		d.ok("policy", "checks that are only observed: %s", strings.Join(observed, ", "))
	}
	if len(p.Exceptions) == 0 {
		return
	}
	s, err := store.Look(ctx, d.cfg.StoreURL())
	if err == nil {
		defer s.Close()
	}
	for i := range p.Exceptions {
		e := &p.Exceptions[i]
		about := fmt.Sprintf("%s: the exception of %s from %s", e.At, e.App, e.Check)
		if e.Until <= now {
			d.warn("policy", "%s ended at %s: take it out, or have %s give it another end", about, when(e.Until), e.Owner)
			continue
		}
		if err != nil { // of the store others tell
			continue
		}
		list, err := s.Findings(ctx, store.Filter{Apps: []string{e.App}, Checks: []string{e.Check}})
		switch {
		case err != nil:
			d.wrong("policy", "%w", err)
		case !slices.ContainsFunc(list, func(f audit.Finding) bool { return f.Status != audit.Resolved && e.Fits(f.App, f.Check, f.Subject) }):
			d.warn("policy", "%s matches nothing that is found: take it out, or see that app, check and subject are spelled as in findings list", about)
		default:
			d.ok("policy", "%s holds until %s", about, when(e.Until))
		}
	}
}

// schedule shows when the next night comes, in UTC and as its zone's clock has it, since nobody but a person knows which zone is meant.
func (d *doctor) schedule(plan schedule.Schedule) {
	next := plan.Nights(d.now, 1)
	if len(next) == 0 {
		d.wrong("schedule", "%q comes no more", d.cfg.Schedule)
		return
	}
	at := next[0].UTC().Format(time.RFC3339)
	zoned := strings.HasPrefix(d.cfg.Schedule, "CRON_TZ=") || strings.HasPrefix(d.cfg.Schedule, "TZ=")
	if !zoned && !strings.HasPrefix(d.cfg.Schedule, "@every") {
		zone, _ := d.now.Local().Zone()
		d.warn("schedule", "%q names no zone: the next night is at %s by this machine's (%s), and moves where that is another: write CRON_TZ=Zone before it",
			d.cfg.Schedule, at, zone)
		return
	}
	d.ok("schedule", "%s: the next night is at %s", d.cfg.Schedule, at)
}

// store opens the store as it is; nil where there is none to look into.
func (d *doctor) store(ctx context.Context) *store.Store {
	ctx, cancel := context.WithTimeout(ctx, bedside)
	defer cancel()
	s, err := store.Look(ctx, d.cfg.StoreURL())
	switch {
	case errors.Is(err, store.ErrNotFound):
		d.ok("store", "there is none yet: the first run makes it")
		d.unusedArchive(ctx)
		return nil
	case errors.Is(err, store.ErrOlder):
		d.warn("store", "%w: the next start brings it up to date, or mailreeve migrate up now; back it up before", err)
		return nil
	case err != nil:
		d.wrong("store", "%w", err)
		return nil
	}
	d.ok("store", "%s", s)
	ahead, err := s.Clock(ctx)
	switch {
	case err != nil:
		d.wrong("clock", "%w", err)
	case ahead.Abs() > skew:
		d.wrong("clock", "the database's clock is %s %s this machine's: see that both follow NTP; until then nights come at the wrong time", ahead.Abs().Round(time.Second), direction(ahead))
	}
	return s
}

// skew is how far two clocks may be apart.
const skew = 30 * time.Second

func direction(ahead time.Duration) string {
	if ahead > 0 {
		return "ahead of"
	}
	return "behind"
}

// overdue is how long after its time a night that has not begun is late.
const overdue = 5 * time.Minute

// nights says whether the nights come, and what became of the last one.
func (d *doctor) nights(ctx context.Context, s *store.Store, plan schedule.Schedule) {
	runs, err := s.Runs(ctx, 0)
	if err != nil {
		d.wrong("nights", "%w", err)
		return
	}
	holder, err := s.Holder(ctx)
	if err != nil {
		d.wrong("lock", "%w", err)
	}
	if len(runs) == 0 {
		if holder != "" {
			d.warn("lock", "%s holds the lock of the night, and nothing runs yet: if that does not pass, end it", holder)
		}
		d.ok("nights", "none has run yet")
		return
	}
	newest := &runs[0]
	switch {
	case newest.Status == audit.Failed:
		d.wrong("nights", "run %s failed at %s: %s: mend that, then mailreeve run", newest.ID, when(newest.FinishedAt), newest.Error)
	case newest.Status == audit.Running && holder == "" && err == nil:
		d.wrong("nights", "run %s began at %s, has not finished, and nobody holds the lock: it was killed; nothing of it is visible: mailreeve run", newest.ID, when(newest.StartedAt))
	case newest.Status == audit.Running:
		d.ok("lock", "run %s is under way since %s, by %s", newest.ID, when(newest.StartedAt), holder)
	case holder != "":
		d.warn("lock", "%s holds the lock of the night, and no run is under way: it is about to begin one, or hangs; if that does not pass, end it", holder)
	}
	d.late(ctx, s, plan, holder)
	for i := range runs {
		if runs[i].Status == audit.Finished {
			d.last(&runs[i])
			break
		}
	}
}

// late says whether a night should have run.
func (d *doctor) late(ctx context.Context, s *store.Store, plan schedule.Schedule, holder string) {
	last, err := s.LastNight(ctx)
	if err != nil {
		d.wrong("nights", "%w", err)
		return
	}
	if last.IsZero() {
		return
	}
	at, missed := plan.Due(last, d.now)
	switch {
	case missed == 0 || d.now.Sub(at) < overdue:
	case holder == "":
		d.wrong("nights", "the night of %s has not run (%s since %s), and none is under way: see that mailreeve serve, or the timer, runs and what it logs; its next start makes up for it, or mailreeve run does now",
			at.UTC().Format(time.RFC3339), count(missed, "night is missing", "nights are missing"), last.UTC().Format(time.RFC3339))
	default:
		d.warn("nights", "the night of %s is late: %s under way holds it up: see what that does, and give it time", at.UTC().Format(time.RFC3339), holder)
	}
}

// last says what to know of the last run that finished.
func (d *doctor) last(r *audit.Run) {
	if ahead := r.AsOf.Time().Sub(d.now); ahead > skew {
		d.wrong("clock", "the last run, %s, is as of %s, which is in the future: a clock was or is wrong; runs before that time are refused: set the clock right and wait, or restore a backup from before it",
			r.ID, when(r.AsOf))
	} else {
		d.ok("nights", "the last one, %s, is as of %s", r.ID, when(r.AsOf))
	}
	if n := r.Summary.ClockTrouble; n > 0 {
		d.warn("clock", "run %s met %s of more than 24 hours after its as-of: see the clock of what writes them", r.ID, count(n, "record", "records"))
	}
	for _, x := range r.Summary.Sources {
		if !x.Looked {
			d.wrong("sources", "%s %s was not looked at by run %s: %s: %s", x.Kind, x.Path, r.ID, x.Trouble, cure(x.Trouble))
		}
	}
}

var serverTrouble = regexp.MustCompile(`answered (429|5[0-9][0-9])`)

// cure is what to do about a source's trouble.
func cure(trouble string) string {
	switch {
	case strings.Contains(trouble, "max_age"):
		return "see what writes it"
	case strings.Contains(trouble, "max_bad"):
		return "mend the file, or raise max_bad"
	case strings.Contains(trouble, "max_loss"):
		return "mend the registry, or raise max_loss for one run"
	case strings.Contains(trouble, "no such file"):
		return "see that it arrives, and that path names it"
	case strings.Contains(trouble, "configure the URL"), strings.Contains(trouble, "allow_private"), strings.Contains(trouble, "see the token"):
		return "then the next run catches up"
	case strings.Contains(trouble, "cannot be reached"):
		return "the next run catches up"
	case serverTrouble.MatchString(trouble):
		return "the next run asks again; where it stays so, ask who runs that server"
	case strings.Contains(trouble, "permission denied"):
		return "let this user read it"
	case strings.Contains(trouble, "put the secret there"):
		return "the next run tries again"
	}
	return "mend it"
}

// crews says which workers are there. One that was stopped has signed off, so one that is silent has died.
func (d *doctor) crews(ctx context.Context, s *store.Store) {
	list, err := s.Crews(ctx)
	if err != nil {
		d.wrong("workers", "%w", err)
		return
	}
	archive, err := s.NightsArchive(ctx)
	if err != nil {
		d.wrong("workers", "%w", err)
		return
	}
	alive := 0
	for _, x := range list {
		if x.Silent > store.Silence {
			d.warn("workers", "%s has been silent for %s, and was not stopped: its parts are given to others; see what became of it, and start it again", x.ID, x.Silent.Round(time.Second))
			continue
		}
		if archive != "" && x.Archive != archive {
			d.warn("workers", "%s has another archive than the nights, and is given no parts: see that what archive: names is mounted there, and the same everywhere", x.ID)
			continue
		}
		alive++
		if mine, _ := build(); x.Version != mine {
			d.warn("workers", "%s is mailreeve %s, and this is %s: it does parts of nights of its own version only", x.ID, x.Version, mine)
		}
	}
	if alive > 0 {
		d.ok("workers", "%s at work", count(alive, "process is", "processes are"))
	}
}

// outbox says what could not be delivered.
func (d *doctor) outbox(ctx context.Context, s *store.Store) {
	waiting, err := s.Pending(ctx)
	if err != nil {
		d.wrong("outbox", "%w", err)
		return
	}
	configured := d.system(s)
	var failed, late, fresh []audit.Message
	nobodys := map[string][]audit.Message{} // by sink
	tried := map[string]bool{}              // by sink and lane: what comes later waits behind it
	for _, m := range waiting {
		switch {
		case configured.unconfigured(m.Sink) != "":
			nobodys[m.Sink] = append(nobodys[m.Sink], m)
		case m.Failed:
			failed = append(failed, m)
		case m.Stuck(audit.At(d.now)):
			late = append(late, m)
		case m.Attempts > 0:
			tried[m.Sink+" "+m.Lane] = true
		case !tried[m.Sink+" "+m.Lane] && m.NextAt <= audit.At(d.now.Add(-overdue)):
			fresh = append(fresh, m)
		}
	}
	first := func(list []audit.Message) string {
		return fmt.Sprintf("the first, %s, since %s: %s", list[0].Key, when(list[0].Created), cmp.Or(list[0].Error, "nobody has tried to send it"))
	}
	messages := func(list []audit.Message) string { return count(len(list), "message", "messages") }
	for _, sink := range slices.Sorted(maps.Keys(nobodys)) {
		list := nobodys[sink]
		d.wrong("outbox", "%s for %s, which is not configured here (%s); the first, %s, since %s: configure it, where serve runs, too, or give up what waits: mailreeve notices send --give-up %s --reason …",
			count(len(list), "message waits", "messages wait"), sink, configured.unconfigured(sink), list[0].Key, when(list[0].Created), sink)
	}
	if len(failed) > 0 {
		d.wrong("outbox", "%s cannot be delivered; %s: mend that; serve tries again within the hour, and when it is started; mailreeve run once", messages(failed), first(failed))
	}
	if len(late) > 0 {
		d.wrong("outbox", "%s for more than %s; %s: see that mailreeve serve runs, has the tokens and gets there", count(len(late), "message waits", "messages wait"), "6 hours", first(late))
	}
	if len(fresh) > 0 {
		d.warn("outbox", "message %s waits since %s, and nobody has tried to send it: see that mailreeve serve runs and has the token, or mailreeve run", fresh[0].Key, when(fresh[0].Created))
	}
	if len(nobodys)+len(failed)+len(late)+len(fresh) > 0 {
		return
	}
	said := messages(waiting) + " waiting"
	if i := slices.IndexFunc(waiting, func(m audit.Message) bool { return m.Error != "" }); i >= 0 { // it may well pass
		said += fmt.Sprintf("; %s since %s, tried %s: %s", waiting[i].Key, when(waiting[i].Created), count(waiting[i].Attempts, "time", "times"), waiting[i].Error)
	}
	d.ok("outbox", "%s", said)
}

// system is what is configured, as far as doctor looks into it.
func (d *doctor) system(s *store.Store) *system {
	return &system{cfg: d.cfg, store: s, clock: func() time.Time { return d.now }, slack: os.Getenv(d.cfg.Slack.TokenEnv) != ""}
}

// notices says what holds up notices to vendors, and what waits for people.
func (d *doctor) notices(ctx context.Context, s *store.Store) {
	desk := notices.New(s, d.cfg, func() time.Time { return d.now }, nil)
	if !desk.On() {
		return
	}
	held, err := desk.Held(ctx)
	if err != nil {
		d.wrong("notices", "%w", err)
		return
	}
	tasks, err := desk.Tasks(ctx)
	switch {
	case err != nil:
		d.wrong("notices", "%w", err)
	case held != nil:
		d.warn("notices", "%s", held.Alarm())
	case len(tasks) > 0:
		d.ok("notices", "%s for a person: mailreeve notices list --tasks", count(len(tasks), "task waits", "tasks wait"))
	default:
		d.ok("notices", "nothing waits for a person")
	}
}

// quarantine says how many lines could not be taken.
func (d *doctor) quarantine(ctx context.Context, s *store.Store) {
	bad, err := s.Quarantine(ctx)
	switch {
	case err != nil:
		d.wrong("quarantine", "%w", err)
	case len(bad) == 0:
		d.ok("quarantine", "empty")
	default:
		d.warn("quarantine", "%s; the first, %s:%d: %s: mend the file where it is (mailreeve quarantine list), then mailreeve quarantine retry",
			count(len(bad), "line is in it", "lines are in it"), bad[0].Path, bad[0].Line, bad[0].Reason)
	}
}

// trail says whether the trail is as it was written.
func (d *doctor) trail(ctx context.Context, s *store.Store) {
	n, _, err := s.Verify(ctx)
	if err != nil {
		d.wrong("trail", "%w", err)
		return
	}
	d.ok("trail", "%s, whole and in order", count(n, "entry", "entries"))
	heads, err := (&system{cfg: d.cfg, store: s, objects: d.objects}).heads()
	if err != nil {
		d.wrong("heads", "%w", err)
	}
	for _, in := range heads {
		kept, err := s.Agrees(ctx, in)
		switch {
		case err != nil:
			d.wrong("heads", "%w", err)
		case kept == 0 && n > 0:
			d.warn("heads", "no head of the trail is kept in %s, so nothing tells whether its end was cut off: the next night keeps one, if it can write there", in)
		case n > 0:
			d.ok("heads", "%s in %s, and the trail has them all", count(kept, "is kept", "are kept"), in)
		}
	}
}

// archive says whether the archive is whole, and may be written.
func (d *doctor) archive(ctx context.Context, s *store.Store) {
	dir := d.cfg.Resolve(d.cfg.Archive)
	segments, err := s.Segments(ctx)
	if err == nil {
		err = d.lookInArchive(ctx, s.ID(), segments)
	}
	if err == nil && !s3.IsURL(dir) {
		err = writable(dir)
	}
	if err != nil {
		d.wrong("archive", "%w", err)
		return
	}
	d.ok("archive", "%s, %s", dir, count(len(segments), "segment", "segments"))
}

// unusedArchive says whether there is an archive, where there is no store that it could belong to.
func (d *doctor) unusedArchive(ctx context.Context) {
	if err := d.lookInArchive(ctx, "", nil); err != nil {
		d.wrong("archive", "%w", err)
	}
}

func (d *doctor) lookInArchive(ctx context.Context, store string, segments map[string]int64) error {
	where := d.cfg.Resolve(d.cfg.Archive)
	if s3.IsURL(where) {
		return archive.LookInBucket(ctx, d.objects, where, store, segments)
	}
	return archive.Look(where, store, segments)
}

// writable says whether this user may make files in dir, or else in the next folder above it that is there.
func writable(dir string) error {
	for {
		err := mayWrite(dir)
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			if err != nil {
				return fmt.Errorf("files cannot be made in %s: %w: make it writable for this user, or name another in the configuration", dir, err)
			}
			return nil
		}
		dir = filepath.Dir(dir)
	}
}

// leastRoom is how much room there should be on a disk before a night.
const leastRoom = 512 << 20

// room says whether the disks of the store and the archive have room left.
func (d *doctor) room() {
	dirs := []string{d.cfg.Resolve(d.cfg.Archive)}
	if s3.IsURL(dirs[0]) {
		dirs[0] = os.TempDir() // what a night adds is there until it is whole
	}
	if path, ok := strings.CutPrefix(d.cfg.StoreURL(), "sqlite://"); ok {
		dirs = append(dirs, filepath.Dir(path))
	}
	seen := map[uint64]bool{}
	for _, dir := range dirs {
		for _, err := os.Stat(dir); err != nil && dir != filepath.Dir(dir); _, err = os.Stat(dir) {
			dir = filepath.Dir(dir)
		}
		free, disk, err := freeRoom(dir)
		switch {
		case err != nil:
			d.wrong("disk", "%s: %w", dir, err)
		case seen[disk]:
		case free < leastRoom:
			d.wrong("disk", "%s has %d MiB left: make room, or the night fails; nothing is lost by that, the next one does what it could not", dir, free>>20)
		default:
			d.ok("disk", "%s has %d MiB left", dir, free>>20)
		}
		seen[disk] = true
	}
}

// sources says whether each is there, can be read, and still grows.
func (d *doctor) sources(ctx context.Context) {
	if len(d.cfg.Sources) == 0 {
		d.warn("sources", "none is configured: nothing is audited")
	}
	for i := range d.cfg.Sources {
		x := &d.cfg.Sources[i]
		name := x.Kind + " " + x.Name()
		if f := feedOf(d.cfg, x); f != nil {
			d.feed(ctx, i, name, f)
			continue
		}
		at := d.at("sources", i, "path")
		files, newest, err := ingest.Look(ctx, d.cfg.Resolve(x.Path), d.objects)
		switch age := d.now.Sub(newest); {
		case errors.Is(err, fs.ErrNotExist):
			d.wrong("sources", "%s%s: no such file: %s", at, name, cure("no such file"))
		case err != nil:
			d.wrong("sources", "%s%s: %w: %s", at, name, err, cure(err.Error()))
		case x.MaxAge > 0 && x.Kind != string(audit.KindApps) && x.Kind != string(audit.KindAddresses) && age > time.Duration(x.MaxAge):
			d.wrong("sources", "%s%s: nothing was written to it since %s, longer ago than max_age: %s", d.at("sources", i, "max_age"), name, newest.UTC().Format(time.RFC3339), cure("max_age"))
		default:
			d.ok("sources", "%s: %s, the newest of %s", name, count(files, "file", "files"), newest.UTC().Format(time.RFC3339))
			d.lines(ctx, i, name, x)
		}
	}
}

// feed says whether a source that is no file can be asked.
func (d *doctor) feed(ctx context.Context, i int, name string, f ingest.Feed) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("it took more than a minute"))
	defer cancel()
	var n lineCount
	switch _, _, err := f.Fetch(ctx, "", &n); {
	case err != nil:
		d.wrong("sources", "%s%s: %s: %s", d.at("sources", i), name, address.Redact(err.Error()), cure(err.Error()))
	case n == 0:
		d.wrong("sources", "%s%s: it gives nothing: see what it is asked for", d.at("sources", i), name)
	default:
		d.ok("sources", "%s: %s", name, count(int(n), "item", "items"))
	}
}

// A lineCount counts the lines that are written.
type lineCount int

func (n *lineCount) Write(p []byte) (int, error) {
	*n += lineCount(bytes.Count(p, []byte{'\n'}))
	return len(p), nil
}

// lines says what of a call was found in a sample of lines of another format, and of any whether lines are bad.
func (d *doctor) lines(ctx context.Context, i int, name string, x *config.Source) {
	f, err := x.Lines()
	if err != nil {
		return
	}
	s, err := ingest.LookAt(ctx, d.cfg.Resolve(x.Path), audit.Kind(x.Kind), f, d.objects, d.now)
	if f == nil {
		if err == nil && s.Bad > 0 { // what cannot be read to its end the night tells
			d.warn("sources", "%s%s: %s among the first %s of %s; the first, line %d: %s: mend the file, or see that it is a source of kind %s", d.at("sources", i, "kind"), name, count(s.Bad, "bad line", "bad lines"),
				count(s.Lines, "line", "lines"), filepath.Base(s.File), s.FirstBad, address.Redact(s.Why), x.Kind)
		}
		return
	}
	name = d.at("sources", i, "format") + name
	if err != nil {
		d.wrong("sources", "%s: %w: see that its format is %s", name, err, x.Format)
		return
	}
	told := fmt.Sprintf("%s, of %s of %s that are calls of the Email API", x.Format, count(s.Lines-s.Others, "line", "lines"), filepath.Base(s.File))
	var always, never []string
	for _, field := range format.Fields() {
		switch n := s.Found[field]; {
		case n == 0 && field == "purpose" && x.Purposes != nil && !*x.Purposes: // it says so itself
		case n == 0:
			never = append(never, field)
		case n == s.Good:
			always = append(always, field)
		default:
			always = append(always, fmt.Sprintf("%s in %d", field, n))
		}
	}
	if s.Good > 0 {
		told += ": found " + strings.Join(always, ", ")
		if len(never) > 0 {
			told += "; not found " + strings.Join(never, ", ")
		}
	}
	switch {
	case s.Lines == 0:
		d.ok("sources", "%s: %s has no line yet", name, filepath.Base(s.File))
	case s.Lines == s.Others:
		d.warn("sources", "%s: none of %s of %s is of a path that paths names: see there", name, count(s.Lines, "line", "lines"), filepath.Base(s.File))
	case s.Bad > 0:
		d.warn("sources", "%s: %s; %s, the first because %s: see format, map, words and log_format", name, told, count(s.Bad, "line is bad", "lines are bad"), s.Why)
	case len(never) > 0:
		d.warn("sources", "%s: %s: see the map, if the log has it", name, told)
	default:
		d.ok("sources", "%s: %s", name, told)
	}
}

// secrets says whether the key of the addresses' digests is there, and nobody else's to read.
func (d *doctor) secrets() {
	if d.cfg.AddressKeyFile == "" {
		return
	}
	path := d.cfg.Resolve(d.cfg.AddressKeyFile)
	if _, err := readKey(path); err != nil {
		d.wrong("address key", "%s%w: put the key there that the digests were made with, or mend address_key_file", d.at("address_key_file"), err)
		return
	}
	if i, err := os.Stat(path); err == nil && i.Mode().Perm()&0o007 != 0 {
		d.warn("address key", "%s can be read by everybody here: chmod o= it", path)
		return
	}
	d.ok("address key", "%s", path)
}

// browser says whether there is one, where pages are to be captured.
func (d *doctor) browser() {
	if d.cfg.Capture.Every == "" && d.cfg.Capture.Chromium == "" {
		return
	}
	path, err := capture.FindChromium(d.cfg.Capture.Chromium)
	if err != nil {
		d.wrong("capture", "%w", err)
		return
	}
	d.ok("capture", "%s", path)
}

// slack says whether digests get there.
func (d *doctor) slack(ctx context.Context, send bool) {
	token := os.Getenv(d.cfg.Slack.TokenEnv)
	switch {
	case token == "" && d.cfg.Slack.Channel == "" && !send:
		d.ok("slack", "not configured: digests are printed")
		return
	case token == "" && send:
		d.wrong("slack", "there is no token in %s, so no test message was sent: put the bot token there, where serve runs, too", d.cfg.Slack.TokenEnv)
		return
	case token == "":
		d.warn("slack", "there is no token in %s: digests are printed, and nobody is told: put the bot token there, where serve runs, too", d.cfg.Slack.TokenEnv)
		return
	case d.cfg.Slack.Channel == "":
		d.wrong("slack", "there is a token in %s, but no channel: set slack.channel", d.cfg.Slack.TokenEnv)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, bedside)
	defer cancel()
	client := slack.New(token, d.cfg.Slack.APIURL, http.DefaultClient)
	workspace, err := client.Check(ctx)
	if err == nil {
		d.slackParts(ctx, client, workspace)
	}
	if err == nil && send {
		var m audit.Message
		if m, err = slack.Enqueue("doctor", d.cfg.Slack.Channel, slack.Message{Text: "mailreeve doctor: a test message"}, audit.At(d.now)); err == nil {
			_, err = client.Deliver(ctx, m)
		}
	}
	switch {
	case err != nil:
		d.wrong("slack", "%w: mend that; what waits in the outbox is sent then", err)
	case send:
		d.ok("slack", "%s has the test message", d.cfg.Slack.Channel)
	default:
		d.ok("slack", "the workspace %s knows the token; --send tries the channel %s", workspace.Team, d.cfg.Slack.Channel)
	}
}
