package vendorpage

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/web"
	"github.com/mailreeve/mailreeve/notifier"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

//go:embed assets templates
var embedded embed.FS

// MaxBody is how large a request may be, in bytes: a file, and what a form says around it.
const MaxBody = MaxFile + maxForm

const (
	maxForm = 64 << 10
	cookie  = "vendor"
)

// Page is the vendors' page.
type Page struct {
	site   *web.Site
	desk   *notices.Desk
	log    *slog.Logger
	pages  *web.Pages
	assets *web.Assets
	busy   chan struct{} // files that are being read: each is in memory
	shares *share        // of these, by vendor: one that sends as slowly as it may does not hold up all others
	limits limits

	fileTime time.Duration // that a file may take to come
}

// limits are how often something may be done.
type limits struct {
	requests *limiter // by address
	tries    *limiter // of links, by address
	link     *limiter // by link
	answers  *limiter // by vendor, as are the next
	files    *limiter
	lists    *limiter
}

// New is the vendors' page of a site. Answers go to desk.
func New(site *web.Site, desk *notices.Desk, log *slog.Logger) (*Page, error) {
	p := &Page{site: site, desk: desk, log: log, busy: make(chan struct{}, 8), shares: newShare(2), fileTime: fileTime, limits: limits{
		requests: newLimiter(500*time.Millisecond, 120),
		tries:    newLimiter(6*time.Second, 20),
		link:     newLimiter(10*time.Second, 10),
		answers:  newLimiter(30*time.Second, 30),
		files:    newLimiter(time.Minute, 20),
		lists:    newLimiter(5*time.Second, 20),
	}}
	assets, err := fs.Sub(embedded, "assets")
	if err != nil {
		return nil, err
	}
	if p.assets, err = web.NewAssets(assets); err != nil {
		return nil, err
	}
	templates, err := fs.Sub(embedded, "templates")
	if err != nil {
		return nil, err
	}
	p.pages, err = web.NewPages(templates, p.assets, functions(), log)
	return p, err
}

// Handler serves the page, behind the site's guard.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+web.AssetsPath, p.assets)
	mux.HandleFunc("GET /v/{token}", p.link(p.door))
	mux.HandleFunc("POST /v/{token}", p.link(p.open))
	mux.HandleFunc("POST /v/{token}/new", p.link(p.fresh))
	mux.HandleFunc("GET /{$}", p.session(p.home))
	mux.HandleFunc("POST /leave", p.leave)
	mux.HandleFunc("POST /viewed", p.session(p.viewAll))
	mux.HandleFunc("GET /f/{finding}", p.session(p.finding))
	mux.HandleFunc("GET /f/{finding}/accounts.csv", p.session(p.accounts))
	mux.HandleFunc("POST /f/{finding}/file", p.session(p.attach))
	mux.HandleFunc("POST /f/{finding}/{answer}", p.session(p.answer))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { p.say(w, r, http.StatusNotFound, notFound()) })
	return p.site.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.limited(w, r, p.limits.requests, client(r)) {
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

// limited answers, and says so, where too much of key came.
func (p *Page) limited(w http.ResponseWriter, r *http.Request, l *limiter, key string) bool {
	wait := l.take(key, p.desk.Clock())
	if wait == 0 {
		return false
	}
	seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	w.Header().Set("Retry-After", seconds)
	p.say(w, r, http.StatusTooManyRequests, message{Title: "Please wait a moment", Text: "That was more than this page takes at one time. Nothing was lost; try again in " + seconds + " seconds."})
	return true
}

// A message is a page that says one thing.
type message struct {
	Title string
	Text  string
	Fresh string // the path of a form that asks for a fresh link; empty: there is none
}

func (p *Page) say(w http.ResponseWriter, r *http.Request, status int, m message) {
	p.pages.Render(w, r, status, "message", m)
}

func notFound() message {
	return message{Title: "Not found", Text: "There is no such page here, or it is not for you to see."}
}

// broken answers where something is wrong on our side, which the log tells.
func (p *Page) broken(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // who asked is gone
	}
	p.log.ErrorContext(r.Context(), "the vendors' page could not answer", "error", err)
	p.say(w, r, http.StatusInternalServerError, message{Title: "Something is wrong on our side", Text: "Please try again later, or reply to the mail that brought you here."})
}

