package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/mailreeve/mailreeve/audit"
)

// An Order is how findings are sorted.
type Order string

// The orders. What is equal goes by id.
const (
	ByRisk        Order = "risk" // the worst first, and of equals the one last seen
	ByLastSeen    Order = "last-seen"
	ByFirstSeen   Order = "first-seen"
	ByAccounts    Order = "accounts"
	ByOccurrences Order = "occurrences"
	ByDue         Order = "due" // the most urgent first
)

// Orders lists them.
func Orders() []Order {
	return []Order{ByRisk, ByLastSeen, ByFirstSeen, ByAccounts, ByOccurrences, ByDue}
}

// An orderKey is a column that an order sorts by.
type orderKey struct {
	column string
	desc   bool
	of     func(*audit.Finding) any
}

func (o Order) keys() []orderKey {
	id := orderKey{`l.id`, false, func(f *audit.Finding) any { return text(f.ID) }}
	switch o {
	case ByLastSeen:
		return []orderKey{{`l.last_seen`, true, func(f *audit.Finding) any { return f.LastSeen }}, id}
	case ByFirstSeen:
		return []orderKey{{`l.first_seen`, true, func(f *audit.Finding) any { return f.FirstSeen }}, id}
	case ByAccounts:
		return []orderKey{{`l.accounts`, true, func(f *audit.Finding) any { return f.Accounts }}, id}
	case ByOccurrences:
		return []orderKey{{`l.occurrences`, true, func(f *audit.Finding) any { return f.Occurrences }}, id}
	case ByDue:
		return []orderKey{{`l.due_at`, false, func(f *audit.Finding) any { return f.DueAt }}, id}
	}
	return []orderKey{{`l.rank`, false, func(f *audit.Finding) any { return rank(f.Severity) }}, {`l.last_seen`, true, func(f *audit.Finding) any { return f.LastSeen }}, id}
}

// rank is a severity's place, 0 the worst.
func rank(s audit.Severity) int {
	return max(0, slices.Index(audit.Severities(), s))
}

// A Page says which findings a page of a list shows.
type Page struct {
	Filter // but for Offset, and Limit says how many a page shows

	Words     string   // each word of it begins a word of what the finding says: id, app, vendor, check, subject, title, why, assignee
	Assignees []string // empty: nobody
	Order     Order
	After     string // the id of the last finding of the page before
	Uncounted bool   // the findings of each status are not counted
}

// A Listed is a page of a list of findings.
type Listed struct {
	Findings []audit.Finding
	More     bool
	Statuses map[audit.Status]int // how many findings the filter would show, were it not for its statuses; nil: they were not to be counted, or its words are in too many
}

// Browse gives a page of a list of findings, and how many there are of each status.
func (s *Store) Browse(ctx context.Context, p Page) (l Listed, err error) {
	err = s.read(ctx, "list the findings", func(t *tx) error {
		l = Listed{}
		where, args := p.where()
		m, err := t.match(ctx, p.Words)
		if err != nil {
			return err
		}
		if m.condition != "" {
			where, args = and(where, args, m.condition, m.values...)
		}
		var counts []struct {
			Status audit.Status `db:"status"`
			N      int          `db:"n"`
		}
		if !m.many && !p.Uncounted {
			l.Statuses = map[audit.Status]int{}
			if err := t.all(ctx, &counts, `SELECT l.status, count(*) AS n FROM listed l`+where+` GROUP BY l.status`, args...); err != nil {
				return err
			}
		}
		for _, c := range counts {
			l.Statuses[c.Status] = c.N
		}
		if len(p.Statuses) > 0 {
			where, args = and(where, args, `l.status IN (?)`, p.Statuses)
		}
		keys := p.Order.keys()
		if p.After != "" {
			last, _, err := t.finding(ctx, p.After, "")
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			if err == nil {
				condition, values := after(keys, last)
				where, args = and(where, args, condition, values...)
			}
		}
		var order []string
		for _, k := range keys {
			if k.desc {
				order = append(order, k.column+` DESC`)
			} else {
				order = append(order, k.column)
			}
		}
		var ids []string
		if err := t.all(ctx, &ids, `SELECT l.id FROM listed l`+where+` ORDER BY `+strings.Join(order, `, `)+` LIMIT ?`, append(args, p.Limit+1)...); err != nil {
			return err
		}
		if l.More = len(ids) > p.Limit; l.More {
			ids = ids[:p.Limit]
		}
		return chunks(ids, func(ids []string) error {
			found, _, err := t.findings(ctx, selectFindings()+` WHERE f.id IN (?)`, ids)
			slices.SortFunc(found, func(a, b audit.Finding) int { return cmp.Compare(slices.Index(ids, a.ID), slices.Index(ids, b.ID)) })
			l.Findings = append(l.Findings, found...)
			return err
		})
	})
	return l, err
}

