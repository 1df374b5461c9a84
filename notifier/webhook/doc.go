// Package webhook tells other systems of findings, runs and notices, as Standard Webhooks (https://www.standardwebhooks.com): a POST of JSON, signed by
// HMAC-SHA256, with an id that is the same each time a message is sent again.
//
// What is sent holds no account ids and no addresses. docs/webhook.schema.json is its schema.
package webhook
