package store

import (
	"cmp"
	"context"
	"fmt"
	"iter"
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

func contributions() table {
	return table{name: "contributions", key: []string{"app_key", "check_id", "finding_id", "day"},
		columns: []string{"subject", "occurrences", "ids", "first_at", "last_at", "accounts", "sites", "hosts", "evidence", "doubtful", "run"}}
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
		err = r.evidence(c)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// sets is the contribution without its evidence.
func (r *contributionRow) sets() (*audit.Contribution, error) {
	c := &audit.Contribution{Check: r.Check, App: string(r.App), Subject: string(r.Subject), Day: r.Day, First: r.First, Last: r.Last, Doubtful: r.Doubtful}
	var err error
	c.Occurrences, err = unpackNumbers(r.IDs)
	if r.Day == audit.BaseDay {
		c.Folded = r.Occurrences - len(c.Occurrences)
	} else if err == nil && len(c.Occurrences) != r.Occurrences {
		err = fmt.Errorf("%d occurrences, but %d ids of them: %w", r.Occurrences, len(c.Occurrences), ErrDamaged)
	}
	if err == nil {
		c.Accounts, err = unpackIDs(r.Accounts)
	}
	if err == nil {
		c.Sites, err = unpackIDs(r.Sites)
	}
	if err == nil {
		c.Hosts, err = unpackIDs(r.Hosts)
	}
	return c, r.failed(err)
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

// ContributionsOf gives the contributions to findings, by app, check, subject and day. Of the evidence it gives [audit.EvidenceShown] rows or a few more of the
// earliest of a finding's days, and of the latest: no finding shows more, and to read all of it would cost more than all else.
func (s *Store) ContributionsOf(ctx context.Context, findings ...audit.FindingDays) (list []audit.Contribution, err error) {
	err = s.read(ctx, "read the contributions to findings", func(t *tx) error {
		return chunks(findings, func(findings []audit.FindingDays) error {
			var apps []text
			var checks, ids []string
			without := map[string][]audit.Day{} // by id
			for _, f := range findings {
				apps, checks, ids = append(apps, text(f.App)), append(checks, f.Check), append(ids, f.ID())
				without[f.ID()] = f.Without
			}
			slices.Sort(apps)
			slices.Sort(checks)
			rows, err := t.contributionRows(ctx, ` WHERE app_key IN (?) AND check_id IN (?) AND finding_id IN (?) ORDER BY app_key, check_id, finding_id, day`,
				slices.Compact(apps), slices.Compact(checks), ids)
			if err != nil {
				return err
			}
			rows = slices.DeleteFunc(rows, func(r contributionRow) bool { return slices.Contains(without[r.Finding], r.Day) })
			for len(rows) > 0 {
				n := 1
				for n < len(rows) && rows[n].Finding == rows[0].Finding {
					n++
				}
				of, err := contributionsOf(rows[:n])
				if err != nil {
					return err
				}
				list, rows = append(list, of...), rows[n:]
			}
			return nil
		})
	})
	slices.SortFunc(list, compareContributions)
	return list, err
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

func (t *tx) findingSets(ctx context.Context, app, check, subject string) iter.Seq2[*audit.Contribution, error] {
	return t.contributions(ctx, selectContributions+` WHERE app_key = ? AND check_id = ? AND finding_id = ? ORDER BY day`,
		text(app), check, audit.FindingID(check, app, subject))
}

// contributionRows is the rows of contributions that a condition names.
func (t *tx) contributionRows(ctx context.Context, where string, args ...any) (list []contributionRow, err error) {
	err = t.all(ctx, &list, selectContributions+where, args...)
	return list, err
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
	var list []audit.Contribution
	for c, err := range t.findingSets(ctx, app, check, subject) {
		if err != nil {
			return audit.Holding{}, err
		}
		list = append(list, *c)
	}
	return audit.HoldingOf(list), nil
}
