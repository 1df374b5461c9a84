// Package notices writes to vendors about what nights found, and follows what becomes of it.
//
// What a notice and an answer go through is in package audit (Notice, Matter), without time or store. A Desk brings it to life: after each night it
// drafts, reminds and proposes; between nights it sends what was approved, and takes note of what arrived, bounced or was answered. Whatever it does it can do
// again: each change is one transaction, on what was read, and what was done stays done.
//
// Time is the clock's, or the last night's where that is ahead. How old a finding is before its vendor is told goes by nights.
package notices
