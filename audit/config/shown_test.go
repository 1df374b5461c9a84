package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit/config"
)

func TestShownTellsNoSecret(t *testing.T) {
	t.Parallel()
	c := &config.Config{Store: "postgres://audit:hunter2@db.example:5432/reeve?sslmode=verify-full", Archive: "s3://bucket/archive", Schedule: "30 2 * * *",
		Sources:   []config.Source{{Kind: "access", Path: "logs/*.jsonl", MaxAge: config.Duration(36 * time.Hour)}},
		Slack:     config.Slack{TokenEnv: "SLACK_TOKEN"},
		Webhooks:  []config.Webhook{{URL: "https://hooks.example/services/hunter2"}},
		Heartbeat: config.Heartbeat{URL: "https://ping.example/hunter2"},
		Console:   config.Console{PublicURL: "https://audit.example"}}
	shown := c.Shown()
	for _, want := range []string{"postgres://db.example:5432/…", "s3://bucket/archive", "30 2 * * *", "logs/*.jsonl", "max_age: 36h0m0s", "SLACK_TOKEN", "https://hooks.example/…", "https://ping.example/…", "https://audit.example\n"} {
		if !strings.Contains(shown, want) {
			t.Errorf("it does not say %q:\n%s", want, shown)
		}
	}
	for _, never := range []string{"hunter2", "null", `""`} {
		if strings.Contains(shown, never) {
			t.Errorf("it says %q:\n%s", never, shown)
		}
	}
	if c.Store[:11] != "postgres://" || !strings.Contains(c.Store, "hunter2") {
		t.Error("to show it changed it")
	}
}
