package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// An Entry is an entry of the trail and its place in the chain.
type Entry struct {
	audit.TrailEntry
	Seq    int64
	Erased bool   // Why and Details are gone
	Hash   string // hexadecimal
}

// A TrailFilter says which entries. What is empty does not matter.
type TrailFilter struct {
	Finding string
	Who     string
	What    string
	From    audit.Instant // 0 or Ever: from the beginning
	To      audit.Instant // 0 or Never: to the end; excluded
	After   int64         // Seq
	Before  int64         // Seq; 0: to the end
	Newest  bool          // first, instead of the oldest
	Limit   int
}

// A BrokenTrailError names the first entry at which the chain does not hold.
type BrokenTrailError struct {
	Seq int64
	Why string
}

func (e *BrokenTrailError) Error() string {
	return fmt.Sprintf("the trail is broken at entry %d: %s: somebody changed the store behind mailreeve's back; compare with a backup", e.Seq, e.Why)
}

// trailBody is what of an entry is hashed with a salt, so that it can be erased.
type trailBody struct {
	Why     string         `json:"why,omitempty"`
	Details map[string]any `json:"details,omitempty"`
}

// trailRow is an entry as the database holds it.
type trailRow struct {
	Seq     int64         `db:"seq"`
	At      audit.Instant `db:"at"`
	Who     text          `db:"who"`
	What    text          `db:"what"`
	Finding text          `db:"finding_id"`
	Body    *string       `db:"body"`
	Salt    []byte        `db:"salt"`
	Digest  []byte        `db:"digest"`
	Prev    []byte        `db:"prev"`
	Hash    []byte        `db:"hash"`
}

const selectTrail = `SELECT seq, at, who, what, finding_id, body, salt, digest, prev, hash FROM trail`

// digest is the SHA-256 of the entry's salt and body.
func (r *trailRow) digest() []byte {
	h := sha256.New()
	h.Write(r.Salt)
	h.Write([]byte(*r.Body))
	return h.Sum(nil)
}

// hash is the SHA-256 of the entry before, of the entry's fields, each with its length, and of its digest.
func (r *trailRow) hash() []byte {
	var p []byte
	for _, field := range [][]byte{r.Prev, binary.BigEndian.AppendUint64(nil, uint64(r.Seq)), binary.BigEndian.AppendUint64(nil, uint64(r.At)),
		[]byte(r.Who), []byte(r.What), []byte(r.Finding), r.Digest} {
		p = binary.BigEndian.AppendUint32(p, uint32(len(field)))
		p = append(p, field...)
	}
	h := sha256.Sum256(p)
	return h[:]
}

func trailTable() table {
	return table{name: "trail", key: []string{"seq"}, columns: []string{"at", "who", "what", "finding_id", "body", "salt", "digest", "prev", "hash"}}
}

// appendTrail appends entries, in order. Others that append wait until the transaction ends.
func (t *tx) appendTrail(ctx context.Context, entries []audit.TrailEntry) error {
	if len(entries) == 0 {
		return nil
	}
	var locked string
	if err := t.one(ctx, &locked, `SELECT value FROM meta WHERE name = ?`+t.d.forUpdate(), metaTrail); err != nil {
		return err
	}
	head, err := t.head(ctx)
	if err != nil {
		return err
	}
	return t.d.insert(ctx, t, trailTable(), func(add func(...any) error) error {
		for i := range entries {
			e := &entries[i]
			body, err := packJSON(trailBody{e.Why, e.Details})
			if err != nil {
				return fmt.Errorf("the details of what %s did (%s): %w", e.Who, e.What, err)
			}
			r := trailRow{Seq: head.Seq + 1, At: e.At, Who: text(e.Who), What: text(e.What), Finding: text(e.Finding), Body: &body, Salt: random(16), Prev: head.Hash}
			r.Digest = r.digest()
			r.Hash = r.hash()
			if err := add(r.Seq, r.At, r.Who, r.What, r.Finding, body, r.Salt, r.Digest, r.Prev, r.Hash); err != nil {
				return err
			}
			head = r
		}
		return nil
	})
}

// head is the last entry, or what stands for it in an empty trail.
func (t *tx) head(ctx context.Context) (head trailRow, err error) {
	err = t.one(ctx, &head, selectTrail+` ORDER BY seq DESC LIMIT 1`)
	if errors.Is(err, ErrNotFound) {
		return trailRow{Hash: make([]byte, sha256.Size)}, nil
	}
	return head, err
}

// Record appends entries to the trail that belong to no change of a finding.
func (s *Store) Record(ctx context.Context, entries ...audit.TrailEntry) error {
	return s.write(ctx, "append to the trail", func(t *tx) error { return t.appendTrail(ctx, entries) })
}

