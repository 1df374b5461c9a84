// Package notifier tells people what a night found.
//
// A night is told as a Digest, composed once from what the night changed, and rendered by whoever speaks to a receiver: Digest.Text for a terminal,
// notifier/slack for Slack. What has to be delivered waits in the store's outbox, written in the transaction that publishes the night, until an
// Outbox has given it to its Sink: at least once, in order for each receiver, and never again once its delivery was recorded.
//
// Text from outside (names, subjects, paths, errors) passes the redactor in Compose, so that neither a digest nor the outbox that holds it ever
// holds an address; it is plain text or escaped wherever it is shown, on one line, without control characters.
package notifier
