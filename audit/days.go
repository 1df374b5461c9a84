package audit

import (
	"bytes"
	"cmp"
	"context"
	"slices"
)

// appDays reads the days of one app from packs: those that the store names, and those that the run has just written.
type appDays struct {
	ctx     context.Context
	store   Store
	archive Archive
	app     string
	written map[PackKind]map[Day][]Pack
	known   map[PackKind]map[Day][]Pack // of the days that were asked for
	asked   []span

	calls    memo[*CallDay]
	reports  memo[*ReportDay]
	counting map[PackKind]map[Day]IDs

	figures  map[Day]*DayFigures   // that the store has; nil: none were asked for
	observed map[Day][]Observation // by time; of the days that were asked for, with what the run brought or looked into

	totals   []DayTotals // of the days in totalled, as the store has them
	totalled span
}

// memo holds the last few days that were read.
type memo[T any] struct {
	day  []Day
	data []T
}

const memoDays = 3

func (m *memo[T]) get(d Day) (t T, ok bool) {
	for i, x := range m.day {
		if x == d {
			return m.data[i], true
		}
	}
	return t, false
}

func (m *memo[T]) put(d Day, t T) {
	if len(m.day) == memoDays {
		m.day, m.data = m.day[1:], m.data[1:]
	}
	m.day, m.data = append(m.day, d), append(m.data, t)
}

func (m *memo[T]) drop(d Day) {
	if i := slices.Index(m.day, d); i >= 0 {
		m.day, m.data = slices.Delete(m.day, i, i+1), slices.Delete(m.data, i, i+1)
	}
}

func newAppDays(ctx context.Context, store Store, archive Archive, app string) *appDays {
	byKind := func() map[PackKind]map[Day][]Pack { return map[PackKind]map[Day][]Pack{CallPack: {}, ReportPack: {}} }
	return &appDays{ctx: ctx, store: store, archive: archive, app: app, written: byKind(), known: byKind(),
		totalled: none, observed: map[Day][]Observation{}, counting: map[PackKind]map[Day]IDs{CallPack: {}, ReportPack: {}}}
}

// ahead is how many days are asked of the store at once: a reporting period and a little more.
const ahead = 20

// stored is the packs of a day that earlier runs wrote.
func (a *appDays) stored(kind PackKind, day Day) ([]Pack, error) {
	if !a.isKnown(day) {
		packs, err := a.store.Packs(a.ctx, []string{a.app}, day, day+ahead)
		if err != nil {
			return nil, err
		}
		a.tell(span{day, day + ahead}, packs)
	}
	return a.known[kind][day], nil
}

func (a *appDays) isKnown(day Day) bool {
	return slices.ContainsFunc(a.asked, func(s span) bool { return s.from <= day && day <= s.to })
}

// tell tells of all packs of some days that earlier runs wrote.
func (a *appDays) tell(days span, packs []Pack) {
	for _, p := range packs {
		if !a.isKnown(p.Day) {
			a.known[p.Kind][p.Day] = append(a.known[p.Kind][p.Day], p)
		}
	}
	a.asked = append(a.asked, days)
}

func (a *appDays) packs(kind PackKind, day Day) ([]Pack, error) {
	known, err := a.stored(kind, day)
	if err != nil {
		return nil, err
	}
	if w := a.written[kind][day]; len(w) > 0 {
		return append(known[:len(known):len(known)], w...), nil
	}
	return known, nil
}

// wrote tells of a pack that the run has just written.
func (a *appDays) wrote(p Pack) {
	a.written[p.Kind][p.Day] = append(a.written[p.Kind][p.Day], p)
	delete(a.counting[p.Kind], p.Day)
	if p.Kind == CallPack {
		a.calls.drop(p.Day)
	} else {
		a.reports.drop(p.Day)
	}
}

// Calls implements Days.
func (a *appDays) Calls(day Day) (*CallDay, error) {
	if d, ok := a.calls.get(day); ok {
		return d, nil
	}
	packs, err := a.packs(CallPack, day)
	if err != nil {
		return nil, err
	}
	d, err := a.archive.Calls(day, packs)
	if err == nil {
		a.calls.put(day, d)
	}
	return d, err
}

