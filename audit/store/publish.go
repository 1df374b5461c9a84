package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// A ChangedError says that others changed findings since the run read them. Nothing was published: read these findings again and publish anew. It is
// an [audit.ErrChanged].
type ChangedError struct {
	IDs []string // of findings
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("findings were changed while the night ran: %s", strings.Join(e.IDs, ", "))
}

// Unwrap tells what kind of error it is.
func (e *ChangedError) Unwrap() error { return audit.ErrChanged }

// publishing is one publication on its way into the store.
type publishing struct {
	*tx
	p      *audit.Publication
	read   map[string]int64   // the versions at which findings were read
	wasDue map[string][]int64 // by app: the rows that the publication's Due replace

	wasPurged audit.Day
	purged    audit.Purged
	ended     []audit.TrailEntry // of findings that were purged
	recalled  []audit.TrailEntry // of notices about what the run closed, or that it holds up
}

// write writes everything; what tells that nothing may be written comes first.
func (w *publishing) write(ctx context.Context) error {
	for _, step := range []func(context.Context) error{w.run, w.unchanged, w.numbers, w.files, w.newest, w.incidents, w.apps, w.versions,
		w.events, w.observations, w.canaries, w.headers, w.totals, w.packs, w.due, w.contributions, w.sums, w.findings, w.recall, w.judged, w.acts, w.quarantine, w.purge, w.trail, w.summary, w.outbox, w.dropParts} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *publishing) run(ctx context.Context) error {
	r := w.p.Run
	n, err := w.exec(ctx, `UPDATE runs SET status = 'finished', as_of = ?, finished_at = ?, baseline = ? WHERE seq = ? AND status = 'running'`,
		r.AsOf, r.FinishedAt, r.Baseline, r.Seq)
	if err == nil && n == 0 {
		err = fmt.Errorf("%w: it is not running: run again", ErrFenced)
	}
	return err
}

