package store

import (
	"cmp"
	"context"
	"errors"
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

// index is the index of listed that has an order.
func (o Order) index() string {
	switch o {
	case ByLastSeen:
		return "listed_last_seen"
	case ByFirstSeen:
		return "listed_first_seen"
	case ByAccounts:
		return "listed_accounts"
	case ByOccurrences:
		return "listed_occurrences"
	case ByDue:
		return "listed_due_at"
	}
	return "listed_rank"
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

// withoutEvidence is a query of findings that leaves their evidence where it is.
func withoutEvidence(query string) string {
	return strings.Replace(query, `f.evidence`, `'null' AS evidence`, 1)
}

// A Listed is a page of a list of findings.
type Listed struct {
	Findings []audit.Finding
	More     bool
	Statuses map[audit.Status]int // how many findings the filter would show, were it not for its statuses; nil: they were not to be counted, or its words are in too many
}

// fewFindings is up to how many findings are sorted to find a page of them. Of more, one is soon come upon by walking the order's index.
const fewFindings = 2000

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
		status := `l.status`
		if p.narrow() || m.condition != "" { // by which findings are looked up, and not by their status
			status += ` || ''`
		}
		n := fewFindings + 1
		if p.Uncounted && (p.narrow() || m.condition != "" && !m.many) {
			n = 0 // they are few, as far as can be told without counting
		}
		if !m.many && !p.Uncounted {
			if l.Statuses, err = t.statuses(ctx, status, where, args); err != nil {
				return err
			}
			n = 0
			for is, k := range l.Statuses {
				if len(p.Statuses) == 0 || slices.Contains(p.Statuses, is) {
					n += k
				}
			}
		}
		if len(p.Statuses) > 0 {
			where, args = and(where, args, `(`+status+`) IN (?)`, p.Statuses)
		}
		ids, err := t.page(ctx, &p, where, args, n <= fewFindings)
		if err != nil {
			return err
		}
		if l.More = len(ids) > p.Limit; l.More {
			ids = ids[:p.Limit]
		}
		query := selectFindings()
		if p.Lean {
			query = withoutEvidence(query)
		}
		return chunks(ids, func(ids []string) error {
			found, _, err := t.findings(ctx, query+` WHERE f.id IN (?)`, ids)
			slices.SortFunc(found, func(a, b audit.Finding) int { return cmp.Compare(slices.Index(ids, a.ID), slices.Index(ids, b.ID)) })
			l.Findings = append(l.Findings, found...)
			return err
		})
	})
	return l, err
}

// statuses counts listed findings by status; by is its column, or an expression of the same value that no index has.
func (t *tx) statuses(ctx context.Context, by, where string, args []any) (map[audit.Status]int, error) {
	var counts []struct {
		Status audit.Status `db:"status"`
		N      int          `db:"n"`
	}
	err := t.all(ctx, &counts, `SELECT `+by+` AS status, count(*) AS n FROM listed l`+where+` GROUP BY 1`, args...)
	n := make(map[audit.Status]int, len(counts))
	for _, c := range counts {
		n[c.Status] = c.N
	}
	return n, err
}

