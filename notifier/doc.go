// Package notifier tells people and other systems what a night found, and what people did about it.
//
// News are what a transaction changed; Composers make messages of them, which the same transaction writes into the store's outbox, until an Outbox has
// given each to its Sink: at least once, in order for each receiver, and never again once its delivery was recorded. A night is told as a Digest:
// Digest.Text for a terminal. The packages below are the receivers: slack, email, webhook, jira, heartbeat; ops tells operators of the nights
// themselves, and notices is the desk that writes to vendors.
//
// Text from outside (names, subjects, paths, errors) passes the redactor in Compose, so that neither a digest nor the outbox that holds it ever
// holds an address; it is plain text or escaped wherever it is shown, on one line, without control characters.
package notifier