// Trail gives the entries that f asks for, in order.
func (s *Store) Trail(ctx context.Context, f TrailFilter) (list []Entry, err error) {
	query, args := selectTrail+` WHERE seq > ?`, []any{f.After}
	also := func(asked bool, condition string, value any) {
		if asked {
			query += ` AND ` + condition
			args = append(args, value)
		}
	}
	// Of these only the one that few entries fulfil is to be looked up: the others end in '' so that no index has them.
	found := false
	for _, x := range []struct{ column, value string }{{"finding_id", f.Finding}, {"what", f.What}, {"who", f.Who}} {
		few := x.column != "what" || f.Who == "" || f.Who == audit.ByNight // people do less than nights
		if x.value == "" {
			continue
		}
		if few && !found {
			also(true, x.column+` = ?`, text(x.value))
		} else {
			also(true, x.column+` || '' = ?`, text(x.value))
		}
		found = found || few
	}
	also(f.From != 0, `at >= ?`, f.From)
	also(f.To != 0, `at < ?`, f.To)
	also(f.Before != 0, `seq < ?`, f.Before)
	query += ` ORDER BY seq`
	if f.Newest {
		query += ` DESC`
	}
	if f.Limit > 0 {
		query += ` LIMIT ?`
		args = append(args, f.Limit)
	}
	err = s.read(ctx, "read the trail", func(t *tx) error {
		list, err = t.entries(ctx, query, args...)
		return err
	})
	return list, err
}

// entry is the row as others see it.
func (r *trailRow) entry() (Entry, error) {
	e := Entry{Seq: r.Seq, Erased: r.Body == nil, Hash: hex.EncodeToString(r.Hash)}
	e.At, e.Who, e.What, e.Finding = r.At, string(r.Who), string(r.What), string(r.Finding)
	if r.Body != nil {
		var b trailBody
		if err := unpackJSON(*r.Body, &b); err != nil {
			return e, fmt.Errorf("entry %d of the trail: %w", r.Seq, err)
		}
		e.Why, e.Details = b.Why, b.Details
	}
	return e, nil
}

// TrailOfNotice gives the entries about a notice among those of the findings that it tells of, in order.
func (s *Store) TrailOfNotice(ctx context.Context, notice string, findings []string) (list []Entry, err error) {
	err = s.read(ctx, "read the trail of notice "+notice, func(t *tx) error {
		list = nil
		return chunks(findings, func(findings []string) error {
			found, err := t.entries(ctx, selectTrail+` WHERE finding_id IN (?) AND body LIKE ? ORDER BY seq`, findings, `%"`+notice+`"%`)
			for _, e := range found {
				if e.Details["notice"] == notice {
					list = append(list, e)
				}
			}
			return err
		})
	})
	return list, err
}

