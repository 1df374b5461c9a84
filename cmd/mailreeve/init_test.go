package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/config"
)

var commentedKey = regexp.MustCompile(`(?m)^( *)# ?( *)(- \{|[a-z_]+:)`)

// The starter policy shows the built-in one, and every key of it and of the starter configuration is one that is known.
func TestStarterShowsTheDefaults(t *testing.T) {
	read := func(name string) []byte {
		text, err := starter.ReadFile("starter/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	policy := commentedKey.ReplaceAll(read("policy.yaml"), []byte("$1$2$3"))
	shows, err := config.ParsePolicy("policy.yaml", policy)
	if err != nil {
		t.Fatalf("%v in\n%s", err, policy)
	}
	if len(shows.Synonyms) == 0 {
		shows.Synonyms = nil
	}
	shows.Digest = ""
	if diff := cmp.Diff(audit.DefaultPolicy(), shows); diff != "" {
		t.Errorf("the starter policy shows other defaults (-built in, +shown):\n%s", diff)
	}
	if commented, err := config.ParsePolicy("policy.yaml", read("policy.yaml")); err != nil || commented.Digest != mustPolicy(t).Digest {
		t.Errorf("the starter policy is not the built-in one: %v", err)
	}

	dir := t.TempDir()
	path := filepath.Join(dir, config.DefaultName)
	all := commentedKey.ReplaceAllString(string(read(config.DefaultName)), "$1$2$3")
	for _, f := range []struct{ name, text string }{{config.DefaultName, all}, {"policy.yaml", ""}} {
		if err := os.WriteFile(filepath.Join(dir, f.name), []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := config.Load(path); err != nil {
		t.Errorf("%v in\n%s", err, all)
	}
	for _, key := range []string{"store", "archive", "schedule", "policy", "sources", "address_key_file", "slack", "notices", "console", "vendor", "webhooks",
		"jira", "capture", "heartbeat", "alerts", "workers", "metrics", "log"} {
		if !strings.Contains("\n"+all, "\n"+key+":") {
			t.Errorf("the starter configuration does not mention %s", key)
		}
	}
}

func mustPolicy(t *testing.T) *audit.Policy {
	t.Helper()
	p, err := config.ParsePolicy("", nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
