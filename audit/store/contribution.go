package store

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// contributionRow is a contribution as the database holds it.
type contributionRow struct {
	App         text          `db:"app_key"`
	Check       string        `db:"check_id"`
	Finding     string        `db:"finding_id"`
	Subject     text          `db:"subject"`
	Day         audit.Day     `db:"day"`
	Occurrences int           `db:"occurrences"`
	IDs         []byte        `db:"ids"`
	First       audit.Instant `db:"first_at"`
	Last        audit.Instant `db:"last_at"`
	Accounts    []byte        `db:"accounts"`
	Sites       []byte        `db:"sites"`
	Hosts       []byte        `db:"hosts"`
	Evidence    string        `db:"evidence"`
	Doubtful    bool          `db:"doubtful"`
}

const selectContributions = `SELECT app_key, check_id, finding_id, subject, day, occurrences, ids, first_at, last_at, accounts, sites, hosts, evidence, doubtful FROM contributions`

// These do not tell occurrences apart.
const (
	selectSums     = `SELECT app_key, check_id, finding_id, subject, to_day, occurrences, first_at, last_at, accounts, sites, hosts, evidence, doubtful FROM sums`
	selectCounted  = `SELECT c.app_key, c.check_id, c.finding_id, c.subject, c.day, c.occurrences, c.first_at, c.last_at, c.accounts, c.sites, c.hosts, c.evidence, c.doubtful FROM `
	selectWhole    = selectCounted + `contributions c`
	selectUnsummed = selectCounted + `sums s JOIN contributions c ON c.app_key = s.app_key AND c.check_id = s.check_id AND c.finding_id = s.finding_id AND c.day > s.to_day`
)

func contributions() table {
	return table{name: "contributions", key: []string{"app_key", "check_id", "finding_id", "day"},
		columns: []string{"subject", "occurrences", "ids", "first_at", "last_at", "accounts", "sites", "hosts", "evidence", "doubtful", "run"}}
}

func sums() table {
	return table{name: "sums", key: []string{"app_key", "check_id", "finding_id"},
		columns: []string{"to_day", "subject", "occurrences", "first_at", "last_at", "accounts", "sites", "hosts", "evidence", "doubtful"}}
}

func sumValues(s *audit.Sum) ([]any, error) {
	evidence, err := packJSON(s.Evidence)
	if err != nil {
		return nil, err
	}
	return []any{text(s.App), s.Check, audit.FindingID(s.Check, s.App, s.Subject), s.To, text(s.Subject), s.Folded, s.First, s.Last,
		s.Accounts.AppendTo(nil), s.Sites.AppendTo(nil), s.Hosts.AppendTo(nil), evidence, s.Doubtful}, nil
}

// A sumRow is a sum as the database holds it.
type sumRow struct {
	contributionRow
	To audit.Day `db:"to_day"`
}

// contributionKey is the values of the key of contributions.
func contributionKey(k audit.ContributionKey) []any {
	return []any{text(k.App), k.Check, audit.FindingID(k.Check, k.App, k.Subject), k.Day}
}

func contributionValues(c *audit.Contribution, run int64) ([]any, error) {
	evidence, err := packJSON(c.Evidence)
	if err != nil {
		return nil, err
	}
	return append(contributionKey(c.Key()), text(c.Subject), len(c.Occurrences)+c.Folded, packNumbers(c.Occurrences), c.First, c.Last,
		c.Accounts.AppendTo(nil), c.Sites.AppendTo(nil), c.Hosts.AppendTo(nil), evidence, c.Doubtful, run), nil
}