// entries reads entries of the trail.
func (t *tx) entries(ctx context.Context, query string, args ...any) ([]Entry, error) {
	var found []trailRow
	if err := t.all(ctx, &found, query, args...); err != nil {
		return nil, err
	}
	list := make([]Entry, len(found))
	for i := range found {
		var err error
		if list[i], err = found[i].entry(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Verify follows the trail's chain from its first entry and gives how many entries hold and the hash of the last. A [BrokenTrailError] names the first
// that does not; n and head are then those of the entry before. Whoever kept an earlier head can see by [Store.FindHead] that nothing was cut off since.
func (s *Store) Verify(ctx context.Context) (n int, head string, err error) {
	prev := make([]byte, sha256.Size)
	err = s.read(ctx, "verify the trail", func(t *tx) error {
		rows, err := t.rows(ctx, selectTrail+` ORDER BY seq`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r trailRow
			if err := rows.StructScan(&r); err != nil {
				return &BrokenTrailError{int64(n) + 1, "it cannot be read (" + err.Error() + ")"}
			}
			switch why := r.broken(int64(n)+1, prev); {
			case why == "":
			case r.Seq > int64(n)+1:
				return &BrokenTrailError{int64(n) + 1, why}
			default:
				return &BrokenTrailError{r.Seq, why}
			}
			n, prev = n+1, r.Hash
		}
		return rows.Err()
	})
	return n, hex.EncodeToString(prev), err
}

// broken says what is wrong with an entry that should be number seq and follow prev.
func (r *trailRow) broken(seq int64, prev []byte) string {
	switch {
	case r.Seq != seq:
		return "it is missing"
	case string(r.Prev) != string(prev):
		return "it does not follow the entry before"
	case r.Body == nil && r.Salt != nil:
		return "its details are gone, but not its salt"
	case r.Body != nil && string(r.digest()) != string(r.Digest):
		return "its details are not what was written"
	case string(r.hash()) != string(r.Hash):
		return "it is not what was written"
	}
	return ""
}

// FindHead gives the number of the entry with this hash, 0 for the head of a trail that is empty still. [ErrNotFound]: the trail has no such entry, so its history up to
// that head was cut off or written anew.
func (s *Store) FindHead(ctx context.Context, head string) (seq int64, err error) {
	hash, err := hex.DecodeString(strings.TrimSpace(head))
	if err != nil || len(hash) != sha256.Size {
		return 0, fmt.Errorf("head %q: not a hash of 64 hexadecimal digits as `mailreeve verify` prints it", head)
	}
	err = s.read(ctx, "look for a head in the trail", func(t *tx) error {
		if string(hash) == string(make([]byte, sha256.Size)) { // the head of an empty trail, and of no other
			return t.one(ctx, &seq, `SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM trail)`)
		}
		return t.one(ctx, &seq, `SELECT seq FROM trail WHERE hash = ?`, hash)
	})
	return seq, err
}

// Head is the trail's last entry; Seq 0 where it is empty.
func (s *Store) Head(ctx context.Context) (head audit.TrailHead, err error) {
	err = s.read(ctx, "read the trail's head", func(t *tx) error {
		r, err := t.head(ctx)
		head = audit.TrailHead{Seq: r.Seq, Hash: hex.EncodeToString(r.Hash)}
		return err
	})
	return head, err
}

// A Span is from the first to the last that happened to a finding.
type Span struct{ First, Last audit.Instant }

// TrailSpans gives, by id, when findings were filed and when anything last happened to them.
func (s *Store) TrailSpans(ctx context.Context, ids []string) (map[string]Span, error) {
	out := map[string]Span{}
	err := s.read(ctx, "read when things happened to findings", func(t *tx) error {
		return chunks(ids, func(ids []string) error {
			var found []struct {
				Finding string        `db:"finding_id"`
				First   audit.Instant `db:"first_at"`
				Last    audit.Instant `db:"last_at"`
			}
			err := t.all(ctx, &found, `SELECT finding_id, min(at) AS first_at, max(at) AS last_at FROM trail WHERE finding_id IN (?) GROUP BY finding_id`, ids)
			for _, r := range found {
				out[r.Finding] = Span{r.First, r.Last}
			}
			return err
		})
	})
	return out, err
}

// Commented gives those of findings that a reviewer commented on: neither the night, nor their vendor, nor a program.
func (s *Store) Commented(ctx context.Context, ids []string) (map[string]bool, error) {
	out := map[string]bool{}
	err := s.read(ctx, "look for comments", func(t *tx) error {
		return chunks(ids, func(ids []string) error {
			var found []string
			err := t.all(ctx, &found, `SELECT DISTINCT finding_id FROM trail WHERE what = 'commented' AND who <> 'night' AND who NOT LIKE 'vendor:%' AND who NOT LIKE 'api:%' AND finding_id IN (?)`, ids)
			for _, id := range found {
				out[id] = true
			}
			return err
		})
	})
	return out, err
}

// Reopened gives the findings that nights after since opened again, by id: the as-of of the last night that did. People's own doing does not count.
func (s *Store) Reopened(ctx context.Context, since audit.Instant) (map[string]audit.Instant, error) {
	last := map[string]audit.Instant{}
	err := s.read(ctx, "look for what was reopened", func(t *tx) error {
		nights, err := t.runs(ctx, selectRuns+` WHERE status = 'finished' AND as_of > ? ORDER BY seq`, since)
		if err != nil {
			return err
		}
		before, err := t.runs(ctx, selectRuns+` WHERE status = 'finished' AND as_of <= ? ORDER BY seq DESC LIMIT 1`, since)
		if err != nil {
			return err
		}
		var after int64 // nothing up to that entry was written by nights
		if len(before) > 0 && before[0].Summary.Trail != nil {
			after = before[0].Summary.Trail.Seq
		}
		var entries []struct {
			Seq     int64 `db:"seq"`
			Finding text  `db:"finding_id"`
		}
		// Nearly all is by nights: of the two indexes the one by what is meant.
		err = t.all(ctx, &entries, `SELECT seq, finding_id FROM trail WHERE seq > ? AND who || '' = ? AND what IN (?) ORDER BY seq`, after, audit.ByNight,
			[]string{audit.TrailReopened, audit.TrailWorsened})
		for _, e := range entries {
			i := slices.IndexFunc(nights, func(r audit.Run) bool { return r.Summary.Trail != nil && r.Summary.Trail.Seq >= e.Seq })
			if i >= 0 {
				last[string(e.Finding)] = nights[i].AsOf
			}
		}
		return err
	})
	return last, err
}
