package config

import (
	"maps"
	"os"
	"slices"
)

// PolicyDoubts is what of the policy may be meant, and is more likely a slip: words that name no purpose, each with its line.
func (c *Config) PolicyDoubts() []error {
	if c.PolicyFile == "" {
		return nil
	}
	text, err := os.ReadFile(c.Resolve(c.PolicyFile))
	var f policyFile
	if err != nil || decode(c.PolicyFile, text, &f) != nil {
		return nil // load tells
	}
	in, p := sheetOf(c.PolicyFile, text), c.Policy
	known := func(purpose string) bool { return p.IsApprovable(purpose) || p.IsProhibited(purpose) }
	var doubts mistakes
	for _, declared := range slices.Sorted(maps.Keys(f.Purposes.Synonyms)) {
		if means := f.Purposes.Synonyms[declared]; !known(means) {
			doubts.add(in.at("purposes", "synonyms", declared), "purposes: synonyms: %q means %q, which is neither approvable nor prohibited: right only where an app's request names it", declared, means)
		}
	}
	for _, list := range []struct {
		key  string
		list []string
	}{{"single", f.Drift.Single}, {"chosen", f.Drift.Chosen}} {
		for i, purpose := range list.list {
			if !known(purpose) {
				doubts.add(in.at("drift", list.key, i), "drift: %s: %q is neither approvable nor prohibited: right only where an app's request names it", list.key, purpose)
			}
		}
	}
	told := slices.Concat(p.Drift.Single, p.Drift.Chosen)
	if f.Purposes.Approvable != nil && len(p.Approvable) > 0 && !p.Checks["purpose-drift"].Off && !slices.ContainsFunc(p.Approvable, func(x string) bool { return slices.Contains(told, x) }) {
		doubts.add(in.at("purposes", "approvable"), "purposes: approvable: drift.single and drift.chosen name none of them, so each may need all accounts of a site, and purpose-drift looks for enumeration only: say which need one account at a time, and which chosen ones")
	}
	return doubts
}
