package store

import (
	"context"

	"github.com/mailreeve/mailreeve/audit"
)

// A Session is a person's login to the console, on one browser.
type Session struct {
	Digest  string        `db:"digest"` // SHA-256 of the token that the browser has, hexadecimal
	Issuer  string        `db:"issuer"` // who vouched for the person; empty: the link that was printed at the start
	Who     string        `db:"who"`    // as in the trail
	Name    string        `db:"name"`   // to be shown
	Role    string        `db:"role"`
	Created audit.Instant `db:"created"`
	Expires audit.Instant `db:"expires"`
}

// sessionRow is a session as the database holds it.
type sessionRow struct {
	Session
	Who  text `db:"who"`
	Name text `db:"name"`
}

func (r *sessionRow) session() Session {
	s := r.Session
	s.Who, s.Name = string(r.Who), string(r.Name)
	return s
}

const selectSessions = `SELECT digest, issuer, who, name, role, created, expires FROM sessions`

// Login begins a session, and sweeps those that have expired by then.
func (s *Store) Login(ctx context.Context, x Session) error {
	return s.write(ctx, "begin a session of the console", func(t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM sessions WHERE expires <= ?`, x.Created); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO sessions (digest, issuer, who, name, role, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			x.Digest, x.Issuer, text(x.Who), text(x.Name), x.Role, x.Created, x.Expires)
		return err
	})
}

// Session gives the session of a digest, as long as it has not expired; [ErrNotFound].
func (s *Store) Session(ctx context.Context, digest string, now audit.Instant) (Session, error) {
	var found sessionRow
	err := s.read(ctx, "look for a session of the console", func(t *tx) error {
		return t.one(ctx, &found, selectSessions+` WHERE digest = ? AND expires > ?`, digest, now)
	})
	return found.session(), err
}

// Sessions gives the sessions that have not expired, by person and time; of one person where who is not empty.
func (s *Store) Sessions(ctx context.Context, who string, now audit.Instant) (list []Session, err error) {
	query, args := selectSessions+` WHERE expires > ?`, []any{now}
	if who != "" {
		query, args = query+` AND who = ?`, append(args, text(who))
	}
	err = s.read(ctx, "list the sessions of the console", func(t *tx) error {
		var found []sessionRow
		if err := t.all(ctx, &found, query+` ORDER BY who, created`, args...); err != nil {
			return err
		}
		list = make([]Session, len(found))
		for i := range found {
			list[i] = found[i].session()
		}
		return nil
	})
	return list, err
}

// Logout ends the session of a digest, if there is one.
func (s *Store) Logout(ctx context.Context, digest string) error {
	return s.write(ctx, "end a session of the console", func(t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM sessions WHERE digest = ?`, digest)
		return err
	})
}
