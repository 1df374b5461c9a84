package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// findingRow is a finding as the database holds it, with the app's name and vendor.
type findingRow struct {
	ID                string           `db:"id"`
	App               text             `db:"app_key"`
	Check             string           `db:"check_id"`
	Subject           text             `db:"subject"`
	Clause            string           `db:"clause"`
	Severity          audit.Severity   `db:"severity"`
	Confidence        audit.Confidence `db:"confidence"`
	Status            audit.Status     `db:"status"`
	Reason            text             `db:"reason"`
	Title             text             `db:"title"`
	Explanation       text             `db:"explanation"`
	Remediation       text             `db:"remediation"`
	FirstSeen         audit.Instant    `db:"first_seen"`
	LastSeen          audit.Instant    `db:"last_seen"`
	FirstRun          string           `db:"first_run"`
	LastRun           string           `db:"last_run"`
	Occurrences       int              `db:"occurrences"`
	Accounts          int              `db:"accounts"`
	Sites             int              `db:"sites"`
	LatestRun         string           `db:"latest_run"`
	LatestOccurrences int              `db:"latest_occurrences"`
	LatestAccounts    int              `db:"latest_accounts"`
	Worsened          bool             `db:"worsened"`
	Observed          bool             `db:"observed"`
	Assignee          text             `db:"assignee"`
	Recommendation    *string          `db:"recommendation"`
	NotifiedAt        audit.Instant    `db:"notified_at"`
	DueAt             audit.Instant    `db:"due_at"`
	Policy            string           `db:"policy"`
	Registry          int              `db:"registry"`
	Evidence          string           `db:"evidence"`
	Version           int64            `db:"version"`
	AppName           text             `db:"app_name"`
	Vendor            text             `db:"vendor"`
}

func findings() table {
	return table{name: "findings", key: []string{"app_key", "id"}, columns: []string{"check_id", "subject", "clause", "severity", "confidence", "status",
		"reason", "title", "explanation", "remediation", "first_seen", "last_seen", "first_run", "last_run", "occurrences", "accounts", "sites", "latest_run",
		"latest_occurrences", "latest_accounts", "worsened", "observed", "assignee", "recommendation", "notified_at", "due_at", "policy", "registry", "evidence", "version"}}
}

func selectFindings() string {
	t := findings()
	return `SELECT f.` + strings.Join(t.all(), ", f.") + `, coalesce(a.name, '') AS app_name, coalesce(nullif(a.vendor_name, ''), a.vendor_id, '') AS vendor
		FROM findings f LEFT JOIN apps a ON a.app_key = f.app_key`
}

func findingValues(f *audit.Finding, version int64) ([]any, error) {
	evidence, err := packJSON(f.Evidence)
	if err != nil {
		return nil, err
	}
	var recommendation any
	if f.Recommendation != nil {
		if recommendation, err = packJSON(f.Recommendation); err != nil {
			return nil, err
		}
	}
	return []any{text(f.App), f.ID, f.Check, text(f.Subject), f.Clause, f.Severity, f.Confidence, f.Status,
		text(f.Reason), text(f.Title), text(f.Explanation), text(f.Remediation), f.FirstSeen, f.LastSeen, f.FirstRun, f.LastRun, f.Occurrences, f.Accounts, f.Sites,
		f.Latest.Run, f.Latest.Occurrences, f.Latest.Accounts, f.Worsened, f.Observed, text(f.Assignee), recommendation, f.NotifiedAt, f.DueAt, f.PolicyDigest, f.Registry,
		evidence, version}, nil
}

