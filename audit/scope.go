package audit

import "strings"

// FoldScope is a scope as scopes are compared: without case, with _ as -, and without a granted scope's :connect-jira or :connect-confluence.
func FoldScope(s string) string {
	s = strings.ReplaceAll(strings.ToLower(s), "_", "-")
	if t, ok := strings.CutSuffix(s, ":connect-jira"); ok {
		return t
	}
	return strings.TrimSuffix(s, ":connect-confluence")
}

// EmailScope says whether s, in whatever spelling, is a scope that gives the Email API.
func EmailScope(s string) bool {
	switch FoldScope(s) {
	case "access-email-addresses", "read:email-address:jira", "read:email-address:confluence":
		return true
	}
	return false
}
