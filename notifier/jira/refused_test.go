package jira

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

// "Too many requests" after the issue was made, as something between may say: it is not made again, though a search does not show it yet.
func TestRefusedAfterItWasMade(t *testing.T) {
	t.Parallel()
	refuse := true
	w := newWorld(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !refuse || r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/issue") {
				next.ServeHTTP(w, r)
				return
			}
			refuse = false
			next.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusTooManyRequests)
		})
	})
	w.night(is(audit.IsNew, audit.Open, p7("acme", "user-sync")))
	w.deliver()
	w.see("AUDIT-1 Offen, 0 comments")
}
