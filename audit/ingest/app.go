package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// App reads a line of the registry. All its text but the vendor's own contacts is masked by address.Redact. Features come from the descriptor, the
// manifest and the line's own fields, in this order; a manifest that cannot be read gives none, and a note in App.Notes. The error says which field is
// wrong and how, and quotes nothing of the line.
func App(line []byte) (*audit.App, error) {
	var (
		app             audit.App
		internal        *bool
		domains, scopes []string
		manifest        string
		found           features
		approval        registryApproval
	)
	err := object(line, fields{
		"key": text(&app.Key), "name": clean(&app.Name), "kind": text(&app.Kind), "internal": truth(&internal),
		"vendor": nested(fields{
			"id": clean(&app.Vendor.ID), "name": clean(&app.Vendor.Name), "email": text(&app.Vendor.Email), "contacts": texts(&app.Vendor.Contacts),
		}),
		"listing_url": clean(&app.ListingURL), "privacy_policy_url": clean(&app.PrivacyPolicyURL), "terms_url": clean(&app.TermsURL),
		"privacy_policy_text": clean(&app.PrivacyPolicyText), "stores_personal_data": truth(&app.Stores),
		"domains": texts(&domains), "scopes": texts(&scopes), "manifest": text(&manifest), "descriptor": found.descriptor,
		"approvals": objects(func() fields { approval = registryApproval{}; return approval.fields() }, func() error {
			a, err := approval.read()
			app.Approvals = append(app.Approvals, a)
			return err
		}),
	})
	if err != nil {
		return nil, err
	}
	if err := required("key", app.Key); err != nil {
		return nil, err
	}
	if err := keys("key", app.Key); err != nil {
		return nil, err
	}
	if err := bounded("vendor.id", app.Vendor.ID); err != nil {
		return nil, err
	}
	if r := []rune(app.Vendor.Name); len(r) > maxName {
		app.Vendor.Name = string(r[:maxName])
	}
	switch app.Kind {
	case "", "connect", "forge", "oauth2":
	default:
		return nil, errors.New("kind is none of connect, forge, oauth2")
	}
	app.Internal = internal != nil && *internal
	known := true
	if strings.TrimSpace(manifest) != "" {
		m, notes := readManifest(manifest)
		app.Notes = notes
		if known = m != nil; known {
			found.scopes = append(found.scopes, m.scopes...)
			found.modules = append(found.modules, m.modules...)
			found.egress = append(found.egress, m.egress...)
		}
	}
	found.scopes = append(found.scopes, scopes...)
	found.domains = append(found.domains, domains...)
	app.Features = audit.Features{
		Scopes: distinct(found.scopes, address.Redact), Modules: distinct(found.modules, address.Redact),
		Egress: distinct(found.egress, host), Domains: distinct(found.domains, host),
	}
	// What all was read that could name it, and is not named, is known to be nothing.
	lists := []*[]string{&app.Features.Domains, &app.Features.Scopes, &app.Features.Modules, &app.Features.Egress}
	if !known {
		lists = lists[:1]
	}
	for _, list := range lists {
		if *list == nil {
			*list = []string{}
		}
	}
	return &app, nil
}

// maxName is how many characters are kept of a vendor's name, which vendors without an id are told apart by.
const maxName = 500

// AppKey is the key of a line of the registry that is a JSON object with exactly one field key, a string that is not empty, whatever else is wrong
// with the line.
func AppKey(line []byte) (string, bool) {
	var key string
	err := object(line, fields{"key": text(&key)})
	return key, err == nil && key != "" && keys("key", key) == nil
}

// clean is text that is masked.
func clean(to *string) reader {
	return func(s *strict) error {
		err := text(to)(s)
		*to = address.Redact(*to)
		return err
	}
}

// nested reads an object; null is one without fields.
func nested(f fields) reader {
	return func(s *strict) error {
		t, err := s.token()
		if err != nil || t == nil {
			return err
		}
		if t != json.Delim('{') {
			return wrong(t, "an object")
		}
		if err := s.members(f); err != nil {
			return fmt.Errorf("is bad: its %w", err)
		}
		return nil
	}
}

// A registryApproval is an approval as it is read.
type registryApproval struct {
	audit.Approval
	status           string
	decided, revoked *time.Time
}

func (a *registryApproval) fields() fields {
	return fields{
		"request_id": clean(&a.RequestID), "status": text(&a.status), "decided_at": moment(&a.decided), "revoked_at": moment(&a.revoked),
		"purposes": texts(&a.Purposes), "functionality": clean(&a.Functionality), "policy_excerpt": clean(&a.PolicyExcerpt),
		"third_parties": texts(&a.ThirdParties),
		"snapshot": nested(fields{
			"scopes": texts(&a.Snapshot.Scopes), "modules": texts(&a.Snapshot.Modules),
			"egress": texts(&a.Snapshot.Egress), "domains": texts(&a.Snapshot.Domains),
		}),
	}
}

