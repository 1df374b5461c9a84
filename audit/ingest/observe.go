package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// Observation reads a line of a manifest of captures or mail, or a signal. Its texts are masked by address.Redact. The error says which field is wrong
// and how, and quotes nothing of the line.
func Observation(kind audit.Kind, line []byte) (audit.Observation, error) {
	o := audit.Observation{Kind: kind}
	var at *time.Time
	var form string
	when, known := "ts", fields{"app_key": text(&o.App), "cloud_id": text(&o.Site)}
	switch kind {
	case audit.KindCaptures:
		when = "captured_at"
		known["file"], known["kind"], known["viewer_account_id"], known["url"] = text(&o.File), text(&form), text(&o.Account), clean(&o.URL)
		known["sightings"] = sightings(&o)
	case audit.KindMail:
		when = "received_at"
		known["file"], known["account_id"] = text(&o.File), text(&o.Account)
	default:
		known["kind"], known["text"], known["source"] = clean(&o.Topic), clean(&o.Text), clean(&o.Reporter)
	}
	known[when] = moment(&at)
	if err := object(line, known); err != nil {
		return o, err
	}
	if at == nil {
		return o, fmt.Errorf("%s is missing or empty", when)
	}
	if err := required("app_key", o.App); err != nil {
		return o, err
	}
	if err := keys("app_key", o.App, "cloud_id", o.Site); err != nil {
		return o, err
	}
	if address.Redact(o.File) != o.File { // it stands in evidence
		return o, errors.New("file looks like an address")
	}
	if o.Account == audit.UnknownAccount { // no account at all
		if kind == audit.KindMail {
			return o, errors.New("account_id is unknown: nobody's mailbox is a canary's")
		}
		o.Account = ""
	}
	if o.Account != "" {
		if err := checkAccount(o.Account); err != nil {
			return o, fmt.Errorf("the account %w", err)
		}
	}
	switch kind {
	case audit.KindSignals:
		o.Examined = true
		if err := required("kind", o.Topic); err != nil {
			return o, err
		}
	case audit.KindMail:
		if err := required("file", o.File, "cloud_id", o.Site, "account_id", o.Account); err != nil {
			return o, err
		}
	case audit.KindCaptures:
		if err := required("file", o.File, "kind", form); err != nil {
			return o, err
		}
		if o.Form = audit.CaptureKind(form); !o.Form.Known() {
			return o, errors.New("kind is none of har, html, text, js")
		}
	}
	if o.File != "" && !filepath.IsLocal(o.File) {
		return o, errors.New("file is no path below the manifest's own folder")
	}
	o.At = audit.At(*at)
	o.Identify()
	o.URL = withoutQuery(o.URL)
	return o, nil
}

// withoutQuery is an URL up to its path: what follows may hold tokens, and tells nothing that a reviewer needs.
func withoutQuery(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		host, path, _ := strings.Cut(rest, "/")
		if i := strings.LastIndexByte(host, '@'); i >= 0 {
			s = scheme + "://" + host[i+1:] + "/" + path
		}
	}
	return s
}

// sightings reads what whoever took a capture saw in it: then it is not looked into again. `mailreeve capture` writes them, because the files that it
// writes hold no address any more.
func sightings(o *audit.Observation) reader {
	var s audit.Sighting
	var place string
	each := entries(func() fields {
		s, place = audit.Sighting{}, ""
		return fields{"account_id": text(&s.Account), "place": text(&place), "host": text(&s.Host), "field": clean(&s.Field),
			"chain": list(nil, func(in *strict, _ int) error {
				var step string
				err := clean(&step)(in)
				s.Chain = append(s.Chain, step)
				return err
			}), "hash": clean(&s.Hash)}
	}, func() error {
		if err := checkAccount(s.Account); err != nil {
			return fmt.Errorf("account_id %w", err)
		}
		s.Host = host(s.Host)
		if err := short(s); err != nil {
			return err
		}
		switch s.Place = audit.Place(place); s.Place {
		case audit.Shown, audit.Payload:
		case audit.Sent:
			if s.Host == "" {
				return errors.New("host is missing or empty, and place is sent")
			}
		default:
			return errors.New("place is none of visible, payload, sent")
		}
		if len(o.Sightings) >= maxSightings {
			return fmt.Errorf("there are more than %d", maxSightings)
		}
		if s.Account != audit.UnknownAccount {
			o.Sightings = append(o.Sightings, s)
		}
		return nil
	})
	return list(func() { o.Examined = true }, each)
}

// What a sighting says of itself stands in titles and evidence: it has the length of words.
const (
	maxSightings = 100_000
	maxHost      = 253
	maxWords     = 200
	maxSteps     = 16
)

var hashName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// short says which part of a sighting is none of the words that it can be.
func short(s audit.Sighting) error {
	switch {
	case s.Hash != "" && !hashName.MatchString(s.Hash):
		return errors.New("hash is no name of a hash, as sha256")
	case len(s.Host) > maxHost:
		return fmt.Errorf("host is longer than %d bytes", maxHost)
	case len(s.Field) > maxWords:
		return fmt.Errorf("field is longer than %d bytes", maxWords)
	case len(s.Chain) > maxSteps:
		return fmt.Errorf("chain has more than %d steps", maxSteps)
	}
	for _, step := range s.Chain {
		if len(step) > maxWords {
			return fmt.Errorf("a step of chain is longer than %d bytes", maxWords)
		}
	}
	return nil
}

// digests reads an object of lists of strings.
func digests(to *map[string][]string) reader {
	return func(s *strict) error {
		t, err := s.token()
		if err != nil || t == nil {
			return err
		}
		if t != json.Delim('{') {
			return wrong(t, "an object")
		}
		*to = map[string][]string{}
		for {
			t, err := s.token()
			if err != nil {
				return err
			}
			name, ok := t.(string)
			if !ok {
				return nil // the closing brace
			}
			var values []string
			if err := texts(&values)(s); err != nil {
				return fmt.Errorf("is bad: one of its lists %w", err)
			}
			(*to)[name] = values
		}
	}
}

// An AddressRecord is a line of the addresses source: it is held against what was seen, and kept nowhere. Either Email or Digests is set.
type AddressRecord struct {
	Account string
	Email   string
	KeyID   string
	Digests map[string][]string // by kind: the address, or a hash of it
}

// Address reads a line of the addresses source. The error says which field is wrong and how, and quotes nothing of the line.
func Address(line []byte) (AddressRecord, error) {
	var r AddressRecord
	err := object(line, fields{"account_id": text(&r.Account), "email": text(&r.Email), "key_id": text(&r.KeyID), "digests": digests(&r.Digests)})
	if err != nil {
		return r, err
	}
	if err := required("account_id", r.Account); err != nil {
		return r, err
	}
	if err := checkAccount(r.Account); err != nil {
		return r, fmt.Errorf("account_id %w", err)
	}
	switch {
	case r.Email == "" && r.Digests == nil:
		return r, errors.New("email is missing or empty, and there are no digests")
	case r.Email != "" && r.Digests != nil:
		return r, errors.New("there are both email and digests")
	case r.Digests != nil:
		return r, required("key_id", r.KeyID)
	case !address.LooksLike([]byte(r.Email)):
		return r, errors.New("email is no address")
	}
	return r, nil
}