func (r *findingRow) finding() (audit.Finding, error) {
	f := audit.Finding{ID: r.ID, Check: r.Check, App: string(r.App), Subject: string(r.Subject), Clause: r.Clause, Severity: r.Severity,
		Confidence: r.Confidence, Status: r.Status, Reason: string(r.Reason), AppName: string(r.AppName), Vendor: string(r.Vendor), Title: string(r.Title),
		Explanation: string(r.Explanation), Remediation: string(r.Remediation), FirstSeen: r.FirstSeen, LastSeen: r.LastSeen, FirstRun: r.FirstRun,
		LastRun: r.LastRun, Occurrences: r.Occurrences, Accounts: r.Accounts, Sites: r.Sites,
		Latest:   audit.Latest{Run: r.LatestRun, Occurrences: r.LatestOccurrences, Accounts: r.LatestAccounts},
		Worsened: r.Worsened, Observed: r.Observed, Assignee: string(r.Assignee), NotifiedAt: r.NotifiedAt, DueAt: r.DueAt, PolicyDigest: r.Policy, Registry: r.Registry}
	if r.Recommendation != nil {
		f.Recommendation = &audit.Recommendation{}
		if err := unpackJSON(*r.Recommendation, f.Recommendation); err != nil {
			return f, fmt.Errorf("the recommendation of finding %s: %w", r.ID, err)
		}
	}
	if err := unpackJSON(r.Evidence, &f.Evidence); err != nil {
		return f, fmt.Errorf("the evidence of finding %s: %w", r.ID, err)
	}
	return f, nil
}

func (t *tx) findings(ctx context.Context, query string, args ...any) ([]audit.Finding, []int64, error) {
	var found []findingRow
	if err := t.all(ctx, &found, query, args...); err != nil {
		return nil, nil, err
	}
	list, versions := make([]audit.Finding, len(found)), make([]int64, len(found))
	for i := range found {
		var err error
		if list[i], err = found[i].finding(); err != nil {
			return nil, nil, err
		}
		versions[i] = found[i].Version
	}
	return list, versions, nil
}

// A Filter says which findings. Each list that is not empty must hold the finding's own value.
type Filter struct {
	IDs        []string
	Statuses   []audit.Status
	Severities []audit.Severity
	Checks     []string
	Apps       []string // keys; the empty one stands for calls by no app
	Vendors    []string // names or ids, whatever their case
	Runs       []string // ids of runs that filed it or last changed it
	Limit      int      // 0: all
	Offset     int
	Lean       bool // without the findings' evidence, which is most of them
}

// Findings gives the findings that f asks for, the worst first, and of equals the one last seen.
func (s *Store) Findings(ctx context.Context, f Filter) (list []audit.Finding, err error) {
	var where []string
	var args []any
	among := func(n int, condition string, values ...any) {
		if n > 0 {
			where = append(where, condition)
			args = append(args, values...)
		}
	}
	among(len(f.IDs), `f.id IN (?)`, f.IDs)
	among(len(f.Statuses), `f.status IN (?)`, f.Statuses)
	among(len(f.Severities), `f.severity IN (?)`, f.Severities)
	among(len(f.Checks), `f.check_id IN (?)`, texts(f.Checks))
	among(len(f.Apps), `f.app_key IN (?)`, texts(f.Apps))
	among(len(f.Runs), `(f.first_run IN (?) OR f.last_run IN (?))`, texts(f.Runs), texts(f.Runs))
	vendors := lowered(f.Vendors)
	among(len(vendors), `(lower(a.vendor_name) IN (?) OR lower(a.vendor_id) IN (?))`, vendors, vendors)
	query := selectFindings()
	if f.Lean {
		query = withoutEvidence(query)
	}
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, ` AND `)
	}
	query += ` ORDER BY CASE f.severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END, f.last_seen DESC, f.id`
	if f.Limit > 0 || f.Offset > 0 {
		limit := int64(1) << 62
		if f.Limit > 0 {
			limit = int64(f.Limit)
		}
		query += ` LIMIT ? OFFSET ?`
		args = append(args, limit, f.Offset)
	}
	err = s.read(ctx, "list the findings", func(t *tx) error {
		list, _, err = t.findings(ctx, query, args...)
		return err
	})
	return list, err
}

