package console_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/console"
)

// An idp is an OpenID provider: discovery, keys, the code flow with PKCE, and tokens signed with an RSA key.
type idp struct {
	*httptest.Server
	key    *rsa.PrivateKey
	now    func() time.Time
	mu     sync.Mutex
	codes  map[string]url.Values // what the browser came with
	claims map[string]any        // of who logs in
	wrong  func(claims map[string]any, key **rsa.PrivateKey)
}

func newIDP(t *testing.T, now func() time.Time) *idp {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	p := &idp{key: key, now: now, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		must(t, json.NewEncoder(w).Encode(v))
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("/auth", func(w http.ResponseWriter, r *http.Request) { // who comes is known already
		q := r.URL.Query()
		code := rand.Text()
		p.mu.Lock()
		p.codes[code] = q
		p.mu.Unlock()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		asked, ok := p.codes[r.FormValue("code")]
		delete(p.codes, r.FormValue("code"))
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		id, secret, _ := r.BasicAuth()
		if !ok || asked.Get("code_challenge_method") != "S256" || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || id != "mailreeve" || secret != "client-secret" ||
			r.FormValue("redirect_uri") != asked.Get("redirect_uri") {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		claims := map[string]any{"iss": p.URL, "aud": "mailreeve", "sub": "248289761001", "nonce": asked.Get("nonce"), "iat": p.now().Unix(), "exp": p.now().Add(time.Hour).Unix()}
		for k, v := range p.claims {
			claims[k] = v
		}
		key := p.key
		if p.wrong != nil {
			p.wrong(claims, &key)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
		must(t, err)
		payload, err := json.Marshal(claims)
		must(t, err)
		signed, err := signer.Sign(payload)
		must(t, err)
		token, err := signed.CompactSerialize()
		must(t, err)
		answer(w, map[string]any{"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "id_token": token})
	})
	return p
}

// oidcBench is a console whose people are vouched for by an idp.
func oidcBench(t *testing.T) (*bench, *idp) {
	t.Helper()
	b := newBench(t, console.OIDC{})
	p := newIDP(t, b.clock)
	b.open(p.config())
	return b, p
}

func (p *idp) config() console.OIDC {
	return console.OIDC{Issuer: p.URL, ClientID: "mailreeve", Secret: "client-secret", RoleClaim: "realm_access.roles"}
}

func role(roles ...string) map[string]any {
	return map[string]any{"preferred_username": "ann", "realm_access": map[string]any{"roles": roles}}
}

func TestLoginByOIDC(t *testing.T) {
	t.Parallel()
	b, p := oidcBench(t)
	f := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical)
	b.night(f)
	p.claims = role("offline_access", "viewer", "reviewer")
	x := b.browser()
	if _, page, at := x.get("/findings/" + f.ID); at != "/login?next=%2Ffindings%2F"+f.ID || !strings.Contains(page, "/oidc/start?next=") {
		t.Fatalf("without a login one comes to %s: %s", at, page)
	}
	status, page, at := x.get("/oidc/start?next=" + url.QueryEscape("/findings/"+f.ID))
	if status != 200 || at != "/findings/"+f.ID || !strings.Contains(page, "ann") {
		t.Fatalf("the login leads to %s: %d\n%s\n%s", at, status, text(page), b.log)
	}
	if _, page, _ := x.post("/findings/"+f.ID, url.Values{"do": {"assign"}, "to": {"me"}}); !strings.Contains(page, "assigned to ann") {
		t.Errorf("assigning says %s", text(page))
	}
	now, err := b.store.Finding(t.Context(), f.ID)
	must(t, err)
	if now.Assignee != "console:248289761001 (ann)" {
		t.Errorf("it is assigned to %q", now.Assignee)
	}
	b.open(p.config()) // a restart
	y := &browser{t, b.url, x.Client}
	u, err := url.Parse(b.url)
	must(t, err)
	old, err := url.Parse(x.base)
	must(t, err)
	y.Jar.SetCookies(u, x.Jar.Cookies(old))
	if _, _, at := y.get("/findings"); at != "/findings" {
		t.Errorf("after a restart one comes to %s", at)
	}
	if _, _, at := y.post("/logout", nil); at != "/login" {
		t.Errorf("the logout leads to %s", at)
	}
	y.Jar.SetCookies(u, x.Jar.Cookies(old)) // a stolen cookie is worth nothing then
	if _, _, at := y.get("/findings"); !strings.HasPrefix(at, "/login") {
		t.Errorf("after the logout one comes to %s", at)
	}
}

func TestWhoIsRefusedByOIDC(t *testing.T) {
	t.Parallel()
	b, p := oidcBench(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	for name, tt := range map[string]struct {
		claims map[string]any
		wrong  func(map[string]any, **rsa.PrivateKey)
		says   string
	}{
		"no role":            {claims: map[string]any{}, says: "You have no role here"},
		"another role":       {claims: role("owner"), says: "You have no role here"},
		"roles elsewhere":    {claims: map[string]any{"roles": []string{"admin"}}, says: "You have no role here"},
		"another's key":      {claims: role("admin"), wrong: func(_ map[string]any, k **rsa.PrivateKey) { *k = other }, says: "You cannot be logged in now"},
		"another's audience": {claims: role("admin"), wrong: func(c map[string]any, _ **rsa.PrivateKey) { c["aud"] = "else" }, says: "You cannot be logged in now"},
		"another issuer":     {claims: role("admin"), wrong: func(c map[string]any, _ **rsa.PrivateKey) { c["iss"] = "https://else.example" }, says: "You cannot be logged in now"},
		"another login":      {claims: role("admin"), wrong: func(c map[string]any, _ **rsa.PrivateKey) { c["nonce"] = "else" }, says: "You cannot be logged in now"},
		"long ago":           {claims: role("admin"), wrong: func(c map[string]any, _ **rsa.PrivateKey) { c["exp"] = b.clock().Add(-time.Hour).Unix() }, says: "You cannot be logged in now"},
	} {
		p.claims, p.wrong = tt.claims, tt.wrong
		x := b.browser()
		if _, page, _ := x.get("/oidc/start"); !strings.Contains(page, tt.says) {
			t.Errorf("%s: %s", name, text(page))
		}
		if _, _, at := x.get("/findings"); !strings.HasPrefix(at, "/login") {
			t.Errorf("%s: gets in, to %s", name, at)
		}
	}
	p.claims, p.wrong = role("admin"), nil
	x := b.browser()
	if _, page, _ := x.get("/oidc/callback?code=x&state=y"); !strings.Contains(page, "This login is over") {
		t.Errorf("a login that this browser did not begin: %s", text(page))
	}
	if _, page, _ := x.get("/oidc/start?next=" + url.QueryEscape("https://else.example/")); !strings.Contains(page, "Tonight") {
		t.Errorf("a login that should lead elsewhere: %s", text(page))
	}
	if status, _, _ := b.browser().get("/login/whatever"); status != 403 {
		t.Errorf("with an issuer a link logs in: %d", status)
	}
}

// The name in the trail tells people apart, and is no address.
func TestNamesAreNoAddresses(t *testing.T) {
	t.Parallel()
	b, p := oidcBench(t)
	p.claims = role("viewer")
	p.claims["preferred_username"], p.claims["name"], p.claims["sub"] = "ann@customer.example", "Ann", "ann@customer.example"
	b.browser().get("/oidc/start")
	list, err := b.store.Sessions(t.Context(), "", audit.At(b.clock()))
	must(t, err)
	if len(list) != 1 || list[0].Name != "Ann" || strings.Contains(list[0].Who, "@") || !strings.HasSuffix(list[0].Who, " (Ann)") || len(list[0].Who) < 20 {
		t.Errorf("%+v", list)
	}
}

func TestLoginByLink(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	link, err := b.c.Link(b.listener)
	must(t, err)
	path := strings.TrimPrefix(link, b.url)
	for name, header := range map[string]string{"X-Forwarded-For": "10.0.0.7", "Forwarded": "for=10.0.0.7"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", link, nil)
		must(t, err)
		r.Header.Set(name, header)
		x := b.browser()
		answer, err := x.Do(r)
		must(t, err)
		if status, page, _ := x.read(answer); status != 403 {
			t.Errorf("through a proxy (%s): %d %s", name, status, text(page))
		}
	}
	x := b.browser()
	if status, _, at := x.get(path); status != 200 || at != "/" {
		t.Errorf("the link leads to %s, %d", at, status)
	}
	if status, page, _ := b.browser().get(path); status != 403 || !strings.Contains(page, "works once") {
		t.Errorf("the link works twice: %d %s", status, text(page))
	}
	b.wait(13 * time.Hour)
	if _, _, at := x.get("/"); !strings.HasPrefix(at, "/login") {
		t.Errorf("after 13 hours one is still at %s", at)
	}
	trail, err := b.store.Trail(t.Context(), store.TrailFilter{What: "logged in"})
	must(t, err)
	if len(trail) != 1 || !strings.HasPrefix(trail[0].Who, "console:link (") {
		t.Errorf("the trail says %+v", trail)
	}
}

// An admin ends anybody's session, others only their own.
func TestSessionsCanBeEnded(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	ann, bob, eve := b.loggedIn("ann", console.Reviewer), b.loggedIn("bob", console.Viewer), b.loggedIn("eve", console.Admin)
	digest := func(who string) string { return console.DigestOf("token-of-" + who) }
	if _, page, _ := bob.get("/sessions"); strings.Contains(page, "ann") {
		t.Errorf("a viewer sees others' sessions: %s", text(page))
	}
	if status, _, _ := bob.post("/sessions/end", url.Values{"session": {digest("ann")}}); status != 404 {
		t.Errorf("a viewer ends another's session: %d", status)
	}
	if _, _, at := ann.get("/"); at != "/" {
		t.Fatalf("ann is at %s", at)
	}
	if _, page, _ := eve.post("/sessions/end", url.Values{"session": {digest("ann")}}); !strings.Contains(page, "The session of ann is ended") {
		t.Errorf("an admin ends a session: %s", text(page))
	}
	if _, _, at := ann.get("/"); !strings.HasPrefix(at, "/login") {
		t.Errorf("ann is still at %s", at)
	}
}