// page gives the ids of the findings of a page, and of one more. Where few fit the filter they are sorted, else the order's index is walked.
func (t *tx) page(ctx context.Context, p *Page, where string, args []any, few bool) (ids []string, err error) {
	keys := p.Order.keys()
	from, order := `listed l`, make([]string, len(keys))
	for i, k := range keys {
		order[i] = k.column
		if few && i == 0 {
			order[i] += ` + 0` // which no index has
		}
		if k.desc {
			order[i] += ` DESC`
		}
	}
	if !few {
		from += t.d.byIndex(p.Order.index())
	}
	ranges := []stretch{{}}
	if p.After != "" {
		last, _, err := t.finding(ctx, p.After, "")
		if err == nil {
			ranges = after(keys, last)
		} else if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	for _, r := range ranges {
		where, args := where, slices.Clip(args)
		if r.condition != "" {
			where, args = and(where, args, r.condition, r.values...)
		}
		var more []string
		err := t.all(ctx, &more, `SELECT l.id FROM `+from+where+` ORDER BY `+strings.Join(order, `, `)+` LIMIT ?`, append(args, p.Limit+1-len(ids))...)
		if ids = append(ids, more...); err != nil || len(ids) > p.Limit {
			return ids, err
		}
	}
	return ids, nil
}

// A stretch is a condition that one stretch of an index fulfils.
type stretch struct {
	condition string
	values    []any
}

// after is what comes after a finding in an order: first what is equal but for the last key, then what is equal but for the last two, and so on.
func after(keys []orderKey, last *audit.Finding) (stretches []stretch) {
	for n := len(keys) - 1; n >= 0; n-- {
		var r stretch
		for i, k := range keys[:n+1] {
			same := ` = ?`
			switch {
			case i < n:
			case k.desc:
				same = ` < ?`
			default:
				same = ` > ?`
			}
			if i > 0 {
				r.condition += ` AND `
			}
			r.condition, r.values = r.condition+k.column+same, append(r.values, k.of(last))
		}
		stretches = append(stretches, r)
	}
	return stretches
}

func and(where string, args []any, condition string, values ...any) (string, []any) {
	if where == "" {
		return ` WHERE ` + condition, append(args, values...)
	}
	return where + ` AND ` + condition, append(args, values...)
}

// narrow says whether the page is of some apps, vendors, runs or findings, which few findings are of.
func (p *Page) narrow() bool {
	return len(p.IDs) > 0 || len(p.Apps) > 0 || len(p.Vendors) > 0 || len(p.Runs) > 0
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
	err = s.read(ctx, "read what was told of finding "+f.ID, func(t *tx) error {
		matters, err := t.matters(ctx, ` WHERE app_key = ? AND finding_id = ?`, text(f.App), f.ID)
		if err != nil {
			return err
		}
		told.Matter = nil
		if len(matters) > 0 {
			told.Matter = &matters[0]
		}
		told.Notices, err = t.notices(ctx, ` WHERE id IN (SELECT notice FROM told WHERE app_key = ? AND finding_id = ?) ORDER BY created DESC, id`, text(f.App), f.ID)
		return err
	})
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
	err := s.read(ctx, "read the days of findings", func(t *tx) error {
		clear(days)
		return chunks(list, func(list []audit.Finding) error {
			// Each finding's own stretch of the key: lists of apps, checks and ids would be every one of the three with every other.
			args := make([]any, 0, 3*len(list)+1)
			for i := range list {
				args = append(args, text(list[i].App), list[i].Check, list[i].ID)
			}
			var found []struct {
				ID string `db:"finding_id"`
				DayCount
			}
			err := t.all(ctx, &found, `WITH k (app_key, check_id, finding_id) AS (VALUES (?, ?, ?)`+strings.Repeat(`, (?, ?, ?)`, len(list)-1)+`)
				SELECT c.finding_id, c.day, c.occurrences FROM k CROSS JOIN contributions c
				WHERE c.app_key = k.app_key AND c.check_id = k.check_id AND c.finding_id = k.finding_id AND c.day >= ? AND c.occurrences > 0 ORDER BY c.day`, append(args, from)...)
			for _, r := range found {
				days[r.ID] = append(days[r.ID], r.DayCount)
			}
			return err
		})
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

// tallied are the columns of a RiskyApp, of apps a and tallies t.
const tallied = `a.app_key, coalesce(a.name, '') AS name, coalesce(t.critical, 0) AS critical, coalesce(t.high, 0) AS high, coalesce(t.medium, 0) AS medium, coalesce(t.low, 0) AS low,
	coalesce(t.accounts, 0) AS accounts`

// tallyRow is a RiskyApp as the database holds it.
type tallyRow struct {
	Key      text `db:"app_key"`
	Name     text `db:"name"`
	Critical int  `db:"critical"`
	High     int  `db:"high"`
	Medium   int  `db:"medium"`
	Low      int  `db:"low"`
	Accounts int  `db:"accounts"`
}

// app gives the row's app. Open holds no zeros.
func (r *tallyRow) app() RiskyApp {
	open := map[audit.Severity]int{}
	for i, n := range []int{r.Critical, r.High, r.Medium, r.Low} {
		if n > 0 {
			open[audit.Severities()[i]] = n
		}
	}
	return RiskyApp{Key: string(r.Key), Name: string(r.Name), Open: open, Accounts: r.Accounts}
}

// RiskyApps gives the n apps with the worst open findings, the worst first, and of equals the one with the most accounts.
func (s *Store) RiskyApps(ctx context.Context, n int) (list []RiskyApp, err error) {
	err = s.read(ctx, "list the apps with the worst findings", func(t *tx) error {
		var found []tallyRow
		err := t.all(ctx, &found, `SELECT `+strings.Replace(tallied, `a.app_key`, `t.app_key`, 1)+` FROM tallies t LEFT JOIN apps a ON a.app_key = t.app_key WHERE t.critical + t.high + t.medium + t.low > 0
			ORDER BY t.critical DESC, t.high DESC, t.medium DESC, t.low DESC, t.accounts DESC, t.app_key LIMIT ?`, n)
		list = make([]RiskyApp, len(found))
		for i := range found {
			list[i] = found[i].app()
		}
		return err
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
	return s.vendorApps(ctx, ``)
}

// AppsOfVendor gives the apps of the vendor of a key ([audit.VendorKey]), by key.
func (s *Store) AppsOfVendor(ctx context.Context, vendor string) (list []VendorApp, err error) {
	var names []string // as which the key may stand for the vendor
	for _, prefix := range []string{"", "id:", "name:"} {
		if name, ok := strings.CutPrefix(vendor, prefix); ok {
			names = append(names, name)
		}
	}
	own, _ := strings.CutPrefix(vendor, "app:")
	low := lowered(names)
	list, err = s.vendorApps(ctx, ` WHERE a.app_key IN (SELECT app_key FROM apps WHERE lower(vendor_id) IN (?) UNION SELECT app_key FROM apps WHERE lower(vendor_name) IN (?) UNION SELECT app_key FROM apps WHERE app_key = ?)`,
		low, low, text(own))
	return slices.DeleteFunc(list, func(a VendorApp) bool { return a.Key == "" || audit.VendorKey(a.Key, a.Vendor) != vendor }), err
}

func (s *Store) vendorApps(ctx context.Context, where string, args ...any) (list []VendorApp, err error) {
	err = s.read(ctx, "list the apps of vendors", func(t *tx) error {
		var found []struct {
			tallyRow
			ID     text `db:"vendor_id"`
			Vendor text `db:"vendor_name"`
			Listed bool `db:"listed"`
		}
		err := t.all(ctx, &found, `SELECT `+tallied+`, coalesce(a.vendor_id, '') AS vendor_id, coalesce(a.vendor_name, '') AS vendor_name, coalesce(a.listed, false) AS listed
			FROM apps a LEFT JOIN tallies t ON t.app_key = a.app_key`+where+` ORDER BY a.app_key`, args...)
		list = make([]VendorApp, len(found))
		for i := range found {
			r := &found[i]
			list[i] = VendorApp{r.app(), audit.Vendor{ID: string(r.ID), Name: string(r.Vendor)}, r.Listed}
		}
		return err
	})
	return list, err
}
