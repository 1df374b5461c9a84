package checks

import (
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

const whoIsAsked = "Every app of the newest registry that has an approval pending or in force at as-of, asks for an e-mail scope, or ever retrieved an address"

// registered is the app's newest registry entry where the registry checks look at the app: it has an approval pending or in force, asks for an
// e-mail scope, or ever retrieved. Otherwise it is nil.
func registered(d *audit.Dossier) (*audit.App, error) {
	app := d.Newest()
	if app == nil || d.ApprovalNow() != nil || d.RequestPending() || slices.ContainsFunc(app.Features.Scopes, d.RulesNow().Policy.IsEmailScope) {
		return app, nil
	}
	if first, err := d.FirstRetrieval(); err != nil || first == audit.Ever {
		return nil, err
	}
	return app, nil
}

// request names the request of an approval, for evidence.
func request(a *audit.Approval) string {
	name := "the request"
	if a.RequestID != "" {
		name = address.Redact(a.RequestID)
	}
	return name + ", decided " + moment(a.Decided)
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
