package capture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCookiesAreReadInEveryUsualForm(t *testing.T) {
	for name, text := range map[string]string{
		"cookies.txt": "# Netscape HTTP Cookie File\n\n.acme.example\tTRUE\t/\tTRUE\t1893456000\tsid\tv1\n#HttpOnly_app.acme.example\tFALSE\t/x\tFALSE\t0\tother\tv2\r\n",
		"extension": `[{"domain":".acme.example","expirationDate":1893456000.5,"hostOnly":false,"httpOnly":false,"name":"sid","path":"/","sameSite":"no_restriction","secure":true,"session":false,"value":"v1"},
			{"domain":"app.acme.example","hostOnly":true,"httpOnly":true,"name":"other","path":"/x","sameSite":null,"secure":false,"session":true,"value":"v2"}]`,
		"playwright": `{"cookies":[{"name":"sid","value":"v1","domain":".acme.example","path":"/","expires":1893456000,"httpOnly":false,"secure":true,"sameSite":"None"},
			{"name":"other","value":"v2","domain":"app.acme.example","path":"/x","expires":-1,"httpOnly":true,"secure":false,"sameSite":"Lax"}],"origins":[]}`,
	} {
		got, err := parseCookies([]byte(text))
		if err != nil || len(got) != 2 {
			t.Errorf("%s: %v, %v", name, got, err)
			continue
		}
		if c := got[0]; c.Name != "sid" || c.Value != "v1" || c.Domain != ".acme.example" || c.URL != "" || !c.Secure || c.HTTPOnly || int(c.Expires) != 1893456000 {
			t.Errorf("%s: the first is %+v", name, c)
		}
		if c := got[1]; c.Name != "other" || c.Value != "v2" || c.Domain != "" || c.URL != "http://app.acme.example/" || c.Path != "/x" || !c.HTTPOnly || c.Expires != 0 {
			t.Errorf("%s: the second is %+v", name, c)
		}
	}
}

func TestWrongLoginsAreToldWithoutTheirSecrets(t *testing.T) {
	const secret = "s3cr3t"
	cookies := map[string]string{
		"":                     "no cookie",
		"# nothing\n":          "no cookie",
		"sid=" + secret:        "line 1",
		"\na\tb\tc\t" + secret: "line 2",
		"[{\"value\":\"" + secret + "\",\"domain\":\"x\"}]":                   "cookie 1",
		"[{\"name\":\"n\",\"value\":\"" + secret + "\"}]":                     "cookie 1",
		"[{\"name\":\"n\",\"domain\":\"x\",\"value\":\"" + secret + "\\n\"}]": "cookie 1",
		"[\"" + secret + "\"]":                   "neither",
		"{\"" + secret:                           "neither",
		"x\tTRUE\t/\tTRUE\t" + secret + "\tn\tv": "line 1",
	}
	for text, want := range cookies {
		if _, err := parseCookies([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v, want something of %q", text, err, want)
		}
	}
	headers := map[string]string{
		"":                      "no header",
		secret:                  "line 1",
		"\nX Y: " + secret:      "line 2",
		"Host: " + secret:       "line 1",
		": " + secret:           "line 1",
		"Content-Length: 1":     "line 1",
		"X: " + secret + "\x00": "line 1",
	}
	for text, want := range headers {
		if _, err := parseHeaders([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v, want something of %q", text, err, want)
		}
	}
	h, err := parseHeaders([]byte("# mine\nAuthorization: Bearer x\r\n\nX-A: 1\nX-A: 2\n"))
	if err != nil || h.Get("Authorization") != "Bearer x" || len(h.Values("X-A")) != 2 {
		t.Errorf("%v %v", h, err)
	}
	path := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(path, make([]byte, maxLogin+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadCookies(path); err == nil {
		t.Error("a file without end is read")
	}
	if _, err := ReadHeaders(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there is read")
	}
}

func TestOrigins(t *testing.T) {
	for _, x := range [][2]string{{"https://a.example/x", "https://A.example:443/y"}, {"http://a.example", "http://a.example:80/"}} {
		if originOf(x[0]) != originOf(x[1]) || originOf(x[0]) == "" {
			t.Errorf("%s and %s", x[0], x[1])
		}
	}
	for _, x := range [][2]string{{"https://a.example", "http://a.example"}, {"https://a.example", "https://b.a.example"}, {"https://a.example", "https://a.example:8443"}} {
		if originOf(x[0]) == originOf(x[1]) {
			t.Errorf("%s and %s", x[0], x[1])
		}
	}
}

func FuzzCookies(f *testing.F) {
	f.Add([]byte(".acme.example\tTRUE\t/\tTRUE\t1893456000\tsid\tv1\n"))
	f.Add([]byte("#HttpOnly_x\tFALSE\t/\tFALSE\t0\tn"))
	f.Add([]byte(`[{"name":"a","value":"b","domain":".c","expires":-1,"sameSite":"Lax"}]`))
	f.Add([]byte(`{"cookies":[{"name":"a","domain":"c"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		cookies, err := parseCookies(text)
		if err == nil && len(cookies) == 0 {
			t.Error("no cookie and no error")
		}
		for _, c := range cookies {
			if c.Name == "" || c.Domain == "" && c.URL == "" || strings.ContainsAny(c.Name+c.Value, "\x00\r\n;") {
				t.Errorf("%+v", c)
			}
		}
	})
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte("Authorization: Bearer x\n# no\nX-A: 1\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		headers, err := parseHeaders(text)
		if err == nil && len(headers) == 0 {
			t.Error("no header and no error")
		}
		for k, list := range headers {
			for _, v := range list {
				if !token(k) || strings.ContainsAny(v, "\x00\r\n") {
					t.Errorf("%q: %q", k, v)
				}
			}
		}
	})
}
