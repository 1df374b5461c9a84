package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os/user"
	"strings"
	"sync"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

// A Role is what somebody may do.
type Role string

// The roles. Each may do what those before it may.
const (
	Viewer   Role = "viewer"   // see everything
	Reviewer Role = "reviewer" // act on findings
	Admin    Role = "admin"    // end other people's sessions
)

// roles lists them, the least first.
func roles() []Role { return []Role{Viewer, Reviewer, Admin} }

func (r Role) rank() int {
	for i, x := range roles() {
		if x == r {
			return i + 1
		}
	}
	return 0
}

// May says whether r may do what takes at least another role. Who has no role may do nothing.
func (r Role) May(least Role) bool { return r.rank() > 0 && r.rank() >= least.rank() }

// A person is somebody who is logged in.
type person struct {
	Who     string // as the trail has it: console:ID (NAME)
	Name    string
	Role    Role
	Session string // its digest
}

// Reviews says whether u may act on findings.
func (u person) Reviews() bool { return u.Role.May(Reviewer) }

// Administers says whether u may end other people's sessions.
func (u person) Administers() bool { return u.Role.May(Admin) }

const (
	sessionCookie = "mailreeve-session"
	sessionLife   = 12 * time.Hour
)

// token is a new random token, and the digest that it is known by.
func token() (token, digest string) {
	token = rand.Text() // 130 bits
	return token, digestOf(token)
}

func digestOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// who is who sends a request. A session counts as long as those who vouched for it are asked today, too.
func (c *Console) who(r *http.Request) (person, bool, error) {
	t := c.Site.Cookie(r, sessionCookie)
	if t == "" {
		return person{}, false, nil
	}
	s, err := c.Store.Session(r.Context(), digestOf(t), audit.At(c.Clock()))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return person{}, false, nil
	case err != nil:
		return person{}, false, err
	case s.Issuer != c.OIDC.Issuer || s.Issuer == "" && !local(r):
		return person{}, false, nil
	}
	return person{Who: s.Who, Name: s.Name, Role: Role(s.Role), Session: s.Digest}, true, nil
}

// begin logs somebody in, and leads to a page.
func (c *Console) begin(w http.ResponseWriter, r *http.Request, s store.Session, next string) error {
	t, digest := token()
	now := audit.At(c.Clock())
	s.Digest, s.Issuer, s.Created, s.Expires = digest, c.OIDC.Issuer, now, now.Add(sessionLife)
	if old := c.Site.Cookie(r, sessionCookie); old != "" {
		if err := c.Store.Logout(r.Context(), digestOf(old)); err != nil {
			return err
		}
	}
	if err := c.Store.Login(r.Context(), s); err != nil {
		return err
	}
	if err := c.Store.Record(r.Context(), audit.TrailEntry{At: now, Who: s.Who, What: "logged in", Details: map[string]any{"role": s.Role}}); err != nil {
		return err
	}
	c.Site.SetCookie(w, sessionCookie, t, int(sessionLife/time.Second))
	http.Redirect(w, r, inside(next), http.StatusSeeOther)
	return nil
}

// inside is a path of the console's own to lead to; the first page where next is none.
func inside(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}

// backTo is where a form wants to lead back to, or else where.
func backTo(r *http.Request, where string) string {
	if back := r.PostFormValue("back"); back != "" {
		return inside(back)
	}
	return where
}

// login is the page that says how to log in.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	if _, ok, err := c.who(r); err == nil && ok {
		http.Redirect(w, r, inside(r.FormValue("next")), http.StatusSeeOther)
		return
	}
	c.render(w, r, person{}, http.StatusOK, "login", &struct {
		frame
		OIDC bool
		Next string
	}{OIDC: c.OIDC.Issuer != "", Next: inside(r.FormValue("next"))})
}

// logout ends the session of who asks.
func (c *Console) logout(w http.ResponseWriter, r *http.Request) {
	if t := c.Site.Cookie(r, sessionCookie); t != "" {
		if err := c.Store.Logout(r.Context(), digestOf(t)); err != nil {
			c.fail(w, r, person{}, err)
			return
		}
	}
	c.Site.SetCookie(w, sessionCookie, "", -1)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// A link logs in who has it, once.
type link struct {
	mu     sync.Mutex
	digest string // empty: none is to be had, or it was used
}

// Link makes the link that logs one person in, once, and forgets the one before; base is where the console is reached. An error where that would not be
// safe: whoever vouches for people is not configured, and more than this machine reaches the console.
func (c *Console) Link(l net.Addr) (string, error) {
	if !c.Site.Loopback() {
		return "", errors.New("without console.oidc nobody can log in from elsewhere: configure it, or listen on 127.0.0.1 only")
	}
	t, digest := token()
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.digest = digest
	return c.Site.Local(l, "/login/"+t), nil
}

func (l *link) use(t string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.digest == "" || subtle.ConstantTimeCompare([]byte(digestOf(t)), []byte(l.digest)) == 0 {
		return false
	}
	l.digest = ""
	return true
}

// local says whether a request comes from this machine, by its own name, and not through a proxy.
func local(r *http.Request) bool {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !remote.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (c *Console) loginByLink(w http.ResponseWriter, r *http.Request) {
	if c.OIDC.Issuer != "" || !local(r) || !c.link.use(r.PathValue("token")) {
		c.fail(w, r, person{}, &problem{http.StatusForbidden, "This link does not log in", "It works once, from the machine that printed it, until mailreeve is started again. A new start prints a new one."})
		return
	}
	name := "operator"
	if u, err := currentUser(); err == nil {
		name = u
	}
	err := c.begin(w, r, store.Session{Who: fmt.Sprintf("%s (%s)", audit.ByLink, name), Name: name, Role: string(Admin)}, "/")
	if err != nil {
		c.fail(w, r, person{}, err)
	}
}

func currentUser() (string, error) {
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

// sessions is the page of who is logged in where: of oneself, and for an admin of everybody.
func (c *Console) sessions(w http.ResponseWriter, r *http.Request, u person) error {
	who := u.Who
	if u.Administers() {
		who = ""
	}
	list, err := c.Store.Sessions(r.Context(), who, audit.At(c.Clock()))
	if err != nil {
		return err
	}
	c.render(w, r, u, http.StatusOK, "sessions", &struct {
		frame
		Sessions []store.Session
	}{Sessions: list})
	return nil
}

// endSession ends a session of one's own; an admin anybody's.
func (c *Console) endSession(w http.ResponseWriter, r *http.Request, u person) error {
	now := audit.At(c.Clock())
	s, err := c.Store.Session(r.Context(), r.FormValue("session"), now)
	if err == nil && s.Who != u.Who && !u.Administers() {
		err = store.ErrNotFound
	}
	if err != nil {
		return err
	}
	if err := c.Store.Logout(r.Context(), s.Digest); err != nil {
		return err
	}
	if err := c.Store.Record(r.Context(), audit.TrailEntry{At: now, Who: u.Who, What: "session ended", Details: map[string]any{"of": s.Who}}); err != nil {
		return err
	}
	c.setFlash(w, flash{Said: "The session of " + s.Name + " is ended."})
	http.Redirect(w, r, "/sessions", http.StatusSeeOther)
	return nil
}
