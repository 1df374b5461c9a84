package oracle

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// app is the registry's entry of an app.
type app struct {
	key                               string
	privacyURL, privacyText, termsURL string
	stores                            *bool
	domains                           []string
	scopes                            []string
	descriptor                        object
	manifest                          map[string]any
	approvals                         []approval
	identity                          string
}

// approval is one request for the Email API and what became of it.
type approval struct {
	status               string
	decidedAt, revokedAt *time.Time
	purposes             []string
	thirdParties         []string
	excerpt              string
	snapshot             snapshot
}

// snapshot is what was approved; a part that is nil cannot be looked at.
type snapshot struct{ scopes, modules, egress, domains *[]string }

// inForce: status approved or withdrawn, and decided_at <= t < revoked_at (null: no end).
func (p approval) inForce(t time.Time) bool {
	if p.status != "approved" && p.status != "withdrawn" {
		return false
	}
	if p.decidedAt == nil || p.decidedAt.After(t) {
		return false
	}
	return p.revokedAt == nil || t.Before(*p.revokedAt)
}

var appFields = []string{"key", "name", "kind", "vendor", "internal", "listing_url", "privacy_policy_url", "privacy_policy_text", "terms_url",
	"stores_personal_data", "domains", "scopes", "descriptor", "manifest", "approvals"}

func parseApp(o object) (p app, err error) {
	if p.key, err = o.need("key"); err != nil {
		return p, err
	}
	if err = notAddress("key", p.key); err != nil {
		return p, err
	}
	for _, f := range []string{"name", "listing_url"} {
		if _, err = o.text(f); err != nil {
			return p, err
		}
	}
	kind, err := o.text("kind")
	if err != nil {
		return p, err
	}
	if kind != "" && kind != "connect" && kind != "forge" && kind != "oauth2" {
		return p, errors.New("kind is outside its list")
	}
	vendor, err := o.child("vendor")
	if err != nil {
		return p, err
	}
	for _, f := range []string{"id", "name", "email"} {
		if _, err = vendor.text(f); err != nil {
			return p, err
		}
	}
	if _, _, err = vendor.texts("contacts"); err != nil {
		return p, err
	}
	if _, err = o.truth("internal"); err != nil {
		return p, err
	}
	if p.privacyURL, err = o.text("privacy_policy_url"); err != nil {
		return p, err
	}
	if p.privacyText, err = o.text("privacy_policy_text"); err != nil {
		return p, err
	}
	if p.termsURL, err = o.text("terms_url"); err != nil {
		return p, err
	}
	if p.stores, err = o.truth("stores_personal_data"); err != nil {
		return p, err
	}
	if p.domains, _, err = o.texts("domains"); err != nil {
		return p, err
	}
	if p.scopes, _, err = o.texts("scopes"); err != nil {
		return p, err
	}
	if p.descriptor, err = o.child("descriptor"); err != nil {
		return p, err
	}
	manifest, err := o.text("manifest")
	if err != nil {
		return p, err
	}
	if err := yaml.Unmarshal([]byte(manifest), &p.manifest); err != nil {
		p.manifest = nil
	}
	list, err := o.list("approvals")
	if err != nil {
		return p, err
	}
	for _, e := range list {
		eo, ok := e.(object)
		if !ok {
			return p, errors.New("approvals holds something that is no object")
		}
		x, err := parseApproval(eo)
		if err != nil {
			return p, err
		}
		p.approvals = append(p.approvals, x)
	}
	for _, f := range appFields {
		v, _ := o.get(f)
		p.identity += fmt.Sprintf(" %s=%v", f, v)
	}
	return p, nil
}

// truth reads a boolean; absent and null give nil.
func (o object) truth(name string) (*bool, error) {
	v, err := o.get(name)
	if err != nil || v == nil {
		return nil, err
	}
	b, ok := v.(bool)
	if !ok {
		return nil, fmt.Errorf("%s is neither true nor false", name)
	}
	return &b, nil
}

