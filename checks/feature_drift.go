package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// featureDrift enforces P7: a new feature needs a new or updated request first, so what the app is now is held against what was approved.
func featureDrift(p *audit.Policy) audit.Check {
	return audit.Check{
		ID: "feature-drift", Clause: "P7", Nature: audit.IsState,
		Severity: audit.Medium, Confidence: audit.Likely,
		Grade: func(subject string) (audit.Severity, audit.Confidence) {
			scope, isScope := strings.CutPrefix(subject, "scope:")
			if isScope && p.IsEmailScope(scope) || strings.HasPrefix(subject, "egress:") {
				return audit.Medium, audit.Likely
			}
			return audit.Low, audit.Possible
		},

		Finds: "scopes, modules, egress or domains added since the approval's snapshot",
		Title: "Changed since it was approved (%s)",
		Rule: "The newest registry entry has a scope, module, egress host or domain that the snapshot of the newest approval in force at as-of has not. Subjects: `scope:NAME` as spelled now, `module:TYPE/KEY`, `egress:HOST`, `domain:HOST`. " +
			"An added e-mail scope or egress host is medium and likely, anything else low and possible.\n\n" +
			"Boundaries: only what was added counts, not what was dropped. The newest approval is the one decided last, of equals the last line. A part that the snapshot lacks (or null) cannot be looked at; an empty one can. " +
			upper(howScopesCompare(p)) + ". In the snapshot's egress `*.x` covers what is under x, but not x itself, and `*` covers all; domains compare exactly.",
		Remediation: "Say what the addition is for. If it changes what addresses are used for, or where they go, send an updated request before it is used; otherwise ask the reviewer to accept it as part of the approval.",

		Needs:      []audit.Kind{audit.KindApps},
		NoAccounts: true,
		NoSites:    true,

		Holds: func(d *audit.Dossier, t *audit.Tally) error {
			app, approval := d.Newest(), d.ApprovalNow()
			if app == nil || approval == nil {
				return nil
			}
			for _, x := range Drift(app, approval) {
				if x.Change == audit.DriftAdded {
					t.State(x.Subject, audit.Evidence{Source: app.Source, Detail: "not in the snapshot of " + request(approval)})
				}
			}
			return nil
		},
		Explain: func(f *audit.Finding, _ *audit.Policy) string {
			part, name, _ := strings.Cut(f.Subject, ":")
			if part == "egress" {
				part = "egress host"
			}
			return fmt.Sprintf("The app has the %s %s, which was not there when it was approved.%s", part, name, first(f))
		},

		Proof: audit.Proof{
			Violates: audit.Case{
				Story: "Since the approval the app asks for an e-mail scope and another one, has a new module, sends to example.net (approved was what lies under it) and is served from another domain.",
				Dossier: tell("2026-11-22T02:30:00Z").
					snapshot("2026-01-01T00:00:00Z", audit.Features{
						Scopes: []string{"READ"}, Modules: []string{"webhooks/jira:issue_created"}, Egress: []string{"*.example.net"}, Domains: []string{"acme.example"},
					}).
					entry(features(audit.Features{
						Scopes: []string{"read", "write", "ACCESS_EMAIL_ADDRESSES"}, Modules: []string{"webhooks/jira:issue_created", "jiraIssuePanels/mails"},
						Egress: []string{"api.example.net", "example.net"}, Domains: []string{"acme.example", "app.acme.example"},
					})).
					dossier,
				Finds: []audit.Found{
					{Subject: "domain:app.acme.example", Occurrences: 1}, {Subject: "egress:example.net", Occurrences: 1}, {Subject: "module:jiraIssuePanels/mails", Occurrences: 1},
					{Subject: "scope:ACCESS_EMAIL_ADDRESSES", Occurrences: 1}, {Subject: "scope:write", Occurrences: 1},
				},
			},
			Complies: audit.Case{
				Story: "The app spells its scopes otherwise and sends to a host under the approved one; it has dropped a module. Domains were not recorded when it was approved, and an older approval had less.",
				Dossier: tell("2026-11-22T02:30:00Z").
					snapshot("2025-01-01T00:00:00Z", audit.Features{Scopes: []string{}, Egress: []string{}}).
					snapshot("2026-01-01T00:00:00Z", audit.Features{
						Scopes: []string{"READ", "access-email-addresses:connect-jira"}, Modules: []string{"webhooks/jira:issue_created"}, Egress: []string{"*.example.net"},
					}).
					entry(features(audit.Features{
						Scopes: []string{"read", "ACCESS_EMAIL_ADDRESSES"}, Modules: []string{}, Egress: []string{"eu.api.example.net", "*.api.example.net"}, Domains: []string{"acme.example"},
					})).
					dossier,
			},
		},
	}
}

