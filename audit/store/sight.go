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
// look belongs to the same visit. Where only the record fails, as while another writes, before is known all the same.
func (s *Store) Look(ctx context.Context, app, finding, who string, now Sight, pause time.Duration) (before *Sight, err error) {
	err = s.read(ctx, "look up who looked at finding "+finding, func(t *tx) error {
		is, err := t.look(ctx, app, finding, who, "", now, pause)
		before = is.Before
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, "note who looked at finding "+finding, func(t *tx) error {
		is, err := t.look(ctx, app, finding, who, t.d.forUpdate(), now, pause)
		if err != nil {
			return err
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

// look is what a person's visits become with what they see now.
func (t *tx) look(ctx context.Context, app, finding, who, forUpdate string, now Sight, pause time.Duration) (is look, err error) {
	is.Last = now
	var kept string
	err = t.one(ctx, &kept, `SELECT body FROM looks WHERE app_key = ? AND finding_id = ? AND who = ?`+forUpdate, text(app), finding, text(who))
	if errors.Is(err, ErrNotFound) {
		return is, nil
	} else if err != nil {
		return is, err
	}
	var was look
	if err := unpackJSON(kept, &was); err != nil {
		return is, fmt.Errorf("who looked at finding %s: %w", finding, err)
	}
	if is.Before = &was.Last; now.At < was.Last.At.Add(pause) {
		is.Before = was.Before
	}
	return is, nil
}
