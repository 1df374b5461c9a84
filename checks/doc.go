// Package checks is the catalogue of the audit: one value for each rule of the guideline that logs, reports and registry can show.
//
// A check is data and pure functions: what it finds, the exact rule, what the vendor has to do, and a function from a dossier (and a UTC day of
// it, where it finds what happened) to what breaks the rule. Checks reach no database, no clock, no network and not each other. Each carries its
// own proof, a dossier that breaks the rule and one that nearly does; docs/checks.md is written from the same values (see Markdown).
package checks