// A visit is a link that somebody has, and where its vendor's page stands.
type visit struct {
	token   string
	use     store.LinkUse
	problem error // of the link; nil: it can be used
	now     audit.Instant
}

// link serves what is behind a link that is ours.
func (p *Page) link(serve func(http.ResponseWriter, *http.Request, visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if p.limited(w, r, p.limits.tries, client(r)) {
			return
		}
		now, err := p.desk.Now(r.Context())
		if err != nil {
			p.broken(w, r, err)
			return
		}
		key := p.desk.Store.LinkKey()
		vendor, expires, err := notices.OpenToken(key, r.PathValue("token"), now)
		if err != nil && !errors.Is(err, notices.ErrLinkOver) {
			p.say(w, r, http.StatusNotFound, message{Title: "This link is not complete",
				Text: "Please copy the whole link from the mail. If it still does not open, reply to the mail: an answer by mail counts just as much."})
			return
		}
		// The same token can be written in several ways. It is known by the one way in which we write it.
		v := visit{token: notices.Token(key, vendor, expires), problem: err, now: now}
		sum := sha256.Sum256([]byte(v.token))
		v.use = store.LinkUse{Vendor: vendor, Token: sum[:], Expires: expires}
		if p.limited(w, r, p.limits.link, string(sum[:])) {
			return
		}
		if known := p.known(r, now); known == vendor && r.Method != http.MethodPost {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		if usable := p.desk.Store.LinkUsable(r.Context(), v.use); errors.Is(usable, store.ErrLinkRevoked) || v.problem == nil {
			v.problem = usable
		}
		switch {
		case v.problem == nil, errors.Is(v.problem, notices.ErrLinkOver), errors.Is(v.problem, store.ErrLinkUsed), errors.Is(v.problem, store.ErrLinkRevoked):
			serve(w, r, v)
		default:
			p.broken(w, r, v.problem)
		}
	}
}

// known is the vendor whose page is open in a browser; empty where none is.
func (p *Page) known(r *http.Request, now audit.Instant) string {
	value := p.site.Cookie(r, cookie)
	if value == "" {
		return ""
	}
	vendor, err := p.desk.Store.SessionVendor(r.Context(), digest(value), now)
	if err != nil {
		return ""
	}
	return vendor
}

func digest(cookie string) []byte {
	sum := sha256.Sum256([]byte(cookie))
	return sum[:]
}

// door is what a link shows: a button.
func (p *Page) door(w http.ResponseWriter, r *http.Request, v visit) {
	if v.problem != nil {
		p.shut(w, r, v)
		return
	}
	p.pages.Render(w, r, http.StatusOK, "door", struct{ Token, For string }{v.token, days(notices.SessionFor)})
}

// shut says why a link does not open, and what to do.
func (p *Page) shut(w http.ResponseWriter, r *http.Request, v visit) {
	m := message{Title: "This link was used before", Fresh: "/v/" + v.token + "/new",
		Text: "A link opens the page once, in one browser. If that was you, on another device, or a colleague of yours: have a new link sent to the contacts that we wrote to. It comes by mail within minutes."}
	switch {
	case errors.Is(v.problem, store.ErrLinkRevoked):
		m = message{Title: "This link was taken back", Text: "It does not open the page any more. Please reply to the mail that it came with: an answer by mail counts just as much."}
	case errors.Is(v.problem, notices.ErrLinkOver):
		m.Title, m.Text = "This link has run out", "Links open the page for a limited time. Have a new link sent to the contacts that we wrote to. It comes by mail within minutes."
	}
	p.say(w, r, http.StatusGone, m)
}

// open uses a link up, and lets the browser in.
func (p *Page) open(w http.ResponseWriter, r *http.Request, v visit) {
	if known := p.known(r, v.now); known == v.use.Vendor { // pressed twice
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if v.problem != nil {
		p.shut(w, r, v)
		return
	}
	value := rand.Text() + rand.Text()
	err := p.desk.Store.UseLink(r.Context(), v.use, store.VendorSession{Cookie: digest(value), Expires: v.now.Add(notices.SessionFor)},
		audit.TrailEntry{At: v.now, Who: notices.Who(v.use.Vendor), What: "vendor opened its page"})
	switch {
	case errors.Is(err, store.ErrLinkUsed), errors.Is(err, store.ErrLinkRevoked):
		v.problem = err
		p.shut(w, r, v)
		return
	case err != nil:
		p.broken(w, r, err)
		return
	}
	if old := p.site.Cookie(r, cookie); old != "" { // another vendor's
		if err := p.desk.Store.EndVendorSession(r.Context(), digest(old)); err != nil {
			p.log.WarnContext(r.Context(), "a vendor's session goes on until it runs out", "error", err)
		}
	}
	p.log.InfoContext(r.Context(), "a vendor opened its page", "vendor", v.use.Vendor)
	p.site.SetCookie(w, cookie, value, int(notices.SessionFor.Seconds()))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// fresh has a new link sent to the vendor's contacts, for who has an old one.
func (p *Page) fresh(w http.ResponseWriter, r *http.Request, v visit) {
	if v.problem == nil {
		http.Redirect(w, r, "/v/"+v.token, http.StatusSeeOther) // this one will do
		return
	}
	if errors.Is(v.problem, store.ErrLinkRevoked) {
		p.shut(w, r, v)
		return
	}
	_, err := p.desk.SendLink(r.Context(), v.use.Vendor, notices.Who(v.use.Vendor))
	switch {
	case err == nil, errors.Is(err, notices.ErrLinkSent):
		p.say(w, r, http.StatusOK, message{Title: "A new link is on its way",
			Text: "It goes by mail to the contacts that we wrote to, at most once an hour. If nothing comes, look where unwanted mail is kept, or reply to the mail that brought you here."})
	case errors.Is(err, notices.ErrNoPage), errors.Is(err, notices.ErrNoContact):
		p.log.WarnContext(r.Context(), "a vendor asks for a fresh link, and none can be sent", "vendor", v.use.Vendor, "error", err)
		p.say(w, r, http.StatusOK, message{Title: "We cannot send a link by ourselves", Text: "Please reply to the mail that brought you here: people read it, and an answer by mail counts just as much."})
	default:
		p.broken(w, r, err)
	}
}

// session serves what is for a vendor whose page is open.
func (p *Page) session(serve func(w http.ResponseWriter, r *http.Request, vendor string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		now, err := p.desk.Now(r.Context())
		if err != nil {
			p.broken(w, r, err)
			return
		}
		vendor, value := "", p.site.Cookie(r, cookie)
		if value != "" {
			vendor, err = p.desk.Store.SessionVendor(r.Context(), digest(value), now)
		}
		switch {
		case err != nil && !errors.Is(err, store.ErrNotFound):
			p.broken(w, r, err)
		case vendor == "":
			if value != "" {
				p.site.SetCookie(w, cookie, "", -1)
			}
			p.say(w, r, http.StatusUnauthorized, message{Title: "This page is not open in this browser",
				Text: "Please open the link in the mail that we wrote to you. If it was used before, it lets you ask for a new one. You can also just reply to the mail."})
		default:
			serve(w, r, vendor)
		}
	}
}

// leave closes the page in this browser.
func (p *Page) leave(w http.ResponseWriter, r *http.Request) {
	if value := p.site.Cookie(r, cookie); value != "" {
		if err := p.desk.Store.EndVendorSession(r.Context(), digest(value)); err != nil {
			p.broken(w, r, err)
			return
		}
		p.site.SetCookie(w, cookie, "", -1)
	}
	p.say(w, r, http.StatusOK, message{Title: "The page is closed in this browser", Text: "To come back, open the link of our mail again: it lets you ask for a new one."})
}

// home lists what the vendor was told of.
func (p *Page) home(w http.ResponseWriter, r *http.Request, vendor string) {
	name, list, err := p.desk.Told(r.Context(), vendor)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	now, err := p.desk.Now(r.Context())
	if err != nil {
		p.broken(w, r, err)
		return
	}
	data := struct {
		Name         string
		Open, Closed []entry
		Unseen       bool
	}{Name: name}
	for i := range list {
		e := entry{&list[i], standing(&list[i], now)}
		if list[i].Open {
			data.Open = append(data.Open, e)
			data.Unseen = data.Unseen || list[i].Unseen()
		} else {
			data.Closed = append(data.Closed, e)
		}
	}
	p.pages.Render(w, r, http.StatusOK, "home", data)
}

// An entry is a finding, and how it stands.
type entry struct {
	*notices.Told
	State state
}

// viewAll acknowledges what was not yet.
func (p *Page) viewAll(w http.ResponseWriter, r *http.Request, vendor string) {
	if p.limited(w, r, p.limits.answers, vendor) {
		return
	}
	if err := p.desk.VendorSaw(r.Context(), vendor); err != nil {
		p.broken(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// A form is what a finding's page was sent, as far as it is shown again.
type form struct {
	Kind    audit.ReplyKind // empty: nothing was sent
	Problem string
	Text    string
	Since   string
	Version string
	Days    string
	Nature  string // of an incident, as are the next
	Scope   string
	Users   string
}

func (p *Page) finding(w http.ResponseWriter, r *http.Request, vendor string) {
	p.show(w, r, vendor, http.StatusOK, form{})
}

// show answers with a finding's page, and with what was wrong with the form that was sent.
func (p *Page) show(w http.ResponseWriter, r *http.Request, vendor string, status int, sent form) {
	t, ok := p.told(w, r, vendor)
	if !ok {
		return
	}
	now, err := p.desk.Now(r.Context())
	if err != nil {
		p.broken(w, r, err)
		return
	}
	said, err := p.desk.Said(r.Context(), vendor, t)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	files, err := p.files(r.Context(), vendor, t.ID)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	p.pages.Render(w, r, status, "finding", struct {
		entry
		Said    []notices.Said
		Files   []store.Attachment
		Sent    form
		MaxDays int
		Today   string
		Megs    int
		Natures []string
	}{entry{t, standing(t, now)}, said, files, sent, int(p.desk.Policy.Ladder.ExtensionMax / (24 * time.Hour)), now.Time().Format(time.DateOnly), MaxFile >> 20,
		[]string{"a bug", "a misconfiguration", "an intrusion", "a decision of ours", "something else", "not known yet"}})
}

// told is the finding that a request names, of those that its vendor was told of. Where it is none, the answer is given.
func (p *Page) told(w http.ResponseWriter, r *http.Request, vendor string) (*notices.Told, bool) {
	t, err := p.desk.ToldOf(r.Context(), vendor, r.PathValue("finding"))
	switch {
	case errors.Is(err, store.ErrNotFound):
		p.say(w, r, http.StatusNotFound, notFound())
	case err != nil:
		p.broken(w, r, err)
	}
	return t, err == nil
}

func (p *Page) files(ctx context.Context, vendor, finding string) (mine []store.Attachment, err error) {
	list, err := p.desk.Store.Attachments(ctx, []string{finding})
	for _, a := range list {
		if a.Vendor == vendor { // the app may have been another's
			mine = append(mine, a)
		}
	}
	return mine, err
}

// answer takes an answer.
func (p *Page) answer(w http.ResponseWriter, r *http.Request, vendor string) {
	kind := audit.ReplyKind(r.PathValue("answer"))
	if !kind.ByVendor() {
		p.say(w, r, http.StatusNotFound, notFound())
		return
	}
	if p.limited(w, r, p.limits.answers, vendor) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		p.tooMuch(w, r, err, "The text is too long.")
		return
	}
	now, err := p.desk.Now(r.Context())
	if err != nil {
		p.broken(w, r, err)
		return
	}
	sent := form{Kind: kind, Text: r.PostForm.Get("text"), Since: r.PostForm.Get("since"), Version: r.PostForm.Get("version"), Days: r.PostForm.Get("days"),
		Nature: r.PostForm.Get("nature"), Scope: r.PostForm.Get("scope"), Users: r.PostForm.Get("users")}
	text, problem := sent.says(now, p.desk.Policy.Ladder.ExtensionMax)
	if problem == "" {
		_, err = p.desk.VendorReplies(r.Context(), vendor, r.PathValue("finding"), audit.Reply{Kind: kind, Text: text})
		var no *audit.NoticeError
		switch {
		case err == nil:
			http.Redirect(w, r, "/f/"+r.PathValue("finding"), http.StatusSeeOther)
			return
		case errors.As(err, &no):
			problem = "This cannot be answered so now: " + no.Why + "."
		case errors.Is(err, store.ErrNotFound):
			p.say(w, r, http.StatusNotFound, notFound())
			return
		default:
			p.broken(w, r, err)
			return
		}
	}
	sent.Problem = problem
	p.show(w, r, vendor, http.StatusUnprocessableEntity, sent)
}

const (
	maxText    = 4000 // characters of what a vendor says
	maxVersion = 60
)

// says is what a form says, in words; or what is wrong with it.
func (f *form) says(now audit.Instant, longest time.Duration) (text, problem string) {
	text = plain(f.Text)
	version := notifier.Line(f.Version)
	switch {
	case f.Kind == audit.ReplyViewed:
		return "", ""
	case f.Kind == audit.ReplyIncident:
		return f.incident()
	case text == "" && f.Kind == audit.ReplyFix:
		return "", "Please say what was fixed."
	case text == "":
		return "", "Please say why."
	case len([]rune(text)) > maxText:
		return "", fmt.Sprintf("Please say it in at most %d characters, or attach a file.", maxText)
	}
	switch f.Kind {
	case audit.ReplyFix:
		since, err := time.Parse(time.DateOnly, f.Since)
		switch {
		case err != nil || since.Year() < 2000:
			return "", "Please say since when it is fixed, as a date: 2026-11-20."
		case since.After(now.Time().Add(24 * time.Hour)): // somewhere it is tomorrow already
			return "", "Please say it once it is fixed: this date is in the future."
		case len([]rune(version)) > maxVersion:
			return "", fmt.Sprintf("Please name the version in at most %d characters.", maxVersion)
		}
		lead := "Fixed since " + f.Since
		if version != "" {
			lead += ", in version " + version
		}
		return lead + ":\n" + text, ""
	case audit.ReplyExtension:
		most := int(longest / (24 * time.Hour))
		n, err := strconv.Atoi(f.Days)
		if err != nil || n < 1 || n > most {
			return "", fmt.Sprintf("Please say how many days more you need, from 1 to %d.", most)
		}
		return fmt.Sprintf("Asks for %d more days:\n%s", n, text), ""
	}
	return text, ""
}

// incident is what a form says about an incident.
func (f *form) incident() (text, problem string) {
	var lines []string
	for _, x := range []struct{ what, said, missing string }{
		{"Category", f.Nature, "Please say what kind of incident it is."},
		{"Scope", f.Scope, "Please say which apps, versions, sites and data it touches."},
		{"Since when, and whether it is over", f.Since, "Please say since when it has been so, and whether it is over."},
		{"Users affected", f.Users, "Please say how many users are affected, as far as you know."},
	} {
		said := plain(x.said)
		switch {
		case said == "":
			return "", x.missing
		case len([]rune(said)) > maxText/4:
			return "", fmt.Sprintf("Please answer each question in at most %d characters, or attach a file.", maxText/4)
		}
		lines = append(lines, x.what+": "+said)
	}
	return strings.Join(lines, "\n"), ""
}

// plain is what somebody wrote: its lines, and nothing in them that does not show.
func plain(s string) string {
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s), "\n")
	for i := range lines {
		lines[i] = notifier.Line(lines[i])
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// tooMuch answers where a form cannot be read.
func (p *Page) tooMuch(w http.ResponseWriter, r *http.Request, err error, why string) {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		p.say(w, r, http.StatusRequestEntityTooLarge, message{Title: "That is too much", Text: why + " Nothing was changed."})
		return
	}
	p.say(w, r, http.StatusBadRequest, message{Title: "That could not be read", Text: "What the browser sent was not complete. Nothing was changed; please try again."})
}

// accounts writes the accounts that a finding is about as CSV.
func (p *Page) accounts(w http.ResponseWriter, r *http.Request, vendor string) {
	t, ok := p.told(w, r, vendor)
	if !ok || p.limited(w, r, p.limits.lists, vendor) {
		return
	}
	if !t.Open {
		p.say(w, r, http.StatusNotFound, message{Title: "There is no list any more", Text: "This finding is closed."})
		return
	}
	set, err := p.desk.Store.Accounts(r.Context(), t.ID)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": "accounts-" + t.ID + ".csv"}))
	out := csv.NewWriter(bufio.NewWriterSize(web.Stream(w), 64<<10))
	_ = out.Write([]string{"account_id"}) // what fails shows when it is flushed
	for i := range set.Len() {
		if id := set.At(i); !audit.IsRenamed(id) { // an account that was erased has no id any more
			if out.Write([]string{notifier.Cell(id, notifier.Line)}) != nil {
				return // who asked is gone
			}
		}
	}
	out.Flush()
}

// attach takes a file.
func (p *Page) attach(w http.ResponseWriter, r *http.Request, vendor string) {
	t, ok := p.told(w, r, vendor)
	if !ok || p.limited(w, r, p.limits.files, vendor) {
		return
	}
	fail := func(problem string) {
		p.show(w, r, vendor, http.StatusUnprocessableEntity, form{Kind: attached, Problem: problem})
	}
	if !t.Open {
		fail("This finding is closed: nothing more can be attached to it.")
		return
	}
	done, ok := p.shares.take(vendor)
	if !ok {
		w.Header().Set("Retry-After", "30")
		p.say(w, r, http.StatusTooManyRequests, message{Title: "Please wait a moment", Text: "Two files of yours are on their way already. Nothing was changed; try again once they have arrived."})
		return
	}
	defer done()
	select {
	case p.busy <- struct{}{}:
		defer func() { <-p.busy }()
	case <-r.Context().Done():
		p.say(w, r, http.StatusServiceUnavailable, message{Title: "Please try again", Text: "Others send files just now. Nothing was changed."})
		return
	}
	// A file takes longer than a page, and so has a time of its own, which begins once there is room for it.
	control, until := http.NewResponseController(w), time.Now().Add(p.fileTime)
	if err := errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until.Add(flushTime))); err != nil && !errors.Is(err, http.ErrNotSupported) {
		p.broken(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), p.fileTime+flushTime)
	defer cancel()
	r = r.WithContext(ctx)
	name, content, err := readFile(r)
	switch {
	case errors.Is(err, errNoFile):
		fail("Please choose a file.")
		return
	case err != nil:
		p.tooMuch(w, r, err, fmt.Sprintf("A file may be of at most %d MB.", MaxFile>>20))
		return
	}
	a, err := attachment(t, vendor, name, content)
	if err != nil {
		fail("It was not attached: " + err.Error() + ".")
		return
	}
	if a.At, err = p.desk.Now(r.Context()); err != nil {
		p.broken(w, r, err)
		return
	}
	trail := []audit.TrailEntry{{At: a.At, Who: notices.Who(vendor), What: "vendor: attached", Finding: t.ID, Why: a.Name,
		Details: map[string]any{"notice": t.Notice, "attachment": a.ID, "type": a.Kind, "bytes": float64(a.Size), "sha256": a.Digest}}}
	switch err := p.desk.Store.Attach(r.Context(), a, room(), trail); {
	case errors.Is(err, store.ErrNoRoom):
		fail("There is no room for more files. Please reply to the mail that we wrote to you, and attach it there.")
	case err != nil:
		p.broken(w, r, err)
	default:
		http.Redirect(w, r, "/f/"+t.ID+"#files", http.StatusSeeOther)
	}
}

const (
	fileTime  = 90 * time.Second
	flushTime = 30 * time.Second // that the answer may take then
)

// attached is what a form is called that attaches a file.
const attached audit.ReplyKind = "file"

var errNoFile = errors.New("there is no file")

// days is a span of time in words.
func days(d time.Duration) string { return fmt.Sprintf("%d days", int(d/(24*time.Hour))) }

func functions() template.FuncMap {
	return template.FuncMap{
		"moment": func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"at":     func(t audit.Instant) time.Time { return t.Time() },
		"count":  count,
		"bytes": func(n int64) string {
			if n < 1<<20 {
				return fmt.Sprintf("%d KB", (n+1023)>>10)
			}
			return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
		},
		"lines": func(s string) []string { return strings.Split(s, "\n") },
	}
}

// count is how many there are, in words.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + " " + many
}
