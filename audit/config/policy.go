package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// policyFile is policy.yaml: a file overrides parts of the built-in policy.
type policyFile struct {
	Purposes struct {
		Approvable []string          `yaml:"approvable"`
		Prohibited []string          `yaml:"prohibited"`
		Synonyms   map[string]string `yaml:"synonyms"`
	} `yaml:"purposes"`
	Reporting struct {
		Period        *Duration `yaml:"period"`
		IncidentGrace *Duration `yaml:"incident_grace"`
		ClosedGrace   *Duration `yaml:"closed_grace"`
		UpdatedGrace  *Duration `yaml:"updated_grace"`
	} `yaml:"reporting"`
	Installs struct {
		Grace         *Duration `yaml:"grace"`
		RetainedAfter *Duration `yaml:"retained_after"`
	} `yaml:"installs"`
	Mail struct {
		AfterUninstall *Duration `yaml:"after_uninstall"`
		FreshRetrieval *Duration `yaml:"fresh_retrieval"`
	} `yaml:"mail"`
	Platform struct {
		Domains []string `yaml:"domains"`
		Scopes  []string `yaml:"scopes"`
	} `yaml:"platform"`
	Probing struct {
		Calls *int `yaml:"calls"`
	} `yaml:"probing"`
	Drift struct {
		Accounts *int      `yaml:"accounts"`
		Share    *float64  `yaml:"share"`
		Learning *Duration `yaml:"learning"`
		Single   []string  `yaml:"single"`
		Chosen   []string  `yaml:"chosen"`
	} `yaml:"drift"`
	Suppress struct {
		Max              *Duration `yaml:"max"`
		DismissFor       *Duration `yaml:"dismiss_for"`
		WorsenedAccounts *int      `yaml:"worsened_accounts"`
	} `yaml:"suppress"`
	Deadlines map[string]Duration `yaml:"deadlines"`
	FourEyes  []string            `yaml:"four_eyes"`
	Notices   struct {
		After        *Duration   `yaml:"after"`
		Settle       *Duration   `yaml:"settle"`
		Reminders    *[]Duration `yaml:"reminders"`
		Second       *Duration   `yaml:"second"`
		ExtensionMax *Duration   `yaml:"extension_max"`
		DisputeMax   *Duration   `yaml:"dispute_max"`
		CleanNights  *int        `yaml:"clean_nights"`
		RequestWait  *Duration   `yaml:"request_wait"`
		IncidentBy   *Duration   `yaml:"incident_answer"`
		RepeatWithin *Duration   `yaml:"repeat_within"`
		ManyAccounts *int        `yaml:"many_accounts"`
		Abnormal     struct {
			Findings *int `yaml:"findings"`
			Times    *int `yaml:"times"`
			Nights   *int `yaml:"nights"`
		} `yaml:"abnormal"`
	} `yaml:"notices"`
	Retention struct {
		Calls    *Duration `yaml:"calls"`
		Findings *Duration `yaml:"findings"`
		Trail    *Duration `yaml:"trail"`
	} `yaml:"retention"`
	Checks     map[string]checkEntry  `yaml:"checks"`
	Exceptions []exceptionEntry       `yaml:"exceptions"`
	Clauses    map[string]clauseEntry `yaml:"clauses"`
	Rules      []string               `yaml:"rules"`
}

type checkEntry struct {
	Severity    string `yaml:"severity"`
	Enabled     *bool  `yaml:"enabled"`
	EnforceFrom *Date  `yaml:"enforce_from"`
	Remediation string `yaml:"remediation"`
}

type exceptionEntry struct {
	App     string  `yaml:"app"`
	Check   string  `yaml:"check"`
	Subject *string `yaml:"subject"`
	Reason  string  `yaml:"reason"`
	Owner   string  `yaml:"owner"`
	Until   *Date   `yaml:"until"`
}

type clauseEntry struct {
	Text string `yaml:"text"`
	URL  string `yaml:"url"`
}

// ParsePolicy is the built-in policy with what a file overrides. No text is no override. Files of rules are looked for in the file's folder.
func ParsePolicy(name string, text []byte) (*audit.Policy, error) {
	return parsePolicy(name, filepath.Dir(name), text)
}