// after is the condition of what comes after a finding in an order.
func after(keys []orderKey, last *audit.Finding) (condition string, args []any) {
	k, v := keys[0], keys[0].of(last)
	than := ` >`
	if k.desc {
		than = ` <`
	}
	if len(keys) == 1 {
		return k.column + than + ` ?`, []any{v}
	}
	rest, values := after(keys[1:], last)
	return `(` + k.column + than + `= ? AND (` + k.column + than + ` ? OR ` + rest + `))`, append([]any{v, v}, values...) // an index is entered where the page begins
}

func and(where string, args []any, condition string, values ...any) (string, []any) {
	if where == "" {
		return ` WHERE ` + condition, append(args, values...)
	}
	return where + ` AND ` + condition, append(args, values...)
}

// where is the filter of a page, but for its statuses.
func (p *Page) where() (where string, args []any) {
	among := func(n int, condition string, values ...any) {
		if n > 0 {
			where, args = and(where, args, condition, values...)
		}
	}
	var ranks []int
	for _, severity := range p.Severities {
		ranks = append(ranks, rank(severity))
	}
	among(len(p.IDs), `l.id IN (?)`, p.IDs)
	among(len(ranks), `l.rank IN (?)`, ranks)
	among(len(p.Checks), `l.check_id IN (?)`, texts(p.Checks))
	among(len(p.Apps), `l.app_key IN (?)`, texts(p.Apps))
	among(len(p.Runs), `(l.first_run IN (?) OR l.last_run IN (?))`, texts(p.Runs), texts(p.Runs))
	among(len(p.Assignees), `l.assignee IN (?)`, texts(p.Assignees))
	vendors := lowered(p.Vendors)
	among(len(vendors), `l.app_key IN (SELECT app_key FROM apps WHERE lower(vendor_name) IN (?) UNION SELECT app_key FROM apps WHERE lower(vendor_id) IN (?))`, vendors, vendors)
	return where, args
}

// maxWords is how many words are looked for.
const maxWords = 20

// A match is the condition that words put on findings in listed l; none where it is empty.
type match struct {
	condition string
	values    []any
	many      bool // so many have them that to count them would take too long
}

// match says how to look for words.
func (t *tx) match(ctx context.Context, words string) (match, error) {
	words = strings.TrimSpace(words)
	if id := strings.ToUpper(words); strings.HasPrefix(id, "F-") && !strings.ContainsFunc(id[2:], func(r rune) bool { return r > 'Z' || !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		return match{condition: `l.id >= ? AND l.id < ?`, values: []any{id, id + "~"}}, nil
	}
	list := strings.FieldsFunc(words, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) })
	switch {
	case len(list) > 0:
		return t.d.match(ctx, t, list[:min(len(list), maxWords)])
	case words != "": // of punctuation nothing consists
		return match{condition: `1 = 0`}, nil
	}
	return match{}, nil
}

// Told is what the vendor of a finding was told about it, and where that stands.
type Told struct {
	Notices []audit.Notice // the newest first
	Matter  *audit.Matter  // nil: nothing was delivered yet
}

