package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// A Sight is what a person saw of a finding.
type Sight struct {
	At          audit.Instant `json:"at"`
	Seq         int64         `json:"seq"` // of the last entry of its trail
	Occurrences int           `json:"occurrences"`
	Accounts    int           `json:"accounts"`
	Sites       int           `json:"sites"`
}

// look is what is kept of a person's visits to a finding.
type look struct {
	Last   Sight  `json:"last"`
	Before *Sight `json:"before,omitempty"` // nil: the last visit is the first
}

// Look records that a person sees a finding now, and gives what they saw at the visit before; nil: they never did. What comes within pause of the last
// look belongs to the same visit.
func (s *Store) Look(ctx context.Context, app, finding, who string, now Sight, pause time.Duration) (before *Sight, err error) {
	err = s.write(ctx, "note who looked at finding "+finding, func(t *tx) error {
		var kept string
		var was look
		err := t.one(ctx, &kept, `SELECT body FROM looks WHERE app_key = ? AND finding_id = ? AND who = ?`+t.d.forUpdate(), text(app), finding, text(who))
		switch {
		case err == nil:
			if err := unpackJSON(kept, &was); err != nil {
				return fmt.Errorf("who looked at finding %s: %w", finding, err)
			}
		case !errors.Is(err, ErrNotFound):
			return err
		}
		is := look{Last: now}
		switch {
		case was.Last.At == 0:
		case now.At < was.Last.At.Add(pause):
			is.Before = was.Before
		default:
			is.Before = &was.Last
		}
		before = is.Before
		body, err := packJSON(is)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `INSERT INTO looks (app_key, finding_id, who, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (app_key, finding_id, who) DO UPDATE SET body = excluded.body`, text(app), finding, text(who), body)
		return err
	})
	return before, err
}
