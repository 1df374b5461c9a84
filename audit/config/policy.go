package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
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
}

// ParsePolicy is the built-in policy with what a file overrides. No text is no override.
func ParsePolicy(name string, text []byte) (*audit.Policy, error) {
	p := audit.DefaultPolicy()
	var f policyFile
	if err := decode(name, text, &f); err != nil {
		return nil, err
	}
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
	for s, d := range f.Deadlines {
		if !slices.Contains(audit.Severities(), audit.Severity(s)) {
			return nil, fmt.Errorf("%s: deadlines: %q is none of critical, high, medium, low", name, s)
		}
		p.Deadlines[audit.Severity(s)] = time.Duration(d)
	}
	if err := check(p); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.Digest = digest(p)
	return p, nil
}

func check(p *audit.Policy) error {
	const day = 24 * time.Hour
	switch {
	case p.ReportingPeriod < day || p.ReportingPeriod%day != 0:
		return fmt.Errorf("reporting: period: give whole days, as in 15d")
	case p.RetentionCalls%day != 0 || p.RetentionCalls < 2*p.ReportingPeriod+2*day:
		return fmt.Errorf("retention: calls: give whole days, and more than twice reporting.period, or accounts cannot be held against their reports")
	case p.RetentionCalls < p.FreshRetrieval+2*day:
		return fmt.Errorf("retention: calls: give two days more than mail.fresh_retrieval, or mails cannot be held against the retrievals before them")
	case p.RetentionFindings < p.RetentionCalls:
		return fmt.Errorf("retention: findings: give no less than retention.calls: the facts of a finding may be judged again for that long, and would file it anew")
	case p.RetentionTrail < p.RetentionFindings:
		return fmt.Errorf("retention: trail: give no less than retention.findings, or findings would outlive the reasons of what was done to them")
	case p.ProbingCalls < 1:
		return fmt.Errorf("probing: calls: give 1 or more")
	case p.Drift.Accounts < 1 || !(p.Drift.Share >= 0 && p.Drift.Share <= 1):
		return fmt.Errorf("drift: give 1 or more accounts, and a share from 0 to 1")
	case p.Drift.Learning < 7*day || p.Drift.Learning%day != 0:
		return fmt.Errorf("drift: learning: give whole days, a week or more, as in 14d")
	case p.WorsenedAccounts < 0:
		return fmt.Errorf("suppress: worsened_accounts: give 0 or more")
	case p.Ladder.CleanNights < 1 || p.Ladder.ManyAccounts < 1:
		return fmt.Errorf("notices: clean_nights and many_accounts: give 1 or more")
	case p.Ladder.Abnormal < 0 || p.Ladder.AbnormalTimes < 0 || p.Ladder.AbnormalNights < 1:
		return fmt.Errorf("notices: abnormal: give 0 or more findings and times, and 1 night or more")
	case !slices.IsSortedFunc(p.Ladder.Reminders, func(a, b time.Duration) int { return cmp.Compare(b, a) }):
		return fmt.Errorf("notices: reminders: name them from the earliest to the latest, as in [14d, 3d]")
	}
	for _, act := range p.FourEyes {
		if !slices.Contains(audit.RecommendedActs(), act) {
			return fmt.Errorf("four_eyes: %q is none of %s", act, strings.Join(audit.RecommendedActs(), ", "))
		}
	}
	for _, purpose := range p.Prohibited {
		if slices.Contains(p.Approvable, purpose) {
			return fmt.Errorf("purposes: %q is both approvable and prohibited", purpose)
		}
	}
	return nil
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