// AppsNotResolved gives the apps with findings that are not resolved and observed, or of some checks.
func (s *Store) AppsNotResolved(ctx context.Context, checks []string) (apps []string, err error) {
	err = s.read(ctx, "list the apps whose findings a policy moves", func(t *tx) error {
		var found []text
		query, args := `SELECT DISTINCT app_key FROM findings WHERE status <> ? AND observed = ?`, []any{audit.Resolved, true}
		if len(checks) > 0 {
			query, args = `SELECT DISTINCT app_key FROM findings WHERE status <> ? AND (observed = ? OR check_id IN (?))`, append(args, checks)
		}
		err := t.all(ctx, &found, query+` ORDER BY app_key`, args...)
		for _, app := range found {
			apps = append(apps, string(app))
		}
		return err
	})
	return apps, err
}

// Finding gives the finding whose id begins with prefix, in whatever case, with or without F-. [ErrNotFound], [ErrAmbiguous].
func (s *Store) Finding(ctx context.Context, prefix string) (*audit.Finding, error) {
	p := strings.ToUpper(strings.TrimSpace(prefix))
	if !strings.HasPrefix(p, "F-") {
		p = "F-" + p
	}
	var list []audit.Finding
	err := s.read(ctx, "read a finding", func(t *tx) (err error) {
		list, _, err = t.findings(ctx, selectByPrefix(), text(p), text(p+"~"))
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, fmt.Errorf("finding %q: %w: `mailreeve findings list --status all` shows what there is", prefix, ErrNotFound)
	case len(list) > 1:
		return nil, fmt.Errorf("finding %q: %w, such as %s and %s", prefix, ErrAmbiguous, list[0].ID, list[1].ID)
	}
	return &list[0], nil
}

func selectByPrefix() string {
	return selectFindings() + ` WHERE f.id >= ? AND f.id < ? ORDER BY f.id LIMIT 2`
}

// Accounts gives all accounts of the finding of an id, over its whole life; [ErrNotFound].
func (s *Store) Accounts(ctx context.Context, id string) (audit.IDs, error) {
	h, err := s.Holding(ctx, id)
	return h.Accounts, err
}

// Holding gives all that the finding of an id is about, over its whole life; [ErrNotFound].
func (s *Store) Holding(ctx context.Context, id string) (h audit.Holding, err error) {
	err = s.read(ctx, "read the accounts of finding "+id, func(t *tx) error {
		f, _, err := t.finding(ctx, id, "")
		if err != nil {
			return err
		}
		h, err = t.holding(ctx, f.App, f.Check, f.Subject)
		return err
	})
	return h, err
}

func (t *tx) finding(ctx context.Context, id, forUpdate string) (*audit.Finding, int64, error) {
	if forUpdate != "" { // an outer join cannot be locked
		var app text
		if err := t.one(ctx, &app, `SELECT app_key FROM findings WHERE id = ?`, text(id)); err != nil {
			return nil, 0, err
		}
		if err := t.one(ctx, &app, `SELECT app_key FROM findings WHERE app_key = ? AND id = ?`+forUpdate, app, text(id)); err != nil {
			return nil, 0, err
		}
	}
	list, versions, err := t.findings(ctx, selectFindings()+` WHERE f.id = ?`, text(id))
	if err != nil {
		return nil, 0, err
	}
	if len(list) == 0 {
		return nil, 0, ErrNotFound
	}
	return &list[0], versions[0], nil
}

// Acts gives all suppressions and dismissals of a finding, also those that have ended, by id.
func (s *Store) Acts(ctx context.Context, id string) (acts []audit.Act, err error) {
	err = s.read(ctx, "read the acts on finding "+id, func(t *tx) error {
		acts, err = t.acts(ctx, selectActs+` WHERE a.app_key = (SELECT app_key FROM findings WHERE id = ?) AND a.finding_id = ? ORDER BY a.id`, text(id), text(id))
		return err
	})
	return acts, err
}

// ActsEnding gives the acts that have not ended and run no longer than until t, by id.
func (s *Store) ActsEnding(ctx context.Context, t audit.Instant) (acts []audit.Act, err error) {
	err = s.read(ctx, "read the acts that end", func(x *tx) error {
		acts, err = x.acts(ctx, selectActs+` WHERE a.ended = ? AND a.until <= ? ORDER BY a.id`, audit.Never, t)
		return err
	})
	return acts, err
}

// OpenFindings counts, by severity, the findings that are open, acknowledged or in remediation.
func (s *Store) OpenFindings(ctx context.Context) (map[audit.Severity]int, error) {
	open := map[audit.Severity]int{}
	err := s.read(ctx, "count the open findings", func(t *tx) error {
		var found []struct {
			Severity audit.Severity `db:"severity"`
			N        int            `db:"n"`
		}
		err := t.all(ctx, &found, `SELECT severity, count(*) AS n FROM findings WHERE status IN (?) GROUP BY severity`, audit.OpenStatuses())
		for _, r := range found {
			open[r.Severity] = r.N
		}
		return err
	})
	return open, err
}

const selectActs = `SELECT a.id, a.finding_id, a.app_key, a.kind, a.site, a.reason, a.done_by, a.at, a.until, a.ended, a.accounts, a.sites, a.hosts
	FROM acts a`

func (t *tx) acts(ctx context.Context, query string, args ...any) ([]audit.Act, error) {
	var found []struct {
		ID       int64         `db:"id"`
		Finding  string        `db:"finding_id"`
		App      text          `db:"app_key"`
		Kind     audit.ActKind `db:"kind"`
		Site     text          `db:"site"`
		Reason   text          `db:"reason"`
		By       text          `db:"done_by"`
		At       audit.Instant `db:"at"`
		Until    audit.Instant `db:"until"`
		Ended    audit.Instant `db:"ended"`
		Accounts []byte        `db:"accounts"`
		Sites    []byte        `db:"sites"`
		Hosts    []byte        `db:"hosts"`
	}
	if err := t.all(ctx, &found, query, args...); err != nil {
		return nil, err
	}
	acts := make([]audit.Act, len(found))
	for i, r := range found {
		a := audit.Act{ID: r.ID, App: string(r.App), Finding: r.Finding, Kind: r.Kind, Site: string(r.Site), Reason: string(r.Reason), By: string(r.By), At: r.At,
			Until: r.Until, Ended: r.Ended}
		var err error
		if a.Held.Accounts, err = unpackIDs(r.Accounts); err == nil {
			a.Held.Sites, err = unpackIDs(r.Sites)
		}
		if err == nil {
			a.Held.Hosts, err = unpackIDs(r.Hosts)
		}
		if err != nil {
			return nil, fmt.Errorf("act %d on finding %s: %w", r.ID, r.Finding, err)
		}
		acts[i] = a
	}
	return acts, nil
}

func (t *tx) endActs(ctx context.Context, acts []audit.Act) error {
	for i := range acts {
		a := &acts[i]
		n, err := t.exec(ctx, `UPDATE acts SET ended = ? WHERE app_key = ? AND id = ? AND finding_id = ?`, a.Ended, text(a.App), a.ID, a.Finding)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("act %d on finding %s: %w", a.ID, a.Finding, ErrNotFound)
		}
	}
	return nil
}

