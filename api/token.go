package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A Scope is something that a token lets a program do.
type Scope string

// The scopes.
const (
	ReadFindings   Scope = "findings:read"   // findings with evidence and history, suppressions, the checks
	WriteFindings  Scope = "findings:write"  // what people do to findings; together with findings:read
	ReadNotices    Scope = "notices:read"    // what vendors are told, and to which of their contacts
	ApproveNotices Scope = "notices:approve" // also what an abnormal night holds up
	ReadApps       Scope = "apps:read"       // the registry, with vendors' contacts
	ReadRuns       Scope = "runs:read"       // also what they could not look at, and the quarantine
	ReadTrail      Scope = "trail:read"      // who did what
)

// Scopes lists them.
func Scopes() []Scope {
	return []Scope{ReadFindings, WriteFindings, ReadNotices, ApproveNotices, ReadApps, ReadRuns, ReadTrail}
}

// TokenPattern is what a token looks like, for programs that look for secrets where none should be.
const TokenPattern = `mrv_[A-Z2-7]{52}`

const tokenPrefix = "mrv_"

// MaxTokenLife is how long a token may work.
const MaxTokenLife = 366 * 24 * time.Hour

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// NewToken makes a token: what the store keeps of it, and its secret, which is kept nowhere. An error says what about it cannot be.
func NewToken(name string, scopes []string, by string, now, expires audit.Instant) (t store.Token, secret string, err error) {
	if !namePattern.MatchString(name) {
		return t, "", fmt.Errorf("name: %q is none of 1 to 63 letters a to z, digits, dots, hyphens and underscores, with a letter or digit first", name)
	}
	var in []string
	for _, s := range Scopes() {
		if slices.Contains(scopes, string(s)) {
			in = append(in, string(s))
		}
	}
	for _, s := range scopes {
		if !slices.Contains(in, s) {
			return t, "", fmt.Errorf("scope: %q is none of %s", s, scopeNames(Scopes()))
		}
	}
	switch {
	case len(in) == 0:
		return t, "", fmt.Errorf("scope: give some of %s", scopeNames(Scopes()))
	case slices.Contains(in, string(WriteFindings)) && !slices.Contains(in, string(ReadFindings)):
		return t, "", fmt.Errorf("scope: %s takes %s too: what was done is answered with the finding", WriteFindings, ReadFindings)
	case slices.Contains(in, string(ApproveNotices)) && !slices.Contains(in, string(ReadNotices)):
		return t, "", fmt.Errorf("scope: %s takes %s too: only what was seen is approved", ApproveNotices, ReadNotices)
	case expires <= now:
		return t, "", fmt.Errorf("expires: %s is over", expires)
	case expires > now.Add(MaxTokenLife):
		return t, "", fmt.Errorf("expires: a token works for at most %d days, until %s", MaxTokenLife/(24*time.Hour), now.Add(MaxTokenLife))
	}
	secret = tokenPrefix + rand.Text() + rand.Text() // 2 × 130 bits
	return store.Token{Name: name, Digest: digestOf(secret), Scopes: in, CreatedBy: by, Created: now, Expires: expires, Used: audit.Never, Revoked: audit.Never}, secret, nil
}

func scopeNames(list []Scope) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

func digestOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// usedEvery is how exactly it is kept when a token was last used, and patience how long a request waits to have that noted: a night that publishes may be in
// the way.
const (
	usedEvery = time.Hour
	patience  = 300 * time.Millisecond
)

// token is the token that a request comes with, if it works and has the scopes.
//
// The store looks it up by its digest: whoever measures how long that takes learns of digests, from which no token can be made.
func (a *API) token(w http.ResponseWriter, r *http.Request, scopes []Scope) (*store.Token, error) {
	refuse := func(status int, params, why string) error {
		w.Header().Set("WWW-Authenticate", `Bearer realm="mailreeve"`+params)
		return &problem{status, why}
	}
	const invalid, why = `, error="invalid_token"`, "This token does not work: it is none, has expired or was revoked."
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return nil, refuse(http.StatusUnauthorized, "", "Send a token: Authorization: Bearer mrv_…; mailreeve tokens create makes one.")
	}
	scheme, secret, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(secret, tokenPrefix) {
		return nil, refuse(http.StatusUnauthorized, invalid, why)
	}
	now := audit.At(a.Clock())
	t, err := a.Store.Token(r.Context(), digestOf(secret))
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && t.State(now) != store.TokenWorks:
		return nil, refuse(http.StatusUnauthorized, invalid, why)
	case err != nil:
		return nil, err
	}
	if t.Used == audit.Never || now >= t.Used.Add(usedEvery) {
		noting, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		if err := a.Store.UseToken(noting, t.Name, now); err != nil {
			a.Log.DebugContext(r.Context(), "that a token was used was not noted", "token", t.Name, "error", err)
		}
	}
	for _, s := range scopes {
		if !slices.Contains(t.Scopes, string(s)) {
			names := scopeNames(scopes)
			return nil, refuse(http.StatusForbidden, `, error="insufficient_scope", scope="`+strings.ReplaceAll(names, ",", "")+`"`, "That takes a token with "+names+".")
		}
	}
	return &t, nil
}