// parsePolicy is ParsePolicy with the folder of the file, which name need not tell.
func parsePolicy(name, dir string, text []byte) (*audit.Policy, error) {
	p := audit.DefaultPolicy()
	var f policyFile
	if err := decode(name, text, &f); err != nil {
		return nil, err
	}
	in := sheetOf(name, text)
	if f.Purposes.Approvable != nil {
		p.Approvable = f.Purposes.Approvable
	}
	if f.Purposes.Prohibited != nil {
		p.Prohibited = f.Purposes.Prohibited
	}
	p.Synonyms = f.Purposes.Synonyms
	for _, x := range []struct {
		from *Duration
		to   *time.Duration
	}{
		{f.Reporting.Period, &p.ReportingPeriod}, {f.Reporting.IncidentGrace, &p.IncidentGrace}, {f.Reporting.ClosedGrace, &p.ClosedGrace},
		{f.Reporting.UpdatedGrace, &p.UpdatedGrace}, {f.Installs.Grace, &p.UninstallGrace}, {f.Installs.RetainedAfter, &p.RetainedAfter}, {f.Drift.Learning, &p.Drift.Learning},
		{f.Mail.AfterUninstall, &p.MailAfter}, {f.Mail.FreshRetrieval, &p.FreshRetrieval}, {f.Suppress.Max, &p.SuppressMax}, {f.Suppress.DismissFor, &p.DismissFor}, {f.Retention.Calls, &p.RetentionCalls},
		{f.Retention.Findings, &p.RetentionFindings}, {f.Retention.Trail, &p.RetentionTrail},
		{f.Notices.After, &p.Ladder.After}, {f.Notices.Settle, &p.Ladder.Settle}, {f.Notices.Second, &p.Ladder.Second},
		{f.Notices.ExtensionMax, &p.Ladder.ExtensionMax}, {f.Notices.DisputeMax, &p.Ladder.DisputeMax}, {f.Notices.RequestWait, &p.Ladder.RequestWait},
		{f.Notices.IncidentBy, &p.Ladder.IncidentBy}, {f.Notices.RepeatWithin, &p.Ladder.RepeatWithin},
	} {
		if x.from != nil {
			*x.to = time.Duration(*x.from)
		}
	}
	if f.Drift.Share != nil {
		p.Drift.Share = *f.Drift.Share
	}
	if f.Drift.Single != nil {
		p.Drift.Single = f.Drift.Single
	}
	if f.Drift.Chosen != nil {
		p.Drift.Chosen = f.Drift.Chosen
	}
	if f.Platform.Domains != nil {
		p.PlatformDomains = f.Platform.Domains
	}
	if !slices.Equal(f.Platform.Scopes, p.EmailScopes()) {
		p.Scopes = f.Platform.Scopes
	}
	for _, x := range []struct {
		from *int
		to   *int
	}{
		{f.Probing.Calls, &p.ProbingCalls}, {f.Drift.Accounts, &p.Drift.Accounts}, {f.Suppress.WorsenedAccounts, &p.WorsenedAccounts}, {f.Notices.CleanNights, &p.Ladder.CleanNights},
		{f.Notices.ManyAccounts, &p.Ladder.ManyAccounts}, {f.Notices.Abnormal.Findings, &p.Ladder.Abnormal},
		{f.Notices.Abnormal.Times, &p.Ladder.AbnormalTimes}, {f.Notices.Abnormal.Nights, &p.Ladder.AbnormalNights},
	} {
		if x.from != nil {
			*x.to = *x.from
		}
	}
	if f.Notices.Reminders != nil {
		p.Ladder.Reminders = nil
		for _, d := range *f.Notices.Reminders {
			p.Ladder.Reminders = append(p.Ladder.Reminders, time.Duration(d))
		}
	}
	if len(f.FourEyes) > 0 {
		p.FourEyes = f.FourEyes
	}
	var wrong mistakes
	for _, s := range slices.Sorted(maps.Keys(f.Deadlines)) {
		if !slices.Contains(audit.Severities(), audit.Severity(s)) {
			wrong.add(in.at("deadlines", s), "deadlines: %q is none of critical, high, medium, low", s)
			continue
		}
		p.Deadlines[audit.Severity(s)] = time.Duration(f.Deadlines[s])
	}
	f.checks(p, in, &wrong)
	f.exceptions(p, in, &wrong)
	f.clauses(p, in, &wrong)
	f.rules(p, in, dir, &wrong)
	check(p, in, &wrong)
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	p.Digest = digest(p)
	return p, nil
}

// mistakes are what is wrong with a file.
type mistakes []error