// Changed is what a person's act makes of a finding.
type Changed struct {
	Finding   audit.Finding
	NewActs   []audit.Act // Finding is filled in; and Held where it is empty, with what the finding holds
	EndedActs []audit.Act // with Ended set
	Trail     []audit.TrailEntry
	Messages  []audit.Message // to be enqueued with the change

	Approvals func([]audit.Approval) ([]audit.Approval, error) // what becomes of the app's approvals; nil: nothing
	Judge     bool                                             // the next night judges anew whether the finding, a state's, holds
}

// Change lets a person act on the finding of an id, also while a night runs: change sees it and the acts on it that have not ended, and says what
// becomes of them. It may be called again where another's write was in the way, and must not write to the store itself. What it, or what it gives as
// Approvals, gives as an error comes back as it is, and nothing has changed. [ErrNotFound].
func (s *Store) Change(ctx context.Context, id string, change func(f *audit.Finding, acts []audit.Act) (Changed, error)) error {
	var refused error
	err := s.write(ctx, "change finding "+id, func(t *tx) error {
		f, version, err := t.finding(ctx, id, t.d.forUpdate())
		if err != nil {
			return err
		}
		acts, err := t.acts(ctx, selectActs+` WHERE a.app_key = ? AND a.finding_id = ? AND a.ended = ? ORDER BY a.id`, text(f.App), id, audit.Never)
		if err != nil {
			return err
		}
		was := *f
		c, err := change(f, acts)
		if refused = err; err != nil {
			return err
		}
		if c.Finding.ID != was.ID || c.Finding.Check != was.Check || c.Finding.App != was.App || c.Finding.Subject != was.Subject {
			return fmt.Errorf("the change gives another finding (%q): a finding stays what it is about", c.Finding.ID)
		}
		if c.Approvals != nil {
			if refused, err = t.changeApprovals(ctx, was.App, c.Approvals); err != nil {
				return err
			}
		}
		if err := t.change(ctx, &c, version); err != nil {
			return err
		}
		return t.enqueue(ctx, c.Messages)
	})
	if refused != nil {
		return refused
	}
	return err
}

