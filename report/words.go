package report

import (
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// funcs is what the template calls.
func funcs() template.FuncMap {
	return template.FuncMap{
		"stamp": func(t audit.Instant) string { return t.Time().Format("2006-01-02 15:04") },
		"day":   func(t audit.Instant) string { return t.Time().Format(time.DateOnly) },
		"ended": func(t audit.Instant) bool { return t != audit.Never },
		"count": func(n int, one, many string) string { return strconv.Itoa(n) + " " + plural(n, one, many) },
		"count64": func(n int64, one, many string) string {
			return strconv.FormatInt(n, 10) + " " + plural(int(n), one, many)
		},
		"plural":     plural,
		"join":       func(list []string) string { return strings.Join(list, ", ") },
		"severities": audit.Severities,
		"status":     audit.Status.Name,
		"act": func(k audit.ActKind) string {
			if k == audit.Dismiss {
				return "dismissed"
			}
			return "suppressed"
		},
		"mark": func(looked string) string {
			switch looked {
			case "yes":
				return "●"
			case "no":
				return "×"
			}
			return "–"
		},
		"detail": func(d deedRow, key string) string {
			s, _ := d.Details[key].(string)
			return s
		},
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
