package console

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
)

// OIDC is who vouches for people, by OpenID Connect: the code flow with PKCE, state and nonce. Without an Issuer nobody does.
type OIDC struct {
	Issuer    string
	ClientID  string
	Secret    string // of the client; empty: a public client
	RoleClaim string // of the ID token: a role, or a list that holds roles; a.b is b within a; empty: roles
	Client    *http.Client
}

// CallbackPath is where the issuer leads people back to.
const CallbackPath = "/oidc/callback"

const (
	flightCookie = "mailreeve-login"
	flightLife   = 10 * time.Minute
)

// A provider is what is known of the issuer once it has been asked.
type provider struct {
	mu     sync.Mutex
	listen net.Addr
	found  *oidc.Provider
}

// Listening says where the console is listened for, which its redirect URL needs where there is no public one.
func (c *Console) Listening(l net.Addr) { c.idp.listen = l }

// issuer asks the issuer who it is; once it has answered, never again. It may be away when the console starts.
func (c *Console) issuer(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	c.idp.mu.Lock()
	defer c.idp.mu.Unlock()
	if c.idp.found == nil {
		p, err := oidc.NewProvider(ctx, c.OIDC.Issuer)
		if err != nil {
			return nil, nil, err
		}
		c.idp.found = p
	}
	return c.idp.found, &oauth2.Config{ClientID: c.OIDC.ClientID, ClientSecret: c.OIDC.Secret, Endpoint: c.idp.found.Endpoint(),
		RedirectURL: c.Site.URL(c.idp.listen, CallbackPath), Scopes: []string{oidc.ScopeOpenID, "profile"}}, nil
}

func (c *Console) asking(ctx context.Context) context.Context {
	client := c.OIDC.Client
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second}
	}
	return oidc.ClientContext(ctx, client)
}

// A flight is a login under way; its browser keeps it.
type flight struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Next     string `json:"next"`
}

// oidcStart leads to the issuer.
func (c *Console) oidcStart(w http.ResponseWriter, r *http.Request) {
	if c.OIDC.Issuer == "" {
		c.fail(w, r, person{}, store.ErrNotFound)
		return
	}
	_, o, err := c.issuer(c.asking(r.Context()))
	if err != nil {
		c.away(w, r, err)
		return
	}
	state, _ := token()
	nonce, _ := token()
	f := flight{State: state, Nonce: nonce, Verifier: oauth2.GenerateVerifier(), Next: inside(r.FormValue("next"))}
	if len(f.Next) > 1500 { // a cookie holds 4 KB
		f.Next = "/"
	}
	packed, err := json.Marshal(f)
	if err != nil {
		c.fail(w, r, person{}, err)
		return
	}
	c.Site.SetCookie(w, flightCookie, base64.RawURLEncoding.EncodeToString(packed), int(flightLife/time.Second))
	http.Redirect(w, r, o.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), http.StatusSeeOther)
}

// away tells that the issuer cannot be asked.
func (c *Console) away(w http.ResponseWriter, r *http.Request, err error) {
	c.Log.ErrorContext(r.Context(), "the issuer of console.oidc cannot be asked", "issuer", c.OIDC.Issuer, "error", address.Redact(err.Error()))
	c.fail(w, r, person{}, &problem{http.StatusBadGateway, "You cannot be logged in now", "Who vouches for you did not answer as it should. Try again; if it stays so, the log says more."})
}

// oidcCallback is where the issuer leads back to.
func (c *Console) oidcCallback(w http.ResponseWriter, r *http.Request) {
	s, next, err := c.vouched(r)
	c.Site.SetCookie(w, flightCookie, "", -1)
	var p *problem
	switch {
	case errors.As(err, &p):
		c.fail(w, r, person{}, p)
	case err != nil:
		c.away(w, r, err)
	default:
		if err := c.begin(w, r, s, next); err != nil {
			c.fail(w, r, person{}, err)
		}
	}
}

// vouched is whom the issuer vouches for in a request that it led back, and where they wanted to go.
func (c *Console) vouched(r *http.Request) (s store.Session, next string, err error) {
	again := &problem{http.StatusBadRequest, "This login is over", "It was begun in another browser, or too long ago. Log in again."}
	if c.OIDC.Issuer == "" {
		return s, "", &problem{http.StatusNotFound, "There is no such page", "Nothing is here."}
	}
	var f flight
	packed, err := base64.RawURLEncoding.DecodeString(c.Site.Cookie(r, flightCookie))
	if err != nil || json.Unmarshal(packed, &f) != nil || f.State == "" || subtle.ConstantTimeCompare([]byte(f.State), []byte(r.FormValue("state"))) == 0 {
		return s, "", again
	}
	if e := r.FormValue("error"); e != "" {
		return s, "", &problem{http.StatusForbidden, "You were not logged in", "Who vouches for you refused: " + address.Redact(clip(e, 100)) + "."}
	}
	ctx := c.asking(r.Context())
	p, o, err := c.issuer(ctx)
	if err != nil {
		return s, "", err
	}
	tokens, err := o.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return s, "", fmt.Errorf("exchange the code: %w", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := p.VerifierContext(ctx, &oidc.Config{ClientID: c.OIDC.ClientID, Now: c.Clock}).Verify(ctx, raw)
	if err != nil {
		return s, "", fmt.Errorf("the ID token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) == 0 {
		return s, "", errors.New("the ID token is of another login")
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return s, "", fmt.Errorf("the claims of the ID token: %w", err)
	}
	claim := c.OIDC.RoleClaim
	if claim == "" {
		claim = "roles"
	}
	role := roleOf(claims, claim)
	if role == "" {
		return s, "", &problem{http.StatusForbidden, "You have no role here", "Who vouches for you names none of viewer, reviewer and admin in the claim " + claim + "."}
	}
	who, name := named(id.Subject, claims)
	return store.Session{Who: who, Name: name, Role: string(role)}, f.Next, nil
}

// roleOf is the highest role that a claim names; empty where it names none.
func roleOf(claims map[string]any, claim string) (best Role) {
	value, ok := claims[claim]
	if !ok {
		value = claims
		for name := range strings.SplitSeq(claim, ".") {
			m, _ := value.(map[string]any)
			value = m[name]
		}
	}
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	for _, v := range list {
		if s, is := v.(string); is && Role(s).rank() > best.rank() {
			best = Role(s)
		}
	}
	return best
}

// named is who somebody is in the trail, and how they are called. The subject tells people apart for ever; a name that looks like an address is left out.
func named(subject string, claims map[string]any) (who, name string) {
	id := subject
	if address.Redact(id) != id {
		id = digestOf(id)[:16]
	}
	for _, claim := range []string{"preferred_username", "name", "nickname"} {
		if s, _ := claims[claim].(string); strings.TrimSpace(s) != "" && address.Redact(s) == s {
			name = clip(strings.TrimSpace(s), 100)
			return "console:" + clip(id, 255) + " (" + name + ")", name
		}
	}
	return "console:" + clip(id, 255), clip(id, 255)
}

// clip is s, no longer than n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
