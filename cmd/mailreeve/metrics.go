package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/console"
)

// metrics tells Prometheus what the store holds, at the moment in which it is asked: whichever process tells it, it is the same.
type metrics struct {
	store *store.Store
	clock audit.Clock

	waiting, failed, delivered, givenUp, stuck, oldest, night, open *prometheus.Desc
}

func newMetrics(st *store.Store, clock audit.Clock) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("mailreeve_"+name, help, labels, nil)
	}
	return &metrics{store: st, clock: clock,
		waiting:   desc("outbox_messages_waiting", "Messages that are not delivered yet, and did not fail for good.", "sink"),
		failed:    desc("outbox_messages_failed", "Messages whose delivery failed for good. They are tried again, but somebody has to mend something.", "sink"),
		delivered: desc("outbox_messages_delivered", "Messages that were delivered, as far as retention.trail goes.", "sink"),
		givenUp:   desc("outbox_messages_given_up", "Messages that people gave up, as far as retention.trail goes.", "sink"),
		stuck:     desc("outbox_messages_stuck", "Messages that failed for good, or wait for more than 6 hours."),
		oldest:    desc("outbox_oldest_waiting_seconds", "How long ago the oldest message that is not delivered was written; 0 where there is none.", "sink"),
		night:     desc("last_night_finished_timestamp_seconds", "When the last run finished, in seconds since the Unix epoch. Absent where none ever did."),
		open:      desc("findings_open", "Findings that are open, acknowledged or in remediation.", "severity"),
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.waiting, m.failed, m.delivered, m.givenUp, m.stuck, m.oldest, m.night, m.open} {
		to <- d
	}
}

// scraping is how long one answer may take.
const scraping = 10 * time.Second

// Collect implements prometheus.Collector. What the store does not tell makes the answer an error, so that it is missed, not taken for 0.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scraping)
	defer cancel()
	if err := m.collect(ctx, func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}); err != nil {
		to <- prometheus.NewInvalidMetric(m.waiting, err)
	}
}

func (m *metrics) collect(ctx context.Context, tell func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string)) error {
	const gauge = prometheus.GaugeValue // what is delivered or given up, too: purges take it back
	now := audit.At(m.clock())
	sinks, err := m.store.OutboxNumbers(ctx)
	if err != nil {
		return err
	}
	for _, n := range sinks {
		tell(m.waiting, gauge, float64(n.Waiting), n.Sink)
		tell(m.failed, gauge, float64(n.Failed), n.Sink)
		tell(m.delivered, gauge, float64(n.Delivered), n.Sink)
		tell(m.givenUp, gauge, float64(n.GivenUp), n.Sink)
		age := 0.0
		if n.Oldest != audit.Never {
			age = max(0, now.Time().Sub(n.Oldest.Time()).Seconds())
		}
		tell(m.oldest, gauge, age, n.Sink)
	}
	stuck, err := m.store.CountStuck(ctx, now)
	if err != nil {
		return err
	}
	tell(m.stuck, gauge, float64(stuck))
	finished, err := m.store.LastFinished(ctx)
	if err != nil {
		return err
	}
	if finished != audit.Never {
		tell(m.night, gauge, float64(finished.Time().UnixMilli())/1000)
	}
	open, err := m.store.OpenFindings(ctx)
	if err != nil {
		return err
	}
	for _, s := range audit.Severities() {
		tell(m.open, gauge, float64(open[s]), string(s))
	}
	return nil
}

// metricsHandler is what is served to Prometheus, at /metrics, and to who watches over processes, at /healthz and /readyz. missed says whether a night
// should have run between two times.
func (s *system) metricsHandler(missed func(from, to time.Time) bool) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{newMetrics(s.store, s.clock), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	began := s.clock()
	mux.HandleFunc("GET /healthz", console.Health)
	mux.HandleFunc("GET /readyz", console.Readiness(func(ctx context.Context) []string {
		ctx, cancel := context.WithTimeout(ctx, scraping)
		defer cancel()
		return s.amiss(ctx, began, missed)
	}))
	return mux, nil
}

// serveMetrics serves Prometheus at the address that is configured, if one is, until what it returns is called.
func (s *system) serveMetrics(ctx context.Context, missed func(from, to time.Time) bool) (stop func(), err error) {
	if s.cfg.Metrics.Listen == "" {
		return func() {}, nil
	}
	handler, err := s.metricsHandler(missed)
	if err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Metrics.Listen)
	if err != nil {
		return nil, fmt.Errorf("%s: metrics.listen: %w: give an address that is free, as 127.0.0.1:9464", s.cfg.Path, err)
	}
	s.log.Info("serving metrics", "at", "http://"+l.Addr().String()+"/metrics")
	server := &http.Server{Handler: handler, ReadHeaderTimeout: scraping, ReadTimeout: scraping, WriteTimeout: 3 * scraping, IdleTimeout: 12 * scraping}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics are served no more", "error", err)
		}
	}()
	return func() { _ = server.Close(); <-ended }, nil
}
