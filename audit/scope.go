package audit

import (
	"slices"
	"strings"
)

// FoldScope is a scope as scopes are compared: without case, with _ as -, and without a granted scope's :connect-jira or :connect-confluence.
func FoldScope(s string) string {
	s = strings.ReplaceAll(strings.ToLower(s), "_", "-")
	if t, ok := strings.CutSuffix(s, ":connect-jira"); ok {
		return t
	}
	return strings.TrimSuffix(s, ":connect-confluence")
}

// EmailScopes are the scopes that give the Email API: those of the guideline, unless the policy has others.
func (p *Policy) EmailScopes() []string {
	if p.Scopes != nil {
		return p.Scopes
	}
	return []string{"ACCESS_EMAIL_ADDRESSES", "read:email-address:jira", "read:email-address:confluence"}
}

// IsEmailScope says whether s, in whatever spelling, is a scope that gives the Email API.
func (p *Policy) IsEmailScope(s string) bool {
	s = FoldScope(s)
	return slices.ContainsFunc(p.EmailScopes(), func(x string) bool { return FoldScope(x) == s })
}