// free gives back the days of calls that were read last: whoever asked for one uses it no more.
func (a *appDays) free() {
	for _, d := range a.calls.data {
		a.archive.Free(d)
	}
	a.calls = memo[*CallDay]{}
}

// Reports implements Days.
func (a *appDays) Reports(day Day) (*ReportDay, error) {
	if d, ok := a.reports.get(day); ok {
		return d, nil
	}
	packs, err := a.packs(ReportPack, day)
	if err != nil {
		return nil, err
	}
	d, err := a.archive.Reports(day, packs)
	if err == nil {
		a.reports.put(day, d)
	}
	return d, err
}

// Stored implements Days.
func (a *appDays) Stored(day Day) (IDs, error) { return a.count(ReportPack, day) }

// Retrieved implements Days.
func (a *appDays) Retrieved(day Day) (IDs, error) { return a.count(CallPack, day) }

func (a *appDays) count(kind PackKind, day Day) (IDs, error) {
	if ids, ok := a.counting[kind][day]; ok {
		return ids, nil
	}
	packs, err := a.packs(kind, day)
	if err != nil || len(packs) == 0 {
		return IDs{}, err
	}
	ids, err := a.archive.Counting(packs)
	if err == nil {
		a.counting[kind][day] = ids
	}
	return ids, err
}

// Figures implements Days. What the store has is read at once: who asks for one day asks for all.
func (a *appDays) Figures(day Day) (*DayFigures, error) {
	if a.figures == nil {
		var err error
		if a.figures, err = a.store.Figures(a.ctx, a.app); err != nil {
			return nil, err
		}
	}
	return a.figures[day], nil
}

// Totals implements Days. What is asked for first is mostly the earliest.
func (a *appDays) Totals(from, to Day) ([]DayTotals, error) {
	if from < a.totalled.from || to > a.totalled.to {
		want := span{min(from, a.totalled.from), max(to, a.totalled.to)}
		found, err := a.store.Totals(a.ctx, a.app, want.from, want.to)
		if err != nil {
			return nil, err
		}
		a.totals, a.totalled = found, want
	}
	var out []DayTotals
	for i := range a.totals {
		if t := &a.totals[i]; t.Day >= from && t.Day <= to {
			out = append(out, *t)
		}
	}
	return out, nil
}

// Observations implements Days.
func (a *appDays) Observations(day Day) ([]Observation, error) {
	if list, ok := a.observed[day]; ok {
		return list, nil
	}
	found, err := a.store.Observations(a.ctx, a.app, day, day+ahead)
	if err != nil {
		return nil, err
	}
	byDay := map[Day][]Observation{}
	for _, o := range found {
		byDay[o.At.Day()] = append(byDay[o.At.Day()], o)
	}
	for d := day; d <= day+ahead; d++ {
		if _, known := a.observed[d]; !known {
			a.observed[d] = byDay[d]
		}
	}
	return a.observed[day], nil
}

// bring tells of observations of a day that the run brought or looked into: they stand in the place of those of one id that are stored.
func (a *appDays) bring(day Day, list []Observation) error {
	stored, err := a.Observations(day)
	if err != nil {
		return err
	}
	replaced := map[ObservationID]bool{}
	for i := range list {
		replaced[list[i].ID] = true
	}
	all := slices.DeleteFunc(slices.Clone(stored), func(o Observation) bool { return replaced[o.ID] })
	all = append(all, list...)
	slices.SortFunc(all, func(a, b Observation) int { return cmp.Or(cmp.Compare(a.At, b.At), bytes.Compare(a.ID[:], b.ID[:])) })
	a.observed[day] = all
	return nil
}

// new reads only the packs of a day that the runs from since on wrote.
func (a *appDays) newReports(day Day, since int64) (*ReportDay, error) {
	packs, err := a.packs(ReportPack, day)
	if err != nil {
		return nil, err
	}
	return a.archive.Reports(day, newer(packs, since))
}

func (a *appDays) newCalls(day Day, since int64) (*CallDay, error) {
	packs, err := a.packs(CallPack, day)
	if err != nil {
		return nil, err
	}
	return a.archive.Calls(day, newer(packs, since))
}

func newer(packs []Pack, since int64) []Pack {
	var out []Pack
	for _, p := range packs {
		if p.Run >= since {
			out = append(out, p)
		}
	}
	return out
}