func (r *contributionRow) contribution() (*audit.Contribution, error) {
	c, err := r.sets()
	if err == nil {
		err = r.identify(c)
	}
	if err == nil {
		err = r.evidence(c)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// sets is the contribution with what it is about. Its occurrences are counted only, and its evidence is left out.
func (r *contributionRow) sets() (*audit.Contribution, error) {
	c := &audit.Contribution{Check: r.Check, App: string(r.App), Subject: string(r.Subject), Day: r.Day, Folded: r.Occurrences, First: r.First, Last: r.Last,
		Doubtful: r.Doubtful}
	var err error
	if c.Accounts, err = unpackIDs(r.Accounts); err == nil {
		c.Sites, err = unpackIDs(r.Sites)
	}
	if err == nil {
		c.Hosts, err = unpackIDs(r.Hosts)
	}
	return c, r.failed(err)
}

// identify tells the occurrences apart.
func (r *contributionRow) identify(c *audit.Contribution) (err error) {
	c.Occurrences, err = unpackNumbers(r.IDs)
	c.Folded -= len(c.Occurrences)
	if err == nil && c.Folded != 0 && r.Day != audit.BaseDay {
		err = fmt.Errorf("%d occurrences, but %d ids of them: %w", r.Occurrences, len(c.Occurrences), ErrDamaged)
	}
	return r.failed(err)
}

func (r *contributionRow) evidence(c *audit.Contribution) error {
	return r.failed(unpackJSON(r.Evidence, &c.Evidence))
}

// failed says which contribution could not be read.
func (r *contributionRow) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the contribution of check %s, app %q, subject %q, day %s: %w", r.Check, r.App, r.Subject, dayName(r.Day), err)
}

func dayName(d audit.Day) string {
	switch d {
	case audit.StateDay:
		return "(state)"
	case audit.BaseDay:
		return "(before)"
	}
	return d.String()
}

// Contributions gives what the store holds of apps' days and checks, by app, check, subject and day.
func (s *Store) Contributions(ctx context.Context, want []audit.Due) ([]audit.Contribution, error) {
	// Days that want the same checks, and apps that want the same of the same days, are read together.
	type days struct {
		app, checks string
	}
	byApp := map[days][]audit.Day{}
	for _, w := range want {
		k := days{w.App, strings.Join(slices.Compact(slices.Sorted(slices.Values(w.Checks))), ",")}
		if k.checks != "" && !slices.Contains(byApp[k], w.Day) {
			byApp[k] = append(byApp[k], w.Day)
		}
	}
	type query struct {
		checks []string
		days   []audit.Day
		apps   []text
	}
	queries := map[string]*query{}
	for k, list := range byApp {
		slices.Sort(list)
		name := fmt.Sprint(k.checks, list)
		if queries[name] == nil {
			queries[name] = &query{checks: strings.Split(k.checks, ","), days: list}
		}
		queries[name].apps = append(queries[name].apps, text(k.app))
	}
	got := map[audit.ContributionKey]bool{}
	var out []audit.Contribution
	err := s.read(ctx, "read the contributions of apps", func(t *tx) error {
		for _, q := range queries {
			err := chunks(q.days, func(days []audit.Day) error {
				return chunks(q.apps, func(apps []text) error {
					for c, err := range t.contributions(ctx, selectContributions+` WHERE app_key IN (?) AND check_id IN (?) AND day IN (?)`, apps, q.checks, days) {
						if err != nil {
							return err
						}
						if !got[c.Key()] {
							got[c.Key()] = true
							out = append(out, *c)
						}
					}
					return nil
				})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortFunc(out, compareContributions)
	return out, err
}

func compareContributions(a, b audit.Contribution) int {
	return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Check, b.Check), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Day, b.Day))
}

// ContributionsOf gives the contributions to findings, by app, check, subject and day. Those of days up to that of the finding's sum come as it, under
// [audit.BaseDay], unless one of them is to be left out. Occurrences are counted only. Of the evidence it gives [audit.EvidenceShown] rows or a few more of the earliest of a finding's
// days, and of the latest: no finding shows more, and to read all of it would cost more than all else.
func (s *Store) ContributionsOf(ctx context.Context, findings ...audit.FindingDays) (list []audit.Contribution, err error) {
	err = s.read(ctx, "read the contributions to findings", func(t *tx) error {
		return chunks(findings, func(findings []audit.FindingDays) error {
			of, err := t.contributionsTo(ctx, findings)
			list = append(list, of...)
			return err
		})
	})
	slices.SortFunc(list, compareContributions)
	return list, err
}

// contributionsTo is ContributionsOf for as many as a query can hold.
func (t *tx) contributionsTo(ctx context.Context, findings []audit.FindingDays) (list []audit.Contribution, err error) {
	byID := map[string]*audit.FindingDays{}
	for i := range findings {
		byID[findings[i].ID()] = &findings[i]
	}
	var summed []sumRow
	if err := t.all(ctx, &summed, selectSums+ofFindings(""), findingArgs(findings)...); err != nil {
		return nil, err
	}
	var rows []contributionRow
	var since []audit.FindingDays
	for i := range summed {
		x := &summed[i]
		if f := byID[x.Finding]; len(f.Without) == 0 || slices.Min(f.Without) > x.To {
			x.Day = audit.BaseDay
			rows, since = append(rows, x.contributionRow), append(since, *f)
			delete(byID, x.Finding)
		}
	}
	var whole []audit.FindingDays
	for i := range findings {
		if byID[findings[i].ID()] != nil {
			whole = append(whole, findings[i])
		}
	}
	for _, q := range []struct {
		query    string
		findings []audit.FindingDays
	}{{selectUnsummed + ofFindings("s."), since}, {selectWhole + ofFindings("c."), whole}} {
		if len(q.findings) == 0 {
			continue
		}
		var more []contributionRow
		if err := t.all(ctx, &more, q.query, findingArgs(q.findings)...); err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	without := map[string][]audit.Day{}
	for i := range findings {
		without[findings[i].ID()] = findings[i].Without
	}
	rows = slices.DeleteFunc(rows, func(r contributionRow) bool { return slices.Contains(without[r.Finding], r.Day) })
	slices.SortFunc(rows, func(a, b contributionRow) int {
		return cmp.Or(cmp.Compare(a.Finding, b.Finding), cmp.Compare(a.Day, b.Day))
	})
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].Finding == rows[0].Finding {
			n++
		}
		of, err := contributionsOf(rows[:n])
		if err != nil {
			return nil, err
		}
		list, rows = append(list, of...), rows[n:]
	}
	return list, nil
}

// ofFindings is the condition that rows of a table of that name are of findings, whose ids tell them apart: app and check are named for the index.
func ofFindings(table string) string {
	return strings.ReplaceAll(` WHERE .app_key IN (?) AND .check_id IN (?) AND .finding_id IN (?)`, ".", table)
}

// findingArgs is what ofFindings asks for.
func findingArgs(findings []audit.FindingDays) []any {
	var apps []text
	var checks, ids []string
	for i := range findings {
		f := &findings[i]
		apps, checks, ids = append(apps, text(f.App)), append(checks, f.Check), append(ids, f.ID())
	}
	slices.Sort(apps)
	slices.Sort(checks)
	return []any{slices.Compact(apps), slices.Compact(checks), ids}
}

// staleSums removes the sums of findings that hold a day from one on, by key.
func (t *tx) staleSums(ctx context.Context, from map[audit.FindingKey]audit.Day) error {
	apps := map[text]bool{}
	byID := map[string]audit.Day{}
	for k, day := range from {
		apps[text(k.App)] = true
		byID[k.ID()] = day
	}
	var stale []sumRow
	err := chunks(slices.Sorted(maps.Keys(apps)), func(apps []text) error {
		var found []sumRow
		if err := t.all(ctx, &found, `SELECT app_key, check_id, finding_id, to_day FROM sums WHERE app_key IN (?)`, apps); err != nil {
			return err
		}
		for _, r := range found {
			if day, touched := byID[r.Finding]; touched && day <= r.To {
				stale = append(stale, r)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.d.remove(ctx, t, sums(), func(add func(...any) error) error {
		for _, r := range stale {
			if err := add(r.App, r.Check, r.Finding); err != nil {
				return err
			}
		}
		return nil
	})
}

// contributionsOf reads one finding's rows, which are in order of their days, and so is their evidence.
func contributionsOf(rows []contributionRow) ([]audit.Contribution, error) {
	list := make([]audit.Contribution, len(rows))
	for i := range rows {
		c, err := rows[i].sets()
		if err != nil {
			return nil, err
		}
		list[i] = *c
	}
	first, shown := 0, 0 // up to where evidence was read
	for ; first < len(rows) && shown < audit.EvidenceShown; first++ {
		if err := rows[first].evidence(&list[first]); err != nil {
			return nil, err
		}
		shown += len(list[first].Evidence)
	}
	shown = 0
	for i := len(rows) - 1; i >= 0 && shown < audit.EvidenceShown; i-- {
		if i >= first {
			if err := rows[i].evidence(&list[i]); err != nil {
				return nil, err
			}
		}
		shown += len(list[i].Evidence)
	}
	return list, nil
}

// contributions walks through the rows of a query.
func (t *tx) contributions(ctx context.Context, query string, args ...any) iter.Seq2[*audit.Contribution, error] {
	return func(yield func(*audit.Contribution, error) bool) {
		rows, err := t.rows(ctx, query, args...)
		if err != nil {
			yield(nil, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var r contributionRow
			var c *audit.Contribution
			if err = rows.StructScan(&r); err == nil {
				c, err = r.contribution()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(c, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// holding is all that a finding is about.
func (t *tx) holding(ctx context.Context, app, check, subject string) (audit.Holding, error) {
	list, err := t.contributionsTo(ctx, []audit.FindingDays{{FindingKey: audit.FindingKey{Check: check, App: app, Subject: subject}}})
	return audit.HoldingOf(list), err
}
