package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// Apps reads what is held of apps. A key that the store does not know has facts of nothing; StatesAt is Never.
func (s *Store) Apps(ctx context.Context, keys []string) (map[string]*audit.AppFacts, error) {
	apps := make(map[string]*audit.AppFacts, len(keys))
	for _, k := range keys {
		apps[k] = &audit.AppFacts{Key: k, StatesAt: audit.Never}
	}
	err := s.read(ctx, "read apps", func(t *tx) error {
		return chunks(texts(keys), func(keys []text) error {
			for _, part := range []func(context.Context, []text, map[string]*audit.AppFacts) error{t.apps, t.versions, t.events, t.headers} {
				if err := part(ctx, keys, apps); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return apps, nil
}

// App reads what is held of one app; [ErrNotFound].
func (s *Store) App(ctx context.Context, key string) (*audit.AppFacts, error) {
	var n int
	err := s.read(ctx, "look for an app", func(t *tx) error {
		return t.one(ctx, &n, `SELECT count(*) FROM apps WHERE app_key = ?`, text(key))
	})
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, fmt.Errorf("app %q: %w: `mailreeve apps list` shows what there is", key, ErrNotFound)
	}
	apps, err := s.Apps(ctx, []string{key})
	return apps[key], err
}

func (t *tx) apps(ctx context.Context, keys []text, apps map[string]*audit.AppFacts) error {
	var found []struct {
		Key       text          `db:"app_key"`
		Blind     bool          `db:"blind"`
		StatesAt  audit.Instant `db:"states_at"`
		Approvals *string       `db:"approvals"`
		Answers   []byte        `db:"answers"`
	}
	if err := t.all(ctx, &found, `SELECT app_key, blind, states_at, approvals, answers FROM apps WHERE app_key IN (?)`, keys); err != nil {
		return err
	}
	for _, r := range found {
		a := apps[string(r.Key)]
		a.Blind, a.StatesAt, a.Answers = r.Blind, r.StatesAt, r.Answers
		var err error
		if a.Approvals, err = approvals(a.Key, r.Approvals); err != nil {
			return err
		}
	}
	return nil
}

// approvals reads an app's approvals as the database holds them.
func approvals(app string, kept *string) (list []audit.Approval, err error) {
	if kept == nil {
		return nil, nil
	}
	if err := unpackJSON(*kept, &list); err != nil {
		return nil, fmt.Errorf("the approvals of app %q: %w", app, err)
	}
	return list, nil
}

func (t *tx) versions(ctx context.Context, keys []text, apps map[string]*audit.AppFacts) error {
	var found []struct {
		Key  text          `db:"app_key"`
		From audit.Instant `db:"from_at"`
		App  *string       `db:"app"`
		source
	}
	err := t.all(ctx, &found, `SELECT app_key, from_at, app, file_id, line FROM app_versions WHERE app_key IN (?) ORDER BY app_key, from_at, run`, keys)
	if err != nil {
		return err
	}
	for _, r := range found {
		v := audit.AppVersion{From: r.From}
		if r.App != nil {
			v.App = &audit.App{}
			if err := unpackJSON(*r.App, v.App); err != nil {
				return fmt.Errorf("the registry entry of app %q from %s: %w", r.Key, r.From, err)
			}
			v.App.Source = r.source.of()
		}
		a := apps[string(r.Key)]
		a.Versions = append(a.Versions, v)
	}
	return nil
}

func (t *tx) events(ctx context.Context, keys []text, apps map[string]*audit.AppFacts) error {
	var found []struct {
		Key   text          `db:"app_key"`
		Site  text          `db:"site"`
		At    audit.Instant `db:"at"`
		Event audit.Event   `db:"event"`
		Users int64         `db:"users"`
		Run   int64         `db:"run"`
		source
	}
	err := t.all(ctx, &found, `SELECT app_key, site, at, event, users, file_id, line, run FROM lifecycle WHERE app_key IN (?)`, keys)
	if err != nil {
		return err
	}
	for _, r := range found {
		a := apps[string(r.Key)]
		a.Events = append(a.Events, audit.Arrival{Run: r.Run, Lifecycle: audit.Lifecycle{At: r.At, App: string(r.Key), Site: string(r.Site),
			Event: r.Event, Users: r.Users, Source: r.source.of()}})
	}
	return nil
}

func (t *tx) headers(ctx context.Context, keys []text, apps map[string]*audit.AppFacts) error {
	var found []struct {
		Key                  text          `db:"app_key"`
		Day                  audit.Day     `db:"day"`
		FirstRetrieval       audit.Instant `db:"first_retrieval"`
		LastRetrieval        audit.Instant `db:"last_retrieval"`
		LastReport           audit.Instant `db:"last_report"`
		Held                 bool          `db:"held"`
		RetrievalAfterReport audit.Instant `db:"retrieval_after_report"`
		Newest               audit.Instant `db:"newest"`

		Observed audit.ObservedKinds `db:"observed"`
	}
	err := t.all(ctx, &found, `SELECT app_key, day, first_retrieval, last_retrieval, last_report, held, retrieval_after_report, newest, observed
		FROM headers WHERE app_key IN (?) ORDER BY app_key, day`, keys)
	if err != nil {
		return err
	}
	for _, r := range found {
		a := apps[string(r.Key)]
		a.Headers = append(a.Headers, audit.DayHeader{Day: r.Day, FirstRetrieval: r.FirstRetrieval, LastRetrieval: r.LastRetrieval,
			LastReport: r.LastReport, Held: r.Held, RetrievalAfterReport: r.RetrievalAfterReport, Newest: r.Newest, Observed: r.Observed})
	}
	return nil
}

// Totals gives an app's totals of the days from from to to, where they are kept, by day.
func (s *Store) Totals(ctx context.Context, app string, from, to audit.Day) ([]audit.DayTotals, error) {
	var out []audit.DayTotals
	err := s.read(ctx, "read an app's totals", func(t *tx) error {
		var found []string
		err := t.all(ctx, &found, `SELECT totals FROM totals WHERE app_key = ? AND day BETWEEN ? AND ? ORDER BY day`, text(app), from, to)
		if err != nil {
			return err
		}
		out = make([]audit.DayTotals, len(found))
		for i := range found {
			if err := unpackJSON(found[i], &out[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// RetrievalDays gives, for every app, its days from from to to on which it retrieved an address, ascending.
func (s *Store) RetrievalDays(ctx context.Context, from, to audit.Day) (map[string][]audit.Day, error) {
	days := map[string][]audit.Day{}
	err := s.read(ctx, "read the days of retrievals", func(t *tx) error {
		var found []struct {
			Key text      `db:"app_key"`
			Day audit.Day `db:"day"`
		}
		err := t.all(ctx, &found, `SELECT app_key, day FROM headers WHERE day BETWEEN ? AND ? AND first_retrieval <> ? ORDER BY app_key, day`,
			from, to, audit.Ever)
		for _, r := range found {
			days[string(r.Key)] = append(days[string(r.Key)], r.Day)
		}
		return err
	})
	return days, err
}

// Figures gives the days of an app that were counted, in numbers.
func (s *Store) Figures(ctx context.Context, app string) (map[audit.Day]*audit.DayFigures, error) {
	days := map[audit.Day]*audit.DayFigures{}
	err := s.read(ctx, "read the figures of an app", func(t *tx) error {
		var found []struct {
			Day     audit.Day `db:"day"`
			Figures string    `db:"figures"`
		}
		if err := t.all(ctx, &found, `SELECT day, figures FROM headers WHERE app_key = ? AND figures IS NOT NULL`, text(app)); err != nil {
			return err
		}
		for _, r := range found {
			f := &audit.DayFigures{}
			if err := unpackJSON(r.Figures, f); err != nil {
				return fmt.Errorf("the figures of app %q on %s: %w", app, r.Day, err)
			}
			days[r.Day] = f
		}
		return nil
	})
	return days, err
}

// Spans gives when each contribution to an app's findings was made.
func (s *Store) Spans(ctx context.Context, app string) (list []audit.ContributionSpan, err error) {
	err = s.read(ctx, "read when an app's findings grew", func(t *tx) error {
		var found []struct {
			Check   string        `db:"check_id"`
			Subject text          `db:"subject"`
			Day     audit.Day     `db:"day"`
			First   audit.Instant `db:"first_at"`
			Last    audit.Instant `db:"last_at"`
		}
		err := t.all(ctx, &found, `SELECT check_id, subject, day, first_at, last_at FROM contributions WHERE app_key = ?`, text(app))
		for _, r := range found {
			list = append(list, audit.ContributionSpan{ContributionKey: audit.ContributionKey{Check: r.Check, App: app, Subject: string(r.Subject), Day: r.Day},
				First: r.First, Last: r.Last})
		}
		return err
	})
	return list, err
}

// packRow is a pack as the database holds it.
type packRow struct {
	App     text           `db:"app_key"`
	Day     audit.Day      `db:"day"`
	Kind    audit.PackKind `db:"kind"`
	Segment string         `db:"segment"`
	Offset  int64          `db:"place"`
	Length  int64          `db:"length"`
	Records int            `db:"records"`
	First   audit.Instant  `db:"first_at"`
	Last    audit.Instant  `db:"last_at"`
	Run     int64          `db:"run"`
}

const selectPacks = `SELECT app_key, day, kind, segment, place, length, records, first_at, last_at, run FROM packs`

func (s *Store) packs(ctx context.Context, query string, args ...any) (packs []audit.Pack, err error) {
	err = s.read(ctx, "read the places of packs", func(t *tx) error {
		var found []packRow
		err := t.all(ctx, &found, query, args...)
		for _, r := range found {
			packs = append(packs, audit.Pack{App: string(r.App), Day: r.Day, Kind: r.Kind, Segment: r.Segment, Offset: r.Offset, Length: r.Length,
				Records: r.Records, First: r.First, Last: r.Last, Run: r.Run})
		}
		return err
	})
	return packs, err
}

// Packs gives the packs, of calls and reports, of the apps' days from from to to: by app, kind, day and run.
func (s *Store) Packs(ctx context.Context, apps []string, from, to audit.Day) (packs []audit.Pack, err error) {
	err = chunks(texts(apps), func(apps []text) error {
		found, err := s.packs(ctx, selectPacks+` WHERE app_key IN (?) AND kind IN (?, ?) AND day BETWEEN ? AND ? ORDER BY app_key, kind, day, run, segment, place`,
			apps, audit.CallPack, audit.ReportPack, from, to)
		packs = append(packs, found...)
		return err
	})
	return packs, err
}

// PacksBetween gives the packs of all apps that may hold facts after after and up to upTo: those whose time has come since a run at after.
func (s *Store) PacksBetween(ctx context.Context, after, upTo audit.Instant) ([]audit.Pack, error) {
	return s.packs(ctx, selectPacks+` WHERE last_at > ? AND first_at <= ? ORDER BY app_key, kind, day, run, segment, place`, after, upTo)
}

// SegmentsInUse gives the files of the archive that the store names.
func (s *Store) SegmentsInUse(ctx context.Context) (segments []string, err error) {
	err = s.read(ctx, "read the archive's files in use", func(t *tx) error {
		// From one segment to the next by the index, instead of through every pack.
		return t.all(ctx, &segments, `WITH RECURSIVE used (segment) AS (
			SELECT min(segment) FROM packs
			UNION ALL
			SELECT (SELECT min(p.segment) FROM packs p WHERE p.segment > used.segment) FROM used WHERE used.segment IS NOT NULL)
			SELECT segment FROM used WHERE segment IS NOT NULL`)
	})
	return segments, err
}

// An AppSummary is an app in a list.
type AppSummary struct {
	Key       string
	Name      string
	Vendor    string // its name, else its id
	Listed    bool   // in the registry
	Blind     bool   // the registry has only bad lines for it
	Approvals []audit.Approval
	Open      map[audit.Severity]int // findings that are open, acknowledged or in remediation
	Accounts  int                    // the most accounts that one of these holds
}

// Approved is when the approval was decided that is in force at a moment, and how many days before; nil: none is.
func (a *AppSummary) Approved(at audit.Instant) (decided audit.Instant, days *int) {
	d := audit.Dossier{AsOf: at, Approvals: a.Approvals}
	x := d.ApprovalNow()
	if x == nil {
		return audit.Never, nil
	}
	n := int(at.Day() - x.Decided.Day())
	return x.Decided, &n
}

// SortByRisk sorts apps, the riskiest first: by their open findings, the worst first, then by accounts, then by how long before a moment they were
// approved, those without an approval before all others.
func SortByRisk(list []AppSummary, at audit.Instant) {
	type ranked struct {
		by []int // the greater, the riskier
		AppSummary
	}
	order := make([]ranked, len(list))
	for i, a := range list {
		r := ranked{make([]int, 0, 6), a}
		for _, s := range audit.Severities() {
			r.by = append(r.by, a.Open[s])
		}
		days := 1 << 30
		if _, n := a.Approved(at); n != nil {
			days = *n
		}
		r.by = append(r.by, a.Accounts, days)
		order[i] = r
	}
	slices.SortFunc(order, func(a, b ranked) int { return cmp.Or(slices.Compare(b.by, a.by), strings.Compare(a.Key, b.Key)) })
	for i := range order {
		list[i] = order[i].AppSummary
	}
}

// AppsList lists all apps, by key.
func (s *Store) AppsList(ctx context.Context) (list []AppSummary, err error) {
	err = s.read(ctx, "list the apps", func(t *tx) error {
		list, err = t.appSummaries(ctx, `a.approvals`, ` ORDER BY a.app_key`)
		return err
	})
	return list, err
}

// AppsAfter gives n apps, by key, from the one after a key on; nil: from the first.
func (s *Store) AppsAfter(ctx context.Context, key *string, n int) (list []AppSummary, err error) {
	err = s.read(ctx, "list the apps", func(t *tx) error {
		where, args := ``, []any(nil)
		if key != nil {
			where, args = ` WHERE a.app_key > ?`, []any{text(*key)}
		}
		list, err = t.appSummaries(ctx, `a.approvals`, where+` ORDER BY a.app_key LIMIT ?`, append(args, n)...)
		return err
	})
	return list, err
}

// RiskiestAfter gives n apps in the order of [SortByRisk] as of a moment, from the one after an app on; nil: from the riskiest. ErrNotFound: there is no such app.
//
// It reads the apps that it gives, and those that are parted from them by their approvals alone, which no index orders: where the page comes to apps of which nothing
// is open, all of these.
func (s *Store) RiskiestAfter(ctx context.Context, at audit.Instant, key *string, n int) (list []AppSummary, err error) {
	err = s.read(ctx, "list the apps by risk", func(t *tx) error {
		list = nil
		var last *AppSummary // that was read; nil: none yet
		if key != nil {
			found, err := t.appSummaries(ctx, `NULL`, ` WHERE a.app_key = ?`, text(*key))
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return fmt.Errorf("app %q: %w", *key, ErrNotFound)
			}
			last = &found[0]
			equals, err := t.equalsOf(ctx, last, at)
			if err != nil {
				return err
			}
			list = equals[1+slices.IndexFunc(equals, func(a AppSummary) bool { return a.Key == *key }):]
		}
		for len(list) < n && (last == nil || len(last.Open) > 0) {
			next, err := t.riskyAfter(ctx, last, n-len(list))
			if err != nil {
				return err
			}
			last = &AppSummary{} // after those of which something is open come those of which nothing is
			if len(next) > 0 {
				last = &next[len(next)-1]
			}
			equals, err := t.equalsOf(ctx, last, at) // some may be cut off
			if err != nil {
				return err
			}
			next = append(slices.DeleteFunc(slices.Clone(next), func(a AppSummary) bool { return a.equal(last) }), equals...)
			SortByRisk(next, at)
			list = append(list, next...)
		}
		list = list[:min(n, len(list))]
		return nil
	})
	return list, err
}

const risk = `(t.critical, t.high, t.medium, t.low, t.accounts)`

// ranked is the place of an app in the order of risk.
func (a *AppSummary) ranked() []any {
	return []any{a.Open[audit.Critical], a.Open[audit.High], a.Open[audit.Medium], a.Open[audit.Low], a.Accounts}
}

// riskyAfter gives n apps of which something is open, the riskiest first, that are less risky than one; nil: than any. Of equals the order is by key.
func (t *tx) riskyAfter(ctx context.Context, last *AppSummary, n int) ([]AppSummary, error) {
	where, args := ` WHERE t.critical + t.high + t.medium + t.low > 0`, []any(nil)
	if last != nil {
		where, args = and(where, args, risk+` < (?, ?, ?, ?, ?)`, last.ranked()...)
	}
	return t.appSummaries(ctx, `a.approvals`, where+` ORDER BY t.critical DESC, t.high DESC, t.medium DESC, t.low DESC, t.accounts DESC, t.app_key LIMIT ?`, append(args, n)...)
}

// equalsOf gives the apps that are as risky as one but for their approvals, it among them, in the order of SortByRisk.
func (t *tx) equalsOf(ctx context.Context, a *AppSummary, at audit.Instant) (list []AppSummary, err error) {
	if len(a.Open) == 0 {
		list, err = t.appSummaries(ctx, `a.approvals`, ` WHERE coalesce(t.critical + t.high + t.medium + t.low, 0) = 0`)
	} else {
		list, err = t.appSummaries(ctx, `a.approvals`, ` WHERE `+risk+` = (?, ?, ?, ?, ?)`, a.ranked()...)
	}
	SortByRisk(list, at)
	return list, err
}

// appSummaries reads apps. Their approvals are what the expression from gives; rest is what follows the tables in the query.
func (t *tx) appSummaries(ctx context.Context, from, rest string, args ...any) ([]AppSummary, error) {
	var found []struct {
		tallyRow
		Vendor    text    `db:"vendor"`
		Listed    bool    `db:"listed"`
		Blind     bool    `db:"blind"`
		Approvals *string `db:"approvals"`
	}
	err := t.all(ctx, &found, `SELECT `+tallied+`, coalesce(nullif(a.vendor_name, ''), a.vendor_id, '') AS vendor,
		coalesce(a.listed, false) AS listed, a.blind, `+from+` AS approvals FROM apps a LEFT JOIN tallies t ON t.app_key = a.app_key`+rest, args...)
	if err != nil {
		return nil, err
	}
	list := make([]AppSummary, len(found))
	for i := range found {
		r := &found[i]
		a := r.app()
		list[i] = AppSummary{Key: a.Key, Name: a.Name, Vendor: string(r.Vendor), Listed: r.Listed, Blind: r.Blind, Open: a.Open, Accounts: a.Accounts}
		if list[i].Approvals, err = approvals(list[i].Key, r.Approvals); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// AppsByRisk gives n apps from an offset on, of those that fit, in the order of [SortByRisk]; total is how many fit. fits gets no approvals.
func (s *Store) AppsByRisk(ctx context.Context, at audit.Instant, fits func(*AppSummary) bool, offset, n int) (page []AppSummary, total int, err error) {
	err = s.read(ctx, "list the apps by risk", func(t *tx) error {
		list, err := t.appSummaries(ctx, `NULL`, ` ORDER BY a.app_key`)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(a AppSummary) bool { return !fits(&a) })
		SortByRisk(list, at)
		total = len(list)
		from, to := min(offset, total), min(offset+n, total)
		if page = nil; from == to {
			return nil
		}
		// Approvals only part those that are equal otherwise: those of the page, and before and behind it.
		first, end := from, to
		for ; first > 0 && list[first-1].equal(&list[from]); first-- {
		}
		for ; end < total && list[end].equal(&list[to-1]); end++ {
		}
		part := list[first:end]
		if err := t.readApprovals(ctx, part); err != nil {
			return err
		}
		SortByRisk(part, at)
		page = part[from-first : to-first]
		return nil
	})
	return page, total, err
}

// equal says whether two apps are of the same risk but for their approvals.
func (a *AppSummary) equal(b *AppSummary) bool {
	return a.Accounts == b.Accounts && maps.Equal(a.Open, b.Open)
}

// readApprovals fills in the approvals of apps.
func (t *tx) readApprovals(ctx context.Context, list []AppSummary) error {
	return chunks(list, func(list []AppSummary) error {
		keys, at := make([]text, len(list)), make(map[text]int, len(list))
		for i := range list {
			keys[i] = text(list[i].Key)
			at[keys[i]] = i
		}
		var found []struct {
			Key       text    `db:"app_key"`
			Approvals *string `db:"approvals"`
		}
		if err := t.all(ctx, &found, `SELECT app_key, approvals FROM apps WHERE app_key IN (?)`, keys); err != nil {
			return err
		}
		for _, r := range found {
			var err error
			if list[at[r.Key]].Approvals, err = approvals(string(r.Key), r.Approvals); err != nil {
				return err
			}
		}
		return nil
	})
}

// A Registrant is what the registry says of an app now, and since when its oldest request for approval waits; Never: none does.
type Registrant struct {
	App     *audit.App
	Waiting audit.Instant
}

// Registrants gives what the registry says of apps. An app that it does not list any more is as it was last; one that it never listed is missing.
func (s *Store) Registrants(ctx context.Context, keys []string) (map[string]Registrant, error) {
	apps := map[string]*audit.AppFacts{}
	for _, k := range keys {
		apps[k] = &audit.AppFacts{Key: k}
	}
	out := map[string]Registrant{}
	err := s.read(ctx, "read the registry", func(t *tx) error {
		return chunks(texts(keys), func(keys []text) error {
			if err := t.apps(ctx, keys, apps); err != nil {
				return err
			}
			if err := t.versions(ctx, keys, apps); err != nil {
				return err
			}
			var waiting []struct {
				App     text          `db:"app_key"`
				Request text          `db:"request_id"`
				Since   audit.Instant `db:"since"`
			}
			if err := t.all(ctx, &waiting, `SELECT app_key, request_id, since FROM requests WHERE app_key IN (?)`, keys); err != nil {
				return err
			}
			type request struct{ app, id string }
			since := map[request]audit.Instant{}
			for _, r := range waiting {
				since[request{string(r.App), string(r.Request)}] = r.Since
			}
			for _, k := range keys {
				r := Registrant{Waiting: audit.Never}
				facts := apps[string(k)]
				r.App, _ = facts.Entry()
				for i := range facts.Approvals {
					if a := &facts.Approvals[i]; a.Waits() {
						if at, ok := since[request{string(k), a.RequestID}]; ok {
							r.Waiting = min(r.Waiting, at)
						}
					}
				}
				if r.App != nil {
					out[string(k)] = r
				}
			}
			return nil
		})
	})
	return out, err
}

// NoteRequests remembers since when requests for approval wait: those that are not known yet, since at.
func (s *Store) NoteRequests(ctx context.Context, at audit.Instant) error {
	return s.write(ctx, "note the requests that wait", func(t *tx) error {
		var found []struct {
			Key       text    `db:"app_key"`
			Approvals *string `db:"approvals"`
		}
		if err := t.all(ctx, &found, `SELECT app_key, approvals FROM apps WHERE approvals LIKE '%"pending"%' ORDER BY app_key`); err != nil {
			return err
		}
		for _, r := range found {
			list, err := approvals(string(r.Key), r.Approvals)
			if err != nil {
				return err
			}
			for i := range list {
				if !list[i].Waits() {
					continue
				}
				_, err := t.exec(ctx, `INSERT INTO requests (app_key, request_id, since) VALUES (?, ?, ?) ON CONFLICT (app_key, request_id) DO NOTHING`,
					r.Key, text(list[i].RequestID), at)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}
