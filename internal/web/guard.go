package web

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// policy lets a page load from its own site only, and run no script and no style that is written into it. That holds also where a hostile text would get
// into a page unescaped.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Guard puts the site's defences before h: who asks under another name is refused (it may be another site's name that was made to lead here), and so is
// what another site's page sends; answers carry the headers that keep browsers from doing more than h wants; bodies and time are limited.
func (s *Site) Guard(h http.Handler) http.Handler {
	h = http.MaxBytesHandler(s.origin.Handler(h), s.cfg.MaxBody)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		header.Set("X-Robots-Tag", "noindex, nofollow")
		header.Set("Cache-Control", "no-store") // Assets say otherwise
		if s.Secure() {
			header.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !s.mine(r.Host) {
			refuse(w, http.StatusMisdirectedRequest, "This is not served under the name "+r.Host+". Where that is its name, the configuration's public_url has to say so.")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}

// mine says whether the site is served under a name, whatever the port: that may be a proxy's, which it passes on or not, and says nothing of whose name it is.
// An address is no name that somebody could have made lead here.
func (s *Site) mine(host string) bool {
	name, _, err := net.SplitHostPort(strings.ToLower(host))
	if err != nil {
		name = strings.Trim(strings.ToLower(host), "[]")
	}
	if s.public != nil && name == s.public.Hostname() {
		return true
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	listen, _, _ := net.SplitHostPort(s.cfg.Listen)
	return name != "" && (name == listen || name == "localhost" && s.Loopback())
}

// refuse answers in plain words: the request is not to be trusted with a page.
func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, why+"\n")
}

// SetCookie gives the browser a cookie that only this site is sent, and no script sees; seconds 0: until the browser ends, less: away with it.
// Behind TLS its name begins with __Host-, so that no other site of the domain can set it.
func (s *Site) SetCookie(w http.ResponseWriter, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: s.cookieName(name), Value: value, Path: "/", MaxAge: seconds, Secure: s.Secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// Cookie is the value of a cookie that SetCookie gave; empty where the browser sends none.
func (s *Site) Cookie(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

func (s *Site) cookieName(name string) string {
	if s.Secure() {
		return "__Host-" + name
	}
	return name
}