func (a *registryApproval) read() (audit.Approval, error) {
	a.Status = audit.ApprovalStatus(a.status)
	a.Decided, a.Revoked = audit.Never, audit.Never
	switch a.Status {
	case audit.Approved:
		if a.decided == nil {
			return a.Approval, errors.New("is approved, but decided_at is missing")
		}
	case audit.Withdrawn:
		if a.revoked == nil {
			return a.Approval, errors.New("is withdrawn, but revoked_at is missing")
		}
	case audit.Pending, audit.Rejected:
	default:
		return a.Approval, errors.New("has a status that is none of approved, pending, rejected, withdrawn")
	}
	if a.decided != nil {
		a.Decided = audit.At(*a.decided)
	}
	if a.revoked != nil {
		a.Revoked = audit.At(*a.revoked)
	}
	a.Purposes = distinct(a.Purposes, address.Redact)
	a.ThirdParties = distinct(a.ThirdParties, address.Redact)
	s := &a.Snapshot
	s.Scopes, s.Modules = distinct(s.Scopes, address.Redact), distinct(s.Modules, address.Redact)
	s.Egress, s.Domains = distinct(s.Egress, host), distinct(s.Domains, host)
	return a.Approval, nil
}

// distinct is list without empty entries and without any twice, each as clean leaves it. Of nil it is nil.
func distinct(list []string, clean func(string) string) []string {
	if list == nil {
		return nil
	}
	out, seen := make([]string, 0, len(list)), make(map[string]bool, len(list))
	for _, s := range list {
		if s = clean(s); s != "" && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// host is the host that s names, masked. Where an address is spelled so that only its beginning is left of it, that is masked, too.
func host(s string) string {
	h, s := audit.HostOf(s), strings.ToLower(s)
	if from := strings.Index(s, h); from >= 0 {
		for _, span := range address.Spans(s) {
			if start := span[0] - from; start >= 0 && start < len(h) && span[1] > from+len(h) {
				h = h[:start] + address.Mask
				break
			}
		}
	}
	return address.Redact(h)
}

// features is what descriptor and manifest say of an app, as spelled.
type features struct {
	scopes, modules, egress, domains []string
}

// descriptor reads a Connect descriptor: its scopes, modules and baseUrl.
func (f *features) descriptor(s *strict) error {
	var base string
	err := nested(fields{"scopes": texts(&f.scopes), "baseUrl": text(&base), "modules": f.connectModules})(s)
	if base != "" {
		f.domains = append(f.domains, base)
	}
	return err
}

// connectModules reads a descriptor's modules: an object of types, each an object or a list of them. What vendors write besides is taken kindly: an
// empty list for an empty object, null for no module, anything else for a module without a name.
func (f *features) connectModules(s *strict) error {
	t, err := s.token()
	if err != nil || t == nil {
		return err
	}
	if t == json.Delim('[') && !s.dec.More() {
		_, err := s.token()
		return err
	}
	if t != json.Delim('{') {
		return wrong(t, "an object")
	}
	seen := map[string]bool{}
	for {
		t, err := s.token()
		if err != nil {
			return err
		}
		kind, ok := t.(string)
		if !ok {
			return nil
		}
		if seen[kind] {
			return errors.New("is bad: it holds a type of modules twice")
		}
		seen[kind] = true
		if t, err = s.token(); err != nil {
			return err
		}
		if t != json.Delim('[') {
			if err := f.connectModule(s, kind, t); err != nil {
				return fmt.Errorf("is bad: %w", err)
			}
			continue
		}
		for s.dec.More() {
			if t, err = s.token(); err != nil {
				return err
			}
			if err := f.connectModule(s, kind, t); err != nil {
				return fmt.Errorf("is bad: %w", err)
			}
		}
		if _, err := s.token(); err != nil {
			return err
		}
	}
}

// connectModule reads a module whose first token is t.
func (f *features) connectModule(s *strict, kind string, t json.Token) error {
	if t == nil {
		return nil
	}
	var key, event, url string
	if t == json.Delim('{') {
		err := s.members(fields{"key": loose(&key), "event": loose(&event), "url": loose(&url)})
		if err != nil {
			return fmt.Errorf("of a module %w", err)
		}
	} else if err := s.rest(t); err != nil {
		return err
	}
	if len(f.modules) >= maxFeatures {
		return fmt.Errorf("it names more than %d modules", maxFeatures)
	}
	f.modules = append(f.modules, module(kind, key, event, url))
	return nil
}

// module names a module: by its key, else its event, else its url.
func module(kind, key, event, url string) string {
	for _, name := range []string{key, event, url} {
		if name != "" {
			return kind + "/" + name
		}
	}
	return kind + "/-"
}

// loose is text that takes whatever is no string for nothing.
func loose(to *string) reader {
	return func(s *strict) error {
		t, err := s.token()
		if err != nil {
			return err
		}
		*to, _ = t.(string)
		return s.rest(t)
	}
}