func parseApproval(o object) (p approval, err error) {
	for _, f := range []string{"request_id", "functionality"} {
		if _, err = o.text(f); err != nil {
			return p, err
		}
	}
	if p.status, err = o.oneOf("status", "approved", "pending", "rejected", "withdrawn"); err != nil {
		return p, err
	}
	if p.decidedAt, err = o.instant("decided_at"); err != nil {
		return p, err
	}
	if p.revokedAt, err = o.instant("revoked_at"); err != nil {
		return p, err
	}
	if p.status == "withdrawn" && p.revokedAt == nil {
		return p, errors.New("withdrawn without revoked_at")
	}
	if p.status == "approved" && p.decidedAt == nil {
		return p, errors.New("approved without decided_at")
	}
	if p.purposes, _, err = o.texts("purposes"); err != nil {
		return p, err
	}
	if p.excerpt, err = o.text("policy_excerpt"); err != nil {
		return p, err
	}
	if p.thirdParties, _, err = o.texts("third_parties"); err != nil {
		return p, err
	}
	s, err := o.child("snapshot")
	if err != nil {
		return p, err
	}
	for _, part := range []struct {
		name string
		to   **[]string
	}{{"scopes", &p.snapshot.scopes}, {"modules", &p.snapshot.modules}, {"egress", &p.snapshot.egress}, {"domains", &p.snapshot.domains}} {
		l, given, err := s.texts(part.name)
		if err != nil {
			return p, err
		}
		if given {
			*part.to = &l
		}
	}
	return p, nil
}

// readApps reads the registry whole: the last line for a key wins. An app whose newest line is bad (but names it, by one string
// key) is judged by its last good one; without one, checks that need the registry cannot look at it.
func (a *audit) readApps(in Input, res *Result) {
	k := newKind("apps", res)
	if in.Apps != nil {
		bad := map[string]bool{}
		lines(in.Apps.Files, func(f File, number int, line []byte) {
			k.n.Lines++
			o, err := readObject(line)
			if err != nil {
				k.bad(f, number, err)
				return
			}
			p, err := parseApp(o)
			if err != nil {
				k.bad(f, number, err)
				if key, err := o.need("key"); err == nil {
					bad[key] = true
				}
				return
			}
			k.fact(p.identity)
			a.apps[p.key] = p
		})
		for key := range bad {
			if _, good := a.apps[key]; !good {
				a.unreadable[key] = true
			}
		}
		a.lookedApps = len(a.apps) > 0
	}
	k.done()
}

// inForce gives the approvals of an app in force at t, in the registry's order.
func (p app) inForce(t time.Time) []approval {
	var out []approval
	for _, x := range p.approvals {
		if x.inForce(t) {
			out = append(out, x)
		}
	}
	return out
}

// newest gives the newest approval in force: the greatest decided_at, the last line of equals.
func (p app) newest(t time.Time) (approval, bool) {
	var best approval
	found := false
	for _, x := range p.inForce(t) {
		if !found || !x.decidedAt.Before(*best.decidedAt) {
			best, found = x, true
		}
	}
	return best, found
}

func (p app) pending() bool {
	for _, x := range p.approvals {
		if x.status == "pending" {
			return true
		}
	}
	return false
}

// sameScope folds the spelling of a scope: without case, with _ as -, and without a granted scope's product.
func sameScope(s string) string {
	s = strings.ReplaceAll(strings.ToLower(s), "_", "-")
	s = strings.TrimSuffix(s, ":connect-jira")
	s = strings.TrimSuffix(s, ":connect-confluence")
	return s
}

func emailScope(s string) bool {
	for _, e := range []string{"ACCESS_EMAIL_ADDRESSES", "read:email-address:jira", "read:email-address:confluence"} {
		if sameScope(s) == sameScope(e) {
			return true
		}
	}
	return false
}

