package outbound_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/internal/outbound"
)

func TestPublic(t *testing.T) {
	for a, want := range map[string]bool{
		"93.184.216.34": true, "8.8.8.8": true, "2606:4700::1111": true, "64:ff9b::808:808": true, "172.15.255.255": true, "172.32.0.0": true, "100.63.255.255": true, "100.128.0.0": true,
		"127.0.0.1": false, "127.8.8.8": false, "0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false,
		"100.64.0.1": false, "100.127.255.255": false, "169.254.169.254": false, "224.0.0.1": false, "239.255.255.250": false, "255.255.255.255": false, "240.0.0.1": false,
		"192.0.0.8": false, "198.18.0.1": false, "192.88.99.1": false, "192.0.2.1": false,
		"::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd12:3456::1": false, "ff02::1": false, "fec0::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:8.8.8.8": true, "::ffff:169.254.169.254": false, "::127.0.0.1": false,
		"2002:7f00:1::": false, "2002:808:808::": false, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::808:808": false, "2001:0:4136:e378::": false,
		"2001:db8::1": false, "fd00:ec2::254": false,
	} {
		if got := outbound.Public(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: public is %t", a, got)
		}
	}
	if outbound.Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// What a name leads to is judged when it is dialed: localhost is a name as any.
func TestClientReachesNothingPrivate(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer s.Close()
	t.Setenv("HTTP_PROXY", s.URL) // is not used
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	for _, url := range []string{s.URL + "/secret", "http://localhost:" + port + "/secret", "http://[::ffff:127.0.0.1]:" + port, "http://[::1]:" + port, "http://169.254.169.254/latest/meta-data"} {
		_, err := outbound.Client(false).Get(url)
		if !errors.Is(err, outbound.ErrPrivate) {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if cause := outbound.Cause(err).Error(); strings.Contains(cause, "secret") || !strings.Contains(cause, "allow_private") {
			t.Errorf("%s: %s", url, cause)
		}
	}
	if asked != 0 {
		t.Fatal("it was asked")
	}
	res, err := outbound.Client(true).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusFound || asked != 1 {
		t.Errorf("status %d after %d requests: the redirect was followed", res.StatusCode, asked)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-3": 0, "soon": 0, "99999999999": 7 * 24 * time.Hour,
		"Sun, 22 Nov 2026 02:31:00 GMT": time.Minute, "Sun, 22 Nov 2026 02:29:00 GMT": 0,
	} {
		if got := outbound.RetryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("%q: %s", v, got)
		}
	}
}

func TestURLs(t *testing.T) {
	for url, fine := range map[string]bool{"https://hooks.example/x?key=1": true, "http://10.0.0.1/": true, "hooks.example/x": false, "ftp://hooks.example": false, "https://": false,
		"https://u:p@hooks.example": false, "https://hooks.example/%zz": false} {
		if err := outbound.Check(url); (err == nil) != fine {
			t.Errorf("%s: %v", url, err)
		} else if err != nil && strings.Contains(err.Error(), "hooks") {
			t.Errorf("the error shows it: %v", err)
		}
	}
	if got := outbound.Place("https://hooks.example:8443/secret?key=secret#secret"); got != "https://hooks.example:8443" {
		t.Error(got)
	}
	if got := outbound.Place("%zz secret"); strings.Contains(got, "secret") {
		t.Error(got)
	}
}
