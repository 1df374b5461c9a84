package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// Forgotten knows the accounts that were forgotten; nil where there are none.
func (s *Store) Forgotten(ctx context.Context) (f *audit.Forgotten, err error) {
	err = s.read(ctx, "read the tombstones", func(t *tx) error {
		f, err = t.forgotten(ctx, s.archiveKey)
		return err
	})
	return f, err
}

func (t *tx) forgotten(ctx context.Context, key []byte) (*audit.Forgotten, error) {
	var found []struct {
		Pseudonym string `db:"pseudonym"`
		Filter    uint32 `db:"filter"`
	}
	if err := t.all(ctx, &found, `SELECT pseudonym, filter FROM forgotten`); err != nil || len(found) == 0 {
		return nil, err
	}
	f := audit.NewForgotten(key)
	for _, r := range found {
		f.Add(audit.Tombstone{Pseudonym: r.Pseudonym, Filter: r.Filter})
	}
	return f, nil
}

// AllPacks gives every pack that the store names.
func (s *Store) AllPacks(ctx context.Context) ([]audit.Pack, error) {
	return s.packs(ctx, selectPacks+` ORDER BY segment, place, app_key, kind, day`)
}

// metaWipe is the row that says that erased bytes may still lie in the database's files.
const metaWipe = "wipe"

// A Forgetting is what Forget is to do.
type Forgetting struct {
	Renames *audit.Renames
	Moved   []audit.Moved // packs that were written without the accounts
	Packs   int           // how many of them named one
	Who     string
	At      audit.Instant
}

// Forget renames accounts in everything that the store keeps, leaves their tombstones and an entry in the trail, all in one transaction, and counts what
// named them. What was erased may lie in the database's files until Wipe.
func (n *Night) Forget(ctx context.Context, what Forgetting) (audit.Erased, error) {
	var erased audit.Erased
	err := n.fenced(ctx, "forget accounts", n.lease, func(t *tx) error {
		f := &forgetting{tx: t, Forgetting: what}
		f.erased.Packs = what.Packs
		for _, step := range []func(context.Context) error{f.tombstones, f.parts, f.packs, f.apps, f.versions, f.byApp, f.findings, f.acts, f.canaries, f.notices, f.attachments, f.texts, f.trail} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		erased = f.erased
		return nil
	})
	return erased, err
}

type forgetting struct {
	*tx
	Forgetting
	erased audit.Erased
	left   int // tombstones that are new
	became []audit.TrailEntry
}

// parts are those of a night that was killed: whoever holds its lock now knows that it does not run any more.
func (f *forgetting) parts(ctx context.Context) error {
	_, err := f.exec(ctx, `DELETE FROM parts`)
	return err
}

func (f *forgetting) tombstones(ctx context.Context) error {
	return f.Renames.Each(func(t audit.Tombstone) error {
		n, err := f.exec(ctx, `INSERT INTO forgotten (pseudonym, filter, at) VALUES (?, ?, ?) ON CONFLICT (pseudonym) DO NOTHING`, t.Pseudonym, t.Filter, f.At)
		f.left += int(n)
		return err
	})
}

func (f *forgetting) packs(ctx context.Context) error {
	for i := range f.Moved {
		from, to := &f.Moved[i].From, &f.Moved[i].To
		n, err := f.exec(ctx, `UPDATE packs SET segment = ?, place = ?, length = ? WHERE app_key = ? AND kind = ? AND day = ? AND segment = ? AND place = ?`,
			text(to.Segment), to.Offset, to.Length, text(from.App), from.Kind, from.Day, text(from.Segment), from.Offset)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("the pack of %q on %s in %s is gone meanwhile: forget again", from.App, from.Day, from.Segment)
		}
		// What was counted of the day may quote a purpose or a site that named the account: it is counted anew, from the pack, where it is asked for.
		if _, err := f.exec(ctx, `DELETE FROM totals WHERE app_key = ? AND day = ?`, text(from.App), from.Day); err != nil {
			return err
		}
		if _, err := f.exec(ctx, `UPDATE headers SET figures = NULL WHERE app_key = ? AND day = ? AND figures IS NOT NULL`, text(from.App), from.Day); err != nil {
			return err
		}
	}
	return nil
}

