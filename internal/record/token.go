package record

import (
	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A Token is a token of the API, but for its secret, which nobody knows any more.
type Token struct {
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes"`
	State     string   `json:"state"` // works, expired or revoked
	CreatedBy string   `json:"created_by"`
	CreatedAt Moment   `json:"created_at"`
	ExpiresAt Moment   `json:"expires_at"`
	UsedAt    Moment   `json:"used_at"` // to the hour; null: not yet
	RevokedBy string   `json:"revoked_by"`
	RevokedAt Moment   `json:"revoked_at"`
}

// TokenOf is a token as it is at a moment.
func TokenOf(t *store.Token, now audit.Instant) Token {
	return Token{t.Name, append([]string{}, t.Scopes...), t.State(now), t.CreatedBy, Moment(t.Created), Moment(t.Expires), Moment(t.Used), t.RevokedBy, Moment(t.Revoked)}
}