// unchanged compares the versions of the publication's findings with those in the store, and keeps them from changing until the end: app by app, as of
// a table that is spread by app, rows of one app at a time can be locked.
func (w *publishing) unchanged(ctx context.Context) error {
	want := map[text][]string{}
	for i := range w.p.Apps {
		a := &w.p.Apps[i]
		ids := want[text(a.Key)]
		for j := range a.Findings {
			ids = append(ids, a.Findings[j].ID)
		}
		for j := range a.Ended {
			ids = append(ids, a.Ended[j].Finding)
		}
		if len(ids) > 0 {
			slices.Sort(ids)
			want[text(a.Key)] = slices.Compact(ids)
		}
	}
	var changed []string
	for _, app := range slices.Sorted(maps.Keys(want)) { // everybody locks in this order
		have := map[string]int64{}
		err := chunks(want[app], func(ids []string) error {
			var found []struct {
				ID      string `db:"id"`
				Version int64  `db:"version"`
			}
			if err := w.all(ctx, &found, `SELECT id, version FROM findings WHERE app_key = ? AND id IN (?) ORDER BY id`+w.d.forUpdate(), app, ids); err != nil {
				return err
			}
			for _, r := range found {
				have[r.ID] = r.Version
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, id := range want[app] {
			if have[id] != w.read[id] {
				changed = append(changed, id)
			}
		}
	}
	if len(changed) > 0 {
		slices.Sort(changed)
		return &ChangedError{changed}
	}
	return nil
}

func (w *publishing) numbers(ctx context.Context) error {
	into := table{name: "meta", key: []string{"name"}, columns: []string{"value"}}
	was := audit.Ledger{Purged: audit.StateDay}
	if err := w.tx.numbers(ctx, &was); err != nil {
		return err
	}
	w.wasPurged = was.Purged
	err := w.d.upsert(ctx, w.tx, into, func(add func(...any) error) error {
		for name, value := range map[string]string{metaPurged: fmt.Sprint(int(w.p.Purged)), metaRegistry: fmt.Sprint(w.p.Registry), metaArchive: w.p.Archive} {
			if err := add(name, value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if w.p.Rules == nil {
		return nil
	}
	rules, err := packJSON(w.p.Rules.Rules)
	if err != nil {
		return err
	}
	digest := ""
	if w.p.Rules.Policy != nil {
		digest = w.p.Rules.Policy.Digest
	}
	_, err = w.exec(ctx, `INSERT INTO rules (run, from_at, policy, rules) VALUES (?, ?, ?, ?)`, w.p.Run.Seq, w.p.Rules.From, digest, rules)
	return err
}

func (w *publishing) files(ctx context.Context) error {
	into := table{name: "files", key: []string{"id"}, columns: []string{"kind", "path", "state", "broken"}}
	return w.d.upsert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Files {
			f := &w.p.Files[i]
			if err := add(f.ID, f.Kind, text(f.Path), blob(f.State), f.Broken); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *publishing) newest(ctx context.Context) error {
	into := table{name: "newest", key: []string{"kind", "path"}, columns: []string{"at", "future"}}
	return w.d.upsert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Newest {
			n := &w.p.Newest[i]
			future, err := packJSON(n.Future)
			if err != nil {
				return err
			}
			if err := add(n.Kind, text(n.Path), n.At, future); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *publishing) incidents(ctx context.Context) error {
	into := table{name: "incidents", columns: []string{"api", "from_at", "to_at", "file_id", "line", "run"}}
	return w.d.insert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Incidents {
			n := &w.p.Incidents[i]
			if err := add(text(n.API), n.From, n.To, n.Source.File, int64(n.Source.Line), w.p.Run.Seq); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *publishing) apps(ctx context.Context) error {
	set := []string{"name", "vendor_id", "vendor_name", "listed", "entry", "approvals", "answers"}
	into := table{name: "apps", key: []string{"app_key"}, columns: append(set, "blind", "states_at"), keep: set}
	var keys []text
	for i := range w.p.Apps {
		if w.p.Apps[i].SetApprovals {
			keys = append(keys, text(w.p.Apps[i].Key))
		}
	}
	known, err := w.approvals(ctx, keys) // what people accepted into them, perhaps while the night ran
	if err != nil {
		return err
	}
	return w.d.upsert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Apps {
			a := &w.p.Apps[i]
			var name, vendorID, vendorName, listed, entry, approvals, answers any // NULL leaves what is there
			if a.Version != nil {
				listed = a.Version.App != nil
				if v := a.Version.App; v != nil {
					name, vendorID, vendorName = text(v.Name), text(v.Vendor.ID), text(v.Vendor.Name)
				}
			}
			if a.Entry != "" {
				entry = a.Entry
			}
			if a.SetApprovals {
				list, err := packJSON(audit.KeepAccepted(known[a.Key], a.Approvals))
				if err != nil {
					return err
				}
				approvals = list
			}
			if a.SetAnswers {
				answers = blob(a.Answers)
			}
			if err := add(text(a.Key), name, vendorID, vendorName, listed, entry, approvals, answers, a.Blind, a.StatesAt); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *publishing) versions(ctx context.Context) error {
	into := table{name: "app_versions", key: []string{"app_key", "from_at", "run"}, columns: []string{"app", "file_id", "line"}}
	return w.d.insert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Apps {
			v := w.p.Apps[i].Version
			if v == nil {
				continue
			}
			var app any
			var source audit.Source
			if v.App != nil {
				s, err := packJSON(v.App)
				if err != nil {
					return err
				}
				app, source = s, v.App.Source
			}
			if err := add(text(w.p.Apps[i].Key), v.From, w.p.Run.Seq, app, source.File, int64(source.Line)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *publishing) events(ctx context.Context) error {
	into := table{name: "lifecycle", columns: []string{"app_key", "site", "at", "event", "users", "file_id", "line", "run"}}
	return w.d.insert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Apps {
			for j := range w.p.Apps[i].Events {
				e := &w.p.Apps[i].Events[j]
				if err := add(text(w.p.Apps[i].Key), text(e.Site), e.At, e.Event, e.Users, e.Source.File, int64(e.Source.Line), w.p.Run.Seq); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *publishing) headers(ctx context.Context) error {
	into := table{name: "headers", key: []string{"app_key", "day"},
		columns: []string{"first_retrieval", "last_retrieval", "last_report", "held", "retrieval_after_report", "newest", "observed", "figures"}}
	return w.d.upsert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Apps {
			for j := range w.p.Apps[i].Headers {
				h := &w.p.Apps[i].Headers[j]
				var figures any
				if h.Figures != nil {
					packed, err := packJSON(h.Figures)
					if err != nil {
						return err
					}
					figures = packed
				}
				err := add(text(w.p.Apps[i].Key), h.Day, h.FirstRetrieval, h.LastRetrieval, h.LastReport, h.Held, h.RetrievalAfterReport, h.Newest, h.Observed, figures)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *publishing) totals(ctx context.Context) error {
	into := table{name: "totals", key: []string{"app_key", "day"}, columns: []string{"totals"}}
	return w.d.upsert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Apps {
			for j := range w.p.Apps[i].Totals {
				t := &w.p.Apps[i].Totals[j]
				said, err := packJSON(t)
				if err != nil {
					return err
				}
				if err := add(text(w.p.Apps[i].Key), t.Day, said); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *publishing) packs(ctx context.Context) error {
	into := table{name: "packs", columns: []string{"app_key", "kind", "day", "segment", "place", "length", "records", "first_at", "last_at", "run"}}
	return w.d.insert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Apps {
			for j := range w.p.Apps[i].Packs {
				p := &w.p.Apps[i].Packs[j]
				err := add(text(w.p.Apps[i].Key), p.Kind, p.Day, text(p.Segment), p.Offset, p.Length, p.Records, p.First, p.Last, w.p.Run.Seq)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *publishing) due(ctx context.Context) error {
	err := w.d.remove(ctx, w.tx, table{name: "due", key: []string{"app_key", "id"}}, func(add func(...any) error) error {
		for i := range w.p.Apps {
			for _, id := range w.wasDue[w.p.Apps[i].Key] {
				if err := add(text(w.p.Apps[i].Key), id); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	into := table{name: "due", columns: []string{"app_key", "day", "checks", "since"}}
	return w.d.insert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Apps {
			for j := range w.p.Apps[i].Due {
				d := &w.p.Apps[i].Due[j]
				if len(d.Checks) == 0 {
					continue
				}
				if err := add(text(w.p.Apps[i].Key), d.Day, strings.Join(d.Checks, ","), d.Since); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *publishing) contributions(ctx context.Context) error {
	into := contributions()
	from := map[audit.FindingKey]audit.Day{} // the first day of each finding that becomes another
	touch := func(k audit.ContributionKey) {
		f := k.Finding()
		if first, ok := from[f]; !ok || k.Day < first {
			from[f] = k.Day
		}
	}
	err := w.d.remove(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Apps {
			for _, k := range w.p.Apps[i].Delete {
				touch(k)
				if err := add(contributionKey(k)...); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = w.d.upsert(ctx, w.tx, into, func(add func(...any) error) error {
		for i := range w.p.Apps {
			for j := range w.p.Apps[i].Put {
				c := &w.p.Apps[i].Put[j]
				touch(c.Key())
				values, err := contributionValues(c, w.p.Run.Seq)
				if err != nil {
					return err
				}
				if err := add(values...); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.staleSums(ctx, from)
}

// sums come after the contributions that they are of.
func (w *publishing) sums(ctx context.Context) error {
	return w.d.upsert(ctx, w.tx, sums(), func(add func(...any) error) error {
		for i := range w.p.Apps {
			for j := range w.p.Apps[i].Sums {
				values, err := sumValues(&w.p.Apps[i].Sums[j])
				if err != nil {
					return err
				}
				if err := add(values...); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *publishing) findings(ctx context.Context) error {
	return w.d.upsert(ctx, w.tx, findings(), func(add func(...any) error) error {
		for i := range w.p.Apps {
			for j := range w.p.Apps[i].Findings {
				f := &w.p.Apps[i].Findings[j]
				values, err := findingValues(f, w.read[f.ID]+1)
				if err != nil {
					return err
				}
				if err := add(values...); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *publishing) recall(ctx context.Context) (err error) {
	closed := map[string]bool{}
	for i := range w.p.Apps {
		for j := range w.p.Apps[i].Findings {
			if f := &w.p.Apps[i].Findings[j]; !audit.IsOpen(f.Status) {
				closed[f.ID] = true
			}
		}
	}
	if w.recalled, err = w.recallClosed(ctx, closed, w.p.Run.FinishedAt); err != nil {
		return err
	}
	if slices.ContainsFunc(w.p.Judged, func(n audit.NightCount) bool { return n.Run == w.p.Run.ID && n.Holds() }) {
		held, err := w.holdAll(ctx, w.p.Run.FinishedAt)
		w.recalled = append(w.recalled, held...)
		return err
	}
	return nil
}

func (w *publishing) judged(ctx context.Context) error {
	for i := range w.p.Judged {
		n := &w.p.Judged[i]
		_, err := w.exec(ctx, `UPDATE runs SET severe = ?, severe_limit = ?, abnormal = ? WHERE id = ? AND abnormal IS NULL`, n.Severe, n.Verdict.Limit, n.Verdict.Abnormal, text(n.Run))
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *publishing) acts(ctx context.Context) error {
	for i := range w.p.Apps {
		if err := w.endActs(ctx, w.p.Apps[i].Ended); err != nil {
			return err
		}
	}
	return nil
}

func (w *publishing) quarantine(ctx context.Context) error {
	for _, r := range w.p.Read {
		_, err := w.exec(ctx, `DELETE FROM quarantine WHERE file_id = ? AND line >= ? AND run <> ?`, r.File, int64(r.FromLine), w.p.Run.Seq)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *publishing) trail(ctx context.Context) error {
	var entries []audit.TrailEntry
	for i := range w.p.Apps {
		entries = append(entries, w.p.Apps[i].Trail...)
	}
	entries = append(append(entries, w.recalled...), w.ended...)
	if w.purged.Any() {
		entries = append(entries, audit.TrailEntry{At: w.p.Run.FinishedAt, Who: audit.ByNight, What: "purged", Why: w.purged.String(), Details: w.purged.Numbers()})
		w.p.Run.Summary.Purged = &w.purged
	}
	return w.appendTrail(ctx, append(entries, w.p.Trail...))
}

// summary completes the run's summary with what only the publication itself could tell.
func (w *publishing) summary(ctx context.Context) error {
	head, err := w.head(ctx)
	if err != nil {
		return err
	}
	w.p.Run.Summary.Trail = &audit.TrailHead{Seq: head.Seq, Hash: hex.EncodeToString(head.Hash)}
	summary, err := packJSON(w.p.Run.Summary)
	if err != nil {
		return err
	}
	_, err = w.exec(ctx, `UPDATE runs SET summary = ? WHERE seq = ?`, summary, w.p.Run.Seq)
	return err
}

func (w *publishing) outbox(ctx context.Context) error {
	messages := w.p.Outbox
	if w.p.Messages != nil {
		more, err := w.p.Messages()
		if err != nil {
			return err
		}
		messages = append(messages[:len(messages):len(messages)], more...)
	}
	return w.enqueue(ctx, messages)
}
