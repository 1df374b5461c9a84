package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.yaml.in/yaml/v3"

	"github.com/mailreeve/mailreeve/audit"
)

// What Prometheus reads after a night of which one message was delivered, one failed for good, one was given up, and one waits.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newSlack(t)
	dir := slackDir(t, s)
	runAt(t, dir, "2026-11-23T02:30:00Z")
	now := time.Now()
	c := &cli{out: io.Discard, err: io.Discard, clock: func() time.Time { return now }, config: filepath.Join(dir, "mailreeve.yaml")}
	sys, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer sys.close()
	sys.log = slog.New(slog.DiscardHandler)
	hoursAgo := func(h int) audit.Instant { return audit.At(now).Add(-time.Duration(h) * time.Hour) }
	for key, at := range map[string]audit.Instant{"fails": hoursAgo(1), "waits": hoursAgo(7), "is given up": hoursAgo(8)} {
		if err := sys.store.EnqueueMessages(t.Context(), audit.Message{Key: key, Sink: "webhook", Lane: key, Created: at, NextAt: at}); err != nil {
			t.Fatal(err)
		}
	}
	claim, err := sys.store.Take(t.Context(), "webhook", "fails", "me", audit.At(now), audit.At(now)+1)
	if err != nil {
		t.Fatal(err)
	}
	if err := sys.store.Missed(t.Context(), claim, audit.Miss{Error: "410", Final: true, Next: audit.At(now), Lane: audit.At(now), Sink: audit.Ever}); err != nil {
		t.Fatal(err)
	}
	if err := (&cli{out: io.Discard}).giveUp(t.Context(), sys, []string{given(t, sys, "is given up")}, "nobody reads it"); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP mailreeve_findings_open Findings that are open, acknowledged or in remediation.
# TYPE mailreeve_findings_open gauge
mailreeve_findings_open{severity="critical"} 1
mailreeve_findings_open{severity="high"} 0
mailreeve_findings_open{severity="low"} 0
mailreeve_findings_open{severity="medium"} 3
# HELP mailreeve_outbox_messages_delivered Messages that were delivered, as far as retention.trail goes.
# TYPE mailreeve_outbox_messages_delivered gauge
mailreeve_outbox_messages_delivered{sink="slack"} 1
mailreeve_outbox_messages_delivered{sink="webhook"} 0
# HELP mailreeve_outbox_messages_failed Messages whose delivery failed for good. They are tried again, but somebody has to mend something.
# TYPE mailreeve_outbox_messages_failed gauge
mailreeve_outbox_messages_failed{sink="slack"} 0
mailreeve_outbox_messages_failed{sink="webhook"} 1
# HELP mailreeve_outbox_messages_given_up Messages that people gave up, as far as retention.trail goes.
# TYPE mailreeve_outbox_messages_given_up gauge
mailreeve_outbox_messages_given_up{sink="slack"} 0
mailreeve_outbox_messages_given_up{sink="webhook"} 1
# HELP mailreeve_outbox_messages_stuck Messages that failed for good, or wait for more than 6 hours.
# TYPE mailreeve_outbox_messages_stuck gauge
mailreeve_outbox_messages_stuck 2
# HELP mailreeve_outbox_messages_waiting Messages that are not delivered yet, and did not fail for good.
# TYPE mailreeve_outbox_messages_waiting gauge
mailreeve_outbox_messages_waiting{sink="slack"} 0
mailreeve_outbox_messages_waiting{sink="webhook"} 1
# HELP mailreeve_outbox_oldest_waiting_seconds How long ago the oldest message that is not delivered was written; 0 where there is none.
# TYPE mailreeve_outbox_oldest_waiting_seconds gauge
mailreeve_outbox_oldest_waiting_seconds{sink="slack"} 0
mailreeve_outbox_oldest_waiting_seconds{sink="webhook"} 25200
`
	m := newMetrics(sys.store, sys.clock)
	names := []string{"mailreeve_findings_open", "mailreeve_outbox_messages_delivered", "mailreeve_outbox_messages_failed", "mailreeve_outbox_messages_given_up", "mailreeve_outbox_messages_stuck",
		"mailreeve_outbox_messages_waiting", "mailreeve_outbox_oldest_waiting_seconds"}
	if err := testutil.CollectAndCompare(m, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
	handler, err := sys.metricsHandler(nil)
	if err != nil {
		t.Fatal(err)
	}
	get := func() (int, string) {
		a := httptest.NewRecorder()
		handler.ServeHTTP(a, httptest.NewRequest("GET", "/metrics", nil))
		return a.Code, a.Body.String()
	}
	if code, text := get(); code != 200 || !strings.Contains(text, "mailreeve_last_night_finished_timestamp_seconds") || !strings.Contains(text, "go_goroutines") {
		t.Errorf("%d %s", code, text)
	}
	if err := sys.store.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _ := get(); code != 500 {
		t.Errorf("a store that is closed: %d", code)
	}
}

// given is what the message of a key is called.
func given(t *testing.T, s *system, key string) string {
	t.Helper()
	list, err := s.store.Messages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].Key == key {
			return messageID(&list[i])
		}
	}
	t.Fatalf("no message %q", key)
	return ""
}

func TestMetricsAreServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &cli{out: io.Discard, err: io.Discard, clock: time.Now, config: filepath.Join(dir, "mailreeve.yaml")}
	if err := os.WriteFile(c.config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := c.openStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.cfg.Metrics.Listen = taken.Addr().String()
	if _, err := s.serveMetrics(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "metrics.listen") {
		t.Errorf("an address that is taken: %v", err)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	stop, err := s.serveMetrics(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := http.Get("http://" + s.cfg.Metrics.Listen + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if a.StatusCode != http.StatusOK {
		t.Error(a.Status)
	}
	stop()
	if _, err := http.Get("http://" + s.cfg.Metrics.Listen + "/metrics"); err == nil {
		t.Error("it is still served")
	}
}

// What the alert rules and the dashboard ask for is told.
func TestAlertsAndDashboardAskForWhatIsTold(t *testing.T) {
	t.Parallel()
	told := map[string]bool{}
	descriptions := make(chan *prometheus.Desc)
	go func() { newMetrics(nil, nil).Describe(descriptions); close(descriptions) }()
	for d := range descriptions {
		told[regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(d.String())[1]] = true
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	text, err := os.ReadFile("../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &rules); err != nil || len(rules.Groups) != 1 || len(rules.Groups[0].Rules) < 4 {
		t.Fatalf("%+v, %v", rules, err)
	}
	board, err := os.ReadFile("../../deploy/grafana/mailreeve.json")
	if err != nil || !json.Valid(board) {
		t.Fatalf("the dashboard is no JSON: %v", err)
	}
	asked := map[string]bool{}
	for _, name := range regexp.MustCompile(`mailreeve_\w+`).FindAllString(string(text)+string(board), -1) {
		if asked[name] = true; !told[name] {
			t.Errorf("%s is asked for, and never told", name)
		}
	}
	if len(asked) < 6 {
		t.Errorf("only %v are asked for", asked)
	}
}
