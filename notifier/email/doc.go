// Package email writes to vendors, and to operators where messages get stuck: it renders, sends by SMTP, and reads what comes back.
//
// A mail is rendered when its notice is approved, so that what a person approved is what is sent: as plain text, as HTML, and as JSON by the schema of
// docs/notice.schema.json. It waits in the outbox, and a Client gives it to the mail server. Its Message-ID is made of its key in the outbox, so that a
// mail that is sent again because the server's answer was lost is the same message (RFC 5322, 3.6.4).
//
// Recipients are vendors' contacts. They are in the outbox's message, which is made for them, and in a Bounce; in no error, receipt, lane or log.
package email