// Told gives what the vendor of a finding was told about it.
func (s *Store) Told(ctx context.Context, f *audit.Finding) (told Told, err error) {
	var vendor struct {
		ID   text `db:"vendor_id"`
		Name text `db:"vendor_name"`
	}
	var matters []string
	err = s.read(ctx, "read what was told of finding "+f.ID, func(t *tx) error {
		matters = nil
		err := t.one(ctx, &vendor, `SELECT coalesce(vendor_id, '') AS vendor_id, coalesce(vendor_name, '') AS vendor_name FROM apps WHERE app_key = ?`, text(f.App))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		return t.all(ctx, &matters, `SELECT body FROM matters WHERE app_key = ? AND finding_id = ?`, text(f.App), f.ID)
	})
	if err != nil {
		return told, err
	}
	vendors := []string{audit.VendorKey(f.App, audit.Vendor{ID: string(vendor.ID), Name: string(vendor.Name)})}
	for _, body := range matters {
		told.Matter = &audit.Matter{}
		if err := unpackJSON(body, told.Matter); err != nil {
			return told, fmt.Errorf("what the vendor answered about finding %s: %w", f.ID, err)
		}
		vendors = append(vendors, told.Matter.Vendor)
	}
	notices, err := s.Notices(ctx, NoticeFilter{Vendors: vendors})
	told.Notices = slices.DeleteFunc(notices, func(n audit.Notice) bool { return !n.Has(f.ID) })
	return told, err
}

// A DayCount is how often something was found on a day.
type DayCount struct {
	Day         audit.Day `db:"day"`
	Occurrences int       `db:"occurrences"`
}

// DayCounts gives the days of a finding, ascending. What was found before the archive reaches, and what holds now, is of no day.
func (s *Store) DayCounts(ctx context.Context, f *audit.Finding) (days []DayCount, err error) {
	err = s.read(ctx, "read the days of finding "+f.ID, func(t *tx) error {
		days = nil
		return t.all(ctx, &days, `SELECT day, occurrences FROM contributions WHERE app_key = ? AND check_id = ? AND finding_id = ? AND day NOT IN (?) AND occurrences > 0 ORDER BY day`,
			text(f.App), f.Check, f.ID, []audit.Day{audit.StateDay, audit.BaseDay})
	})
	return days, err
}

// DayCountsOf gives, by id, the days of findings from a day on, ascending.
func (s *Store) DayCountsOf(ctx context.Context, list []audit.Finding, from audit.Day) (map[string][]DayCount, error) {
	days := map[string][]DayCount{}
	var apps []text
	var checks, ids []string
	for i := range list {
		apps, checks, ids = append(apps, text(list[i].App)), append(checks, list[i].Check), append(ids, list[i].ID)
	}
	if len(list) == 0 {
		return days, nil
	}
	slices.Sort(apps)
	slices.Sort(checks)
	err := s.read(ctx, "read the days of findings", func(t *tx) error {
		clear(days)
		var found []struct {
			ID string `db:"finding_id"`
			DayCount
		}
		err := t.all(ctx, &found, `SELECT finding_id, day, occurrences FROM contributions
			WHERE app_key IN (?) AND check_id IN (?) AND finding_id IN (?) AND day >= ? AND occurrences > 0 ORDER BY day`, slices.Compact(apps), slices.Compact(checks), ids, from)
		for _, r := range found {
			days[r.ID] = append(days[r.ID], r.DayCount)
		}
		return err
	})
	return days, err
}

// A RiskyApp is an app with open findings.
type RiskyApp struct {
	Key, Name string
	Open      map[audit.Severity]int // findings that are open, acknowledged or in remediation
	Accounts  int                    // the most accounts that one of these holds
}

// Of is how many open findings of a severity it has.
func (a RiskyApp) Of(s audit.Severity) int { return a.Open[s] }

