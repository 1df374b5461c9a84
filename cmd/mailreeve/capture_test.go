package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// captureSite is a page that shows an address and one that cannot be opened, and a configuration to capture them. It needs Chromium.
func captureSite(t *testing.T, more string) (dir, url string) {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is not installed, and CI needs it")
		}
		t.Skip("chromium is not installed")
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<title>Members</title><p>jane.quartermaine@customer.example and the crawler, crawler@platform.example")
	}))
	t.Cleanup(srv.Close)
	dir = t.TempDir()
	for name, text := range map[string]string{
		"mailreeve.yaml": `sources:
  - {kind: apps, path: apps.jsonl}
  - {kind: addresses, path: addresses.jsonl}
  - {kind: captures, path: captures/manifest.jsonl}
capture:
  sandbox: false
  allow_private: true
` + strings.ReplaceAll(more, "URL", srv.URL),
		"apps.jsonl":      `{"key":"com.acme","kind":"connect","domains":["127.0.0.1"]}` + "\n",
		"addresses.jsonl": `{"account_id":"jane","email":"jane.quartermaine@customer.example"}` + "\n" + `{"account_id":"me","email":"crawler@platform.example"}` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, srv.URL
}

func TestCaptureTellsOfEachPage(t *testing.T) {
	t.Parallel()
	dir, url := captureSite(t, "")
	var stdout, stderr bytes.Buffer
	code := execute(t.Context(), []string{"capture", "-c", filepath.Join(dir, "mailreeve.yaml"), "--viewer", "me", url + "/members?m=jane.quartermaine%40customer.example", "http://127.0.0.1:1/"}, &stdout, &stderr)
	if code != exitFailed {
		t.Errorf("exit %d", code)
	}
	out := stdout.String()
	for _, want := range []string{url + "/members?m=[address]", "com.acme", ".har", ".html", ".png", "visible: 1 account;", "sent: 1 account to 1 host"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q: %s", want, out)
		}
	}
	if strings.Count(out, "\n") != 1 || !strings.Contains(stderr.String(), "http://127.0.0.1:1/: it could not be opened") || !strings.Contains(stderr.String(), "1 page could not be captured") {
		t.Errorf("stdout %s\nstderr %s", out, stderr.String())
	}
	files, err := filepath.Glob(filepath.Join(dir, "captures", "*"))
	if err != nil || len(files) != 4 {
		t.Fatalf("written: %v %v", files, err)
	}
	all := stdout.String() + stderr.String()
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	if strings.Contains(all, "quartermaine") {
		t.Error("an address was written")
	}
}

func TestServeCapturesBySchedule(t *testing.T) {
	t.Parallel()
	dir, _ := captureSite(t, `  every: "@every 1s"
  urls: ["URL/", {url: "URL/second", app: com.acme, viewer: me}]
`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan int, 1)
	var stdout, stderr bytes.Buffer
	go func() {
		done <- execute(ctx, []string{"serve", "-c", filepath.Join(dir, "mailreeve.yaml")}, &stdout, &stderr)
	}()
	manifest := filepath.Join(dir, "captures", "manifest.jsonl")
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if text, err := os.ReadFile(manifest); err == nil && bytes.Contains(text, []byte("/second")) {
			break
		}
		if time.Now().After(end) {
			t.Error("nothing was captured")
			break
		}
	}
	cancel()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("serve does not end")
	}
	if strings.Contains(stdout.String()+stderr.String(), "quartermaine") {
		t.Error("an address was logged")
	}
	text, err := os.ReadFile(manifest)
	if err != nil || bytes.Contains(text, []byte("quartermaine")) || !bytes.Contains(text, []byte(`"account_id":"jane","place":"visible"`)) {
		t.Errorf("%v %s", err, text)
	}
}
