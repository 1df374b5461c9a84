package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// In the console, too, what is in quarantine is read again: once, after the night that runs, and the trail and the run say for whom.
func TestRetryFromTheConsole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const good = `{"ts":"2026-11-22T10:00:00Z","request_id":"r1","app_key":"com.acme.mailer","cloud_id":"site-a","path":"/rest/api/3/user/email","auth":"connect-jwt","purpose":"marketing","status":200,"account_ids":["a1"]}` + "\n"
	write("mailreeve.yaml", "sources:\n  - {kind: access, path: access.jsonl}\n  - {kind: apps, path: apps.jsonl}\n")
	write("apps.jsonl", `{"key":"com.acme.mailer","name":"Acme Mailer","kind":"connect"}`+"\n")
	write("access.jsonl", strings.Replace(good, `"r1"`, `""`, 1))
	s, err := (&cli{out: io.Discard, err: io.Discard, clock: time.Now, config: filepath.Join(dir, "mailreeve.yaml")}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	asOf, err := time.Parse(time.RFC3339, "2026-11-23T02:30:00Z")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.audit(t.Context(), audit.Options{AsOf: audit.At(asOf), ScheduledAt: audit.Never, By: "test"}, true, nil); err != nil {
		t.Fatal(err)
	}
	night, err := s.store.Lock(t.Context(), true) // another night runs
	if err != nil {
		t.Fatal(err)
	}

	const ann = "console:1 (ann)"
	r := newRetrier(s)
	ctx, stop := context.WithCancel(t.Context())
	worked := make(chan struct{})
	go func() { r.work(ctx); close(worked) }()
	if r.Retried() != nil || !r.Retry(ann) || r.Retry("console:2 (bob)") {
		t.Fatal("it was done before, is not taken, or taken twice")
	}
	write("access.jsonl", good)
	if last := r.Retried(); !last.UnderWay() || last.Who != ann {
		t.Errorf("while a night runs it is %+v", last)
	}
	if err := night.Release(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); r.Retried().UnderWay() && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	if last := r.Retried(); last.Failed || last.Says != "R-000002: 1 of 1 line in 1 file are good now; 0 remain in quarantine." {
		t.Errorf("it came to %+v", last)
	}
	run, err := s.store.Run(t.Context(), "R-000002")
	if err != nil || run.By != ann || run.Summary.Findings.Open == 0 {
		t.Errorf("the run is %+v, %v", run, err)
	}
	trail, err := s.store.Trail(t.Context(), store.TrailFilter{What: "quarantine retried"})
	if err != nil || len(trail) != 1 || trail[0].Who != ann || trail[0].Details["lines"] != float64(1) {
		t.Errorf("the trail has %+v, %v", trail, err)
	}

	if !r.Retry(ann) {
		t.Error("it cannot be done again")
	}
	for end := time.Now().Add(time.Minute); r.Retried().UnderWay() && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	if last := r.Retried(); last.Failed || last.Says != "Nothing was in quarantine any more." {
		t.Errorf("without anything to do it came to %+v", last)
	}
	stop()
	<-worked
}
