// Package jira keeps an issue in Jira (REST API v3) for each group of findings: those of one app against one clause of the guideline.
//
// The issue is made when the first of them is filed, gets a comment when one opens, reopens, worsens or ends, or a person acts, and is closed when all have
// ended. Its description shows the group as it is at that time. What comes twice makes nothing twice: an issue is found again by a label that is the
// digest of its group, a comment by a property that is the digest of its message, and a status that is as it should be is left alone.
//
// Jira's search does not show at once what was made (developer.atlassian.com/cloud/jira/platform/search-and-reconcile). Where an answer was lost, an
// issue is made anew only if a search does not find it Horizon later.
package jira