func (m *mistakes) add(at audit.Position, format string, args ...any) {
	*m = append(*m, fmt.Errorf("%s: %w", written(at), fmt.Errorf(format, args...)))
}

// written is a position as errors begin.
func written(p audit.Position) string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s: line %d", p.File, p.Line)
	}
	return fmt.Sprintf("%s: line %d, column %d", p.File, p.Line, p.Column)
}

func rooted(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// rules reads the files that dir is the folder of.
func (f *policyFile) rules(p *audit.Policy, in sheet, dir string, wrong *mistakes) {
	for i, pattern := range f.Rules {
		at := in.at("rules", i)
		files, err := filepath.Glob(rooted(dir, pattern))
		switch {
		case err != nil:
			wrong.add(at, "rules: %q is no pattern: %v", pattern, err)
		case len(files) == 0:
			wrong.add(at, "rules: no file matches %s: name a file, or a pattern as rules/*.yaml", pattern)
		}
		for _, path := range files {
			shown := path
			if rel, err := filepath.Rel(dir, path); err == nil && !filepath.IsAbs(pattern) {
				shown = filepath.Join(filepath.Dir(in.file), rel)
			}
			own, err := readRules(shown, path, p)
			if err != nil {
				*wrong = append(*wrong, err)
			}
			p.Own = append(p.Own, own...)
		}
	}
}

// checkName is what the id of a check looks like; which there are, others know.
var checkName = regexp.MustCompile(`^[a-z][a-z0-9-]{1,63}$`)

func (f *policyFile) checks(p *audit.Policy, in sheet, wrong *mistakes) {
	for _, id := range slices.Sorted(maps.Keys(f.Checks)) {
		x, at := f.Checks[id], in.at("checks", id)
		c := audit.CheckPolicy{Severity: audit.Severity(x.Severity), Off: x.Enabled != nil && !*x.Enabled, At: at}
		if x.EnforceFrom != nil {
			c.EnforceFrom = audit.Instant(*x.EnforceFrom)
		}
		if x.Severity != "" && !slices.Contains(audit.Severities(), c.Severity) {
			wrong.add(in.at("checks", id, "severity"), "checks: %s: severity: %q is none of critical, high, medium, low", id, x.Severity)
		}
		if x.Remediation != "" {
			if p.Remedies == nil {
				p.Remedies = map[string]audit.Remedy{}
			}
			p.Remedies[id] = audit.Remedy{Text: address.Redact(strings.TrimSpace(x.Remediation)), At: at}
			if x.Severity == "" && x.Enabled == nil && x.EnforceFrom == nil {
				continue // words change no judgment
			}
		}
		if p.Checks == nil {
			p.Checks = map[string]audit.CheckPolicy{}
		}
		p.Checks[id] = c
	}
}

func (f *policyFile) exceptions(p *audit.Policy, in sheet, wrong *mistakes) {
	for i, x := range f.Exceptions {
		at := in.at("exceptions", i)
		for _, must := range []struct{ key, value string }{{"app", x.App}, {"check", x.Check}, {"reason", x.Reason}, {"owner", x.Owner}} {
			if strings.TrimSpace(must.value) == "" {
				wrong.add(at, "exceptions: %s is missing: an exception names app, check, reason, owner and until", must.key)
			}
		}
		if x.Until == nil {
			wrong.add(at, "exceptions: until is missing: an exception has an end, as 2027-06-30")
			continue
		}
		p.Exceptions = append(p.Exceptions, audit.Exception{App: x.App, Check: x.Check, Subject: x.Subject, Reason: address.Redact(x.Reason), Owner: address.Redact(x.Owner),
			Until: audit.Instant(*x.Until), At: at})
	}
}

// clauseName is what a clause is called.
var clauseName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.-]{0,15}$`)

func (f *policyFile) clauses(p *audit.Policy, in sheet, wrong *mistakes) {
	for _, name := range slices.Sorted(maps.Keys(f.Clauses)) {
		x, at := f.Clauses[name], in.at("clauses", name)
		if !clauseName.MatchString(name) {
			wrong.add(at, "clauses: %q is no name of a clause: a letter, then up to 15 letters, digits, dots and hyphens", name)
		}
		if u, err := url.Parse(x.URL); x.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
			wrong.add(in.at("clauses", name, "url"), "clauses: %s: url: %q is no http or https URL", name, x.URL)
		}
		if strings.TrimSpace(x.Text) == "" && !guideline.MatchString(name) {
			wrong.add(at, "clauses: %s: text is missing: the guideline has no such clause, so say what it says", name)
		}
		p.Clauses = append(p.Clauses, audit.Clause{Name: name, Text: address.Redact(x.Text), URL: x.URL})
	}
}

// guideline is the clauses that the built-in policy words.
var guideline = regexp.MustCompile(`^P([1-9]|1[0-4])$`)

func check(p *audit.Policy, in sheet, wrong *mistakes) {
	const day = 24 * time.Hour
	must := func(ok bool, says string, at ...any) {
		if !ok {
			var path []string
			for _, x := range at {
				path = append(path, fmt.Sprint(x))
			}
			wrong.add(in.at(at...), "%s: %s", strings.Join(path, ": "), says)
		}
	}
	must(p.ReportingPeriod >= day && p.ReportingPeriod%day == 0, "give whole days, as in 15d", "reporting", "period")
	must(p.RetentionCalls%day == 0 && p.RetentionCalls >= 2*p.ReportingPeriod+2*day,
		"give whole days, and more than twice reporting.period, or accounts cannot be held against their reports", "retention", "calls")
	must(p.RetentionCalls >= p.FreshRetrieval+2*day, "give two days more than mail.fresh_retrieval, or mails cannot be held against the retrievals before them", "retention", "calls")
	must(p.RetentionFindings >= p.RetentionCalls,
		"give no less than retention.calls: the facts of a finding may be judged again for that long, and would file it anew", "retention", "findings")
	must(p.RetentionTrail >= p.RetentionFindings, "give no less than retention.findings, or findings would outlive the reasons of what was done to them", "retention", "trail")
	must(p.ProbingCalls >= 1, "give 1 or more", "probing", "calls")
	must(p.Drift.Accounts >= 1, "give 1 or more", "drift", "accounts")
	must(p.Drift.Share >= 0 && p.Drift.Share <= 1, "give a share from 0 to 1", "drift", "share")
	must(p.Drift.Learning >= 7*day && p.Drift.Learning%day == 0, "give whole days, a week or more, as in 14d", "drift", "learning")
	must(p.WorsenedAccounts >= 0, "give 0 or more", "suppress", "worsened_accounts")
	must(p.Ladder.CleanNights >= 1, "give 1 or more", "notices", "clean_nights")
	must(p.Ladder.ManyAccounts >= 1, "give 1 or more", "notices", "many_accounts")
	must(p.Ladder.Abnormal >= 0 && p.Ladder.AbnormalTimes >= 0 && p.Ladder.AbnormalNights >= 1, "give 0 or more findings and times, and 1 night or more", "notices", "abnormal")
	must(slices.IsSortedFunc(p.Ladder.Reminders, func(a, b time.Duration) int { return cmp.Compare(b, a) }),
		"name them from the earliest to the latest, as in [14d, 3d]", "notices", "reminders")
	for i, act := range p.FourEyes {
		if !slices.Contains(audit.RecommendedActs(), act) {
			wrong.add(in.at("four_eyes", i), "four_eyes: %q is none of %s", act, strings.Join(audit.RecommendedActs(), ", "))
		}
	}
	for _, purpose := range p.Prohibited {
		if slices.Contains(p.Approvable, purpose) {
			wrong.add(in.at("purposes"), "purposes: %q is both approvable and prohibited", purpose)
		}
	}
	must(p.Scopes == nil || len(p.Scopes) > 0, "name the scopes that give addresses, as user:email", "platform", "scopes")
	for i, scope := range p.Scopes {
		if strings.TrimSpace(scope) == "" {
			wrong.add(in.at("platform", "scopes", i), "platform: scopes: an empty name: name the scopes that give addresses, as user:email")
		}
	}
	for _, declared := range slices.Sorted(maps.Keys(p.Synonyms)) {
		if means := p.Synonyms[declared]; audit.PurposeSubject(means) != means {
			wrong.add(in.at("purposes", "synonyms", declared), "purposes: synonyms: %q means %q, which is no purpose: write it as the others, in small letters, digits and hyphens", declared, means)
		}
	}
}

// digest is the SHA-256 of the policy as it is in force.
func digest(p *audit.Policy) string {
	text, err := json.Marshal(p) // without its digest, which is empty yet
	if err != nil {
		panic(err) // strings, numbers and maps of them can always be encoded
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
