package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// A Token lets a program ask the API, and, where its scopes say so, act. The token itself is kept nowhere.
type Token struct {
	Name      string // for ever: the trail calls by it who acted
	Digest    string // SHA-256 of the token, hexadecimal
	Scopes    []string
	CreatedBy string
	Created   audit.Instant
	Expires   audit.Instant
	Used      audit.Instant // last, as [Store.UseToken] was told; Never: not yet
	RevokedBy string
	Revoked   audit.Instant // Never: it is not
}

// Who is who acts with the token, as the trail has it.
func (x *Token) Who() string { return audit.ByToken(x.Name, x.CreatedBy) }

// State says whether the token works at a moment: works, expired or revoked.
func (x *Token) State(now audit.Instant) string {
	switch {
	case x.Revoked != audit.Never:
		return "revoked"
	case now >= x.Expires:
		return "expired"
	}
	return TokenWorks
}

// TokenWorks is the state of a token that works.
const TokenWorks = "works"

// ErrTaken says that a name is another's, or was.
var ErrTaken = errors.New("the name is taken")

// tokenRow is a token as the database holds it.
type tokenRow struct {
	Name      string        `db:"name"`
	Digest    string        `db:"digest"`
	Scopes    string        `db:"scopes"`
	CreatedBy text          `db:"created_by"`
	Created   audit.Instant `db:"created"`
	Expires   audit.Instant `db:"expires"`
	Used      audit.Instant `db:"used"`
	RevokedBy text          `db:"revoked_by"`
	Revoked   audit.Instant `db:"revoked"`
}

func (r *tokenRow) token() Token {
	return Token{r.Name, r.Digest, strings.Fields(r.Scopes), string(r.CreatedBy), r.Created, r.Expires, r.Used, string(r.RevokedBy), r.Revoked}
}

const selectTokens = `SELECT name, digest, scopes, created_by, created, expires, used, revoked_by, revoked FROM tokens`

// CreateToken keeps a new token, and says in the trail who made it. [ErrTaken] where its name is, or was, another's.
func (s *Store) CreateToken(ctx context.Context, x Token) error {
	return s.write(ctx, "create a token", func(t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO tokens (name, digest, scopes, created_by, created, expires, used, revoked_by, revoked) VALUES (?, ?, ?, ?, ?, ?, ?, '', ?) ON CONFLICT (name) DO NOTHING`,
			x.Name, x.Digest, strings.Join(x.Scopes, " "), text(x.CreatedBy), x.Created, x.Expires, audit.Never, audit.Never)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("token %q: %w, and stays so once the token is revoked: give another", x.Name, ErrTaken)
		}
		return t.appendTrail(ctx, []audit.TrailEntry{{At: x.Created, Who: x.CreatedBy, What: "token created",
			Details: map[string]any{"token": x.Name, "scopes": strings.Join(x.Scopes, " "), "until": x.Expires.String()}}})
	})
}

// RevokeToken takes a token back, and says in the trail who did. Of one that was taken back already nothing changes. [ErrNotFound] where there is none.
func (s *Store) RevokeToken(ctx context.Context, name, by string, at audit.Instant) (Token, error) {
	var found tokenRow
	err := s.write(ctx, "revoke a token", func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE tokens SET revoked = ?, revoked_by = ? WHERE name = ? AND revoked = ?`, at, text(by), name, audit.Never)
		if err != nil {
			return err
		}
		if err := t.one(ctx, &found, selectTokens+` WHERE name = ?`, name); err != nil {
			if errors.Is(err, ErrNotFound) {
				return fmt.Errorf("token %q: %w: `mailreeve tokens list` shows what there is", name, ErrNotFound)
			}
			return err
		}
		if n == 0 {
			return nil
		}
		return t.appendTrail(ctx, []audit.TrailEntry{{At: at, Who: by, What: "token revoked", Details: map[string]any{"token": name}}})
	})
	return found.token(), err
}

// Token gives the token of a digest, whether it still works or not; [ErrNotFound].
func (s *Store) Token(ctx context.Context, digest string) (Token, error) {
	var found tokenRow
	err := s.read(ctx, "look for a token", func(t *tx) error { return t.one(ctx, &found, selectTokens+` WHERE digest = ?`, digest) })
	return found.token(), err
}

// Tokens gives all tokens, by name, also those that do not work any more.
func (s *Store) Tokens(ctx context.Context) (list []Token, err error) {
	err = s.read(ctx, "list the tokens", func(t *tx) error {
		var found []tokenRow
		if err := t.all(ctx, &found, selectTokens+` ORDER BY name`); err != nil {
			return err
		}
		list = make([]Token, len(found))
		for i := range found {
			list[i] = found[i].token()
		}
		return nil
	})
	return list, err
}

// UseToken notes that a token was used at a moment, or later.
func (s *Store) UseToken(ctx context.Context, name string, at audit.Instant) error {
	return s.write(ctx, "note that a token was used", func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE tokens SET used = ? WHERE name = ? AND (used < ? OR used = ?)`, at, name, at, audit.Never)
		return err
	})
}
