package checks

import (
	"maps"
	"slices"
	"strings"

	"github.com/mailreeve/mailreeve/audit"
)

// eachOf judges the observations of some kinds, one by one.
func eachOf(judge func(d *audit.Dossier, o *audit.Observation, t *audit.Tally), kinds ...audit.Kind) func(*audit.Dossier, audit.Day, *audit.Tally) error {
	return func(d *audit.Dossier, day audit.Day, t *audit.Tally) error {
		for _, kind := range kinds {
			list, err := d.Observed(day, kind)
			if err != nil {
				return err
			}
			for i := range list {
				judge(d, &list[i], t)
			}
		}
		return nil
	}
}

// in tells where an observation's file is.
func in(o *audit.Observation) string {
	if o.URL != "" {
		return "; " + o.File + ", of " + o.URL
	}
	return "; " + o.File
}

// seenAs tells of a sighting what a reviewer needs to find it again, without what was seen.
func seenAs(s *audit.Sighting) string {
	what := "the address"
	if s.Hash != "" {
		what = "its " + s.Hash
	}
	where := map[audit.Place]string{audit.Shown: "visible", audit.Payload: "in the payload", audit.Sent: "sent to " + s.Host}[s.Place]
	text := what + " " + where
	if s.Field != "" {
		text += ", " + s.Field
	}
	if len(s.Chain) > 0 {
		text += ", as " + strings.Join(s.Chain, " > ")
	}
	return text
}

// bySubject collects the sightings of one observation, by the subject of the finding that they are for.
type bySubject map[string]*sightingList

type sightingList struct {
	accounts []string
	details  map[string]string
	hosts    map[string]bool // that got what was sent, or whose page it is
}

// add takes a sighting: the first of each account is shown.
func (b bySubject) add(subject string, o *audit.Observation, s *audit.Sighting) {
	l := b[subject]
	if l == nil {
		l = &sightingList{details: map[string]string{}, hosts: map[string]bool{}}
		b[subject] = l
	}
	host := s.Host
	if host == "" {
		host = audit.HostOf(o.URL)
	}
	l.hosts[host] = true
	if _, known := l.details[s.Account]; !known {
		l.accounts = append(l.accounts, s.Account)
		l.details[s.Account] = seenAs(s) + in(o)
	}
}

// count counts what was collected of o.
func (b bySubject) count(t *audit.Tally, o *audit.Observation) {
	for subject, l := range b {
		t.Observed(subject, audit.Observed{Observation: o, Accounts: l.accounts, Hosts: slices.Sorted(maps.Keys(l.hosts)), Details: l.details})
	}
}