// allScopes gives the scopes from descriptor, manifest and scopes, in this order; of two spellings of one only the first.
func (p app) allScopes() []string {
	var all []string
	if v, _ := p.descriptor.get("scopes"); v != nil {
		if l, ok := v.([]any); ok {
			for _, e := range l {
				if s, ok := e.(string); ok {
					all = append(all, s)
				}
			}
		}
	}
	permissions, _ := p.manifest["permissions"].(map[string]any)
	scopes, _ := permissions["scopes"].([]any)
	for _, e := range scopes {
		switch e := e.(type) {
		case string:
			all = append(all, e)
		case map[string]any:
			for name := range e {
				all = append(all, name)
			}
		}
	}
	all = append(all, p.scopes...)
	var out []string
	seen := map[string]bool{}
	for _, s := range all {
		if !seen[sameScope(s)] {
			seen[sameScope(s)] = true
			out = append(out, s)
		}
	}
	return out
}

// asks says whether the app asks for an e-mail scope.
func (p app) asks() bool {
	for _, s := range p.allScopes() {
		if emailScope(s) {
			return true
		}
	}
	return false
}

// modules gives every module as TYPE/KEY, the key being the module's key, else its event, else its url, else "-". Each type
// holds an object or an array. Forge's function entries are left out.
func (p app) modules() []string {
	var out []string
	add := func(kind string, get func(string) string) {
		key := "-"
		for _, f := range []string{"key", "event", "url"} {
			if s := get(f); s != "" {
				key = s
				break
			}
		}
		out = append(out, kind+"/"+key)
	}
	if types, err := p.descriptor.child("modules"); err == nil {
		for _, m := range types {
			list, ok := m.value.([]any)
			if !ok {
				list = []any{m.value}
			}
			for _, e := range list {
				if o, ok := e.(object); ok {
					add(m.name, func(f string) string { s, _ := o.text(f); return s })
				}
			}
		}
	}
	for _, part := range []string{"modules", "connectModules"} {
		types, _ := p.manifest[part].(map[string]any)
		for kind, v := range types {
			if part == "modules" && kind == "function" {
				continue
			}
			list, ok := v.([]any)
			if !ok {
				list = []any{v}
			}
			for _, e := range list {
				if o, ok := e.(map[string]any); ok {
					add(kind, func(f string) string { s, _ := o[f].(string); return s })
				}
			}
		}
	}
	return out
}

// host gives the host of an address or URL: lower case, no scheme, port or path.
func host(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if i := strings.Index(s, "://"); i >= 0 {
		s = s[i+3:]
	}
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		s = s[:i]
	}
	if i := strings.LastIndex(s, ":"); i >= 0 {
		s = s[:i]
	}
	return s
}

// egress gives the hosts of the manifest's external permissions, remotes resolved.
func (p app) egress() []string {
	var out []string
	permissions, _ := p.manifest["permissions"].(map[string]any)
	external, _ := permissions["external"].(map[string]any)
	add := func(v any) {
		list, _ := v.([]any)
		for _, e := range list {
			switch e := e.(type) {
			case string:
				out = append(out, host(e))
			case map[string]any:
				if s, ok := e["address"].(string); ok {
					out = append(out, host(s))
				}
				if s, ok := e["remote"].(string); ok {
					remotes, _ := p.manifest["remotes"].([]any)
					for _, r := range remotes {
						if r, ok := r.(map[string]any); ok && r["key"] == s {
							if u, ok := r["baseUrl"].(string); ok {
								out = append(out, host(u))
							}
						}
					}
				}
			}
		}
	}
	for _, part := range []string{"images", "media", "scripts", "styles", "fonts", "frames"} {
		add(external[part])
	}
	fetch, _ := external["fetch"].(map[string]any)
	add(fetch["backend"])
	add(fetch["client"])
	return out
}

// hosts gives the hosts of the descriptor's baseUrl and of domains.
func (p app) hosts() []string {
	var out []string
	if u, err := p.descriptor.text("baseUrl"); err == nil && u != "" {
		out = append(out, host(u))
	}
	for _, d := range p.domains {
		out = append(out, host(d))
	}
	return out
}
