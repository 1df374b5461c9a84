package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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

const severityRank = `CASE f.severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END`

func (o Order) keys() []orderKey {
	id := orderKey{`f.id`, false, func(f *audit.Finding) any { return text(f.ID) }}
	switch o {
	case ByLastSeen:
		return []orderKey{{`f.last_seen`, true, func(f *audit.Finding) any { return f.LastSeen }}, id}
	case ByFirstSeen:
		return []orderKey{{`f.first_seen`, true, func(f *audit.Finding) any { return f.FirstSeen }}, id}
	case ByAccounts:
		return []orderKey{{`f.accounts`, true, func(f *audit.Finding) any { return f.Accounts }}, id}
	case ByOccurrences:
		return []orderKey{{`f.occurrences`, true, func(f *audit.Finding) any { return f.Occurrences }}, id}
	case ByDue:
		return []orderKey{{`f.due_at`, false, func(f *audit.Finding) any { return f.DueAt }}, id}
	}
	rank := func(f *audit.Finding) any {
		for i, s := range audit.Severities() {
			if s == f.Severity {
				return i
			}
		}
		return len(audit.Severities()) - 1
	}
	return []orderKey{{severityRank, false, rank}, {`f.last_seen`, true, func(f *audit.Finding) any { return f.LastSeen }}, id}
}

// A Page says which findings a page of a list shows.
type Page struct {
	Filter // but for Offset, and Limit says how many a page shows

	Words     string   // each word of it begins a word of what the finding says: id, app, vendor, check, subject, title, why, assignee
	Assignees []string // empty: nobody
	Order     Order
	After     string // the id of the last finding of the page before
}

// A Listed is a page of a list of findings.
type Listed struct {
	Findings []audit.Finding
	More     bool
	Statuses map[audit.Status]int // how many findings the filter would show, were it not for its statuses
}

// Browse gives a page of a list of findings, and how many there are of each status.
func (s *Store) Browse(ctx context.Context, p Page) (l Listed, err error) {
	err = s.read(ctx, "list the findings", func(t *tx) error {
		l = Listed{Statuses: map[audit.Status]int{}}
		where, args := p.where()
		var counts []struct {
			Status audit.Status `db:"status"`
			N      int          `db:"n"`
		}
		if err := t.all(ctx, &counts, `SELECT f.status, count(*) AS n FROM findings f LEFT JOIN apps a ON a.app_key = f.app_key`+where+` GROUP BY f.status`, args...); err != nil {
			return err
		}
		for _, c := range counts {
			l.Statuses[c.Status] = c.N
		}
		if len(p.Statuses) > 0 {
			where, args = and(where, args, `f.status IN (?)`, p.Statuses)
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
		found, _, err := t.findings(ctx, selectFindings()+where+` ORDER BY `+strings.Join(order, `, `)+` LIMIT ?`, append(args, p.Limit+1)...)
		if err != nil {
			return err
		}
		if l.More = len(found) > p.Limit; l.More {
			found = found[:p.Limit]
		}
		l.Findings = found
		return nil
	})
	return l, err
}

// after is the condition of what comes after a finding in an order.
func after(keys []orderKey, last *audit.Finding) (condition string, args []any) {
	k, v := keys[0], keys[0].of(last)
	beyond := k.column + ` > ?`
	if k.desc {
		beyond = k.column + ` < ?`
	}
	if len(keys) == 1 {
		return beyond, []any{v}
	}
	rest, values := after(keys[1:], last)
	return `(` + beyond + ` OR ` + k.column + ` = ? AND ` + rest + `)`, append([]any{v, v}, values...)
}

func and(where string, args []any, condition string, values ...any) (string, []any) {
	if where == "" {
		return ` WHERE ` + condition, append(args, values...)
	}
	return where + ` AND ` + condition, append(args, values...)
}

// where is the filter of a page, but for its statuses.
func (p *Page) where() (where string, args []any) {
	f := p.Filter
	f.Statuses = nil
	where, args = f.where()
	if len(p.Assignees) > 0 {
		where, args = and(where, args, `f.assignee IN (?)`, texts(p.Assignees))
	}
	for _, w := range strings.Fields(strings.ToLower(p.Words)) {
		like := text(`%` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(w) + `%`)
		where, args = and(where, args, `lower(f.id || ' ' || f.app_key || ' ' || f.check_id || ' ' || f.subject || ' ' || f.title || ' ' || f.explanation || ' ' || f.assignee || ' ' || f.reason || ' ' ||
			coalesce(a.name, '') || ' ' || coalesce(a.vendor_name, '')) LIKE ? ESCAPE '\'`, like)
	}
	return where, args
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
