package checks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/checks/exposure"
	"github.com/mailreeve/mailreeve/checks/mailkind"
)

// An Examiner looks into captures by package exposure and into mail by package mailkind. It implements [audit.Examiner].
type Examiner struct {
	Key *[32]byte // of the digests, where addresses come as digests
}

// Examine implements [audit.Examiner].
func (e Examiner) Examine() audit.Look {
	return &look{key: e.Key, finder: exposure.New(exposure.Limits{})}
}

type look struct {
	key    *[32]byte
	finder *exposure.Finder
}

func (l *look) Capture(ctx context.Context, n int, kind audit.CaptureKind, r io.Reader) ([]string, error) {
	return l.finder.Scan(ctx, n, kind, r)
}

func (l *look) Mail(ctx context.Context, n int, r io.Reader, authserv string) (*audit.MailReading, []string, error) {
	m, notes, err := mailkind.Read(r)
	if err != nil {
		return nil, notes, err
	}
	parts := m.Parts
	if l.Full() {
		parts = nil
	}
	for _, p := range parts {
		more, err := l.finder.Mail(ctx, n, p.HTML, p.Body)
		if notes = append(notes, more...); err != nil {
			return nil, notes, err
		}
	}
	kind, sender := m.Kind(), m.Sender(authserv)
	signs := kind.Signs
	if !kind.Sure {
		signs = append(slices.Clone(signs), "little speaks for it")
	}
	reading := &audit.MailReading{Kind: kind.Kind, Signs: signs, From: address.Redact(sender.From), Envelope: address.Redact(sender.Envelope), Proved: sender.Proved}
	for _, host := range sender.Signed {
		reading.Signed = append(reading.Signed, address.Redact(host))
	}
	return reading, notes, nil
}

func (l *look) Full() bool { return l.finder.Full() }

func (l *look) Empty() bool { return l.finder.Empty() }

func (l *look) Against() audit.Matching {
	m := &matching{plain: l.finder.Matcher()}
	if l.key != nil {
		m.keyed, m.keyID = l.finder.DigestMatcher(*l.key), address.KeyID(*l.key)
	}
	return m
}

// matching holds candidates against addresses, plain or digested.
type matching struct {
	plain *exposure.Matcher
	keyed *exposure.DigestMatcher // nil: there is no key
	keyID string
}

func (m *matching) Address(account, email string) { m.plain.Address(account, email) }

func (m *matching) Digests(account, key string, digests map[string][]string) error {
	switch {
	case m.keyed == nil:
		return errors.New("its addresses are digests: say in address_key_file where their key is")
	case key != m.keyID:
		return fmt.Errorf("its digests were made with another key than that of address_key_file, which is %s", m.keyID)
	}
	m.keyed.Digests(account, digests)
	return nil
}

func (m *matching) Sightings() map[int][]audit.Sighting {
	all := m.plain.Sightings()
	if m.keyed != nil {
		for n, list := range m.keyed.Sightings() {
			all[n] = append(all[n], list...)
			slices.SortStableFunc(all[n], func(a, b audit.Sighting) int { return cmp.Compare(a.Account, b.Account) })
		}
	}
	for _, list := range all {
		for i := range list { // a host's name, and that of a parameter, can hold an address as well
			list[i].Host, list[i].Field = address.Redact(list[i].Host), address.Redact(list[i].Field)
		}
	}
	return all
}
