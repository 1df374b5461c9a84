package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// entry is what the registry says of an app. It may change from night to night by edits.
type entry struct {
	Key               string     `json:"key"`
	Name              string     `json:"name"`
	Kind              string     `json:"kind"`
	Vendor            vendor     `json:"vendor"`
	Internal          bool       `json:"internal"`
	ListingURL        string     `json:"listing_url"`
	PrivacyPolicyURL  string     `json:"privacy_policy_url"`
	PrivacyPolicyText string     `json:"privacy_policy_text"`
	TermsURL          string     `json:"terms_url"`
	Stores            *bool      `json:"stores_personal_data"`
	Domains           []string   `json:"domains"`
	Scopes            []string   `json:"scopes,omitempty"`
	Descriptor        any        `json:"descriptor,omitempty"`
	Manifest          string     `json:"manifest,omitempty"`
	Approvals         []approved `json:"approvals"`

	slug      string
	agent     string
	features  features
	approvals []*approval
	edits     []edit
	unlisted  bool // not in the registry at all
}

type vendor struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	Contacts []string `json:"contacts"`
}

// features is what an app asks for and reaches, as a snapshot lists it.
type features struct {
	Scopes  []string `json:"scopes"`
	Modules []string `json:"modules"` // TYPE/KEY
	Egress  []string `json:"egress"`
	Domains []string `json:"domains"`
}

func (f features) clone() *features {
	return &features{slices.Clone(f.Scopes), slices.Clone(f.Modules), slices.Clone(f.Egress), slices.Clone(f.Domains)}
}

// edit is a change of the registry that the night reads first.
type edit struct {
	night int
	do    func(e *entry)
}

// change changes what the registry says from a night on. What judges past days (whether the app stores personal data) must not change.
func (e *entry) change(night int, do func(e *entry)) { e.edits = append(e.edits, edit{night, do}) }

// approved is an approval as the registry writes it.
type approved struct {
	RequestID     string     `json:"request_id"`
	Status        string     `json:"status"`
	DecidedAt     *time.Time `json:"decided_at"`
	RevokedAt     *time.Time `json:"revoked_at"`
	Purposes      []string   `json:"purposes"`
	Functionality string     `json:"functionality"`
	PolicyExcerpt string     `json:"policy_excerpt"`
	ThirdParties  []string   `json:"third_parties"`
	Snapshot      *features  `json:"snapshot,omitempty"`
}

// approval is a request and what came of it, and which night the registry first shows that.
type approval struct {
	approved
	listed  int // the night that first reads the decision; before it, the request is pending
	revoked int // the night that first reads the revocation
}

// request adds a request that waits for its decision.
func (a *app) request(purposes ...string) *approval {
	p := &approval{approved: approved{
		RequestID: fmt.Sprintf("REQ-%04d", 1000+int(a.m.requestID()%9000)), Status: "pending", Purposes: purposes,
		Functionality: functionality(purposes), PolicyExcerpt: excerptOf(a.Vendor.Name), ThirdParties: []string{},
	}}
	a.approvals = append(a.approvals, p)
	return p
}

// approve adds an approval of the app as it is now, and a use for each of its purposes.
func (a *app) approve(decided time.Time, purposes ...string) *approval {
	p := a.request(purposes...)
	p.Status, p.DecidedAt, p.Snapshot = "approved", &decided, a.features.clone()
	p.listed = max(a.m.dayOf(decided), 0)
	for _, purpose := range purposes {
		a.uses = append(a.uses, use{purpose: purpose, from: decided})
	}
	return p
}

// revoke ends an approval, and the uses of it.
func (a *app) revoke(p *approval, at time.Time) {
	p.RevokedAt, p.revoked = &at, a.m.dayOf(at)
	for i := range a.uses {
		if slices.Contains(p.Purposes, a.uses[i].purpose) {
			a.uses[i].to = at
		}
	}
}

// asOf is the approval as the registry shows it that night.
func (p *approval) asOf(night int) approved {
	out := p.approved
	switch {
	case night < p.listed:
		out.Status, out.DecidedAt, out.RevokedAt = "pending", nil, nil
	case p.RevokedAt == nil:
	case night < p.revoked:
		out.RevokedAt = nil
	default:
		out.Status = "withdrawn"
	}
	return out
}

