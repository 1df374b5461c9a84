package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

// purge lets go what was kept for as long as the policy says, and counts it. It comes after all that the run brings: history that is older than what is
// kept is judged once, in the run that first reads it.
func (w *publishing) purge(ctx context.Context) error {
	if w.p.Purged > audit.StateDay {
		w.purged.Before = w.p.Purged.String()
		for _, step := range []func(context.Context) error{w.purgePacks, w.fold, w.foldEvents, w.purgeVersions, w.purgeLines} {
			if err := step(ctx); err != nil {
				return err
			}
		}
	}
	if err := w.purgeFindings(ctx); err != nil {
		return err
	}
	return w.purgeHistory(ctx)
}

// drop deletes and counts.
func (w *publishing) drop(ctx context.Context, counted *int, query string, args ...any) error {
	n, err := w.exec(ctx, query, args...)
	*counted += int(n)
	return err
}

func (w *publishing) purgePacks(ctx context.Context) error {
	var gone struct {
		Days    int   `db:"days"`
		Packs   int   `db:"packs"`
		Records int64 `db:"records"`
		Bytes   int64 `db:"bytes"`
	}
	err := w.one(ctx, &gone, `SELECT count(DISTINCT day) AS days, count(*) AS packs, CAST(coalesce(sum(records), 0) AS BIGINT) AS records,
		CAST(coalesce(sum(length), 0) AS BIGINT) AS bytes FROM packs WHERE day < ?`, w.p.Purged)
	if err != nil {
		return err
	}
	w.purged.Days, w.purged.Packs, w.purged.Records, w.purged.Bytes = gone.Days, gone.Packs, gone.Records, gone.Bytes
	for _, query := range []string{`DELETE FROM packs WHERE day < ?`, `UPDATE headers SET figures = NULL WHERE day < ? AND figures IS NOT NULL`} {
		if _, err := w.exec(ctx, query, w.p.Purged); err != nil {
			return err
		}
	}
	return w.drop(ctx, &w.purged.Observations, `DELETE FROM observations WHERE day < ?`, w.p.Purged)
}