// Drift holds an app against the snapshot of an approval, part by part: what the snapshot has, then what was added to it. A part that the snapshot lacks is
// left out. What was added and not accepted is what feature-drift finds.
func Drift(app *audit.App, approval *audit.Approval) (list []audit.Drift) {
	now, then, known := app.Features, approval.Snapshot, approval.Known()
	for _, p := range []struct {
		name             string
		now, then, known []string
		fold             func(string) string
	}{
		{"scope", now.Scopes, then.Scopes, known.Scopes, audit.FoldScope},
		{"module", now.Modules, then.Modules, known.Modules, same},
		{"egress", now.Egress, then.Egress, known.Egress, bareHost},
		{"domain", now.Domains, then.Domains, known.Domains, bareHost},
	} {
		has, knows := folded(p.now, p.fold), folded(p.known, p.fold)
		for _, s := range p.then {
			x := audit.Drift{Part: p.name, Name: s, Change: audit.DriftGone}
			stands := func(host string) bool { return covered(host, []string{s}) }
			if has[p.fold(s)] || p.name == "egress" && strings.HasPrefix(bareHost(s), "*") && slices.ContainsFunc(p.now, stands) {
				x.Change = audit.DriftNone
			}
			list = append(list, x)
		}
		added(p.now, p.then, p.fold, func(s string) {
			x := audit.Drift{Part: p.name, Name: s, Subject: address.Redact(p.name + ":" + s), Change: audit.DriftAdded}
			switch {
			case p.name == "egress" && covered(s, p.then): // the snapshot's pattern stands for it
				return
			case slices.Contains(approval.Accepted, x.Subject), knows[p.fold(s)], p.name == "egress" && covered(s, p.known):
				x.Change = audit.DriftAccepted
			}
			list = append(list, x)
		})
	}
	return list
}

// added calls visit with what now holds and then does not, compared by fold; of equal ones with the first. Where then is nil nobody can say.
func added(now, then []string, fold func(string) string, visit func(string)) {
	if then == nil {
		return
	}
	known := folded(then, fold)
	for _, s := range now {
		if f := fold(s); !known[f] {
			known[f] = true
			visit(s)
		}
	}
}

// folded is what a list holds, as fold compares it.
func folded(list []string, fold func(string) string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[fold(s)] = true
	}
	return set
}

func same(s string) string { return s }

// covered says whether a snapshot's egress covers a host by a pattern: `*` all hosts, `*.x` those under x.
func covered(host string, egress []string) bool {
	host = bareHost(host)
	for _, e := range egress {
		e = bareHost(e)
		if under, ok := strings.CutPrefix(e, "*"); ok && (under == "" || under[0] == '.' && strings.HasSuffix(host, under)) {
			return true
		}
	}
	return false
}

// bareHost is a host, or a pattern of hosts, as hosts are compared: lower case, without scheme, port and path. What the registry gives for a
// snapshot may still carry them.
func bareHost(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if _, after, ok := strings.Cut(s, "://"); ok {
		s = after
	}
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		s = s[:i]
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		s = s[:i]
	}
	return s
}
