package audit_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

// What is kept when an account is forgotten, and what comes again later, is renamed alike: else a copy would be another fact.
func TestForgettingAndReadingAgainAgree(t *testing.T) {
	for _, id := range []string{"5b10a2844c20165700ede21f", "712020:f58131cb-b67d-43c7-b30d-6b58d40bd077", "f58131cb-b67d-43c7-b30d-6b58d40bd077", "customaccount12", "日本語アカウント", "müllerskonto"} {
		for _, text := range []string{"%s", "/user/%s/email", "/email?accountId=%s", "/email?ids=x%%2C%s", "/email?accountId%%3D%s", "/email?q=%%5B%%22%s%%22%%5D", "/email?ids=%s%%2C%[1]s",
			"/email?ids=5b10a2844c20165700ede220%%2C%s", `{"id":"%s"}`, "ask %s, please", "/%s.json", "/email?ids=%s&x=1"} {
			escaped := url.QueryEscape(id)
			for _, spelled := range []string{id, escaped, strings.ReplaceAll(escaped, "%3A", "%3a"), url.QueryEscape(escaped), strings.ToLower(url.QueryEscape(url.QueryEscape(escaped))),
				strings.ReplaceAll(id, ":", "&#58;"), strings.ReplaceAll(id, ":", "&#x3A;"), strings.ReplaceAll(id, ":", "&#0058;"), strings.ReplaceAll(id, ":", "&colon;")} {
				s := fmt.Sprintf(text, spelled)
				f := audit.NewForgotten([]byte("0123456789abcdef0123456789abcdef"))
				renames := f.Forget([]string{id})
				then, again := renames.Text(s), f.Text(s)
				if then != again {
					t.Errorf("%s\nforgotten:  %s\nread again: %s", s, then, again)
				}
				if !audit.IsRenamed(again) {
					t.Errorf("%s is kept", s)
				}
			}
		}
	}
}

// In JSON any sign of an id may be written as an escape.
func TestForgettingInJSON(t *testing.T) {
	r := audit.NewForgotten([]byte("0123456789abcdef0123456789abcdef")).Forget([]string{"712020:f58131cb-b67d-43c7-b30d-6b58d40bd077"})
	for _, s := range []string{`{"a":["712020:f58131cb-b67d-43c7-b30d-6b58d40bd077"]}`, `{"a":["712020\u003af58131cb-b67d-43c7-b30d-6b58d40bd077"]}`,
		`{"712020%3af58131cb-b67d-43c7-b30d-6b58d40bd077":1}`} {
		if now := r.JSON(s); !audit.IsRenamed(now) || strings.Contains(now, "f58131cb") {
			t.Errorf("%s became %s", s, now)
		}
	}
	if other := `{"a":"\u003a"}`; r.JSON(other) != other {
		t.Errorf("%s became %s", other, r.JSON(other))
	}
}