func (t *tx) change(ctx context.Context, c *Changed, version int64) error {
	f := &c.Finding
	err := t.d.upsert(ctx, t, findings(), func(add func(...any) error) error {
		values, err := findingValues(f, version+1)
		if err != nil {
			return err
		}
		return add(values...)
	})
	if err != nil {
		return err
	}
	for i := range c.NewActs {
		a := &c.NewActs[i]
		held := a.Held
		if held.Accounts.Len() == 0 && held.Sites.Len() == 0 && held.Hosts.Len() == 0 {
			if held, err = t.holding(ctx, f.App, f.Check, f.Subject); err != nil {
				return err
			}
		}
		ended := a.Ended
		if ended == 0 {
			ended = audit.Never
		}
		_, err := t.exec(ctx, `INSERT INTO acts (app_key, finding_id, kind, site, reason, done_by, at, until, ended, accounts, sites, hosts)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, text(f.App), f.ID, a.Kind, text(a.Site), text(a.Reason), text(a.By), a.At, a.Until, ended, held.Accounts.AppendTo(nil), held.Sites.AppendTo(nil), held.Hosts.AppendTo(nil))
		if err != nil {
			return err
		}
	}
	if err := t.endActs(ctx, c.EndedActs); err != nil {
		return err
	}
	if c.Judge {
		if err := t.judgeAnew(ctx, f); err != nil {
			return err
		}
	}
	entries := append([]audit.TrailEntry(nil), c.Trail...)
	at := audit.Ever
	for i := range entries {
		if entries[i].Finding == "" {
			entries[i].Finding = f.ID
		}
		at = max(at, entries[i].At)
	}
	if !audit.IsOpen(f.Status) {
		recalled, err := t.recallClosed(ctx, map[string]bool{f.ID: true}, at)
		if err != nil {
			return err
		}
		entries = append(entries, recalled...)
	}
	return t.appendTrail(ctx, entries)
}

// changeApprovals changes an app's approvals. refused is the error of change, where that is what went wrong.
func (t *tx) changeApprovals(ctx context.Context, app string, change func([]audit.Approval) ([]audit.Approval, error)) (refused, err error) {
	before, err := t.approvals(ctx, []text{text(app)})
	if err != nil {
		return nil, err
	}
	after, err := change(before[app])
	if err != nil {
		return err, err
	}
	packed, err := packJSON(after)
	if err != nil {
		return nil, err
	}
	_, err = t.exec(ctx, `UPDATE apps SET approvals = ? WHERE app_key = ?`, packed, text(app))
	return nil, err
}

// approvals reads the approvals of apps, and keeps them from changing until the transaction's end. Each is asked for by itself: of a table that is
// spread by app, rows of one app at a time can be locked.
func (t *tx) approvals(ctx context.Context, keys []text) (map[string][]audit.Approval, error) {
	out := map[string][]audit.Approval{}
	for _, key := range slices.Sorted(slices.Values(keys)) { // everybody locks in this order
		var found *string
		err := t.one(ctx, &found, `SELECT approvals FROM apps WHERE app_key = ?`+t.d.forUpdate(), key)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err == nil {
			out[string(key)], err = approvals(string(key), found)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// judgeAnew makes the finding's check due for the app's state, and takes back what was counted for the finding, so that the next night takes what it
// finds for new, and what it no longer finds for over. A night that runs does not know of what is due, and leaves it to the next.
func (t *tx) judgeAnew(ctx context.Context, f *audit.Finding) error {
	_, err := t.exec(ctx, `INSERT INTO due (app_key, day, checks, since) SELECT ?, ?, ?, coalesce(max(seq), 0) FROM runs`, text(f.App), audit.StateDay, f.Check)
	if err != nil {
		return err
	}
	k := audit.FindingKey{Check: f.Check, App: f.App, Subject: f.Subject}
	if err := t.staleSums(ctx, map[audit.FindingKey]audit.Day{k: audit.StateDay}); err != nil {
		return err
	}
	nothing := audit.Contribution{Check: f.Check, App: f.App, Subject: f.Subject, Day: audit.StateDay, First: f.FirstSeen, Last: f.LastSeen}
	return t.d.upsert(ctx, t, contributions(), func(add func(...any) error) error {
		values, err := contributionValues(&nothing, 0)
		if err != nil {
			return err
		}
		return add(values...)
	})
}

// DueBy gives the findings that are open, acknowledged or in remediation and due at until or before, the soonest first.
func (s *Store) DueBy(ctx context.Context, until audit.Instant) (list []audit.Finding, err error) {
	err = s.read(ctx, "read what falls due", func(t *tx) (err error) {
		list, _, err = t.findings(ctx, selectFindings()+` WHERE f.due_at <= ? AND f.status IN (?) ORDER BY f.due_at, f.id`, until,
			audit.OpenStatuses())
		return err
	})
	return list, err
}

// Alike gives the findings of the same app and clause as the one of an id, that one among them; none where it is not kept.
func (s *Store) Alike(ctx context.Context, id string) (list []audit.Finding, err error) {
	err = s.read(ctx, "read what is alike finding "+id, func(t *tx) error {
		f, _, err := t.finding(ctx, id, "")
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err == nil {
			list, _, err = t.findings(ctx, selectFindings()+` WHERE f.app_key = ? AND f.clause = ? ORDER BY f.id`, text(f.App), f.Clause)
		}
		return err
	})
	return list, err
}

// Standings gives where the findings of apps stand.
func (s *Store) Standings(ctx context.Context, apps []string) (list []audit.Standing, err error) {
	err = s.read(ctx, "read where findings stand", func(t *tx) error {
		return chunks(texts(apps), func(apps []text) error {
			var found []struct {
				ID       string       `db:"id"`
				App      text         `db:"app_key"`
				Clause   string       `db:"clause"`
				Status   audit.Status `db:"status"`
				FirstRun string       `db:"first_run"`
			}
			err := t.all(ctx, &found, `SELECT id, app_key, clause, status, first_run FROM findings WHERE app_key IN (?) ORDER BY app_key, id`, apps)
			for _, f := range found {
				list = append(list, audit.Standing{ID: f.ID, App: string(f.App), Clause: f.Clause, Status: f.Status, FirstRun: f.FirstRun})
			}
			return err
		})
	})
	return list, err
}
