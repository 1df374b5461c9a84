package mailkind

import (
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// How a sender was proved, or why it was not.
const (
	byDKIM       = "dkim=pass for a domain aligned with From"
	bySPF        = "spf=pass for a domain aligned with From"
	noServer     = "no server is configured whose Authentication-Results count"
	noResults    = "no Authentication-Results of the configured server"
	notAligned   = "nothing passed for a domain aligned with From"
	noFrom       = "no domain in From"
	severalFroms = "From names several domains"
)

// Sender is who sent a mail. The hosts are in lower case and ASCII.
type Sender struct {
	From     string   // host of the first address of From; empty where there is none
	Envelope string   // host of the topmost Return-Path; empty where there is none, or it is the null path
	Signed   []string // the domains (d=) of the DKIM signatures, in their order, but for those that the configured server found false
	Proved   bool     // an Authentication-Results of the configured server passes a DKIM signature or SPF that is aligned with From
	How      string   // what proved it, or why it is not proved, in fixed words
}

// maxSigners bounds how many signatures, results and addresses of a mail are looked at.
const maxSigners = 100

// Sender tells who sent the mail. authservID is the name by which the receiving server signs its Authentication-Results (RFC 8601); of all others no
// result counts, since whoever sent the mail can write them.
func (m *Mail) Sender(authservID string) Sender {
	var s Sender
	froms := hostsOf(m.header.Values("From"))
	if len(froms) > 0 {
		s.From = froms[0]
	}
	if paths := m.header.Values("Return-Path"); len(paths) > 0 {
		if hosts := hostsOf(paths[:1]); len(hosts) > 0 {
			s.Envelope = hosts[0]
		}
	}
	signatures := m.header.Values("Dkim-Signature")
	for _, v := range signatures[:min(len(signatures), maxSigners)] {
		for tag := range strings.SplitSeq(v, ";") {
			name, value, _ := strings.Cut(tag, "=")
			if strings.TrimSpace(name) != "d" {
				continue
			}
			if h := host(strings.Join(strings.Fields(value), "")); h != "" && !slices.Contains(s.Signed, h) {
				s.Signed = append(s.Signed, h)
			}
			break // a second one is against the rules (RFC 6376, 3.2)
		}
	}
	results, unproved := trusted(authservID, m.header.Values("Authentication-Results"))
	found := forged(results)
	s.Signed = slices.DeleteFunc(s.Signed, func(domain string) bool { return found[domain] })
	s.Proved, s.How = proved(froms, results, unproved)
	return s
}

// trusted are the results that the server of that name wrote, and why a sender is not proved where none of them does it.
func trusted(authservID string, headers []string) (results []authResult, unproved string) {
	authservID = strings.TrimSpace(authservID)
	if authservID == "" {
		return nil, noServer
	}
	unproved = noResults
	for _, v := range headers[:min(len(headers), maxSigners)] {
		if id, more := authResults(v); strings.EqualFold(id, authservID) {
			results, unproved = append(results, more...), notAligned
		}
	}
	return results, unproved
}

// proved says whether a result is of a domain aligned with From, and by what; if not, why.
func proved(froms []string, results []authResult, unproved string) (bool, string) {
	if len(froms) == 0 {
		return false, noFrom
	}
	for _, h := range froms[1:] {
		if !aligned(h, froms[0]) {
			return false, severalFroms
		}
	}
	for _, r := range results {
		if r.result != "pass" {
			continue
		}
		for _, p := range r.properties {
			by := ""
			switch {
			case r.method == "dkim" && (p.name == "header.d" || p.name == "header.i"):
				by = byDKIM
			case r.method == "spf" && p.name == "smtp.mailfrom":
				by = bySPF
			default:
				continue
			}
			domain := p.value
			if at := strings.LastIndexByte(domain, '@'); at >= 0 {
				domain = domain[at+1:]
			}
			if aligned(host(domain), froms[0]) {
				return true, by
			}
		}
	}
	return false, unproved
}

// forged are the domains in whose name the server found signatures false, and none true: anybody can write one.
func forged(results []authResult) map[string]bool {
	found := map[string]bool{}
	for _, r := range results {
		if r.method != "dkim" {
			continue
		}
		for _, p := range r.properties {
			if p.name != "header.d" {
				continue
			}
			domain := host(p.value)
			if r.result == "pass" {
				found[domain] = false
			} else if _, told := found[domain]; !told && r.result == "fail" {
				found[domain] = true
			}
		}
	}
	return found
}

// aligned says whether two hosts have one organizational domain.
func aligned(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	if a == b {
		return true
	}
	orgA, errA := publicsuffix.EffectiveTLDPlusOne(a)
	orgB, errB := publicsuffix.EffectiveTLDPlusOne(b)
	return errA == nil && errB == nil && orgA == orgB
}

type property struct{ name, value string }

type authResult struct {
	method, result string
	properties     []property
}

// authResults reads the value of an Authentication-Results header (RFC 8601).
func authResults(value string) (id string, results []authResult) {
	clauses := split(value)
	if len(clauses) == 0 || len(clauses[0]) == 0 {
		return "", nil
	}
	id = clauses[0][0]
	for _, words := range clauses[1:min(len(clauses), maxSigners)] {
		var r authResult
		for i, w := range words {
			name, v, found := strings.Cut(w, "=")
			if !found {
				continue
			}
			name = strings.ToLower(name)
			if i == 0 {
				r.method, _, _ = strings.Cut(name, "/")
				r.result = strings.ToLower(v)
				continue
			}
			r.properties = append(r.properties, property{name, v})
		}
		if r.method != "" {
			results = append(results, r)
		}
	}
	return id, results
}

// split gives the clauses of a header, parted by semicolons, each as its words, without comments, and without white space around = and . and /. Quotes
// are taken off.
func split(value string) [][]string {
	var clauses [][]string
	var words []string
	var word strings.Builder
	open, joins := false, false // whether a word is open, and whether what comes next belongs to it
	end := func() {
		if open {
			words = append(words, word.String())
		}
		word.Reset()
		open, joins = false, false
	}
	blank := false
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch c {
		case '(':
			depth := 0
			for ; i < len(value); i++ {
				switch value[i] {
				case '\\':
					i++
				case '(':
					depth++
				case ')':
					depth--
				}
				if depth == 0 {
					break
				}
			}
			blank = true
			continue
		case ' ', '\t', '\r', '\n':
			blank = true
			continue
		case ';':
			end()
			clauses = append(clauses, words)
			words, blank = nil, false
			continue
		}
		sticks := c == '=' || c == '/'
		if blank && open && !joins && !sticks {
			end()
		}
		blank, open, joins = false, true, sticks
		if c != '"' {
			word.WriteByte(c)
			continue
		}
		for i++; i < len(value) && value[i] != '"'; i++ {
			if value[i] == '\\' && i+1 < len(value) {
				i++
			}
			word.WriteByte(value[i])
		}
	}
	end()
	return append(clauses, words)
}

