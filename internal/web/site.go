// Package web is what every page that mailreeve serves stands on: a listener that stops quickly, the defences of the browser, pages that come whole or
// not at all, and embedded assets. It knows nothing of what the pages are about.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// A Config says where a site is served and how browsers reach it.
type Config struct {
	Listen    string // host:port
	PublicURL string // scheme://host[:port] in front of it, where that is not what Listen says; no path
	TLSCert   string // files, both or none: it then speaks TLS itself
	TLSKey    string
	MaxBody   int64 // of a request, in bytes; 0: 1 MiB
	Log       *slog.Logger
}

// A Site is served at one listener.
type Site struct {
	cfg    Config
	public *url.URL // nil: what Listen says
	origin *http.CrossOriginProtection
	time   time.Duration // that a request may take to come
}

// New gives the site of a configuration. An error says which part of it cannot be.
func New(c Config) (*Site, error) {
	s := &Site{cfg: c, origin: http.NewCrossOriginProtection(), time: requestTime}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return nil, fmt.Errorf("listen: %q is no host:port as 127.0.0.1:8089: %w", c.Listen, err)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return nil, errors.New("tls_cert and tls_key: give both files, or none")
	}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return nil, fmt.Errorf("public_url: %q is no https or http URL of a host alone, as https://audit.example", c.PublicURL)
		}
		s.public = &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}
		if err := s.origin.AddTrustedOrigin(s.public.String()); err != nil { // a proxy may pass another Host on
			return nil, fmt.Errorf("public_url: %w", err)
		}
	}
	s.origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "This was sent from another site, so nothing was done.")
	}))
	if s.cfg.MaxBody == 0 {
		s.cfg.MaxBody = 1 << 20
	}
	if s.cfg.Log == nil {
		s.cfg.Log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Secure says whether browsers reach the site by TLS.
func (s *Site) Secure() bool {
	return s.cfg.TLSCert != "" || s.public != nil && s.public.Scheme == "https"
}

// Loopback says whether only this machine reaches the listener.
func (s *Site) Loopback() bool {
	host, _, _ := net.SplitHostPort(s.cfg.Listen)
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// URL is how a browser reaches a path of the site, which is listened for at l; l may be nil where there is a public URL.
func (s *Site) URL(l net.Addr, path string) string {
	if s.public != nil {
		return s.public.String() + path
	}
	return s.Local(l, path)
}

// Local is how a browser on this machine reaches a path of the site, which is listened for at l; l may be nil.
func (s *Site) Local(l net.Addr, path string) string {
	scheme := "http"
	if s.cfg.TLSCert != "" {
		scheme = "https"
	}
	host := s.cfg.Listen
	if l != nil {
		host = l.String()
	}
	return scheme + "://" + host + path
}

// Listen binds the site's address.
func (s *Site) Listen(ctx context.Context) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w: give an address that is free", err)
	}
	return l, nil
}

// The times that a browser has. Together with grace, a site is gone within a second.
const (
	headerTime  = 10 * time.Second
	requestTime = 30 * time.Second
	idleTime    = 2 * time.Minute
	grace       = 500 * time.Millisecond
)

// Serve serves h at l until ctx is done. What is answered then has half a second to end; what is slower is cut off.
func (s *Site) Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: s.time, WriteTimeout: s.time + headerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug)}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	})
	var err error
	if s.cfg.TLSCert != "" {
		err = server.ServeTLS(l, s.cfg.TLSCert, s.cfg.TLSKey)
	} else {
		err = server.Serve(l)
	}
	if !stop() {
		<-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	_ = l.Close() // ServeTLS leaves it open where it cannot read its files
	return err
}
