package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/api"
	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/console"
)

// Sessions are for pages and tokens for the API, and neither opens the other's.
func TestTokensAndSessionsAreApart(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	f := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical)
	b.night(f)
	x, secret, err := api.NewToken("siem", []string{"findings:read", "findings:write"}, "cli:ann@host", start, start.Add(day))
	must(t, err)
	must(t, b.store.CreateToken(t.Context(), x))
	ask := func(method, path string) (int, string, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, b.url+path, nil)
		must(t, err)
		r.Header.Set("Authorization", "Bearer "+secret)
		answer, err := http.DefaultClient.Do(r)
		must(t, err)
		return b.browser().read(answer)
	}
	for _, path := range []string{"/", "/findings", "/findings/" + f.ID, "/settings", "/findings/" + f.ID + "/accounts.csv"} {
		if _, page, at := ask("GET", path); !strings.HasPrefix(at, "/login") || strings.Contains(page, "marketing") {
			t.Errorf("a token opens %s: %s", path, text(page))
		}
	}
	if status, said, at := ask("GET", "/api/v1/findings"); status != 200 || at != "/api/v1/findings" || !strings.Contains(said, f.ID) {
		t.Errorf("the API answers a token %d, at %s: %s", status, at, said)
	}
	admin := b.loggedIn("ada", console.Admin)
	for _, path := range []string{"/api/v1/findings", "/api/v1/findings/" + f.ID, "/api/v1/trail"} {
		if status, said, _ := admin.get(path); status != 401 || strings.Contains(said, f.ID) {
			t.Errorf("a session is answered at %s: %d %s", path, status, said)
		}
	}
	for _, path := range []string{"/api/", "/api/v2/findings", "/api/v1/"} {
		if status, said, at := admin.get(path); status != 404 || at != path || !strings.HasPrefix(said, "{") {
			t.Errorf("%s: %d at %s: %s", path, status, at, said)
		}
	}
	page := admin.says("/settings", "siem works findings:read findings:write in 24 h", "cli:ann@host")
	if strings.Contains(page, secret) || strings.Contains(page, x.Digest) {
		t.Error("the settings tell a secret")
	}
	admin.says("/trail?who=cli:ann@host", "token created")
}