// hostsOf are the hosts of the addresses in the fields, each once, in their order.
func hostsOf(fields []string) []string {
	var hosts []string
	for _, f := range fields[:min(len(fields), maxSigners)] {
		f = f[:min(len(f), 64<<10)]
		var specs []string
		if list, err := mail.ParseAddressList(f); err == nil {
			for _, a := range list {
				specs = append(specs, a.Address)
			}
		} else {
			specs = looseSpecs(f)
		}
		for _, spec := range specs[:min(len(specs), maxSigners)] {
			at := strings.LastIndexByte(spec, '@')
			if at < 0 {
				continue
			}
			if h := host(spec[at+1:]); h != "" && !slices.Contains(hosts, h) {
				hosts = append(hosts, h)
			}
		}
	}
	return hosts
}

// looseSpecs are the addresses of a field that breaks the rules: what is in angle brackets, else words with an at-sign; never what is in quotes or
// comments, where a name stands.
func looseSpecs(f string) []string {
	var bare strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(f); i++ {
		switch c := f[i]; {
		case c == '\\' && (quoted || depth > 0):
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			bare.WriteByte(c)
		}
	}
	s := bare.String()
	var specs []string
	for rest := s; ; {
		_, after, found := strings.Cut(rest, "<")
		if !found {
			break
		}
		spec, left, found := strings.Cut(after, ">")
		if !found {
			spec, left = after, ""
		}
		specs = append(specs, strings.TrimSpace(spec))
		rest = left
	}
	if len(specs) > 0 {
		return specs
	}
	return strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' || r == ':' })
}

// host is a host in lower case and ASCII, as an address literal without its brackets; empty where s is none.
func host(s string) string {
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner = strings.TrimSuffix(inner, "]")
		if len(inner) > 5 && strings.EqualFold(inner[:5], "ipv6:") {
			inner = inner[5:]
		}
		ip, err := netip.ParseAddr(inner)
		if err != nil {
			return ""
		}
		return ip.WithZone("").String()
	}
	if s == "" || len(s) > 1000 {
		return ""
	}
	if a, err := idna.Lookup.ToASCII(s); err == nil {
		s = a
	} else {
		s = strings.ToLower(s)
	}
	if len(s) > 253 {
		return ""
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_') {
			return ""
		}
	}
	if strings.Trim(s, ".") == "" {
		return ""
	}
	return s
}