// RiskyApps gives the n apps with the worst open findings, the worst first, and of equals the one with the most accounts.
func (s *Store) RiskyApps(ctx context.Context, n int) (list []RiskyApp, err error) {
	err = s.read(ctx, "list the apps with the worst findings", func(t *tx) error {
		list, err = t.openApps(ctx, ` ORDER BY 2 DESC, 3 DESC, 4 DESC, 5 DESC, 6 DESC, 1 LIMIT ?`, n)
		if err != nil || len(list) == 0 {
			return err
		}
		keys := make([]text, len(list))
		for i, a := range list {
			keys[i] = text(a.Key)
		}
		var names []struct {
			Key  text `db:"app_key"`
			Name text `db:"name"`
		}
		if err := t.all(ctx, &names, `SELECT app_key, coalesce(name, '') AS name FROM apps WHERE app_key IN (?)`, keys); err != nil {
			return err
		}
		for _, r := range names {
			list[slices.Index(keys, r.Key)].Name = string(r.Name)
		}
		return nil
	})
	return list, err
}

// A VendorApp is an app, whose it is, and what is open about it.
type VendorApp struct {
	RiskyApp
	Vendor audit.Vendor // its id and name
	Listed bool         // in the registry
}

// VendorApps gives all apps with their vendors, by key.
func (s *Store) VendorApps(ctx context.Context) (list []VendorApp, err error) {
	err = s.read(ctx, "list the apps of vendors", func(t *tx) error {
		var found []struct {
			Key    text `db:"app_key"`
			Name   text `db:"name"`
			ID     text `db:"vendor_id"`
			Vendor text `db:"vendor_name"`
			Listed bool `db:"listed"`
		}
		err := t.all(ctx, &found, `SELECT app_key, coalesce(name, '') AS name, coalesce(vendor_id, '') AS vendor_id, coalesce(vendor_name, '') AS vendor_name,
			coalesce(listed, false) AS listed FROM apps ORDER BY app_key`)
		if err != nil {
			return err
		}
		list = make([]VendorApp, len(found))
		at := make(map[text]int, len(found))
		for i, r := range found {
			list[i] = VendorApp{RiskyApp{Key: string(r.Key), Name: string(r.Name), Open: map[audit.Severity]int{}}, audit.Vendor{ID: string(r.ID), Name: string(r.Vendor)}, r.Listed}
			at[r.Key] = i
		}
		open, err := t.openApps(ctx, "")
		for _, o := range open {
			if i, ok := at[text(o.Key)]; ok {
				list[i].Open, list[i].Accounts = o.Open, o.Accounts
			}
		}
		return err
	})
	return list, err
}

// openApps gives the apps with open findings, without their names.
func (t *tx) openApps(ctx context.Context, order string, args ...any) ([]RiskyApp, error) {
	var found []struct {
		Key      text `db:"app_key"`
		Critical int  `db:"critical"`
		High     int  `db:"high"`
		Medium   int  `db:"medium"`
		Low      int  `db:"low"`
		Accounts int  `db:"accounts"`
	}
	err := t.all(ctx, &found, `SELECT app_key, sum(CASE rank WHEN 0 THEN 1 ELSE 0 END) AS critical, sum(CASE rank WHEN 1 THEN 1 ELSE 0 END) AS high,
		sum(CASE rank WHEN 2 THEN 1 ELSE 0 END) AS medium, sum(CASE rank WHEN 3 THEN 1 ELSE 0 END) AS low, max(accounts) AS accounts
		FROM listed WHERE status IN (?) GROUP BY app_key`+order, append([]any{audit.OpenStatuses()}, args...)...)
	list := make([]RiskyApp, len(found))
	for i, r := range found {
		open := map[audit.Severity]int{audit.Critical: r.Critical, audit.High: r.High, audit.Medium: r.Medium, audit.Low: r.Low}
		maps.DeleteFunc(open, func(_ audit.Severity, n int) bool { return n == 0 })
		list[i] = RiskyApp{Key: string(r.Key), Accounts: r.Accounts, Open: open}
	}
	return list, err
}