// fold makes the contributions of purged days part of their finding's base: its numbers stay as they are.
func (w *publishing) fold(ctx context.Context) error {
	var found []struct {
		App     text   `db:"app_key"`
		Check   string `db:"check_id"`
		Finding string `db:"finding_id"`
	}
	err := w.all(ctx, &found, `SELECT DISTINCT app_key, check_id, finding_id FROM contributions WHERE day > ? AND day < ? ORDER BY app_key, check_id, finding_id`,
		audit.BaseDay, w.p.Purged)
	if err != nil {
		return err
	}
	const of = ` WHERE app_key = ? AND check_id = ? AND finding_id = ? AND day >= ? AND day < ?`
	for _, f := range found {
		args := []any{f.App, f.Check, f.Finding, audit.BaseDay, w.p.Purged}
		var list []audit.Contribution
		for c, err := range w.tx.contributions(ctx, selectContributions+of+` ORDER BY day`, args...) {
			if err != nil {
				return err
			}
			list = append(list, *c)
		}
		base := audit.Fold(list)
		if base.Folded == 0 {
			continue
		}
		for i := range list {
			if list[i].Day != audit.BaseDay {
				w.purged.Folded++
			}
		}
		if _, err := w.exec(ctx, `DELETE FROM contributions`+of, args...); err != nil {
			return err
		}
		// A sum that ends before the purged days do would leave out those after it.
		if _, err := w.exec(ctx, `DELETE FROM sums WHERE app_key = ? AND check_id = ? AND finding_id = ? AND to_day < ?`, f.App, f.Check, f.Finding, w.p.Purged); err != nil {
			return err
		}
		err := w.d.upsert(ctx, w.tx, contributions(), func(add func(...any) error) error {
			values, err := contributionValues(&base, w.p.Run.Seq)
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

// foldEvents keeps, of the lifecycle events of purged days, what tells the state that each site was in. Only sites with events of the days that are purged
// just now, or that the run brought, can have more; and of them only those with several, which most are not.
func (w *publishing) foldEvents(ctx context.Context) error {
	type place struct {
		App  text `db:"app_key"`
		Site text `db:"site"`
	}
	end := w.p.Purged.Start()
	begin := audit.Ever
	if w.wasPurged > audit.StateDay {
		begin = w.wasPurged.Start()
	}
	const several = ` GROUP BY l.app_key, l.site HAVING count(*) > 1`
	var found []place
	switch {
	case begin == audit.Ever && end > begin: // nothing was purged before
		if err := w.all(ctx, &found, `SELECT l.app_key, l.site FROM lifecycle l WHERE l.at < ?`+several, end); err != nil {
			return err
		}
	case begin < end:
		err := w.all(ctx, &found, `SELECT l.app_key, l.site FROM (SELECT DISTINCT app_key, site FROM lifecycle WHERE at >= ? AND at < ?) s
			JOIN lifecycle l ON l.app_key = s.app_key AND l.site = s.site WHERE l.at < ?`+several, begin, end, end)
		if err != nil {
			return err
		}
	}
	for i := range w.p.Apps {
		var sites []text
		for _, e := range w.p.Apps[i].Events {
			if e.At < begin {
				sites = append(sites, text(e.Site))
			}
		}
		slices.Sort(sites)
		err := chunks(slices.Compact(sites), func(sites []text) error {
			var more []place
			err := w.all(ctx, &more, `SELECT l.app_key, l.site FROM lifecycle l WHERE l.app_key = ? AND l.site IN (?) AND l.at < ?`+several,
				text(w.p.Apps[i].Key), sites, end)
			found = append(found, more...)
			return err
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(found, func(a, b place) int { return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Site, b.Site)) })
	for _, p := range slices.Compact(found) {
		var rows []struct {
			At    audit.Instant `db:"at"`
			Event audit.Event   `db:"event"`
			Users int64         `db:"users"`
		}
		if err := w.all(ctx, &rows, `SELECT at, event, users FROM lifecycle WHERE app_key = ? AND site = ? AND at < ?`, p.App, p.Site, end); err != nil {
			return err
		}
		events := make([]audit.Lifecycle, len(rows))
		for i, r := range rows {
			events[i] = audit.Lifecycle{At: r.At, Event: r.Event, Users: r.Users}
		}
		kept := map[audit.Lifecycle]bool{}
		for _, e := range audit.LastEvents(events) {
			kept[e] = true
		}
		for _, e := range events {
			if kept[e] {
				continue
			}
			err := w.drop(ctx, &w.purged.Events, `DELETE FROM lifecycle WHERE app_key = ? AND site = ? AND at = ? AND event = ? AND users = ?`,
				p.App, p.Site, e.At, e.Event, e.Users)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// purgeVersions drops the registry entries that held only before the days that are kept. The last good one of an app stays in any case.
func (w *publishing) purgeVersions(ctx context.Context) error {
	if w.p.Purged == w.wasPurged {
		return nil
	}
	const later = `SELECT 1 FROM app_versions n WHERE n.app_key = app_versions.app_key
		AND (n.from_at > app_versions.from_at OR n.from_at = app_versions.from_at AND n.run > app_versions.run)`
	return w.drop(ctx, &w.purged.Versions, `DELETE FROM app_versions WHERE from_at < ? AND EXISTS (`+later+` AND n.from_at <= ?)
		AND (app IS NULL OR EXISTS (`+later+` AND n.app IS NOT NULL))`, w.p.Purged.Start(), w.p.Purged.Start())
}

// purgeLines drops the lines that runs before the days that are kept put into quarantine.
func (w *publishing) purgeLines(ctx context.Context) error {
	return w.drop(ctx, &w.purged.Quarantined, `DELETE FROM quarantine WHERE run IN (SELECT seq FROM runs WHERE as_of < ?)`, w.p.Purged.Start())
}

// purgeFindings drops resolved findings to which nothing happened for long. One whose days are kept may be judged again, and stays, as one does that
// somebody suppressed beyond now.
func (w *publishing) purgeFindings(ctx context.Context) error {
	var found []struct {
		ID    string `db:"id"`
		App   text   `db:"app_key"`
		Check string `db:"check_id"`
	}
	err := w.all(ctx, &found, `SELECT f.id, f.app_key, f.check_id FROM findings f WHERE f.status = ?
		AND (SELECT max(t.at) FROM trail t WHERE t.finding_id = f.id) < ?
		AND NOT EXISTS (SELECT 1 FROM acts a WHERE a.finding_id = f.id AND a.ended = ? AND a.until > ?)
		AND NOT EXISTS (SELECT 1 FROM contributions c WHERE c.app_key = f.app_key AND c.check_id = f.check_id AND c.finding_id = f.id
			AND (c.day >= ? OR c.day = ? AND c.occurrences > 0))
		ORDER BY f.id`+w.d.forUpdate(), audit.Resolved, w.p.Retention.Findings, audit.Never, w.p.Run.AsOf, max(w.p.Purged, audit.BaseDay+1), audit.StateDay)
	if err != nil {
		return err
	}
	touched := map[string]bool{} // by this run, which has not entered it in the trail yet
	for i := range w.p.Apps {
		for j := range w.p.Apps[i].Findings {
			touched[w.p.Apps[i].Findings[j].ID] = true
		}
	}
	for _, f := range found {
		if touched[f.ID] {
			continue
		}
		for _, q := range []struct {
			query string
			args  []any
		}{
			{`DELETE FROM contributions WHERE app_key = ? AND check_id = ? AND finding_id = ?`, []any{f.App, f.Check, f.ID}},
			{`DELETE FROM sums WHERE app_key = ? AND check_id = ? AND finding_id = ?`, []any{f.App, f.Check, f.ID}},
			{`DELETE FROM acts WHERE finding_id = ?`, []any{f.ID}},
			{`DELETE FROM matters WHERE app_key = ? AND finding_id = ?`, []any{f.App, f.ID}},
			{`DELETE FROM attachments WHERE app_key = ? AND finding_id = ?`, []any{f.App, f.ID}},
			{`DELETE FROM findings WHERE id = ?`, []any{f.ID}},
		} {
			if _, err := w.exec(ctx, q.query, q.args...); err != nil {
				return err
			}
		}
		w.purged.Findings++
		w.ended = append(w.ended, audit.TrailEntry{At: w.p.Run.FinishedAt, Who: audit.ByNight, What: "purged", Finding: f.ID,
			Why: fmt.Sprintf("resolved, and nothing happened to it since before %s", w.p.Retention.Findings)})
	}
	return nil
}

// purgeHistory erases the details of old entries of the trail, which stay, and drops old runs, messages that were delivered, and the lanes of those that none was sent in
// since. What a vendor was told of a matter that goes on stays, and so does what it attached. What is known of the vendors' page is dropped once it holds no more.
func (w *publishing) purgeHistory(ctx context.Context) error {
	before := w.p.Retention.Trail
	for _, q := range []struct {
		counted *int
		query   string
		args    []any
	}{
		{&w.purged.Details, `UPDATE trail SET body = NULL, salt = NULL WHERE at < ? AND body IS NOT NULL`, []any{before}},
		{&w.purged.Runs, `DELETE FROM runs WHERE as_of < ? AND status <> 'running' AND seq < ?`, []any{before, w.p.Run.Seq}},
		{&w.purged.Messages, `DELETE FROM outbox WHERE sent_at < ?`, []any{before}},
		{&w.purged.Messages, `DELETE FROM notices WHERE created < ? AND delivery IN (?) AND NOT EXISTS (SELECT 1 FROM matters m
			WHERE m.closed_at = ? AND m.vendor = notices.vendor AND notices.body LIKE '%' || m.finding_id || '%')`,
			[]any{before, []audit.Delivery{audit.NoticeDelivered, audit.NoticeBounced, audit.NoticeWithdrawn}, audit.Never}},
		{&w.purged.Attachments, `DELETE FROM attachments WHERE at < ? AND NOT EXISTS (SELECT 1 FROM matters m
			WHERE m.app_key = attachments.app_key AND m.finding_id = attachments.finding_id AND m.closed_at = ?)`, []any{before, audit.Never}},
	} {
		if err := w.drop(ctx, q.counted, q.query, q.args...); err != nil {
			return err
		}
	}
	// Links and sessions go by the clock, as the page does: a run's as-of may be ahead of it.
	for _, query := range []string{`DELETE FROM vendor_sessions WHERE expires < ?`, `DELETE FROM vendor_links WHERE expires < ?`} {
		if _, err := w.exec(ctx, query, w.p.Run.FinishedAt); err != nil {
			return err
		}
	}
	_, err := w.exec(ctx, `DELETE FROM outbox_lanes WHERE until < ? AND next_at < ?`, before, before)
	return err
}
