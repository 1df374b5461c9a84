package audit_test

import (
	"fmt"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

// What is kept when an account is forgotten, and what comes again later, is renamed alike: else a copy would be another fact.
func TestForgettingAndReadingAgainAgree(t *testing.T) {
	for _, id := range []string{"5b10a2844c20165700ede21f", "712020:f58131cb-b67d-43c7-b30d-6b58d40bd077", "f58131cb-b67d-43c7-b30d-6b58d40bd077", "customaccount12"} {
		for _, text := range []string{"%s", "/user/%s/email", "/email?accountId=%s", "/email?ids=x%%2C%s", "/email?accountId%%3D%s", "/email?q=%%5B%%22%s%%22%%5D", "/email?ids=%s%%2C%[1]s",
			"/email?ids=5b10a2844c20165700ede220%%2C%s", `{"id":"%s"}`, "ask %s, please", "/%s.json", "/email?ids=%s&x=1"} {
			s := fmt.Sprintf(text, id)
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
