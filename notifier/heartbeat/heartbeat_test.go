package heartbeat

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

func night(id string, looked bool) notifier.News {
	return notifier.News{Result: &audit.Result{Run: &audit.Run{ID: id, Summary: audit.RunSummary{Sources: []audit.SourceResult{{Kind: audit.KindAccess, Looked: looked}}}}}}
}

func TestOnlyTheNewestGoodNightBeats(t *testing.T) {
	t.Parallel()
	beats, status := 0, http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/ping/secret" {
			beats++
		}
		w.Header().Set("Retry-After", "9")
		w.WriteHeader(status)
	}))
	defer s.Close()
	newest := "R-000001"
	h := New(s.URL+"/ping/secret", true, func(context.Context) (string, error) { return newest, nil })

	for _, n := range []notifier.News{night("R-000001", false), {Changes: []audit.Change{{}}}} {
		if list, err := h.Tell(n); err != nil || len(list) != 0 {
			t.Fatalf("%v, %v", list, err)
		}
	}
	list, err := h.Tell(night("R-000001", true))
	if err != nil || len(list) != 1 || list[0].Key != "heartbeat R-000001" || strings.Contains(list[0].Lane+string(list[0].Body), "secret") {
		t.Fatalf("%+v, %v", list, err)
	}
	if receipt, err := h.Deliver(t.Context(), list[0]); err != nil || receipt != "200" || beats != 1 {
		t.Fatalf("%q, %v, %d beats", receipt, err, beats)
	}
	status = http.StatusServiceUnavailable
	var f *notifier.Failure
	if _, err := h.Deliver(t.Context(), list[0]); !errors.As(err, &f) || f.Final || f.RetryAfter != 9*time.Second || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	newest, beats = "R-000002", 0
	if receipt, err := h.Deliver(t.Context(), list[0]); err != nil || !strings.HasPrefix(receipt, "dropped") || beats != 0 {
		t.Errorf("%q, %v, %d beats", receipt, err, beats)
	}
	if err := h.Reach(t.Context()); err != nil || beats != 0 {
		t.Errorf("%v, %d beats", err, beats)
	}
	h = New(s.URL+"/ping/secret", false, func(context.Context) (string, error) { return "R-000001", nil })
	if _, err := h.Deliver(t.Context(), list[0]); !errors.As(err, &f) || !f.Final || strings.Contains(err.Error(), "secret") {
		t.Errorf("a private address: %v", err)
	}
}
