package checks

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// count is n and the noun in its number: 1 site, 1,412 sites.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

func retrievals(n int) string { return count(n, "retrieval", "retrievals") }
func accounts(n int) string   { return count(n, "account", "accounts") }
func sites(n int) string      { return count(n, "site", "sites") }
func reports(n int) string    { return count(n, "report", "reports") }
func captures(n int) string   { return count(n, "capture", "captures") }
func mails(n int) string      { return count(n, "mail", "mails") }
func canaries(n int) string   { return count(n, "canary", "canaries") }

// onSites tells on how many sites f is, where it is known to be on any.
func onSites(f *audit.Finding) string {
	if f.Sites == 0 {
		return ""
	}
	return " on " + sites(f.Sites)
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// moment is t for people to read.
func moment(t audit.Instant) string { return t.Time().Format("2006-01-02 15:04:05 UTC") }

// window is when f was seen first and last.
func window(f *audit.Finding) string {
	if f.FirstSeen == f.LastSeen {
		return "at " + moment(f.FirstSeen)
	}
	return "between " + strings.TrimSuffix(moment(f.FirstSeen), " UTC") + " and " + moment(f.LastSeen)
}

// period is d for people to read: 15 days, 24 hours, 5 minutes.
func period(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d%day == 0 && d > day:
		return count(int(d/day), "day", "days")
	case d%time.Hour == 0 && d > 0:
		return count(int(d/time.Hour), "hour", "hours")
	case d%time.Minute == 0 && d > 0:
		return count(int(d/time.Minute), "minute", "minutes")
	}
	return d.String()
}

// how is what a call's evidence tells of it.
func how(c *audit.Call) string {
	return fmt.Sprintf("%s, by %s", accounts(len(c.Accounts)), c.Auth)
}

// first is the detail of f's first row of evidence, as a sentence of its own after a space; empty where it has none.
func first(f *audit.Finding) string {
	if len(f.Evidence) == 0 || f.Evidence[0].Detail == "" {
		return ""
	}
	return " " + upper(f.Evidence[0].Detail) + "."
}

// listed is a list for people; none where it is empty.
func listed(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// either is a list of which one is enough: a, b or c.
func either(list []string) string {
	if n := len(list) - 1; n > 0 {
		return strings.Join(list[:n], ", ") + " or " + list[n]
	}
	return listed(list)
}

// percent is a share for people.
func percent(share float64) string { return strconv.FormatFloat(share*100, 'g', 4, 64) + "%" }
