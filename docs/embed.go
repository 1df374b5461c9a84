// Package docs holds what mailreeve publishes for other programs to read.
package docs

import _ "embed"

// NoticeSchema is the JSON Schema of a notice: of the application/json part of mails, and of webhooks.
//
//go:embed notice.schema.json
var NoticeSchema []byte