// apps renames in answers and approvals, and in what the registry says.
func (f *forgetting) apps(ctx context.Context) error {
	type row struct {
		Key       text    `db:"app_key"`
		Name      *text   `db:"name"`
		VendorID  *text   `db:"vendor_id"`
		Vendor    *text   `db:"vendor_name"`
		Approvals *string `db:"approvals"`
		Answers   []byte  `db:"answers"`
	}
	var keys []text
	if err := f.all(ctx, &keys, `SELECT app_key FROM apps ORDER BY app_key`); err != nil {
		return err
	}
	return chunks(keys, func(keys []text) error {
		var found []row
		if err := f.all(ctx, &found, `SELECT app_key, name, vendor_id, vendor_name, approvals, answers FROM apps WHERE app_key IN (?) ORDER BY app_key`+f.d.forUpdate(), keys); err != nil {
			return err
		}
		for _, r := range found {
			answers, err := audit.ReadAnswers(r.Answers)
			if err != nil {
				return fmt.Errorf("app %q: %w: %w", r.Key, err, ErrDamaged)
			}
			if now, is := f.Renames.Answers(answers); is {
				f.erased.Answers++
				if _, err := f.exec(ctx, `UPDATE apps SET answers = ? WHERE app_key = ?`, now.AppendTo(nil), r.Key); err != nil {
					return err
				}
			}
			registry := false
			for _, s := range []*text{r.Name, r.VendorID, r.Vendor} {
				if s != nil {
					now := text(f.Renames.Text(string(*s)))
					registry = registry || now != *s
					*s = now
				}
			}
			if r.Approvals != nil {
				now := f.Renames.JSON(*r.Approvals)
				registry = registry || now != *r.Approvals
				r.Approvals = &now
			}
			if registry {
				f.erased.Registry++
				if _, err := f.exec(ctx, `UPDATE apps SET name = ?, vendor_id = ?, vendor_name = ?, approvals = ? WHERE app_key = ?`, r.Name, r.VendorID, r.Vendor, r.Approvals, r.Key); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (f *forgetting) versions(ctx context.Context) error {
	var found []struct {
		Key  text          `db:"app_key"`
		From audit.Instant `db:"from_at"`
		Run  int64         `db:"run"`
		App  string        `db:"app"`
	}
	if err := f.all(ctx, &found, `SELECT app_key, from_at, run, app FROM app_versions WHERE app IS NOT NULL`); err != nil {
		return err
	}
	for _, r := range found {
		if now := f.Renames.JSON(r.App); now != r.App {
			f.erased.Registry++
			if _, err := f.exec(ctx, `UPDATE app_versions SET app = ? WHERE app_key = ? AND from_at = ? AND run = ?`, now, r.Key, r.From, r.Run); err != nil {
				return err
			}
		}
	}
	return nil
}

// byApp renames in observations and contributions, of which an app's belong together.
func (f *forgetting) byApp(ctx context.Context) error {
	var keys []text
	if err := f.all(ctx, &keys, `SELECT app_key FROM contributions UNION SELECT app_key FROM observations ORDER BY 1`); err != nil {
		return err
	}
	for _, app := range keys {
		occurrences, err := f.observations(ctx, app)
		if err != nil {
			return err
		}
		if err := f.contributions(ctx, app, occurrences); err != nil {
			return err
		}
	}
	return nil
}

// observations gives what those that are known by another id now count as: before, and now.
func (f *forgetting) observations(ctx context.Context, app text) (map[uint64]uint64, error) {
	list, err := f.tx.observations(ctx, selectObservations+` WHERE app_key = ? ORDER BY day, kind, id`, app)
	if err != nil {
		return nil, err
	}
	became := map[uint64]uint64{}
	for i := range list {
		o := list[i]
		if !f.Renames.Observation(&o) {
			continue
		}
		f.erased.Observations++
		was := &list[i]
		became[was.Occurrence()] = o.Occurrence()
		body, err := packJSON(o)
		if err != nil {
			return nil, err
		}
		if _, err := f.exec(ctx, `UPDATE observations SET id = ?, body = ? WHERE app_key = ? AND day = ? AND kind = ? AND id = ?`,
			o.ID[:], body, app, o.At.Day(), o.Kind, was.ID[:]); err != nil {
			return nil, err
		}
	}
	return became, nil
}

func (f *forgetting) contributions(ctx context.Context, app text, occurrences map[uint64]uint64) error {
	type change struct{ was, now audit.Contribution }
	var changes []change
	for c, err := range f.tx.contributions(ctx, selectContributions+` WHERE app_key = ?`, app) {
		if err != nil {
			return err
		}
		was := *c
		if f.Renames.Contribution(c, occurrences) {
			changes = append(changes, change{was, *c})
		}
	}
	f.erased.Contributions += len(changes)
	stale := map[audit.FindingKey]audit.Day{}
	for i := range changes {
		stale[changes[i].was.Key().Finding()] = audit.StateDay
	}
	if err := f.staleSums(ctx, stale); err != nil {
		return err
	}
	err := f.d.remove(ctx, f.tx, contributions(), func(add func(...any) error) error {
		for i := range changes {
			if c := &changes[i]; c.was.Subject != c.now.Subject {
				if err := add(contributionKey(c.was.Key())...); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range changes {
		c := &changes[i].now
		values, err := contributionValues(c, 0)
		if err != nil {
			return err
		}
		if changes[i].was.Subject != c.Subject {
			err = f.d.upsert(ctx, f.tx, contributions(), func(add func(...any) error) error { return add(values...) })
		} else {
			_, err = f.exec(ctx, `UPDATE contributions SET subject = ?, ids = ?, accounts = ?, hosts = ?, evidence = ? WHERE app_key = ? AND check_id = ? AND finding_id = ? AND day = ?`,
				append([]any{values[4], values[6], values[9], values[11], values[12]}, values[:4]...)...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// findings renames in what findings say. One whose subject named an account goes by another id from then on, as it would if it were filed now.
func (f *forgetting) findings(ctx context.Context) error {
	list, versions, err := f.tx.findings(ctx, selectFindings()+` ORDER BY f.id`)
	if err != nil {
		return err
	}
	for i := range list {
		x := list[i]
		changed := false
		for _, s := range []*string{&x.Subject, &x.Reason, &x.Title, &x.Explanation, &x.Remediation, &x.Assignee} {
			now := f.Renames.Text(*s)
			changed = changed || now != *s
			*s = now
		}
		var is bool
		x.Evidence, is = f.Renames.Evidence(x.Evidence)
		changed = changed || is
		if r := x.Recommendation; r != nil {
			s, err := packJSON(r)
			if err != nil {
				return err
			}
			if now := f.Renames.JSON(s); now != s {
				changed, x.Recommendation = true, &audit.Recommendation{}
				if err := unpackJSON(now, x.Recommendation); err != nil {
					return err
				}
			}
		}
		if !changed {
			continue
		}
		f.erased.Findings++
		if x.Subject != list[i].Subject {
			x.ID = audit.FindingID(x.Check, x.App, x.Subject)
			for _, q := range []string{`UPDATE acts SET finding_id = ? WHERE finding_id = ?`, `UPDATE findings SET id = ? WHERE id = ?`} {
				if _, err := f.exec(ctx, q, x.ID, list[i].ID); err != nil {
					return err
				}
			}
			f.became = append(f.became, audit.TrailEntry{At: f.At, Who: f.Who, What: "renamed", Finding: x.ID, Why: "its subject named an account that was forgotten; it was " + list[i].ID})
		}
		err := f.d.upsert(ctx, f.tx, findings(), func(add func(...any) error) error {
			values, err := findingValues(&x, versions[i]+1)
			if err != nil {
				return err
			}
			return add(values...)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *forgetting) acts(ctx context.Context) error {
	list, err := f.tx.acts(ctx, selectActs+` ORDER BY a.id`)
	if err != nil {
		return err
	}
	for i := range list {
		a := &list[i]
		set, is := f.Renames.IDs(a.Held.Accounts)
		reason := f.Renames.Text(a.Reason)
		hosts := a.Held.Hosts.Strings()
		for j := range hosts {
			now := f.Renames.Text(hosts[j])
			is = is || now != hosts[j]
			hosts[j] = now
		}
		if !is && reason == a.Reason {
			continue
		}
		f.erased.Acts++
		if _, err := f.exec(ctx, `UPDATE acts SET accounts = ?, hosts = ?, reason = ? WHERE id = ?`,
			set.AppendTo(nil), audit.NewIDs(hosts...).AppendTo(nil), text(reason), a.ID); err != nil {
			return err
		}
	}
	return nil
}

func (f *forgetting) canaries(ctx context.Context) error {
	var l audit.Ledger
	if err := f.tx.canaries(ctx, &l); err != nil {
		return err
	}
	for _, c := range l.Canaries {
		set, is := f.Renames.IDs(audit.NewIDs(c.Account))
		if !is {
			continue
		}
		f.erased.Canaries++
		if _, err := f.exec(ctx, `UPDATE canaries SET account_id = ? WHERE account_id = ? AND app_key = ?`, text(set.At(0)), text(c.Account), text(c.App)); err != nil {
			return err
		}
	}
	return nil
}

// notices renames in what vendors are told, and in what is known of their answers.
func (f *forgetting) notices(ctx context.Context) error {
	for _, x := range []struct{ table, lead, key string }{{"notices", "vendor", "id"}, {"matters", "app_key", "finding_id"}} {
		var found []struct {
			Lead text   `db:"lead"`
			Key  text   `db:"name"`
			Body string `db:"body"`
		}
		if err := f.all(ctx, &found, fmt.Sprintf(`SELECT %s AS lead, %s AS name, body FROM %s ORDER BY 1, 2`, x.lead, x.key, x.table)); err != nil {
			return err
		}
		for _, r := range found {
			now := f.Renames.JSON(r.Body)
			if now == r.Body {
				continue
			}
			f.erased.Messages++
			_, err := f.exec(ctx, fmt.Sprintf(`UPDATE %s SET body = ?, version = version + 1 WHERE %s = ? AND %s = ?`, x.table, x.lead, x.key), now, r.Lead, r.Key)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// attachments renames in the files that vendors attached: in their names, and in those that are text. Nobody can tell an account in a picture.
func (f *forgetting) attachments(ctx context.Context) error {
	var found []struct {
		App     text   `db:"app_key"`
		Finding string `db:"finding_id"`
		ID      string `db:"id"`
	}
	if err := f.all(ctx, &found, `SELECT app_key, finding_id, id FROM attachments ORDER BY app_key, finding_id, id`); err != nil {
		return err
	}
	const of = ` WHERE app_key = ? AND finding_id = ? AND id = ?`
	for _, r := range found { // one at a time: they may be large
		var a attachmentRow
		if err := f.one(ctx, &a, `SELECT name, kind, content FROM attachments`+of, r.App, r.Finding, r.ID); err != nil {
			return err
		}
		name, content := f.Renames.Text(string(a.Name)), a.Content
		if strings.HasPrefix(a.Kind, "text/") {
			content = []byte(f.Renames.Text(string(content)))
		}
		if name == string(a.Name) && bytes.Equal(content, a.Content) {
			continue
		}
		f.erased.Attachments++
		sum := sha256.Sum256(content)
		_, err := f.exec(ctx, `UPDATE attachments SET name = ?, content = ?, size = ?, digest = ?`+of, text(name), blob(content), len(content), hex.EncodeToString(sum[:]),
			r.App, r.Finding, r.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// texts renames in what is text only: lines in quarantine, runs, messages; and erases the details of entries of the trail.
func (f *forgetting) texts(ctx context.Context) error {
	for _, x := range []struct {
		counted *int
		key     string // a number
		table   string
		columns []string
	}{
		{&f.erased.Runs, "seq", "runs", []string{"summary", "error"}},
		{&f.erased.Messages, "id", "outbox", []string{"body", "error", "receipt"}},
	} {
		var keys []int64
		if err := f.all(ctx, &keys, fmt.Sprintf(`SELECT %s FROM %s ORDER BY 1`, x.key, x.table)); err != nil {
			return err
		}
		for _, key := range keys {
			changed := false
			for _, column := range x.columns {
				var was []byte
				if err := f.one(ctx, &was, fmt.Sprintf(`SELECT %s FROM %s WHERE %s = ?`, column, x.table, x.key), key); err != nil {
					return err
				}
				now := f.Renames.JSON(string(was))
				if now == string(was) {
					continue
				}
				changed = true
				var value any = now
				if column == "body" {
					value = []byte(now)
				}
				if _, err := f.exec(ctx, fmt.Sprintf(`UPDATE %s SET %s = ? WHERE %s = ?`, x.table, column, x.key), value, key); err != nil {
					return err
				}
			}
			if changed {
				*x.counted++
			}
		}
	}
	if err := f.quarantine(ctx); err != nil {
		return err
	}
	var found []struct {
		Seq  int64  `db:"seq"`
		Body string `db:"body"`
	}
	if err := f.all(ctx, &found, `SELECT seq, body FROM trail WHERE body IS NOT NULL ORDER BY seq`); err != nil {
		return err
	}
	for _, r := range found {
		if f.Renames.JSON(r.Body) == r.Body {
			continue
		}
		f.erased.Details++
		if _, err := f.exec(ctx, `UPDATE trail SET body = NULL, salt = NULL WHERE seq = ?`, r.Seq); err != nil {
			return err
		}
	}
	return nil
}

func (f *forgetting) quarantine(ctx context.Context) error {
	var found []struct {
		Run    int64 `db:"run"`
		Reason text  `db:"reason"`
		Text   text  `db:"text"`
		source
	}
	if err := f.all(ctx, &found, `SELECT file_id, line, run, reason, text FROM quarantine`); err != nil {
		return err
	}
	for _, r := range found {
		reason, said := text(f.Renames.Text(string(r.Reason))), text(f.Renames.Text(string(r.Text)))
		if reason == r.Reason && said == r.Text {
			continue
		}
		f.erased.Quarantined++
		if _, err := f.exec(ctx, `UPDATE quarantine SET reason = ?, text = ? WHERE file_id = ? AND line = ? AND run = ?`, reason, said, r.File, r.Line, r.Run); err != nil {
			return err
		}
	}
	return nil
}

// trail notes what was done, and that the database's files are to be wiped. Where nothing was known and the tombstones were there, nothing was done.
func (f *forgetting) trail(ctx context.Context) error {
	if f.left == 0 && f.erased.Total() == 0 {
		return nil
	}
	details := map[string]any{"accounts": f.left}
	for _, p := range f.erased.Parts() {
		if p.N > 0 {
			details[p.What] = p.N
		}
	}
	entry := audit.TrailEntry{At: f.At, Who: f.Who, What: "forgot", Why: "accounts were erased", Details: details}
	if err := f.appendTrail(ctx, append(f.became, entry)); err != nil {
		return err
	}
	_, err := f.exec(ctx, `INSERT INTO meta (name, value) VALUES (?, '1') ON CONFLICT (name) DO NOTHING`, metaWipe)
	return err
}

// Wipe makes the database's files hold no more what Forget erased, as far as the database can; what was left undone by a Wipe that was killed is done by
// the next. It needs room for a copy of the database, and keeps others from it meanwhile.
func (s *Store) Wipe(ctx context.Context) error {
	values, err := s.meta(ctx)
	if err != nil || values[metaWipe] == "" {
		return err
	}
	if err := s.d.wipe(ctx, s.writer); err != nil {
		return fmt.Errorf("store %s: the accounts are forgotten, but their old bytes may still lie in the database's files: %w: stop what else uses the store, make room for a copy of it, and forget again",
			s.d, s.d.explain(err))
	}
	err = s.write(ctx, "note that the store was wiped", func(t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM meta WHERE name = ?`, metaWipe)
		return err
	})
	return err
}