// asOf is the entry as the registry shows it that night, as a line.
func (e entry) asOf(night int) []byte {
	e.features = *e.features.clone()
	for _, x := range e.edits {
		if x.night <= night {
			x.do(&e)
		}
	}
	e.Approvals = []approved{}
	for _, p := range e.approvals {
		e.Approvals = append(e.Approvals, p.asOf(night))
	}
	switch e.Kind {
	case "connect":
		e.Descriptor = e.descriptor()
	case "forge":
		e.Manifest = e.manifest()
	default:
		e.Scopes = e.features.Scopes
	}
	e.Domains = slices.Clone(e.features.Domains)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		panic(err) // plain values always can be written
	}
	return b.Bytes()
}

// registry is the whole registry as that night reads it.
func (m *Market) registry(night int) []byte {
	var b []byte
	for _, a := range m.apps {
		if !a.unlisted {
			b = append(b, a.entry.asOf(night)...)
		}
	}
	return b
}

// descriptor is the app's Connect descriptor: a type of modules is an array, or an object where it holds one.
func (e *entry) descriptor() any {
	modules := map[string]any{}
	for _, m := range e.features.Modules {
		kind, key, _ := strings.Cut(m, "/")
		module := map[string]any{"key": key, "name": map[string]string{"value": e.Name}, "url": "/" + key}
		switch before := modules[kind].(type) {
		case nil:
			modules[kind] = module
			if kind == "webhooks" {
				modules[kind] = []any{map[string]any{"event": key, "url": "/hooks"}}
			}
		case []any:
			modules[kind] = append(before, module)
		default:
			modules[kind] = []any{before, module}
		}
	}
	return map[string]any{
		"key": e.Key, "name": e.Name, "vendor": map[string]string{"name": e.Vendor.Name, "url": "https://" + e.slug + ".example"},
		"baseUrl": "https://" + e.features.Domains[0] + "/jira", "links": map[string]string{"self": "https://" + e.features.Domains[0] + "/descriptor.json"},
		"authentication": map[string]string{"type": "jwt"}, "lifecycle": map[string]string{"installed": "/installed", "uninstalled": "/uninstalled"},
		"scopes": e.features.Scopes, "modules": modules, "apiMigrations": map[string]bool{"gdpr": true, "signed-install": true},
	}
}

// manifest is the app's Forge manifest.
func (e *entry) manifest() string {
	var b strings.Builder
	fmt.Fprintf(&b, "app:\n  id: ari:cloud:ecosystem::app/%s\n  runtime:\n    name: nodejs22.x\n", e.slug)
	b.WriteString("modules:\n  function:\n    - key: main\n      handler: index.run\n")
	kind := ""
	for _, m := range e.features.Modules {
		k, key, _ := strings.Cut(m, "/")
		if k != kind {
			fmt.Fprintf(&b, "  %s:\n", k)
			kind = k
		}
		fmt.Fprintf(&b, "    - key: %s\n      resolver:\n        function: main\n", key)
	}
	b.WriteString("permissions:\n  scopes:\n")
	for _, s := range e.features.Scopes {
		fmt.Fprintf(&b, "    - %q\n", s)
	}
	if len(e.features.Egress) > 0 {
		b.WriteString("  external:\n    fetch:\n      backend:\n")
		for i, host := range e.features.Egress {
			if i%2 == 0 {
				fmt.Fprintf(&b, "        - https://%s\n", host)
			} else {
				fmt.Fprintf(&b, "        - address: %q\n", host)
			}
		}
	}
	return b.String()
}

// excerptOf is the words of a vendor's privacy policy that say how addresses are processed.
func excerptOf(vendor string) string {
	return vendor + " uses the e-mail address of a user only to deliver what the customer's administrator set up, and doesn't share it - not even with its own partners."
}

func policyOf(vendor string) string {
	return "Privacy policy. " + vendor + " processes personal data on behalf of its customers. " + excerptOf(vendor) +
		" Data is erased within thirty days after the app was uninstalled."
}

func functionality(purposes []string) string {
	return "The app needs the address for " + strings.Join(purposes, ", ") + "."
}
