package capture

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
)

// A recorder turns what the browser tells of its network into a HAR. Its methods may be called at any time.
type recorder struct {
	limits Limits

	mu       sync.Mutex
	exchange map[network.RequestID]*exchange
	order    []*hop
	open     int           // hops that wait for the rest of their response
	quiet    time.Time     // since when open has not changed
	storage  []harStorage  // what the page and its frames keep in the browser
	kept     int64         // bytes of all that is recorded
	left     int           // bodies, messages and stored values that were left out
	dropped  int           // requests that were left out
	lost     int           // responses whose bodies could not be had
	pending  int           // calls to the browser that are under way
	fetching chan struct{} // one token a body that is being fetched
}

// An exchange is all hops of one request: the first and its redirections.
type exchange struct {
	hops     []*hop
	sent     []map[string]string // headers as they went over the wire, one for each hop that has them
	received []map[string]string
}

// A hop is one request and its response.
type hop struct {
	session   *session
	id        network.RequestID
	request   *network.Request
	url       string
	at        time.Time
	start     cdp.MonotonicTime
	end       cdp.MonotonicTime
	kind      network.ResourceType
	response  *network.Response
	extra     bool // headers as they went over the wire are known
	finished  bool
	endless   bool // its response had not ended when the page was about to be stopped
	failed    string
	post      []byte
	body      []byte
	comment   string
	messages  []harSocketMessage
	events    strings.Builder // of an event stream
	handshake *network.WebSocketResponse
	upgrade   *network.WebSocketRequest
}

func newRecorder(l Limits) *recorder {
	return &recorder{limits: l, exchange: map[network.RequestID]*exchange{}, quiet: time.Now(), fetching: make(chan struct{}, 4)}
}

// maxRequests is how many requests of one page are recorded.
const maxRequests = 20_000

// see takes an event. It never waits.
func (r *recorder) see(ctx context.Context, s *session, event any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		r.sent(s, e)
	case *network.EventRequestWillBeSentExtraInfo:
		if h := texts(e.Headers); r.take(size(h)) {
			x := r.of(e.RequestID)
			x.sent = append(x.sent, h)
		}
	case *network.EventResponseReceivedExtraInfo:
		if h := texts(e.Headers); r.take(size(h)) {
			x := r.of(e.RequestID)
			x.received = append(x.received, h)
		}
	case *network.EventResponseReceived:
		if h := r.last(e.RequestID); h != nil && r.take(size(texts(e.Response.Headers))) {
			h.response, h.kind, h.extra, h.session = e.Response, e.Type, e.HasExtraInfo, s
		}
	case *network.EventLoadingFinished:
		if h := r.last(e.RequestID); h != nil && !h.finished {
			h.end, h.session = e.Timestamp, s
			r.finish(h)
			r.fetchPost(ctx, h)
			r.fetch(ctx, h)
		}
	case *network.EventLoadingFailed:
		if h := r.last(e.RequestID); h != nil && !h.finished {
			h.end, h.failed = e.Timestamp, e.ErrorText
			r.finish(h)
			r.fetchPost(ctx, h)
		}
	case *network.EventEventSourceMessageReceived:
		if h := r.last(e.RequestID); h != nil && r.take(len(e.EventName)+len(e.Data)+aside) {
			fmt.Fprintf(&h.events, "event: %s\ndata: %s\n\n", e.EventName, e.Data)
		}
	case *network.EventWebSocketCreated:
		if !r.take(len(e.URL)) {
			break
		}
		h := &hop{session: s, id: e.RequestID, url: e.URL, at: time.Now(), kind: "websocket", finished: true,
			request: &network.Request{Method: http.MethodGet, URL: e.URL}}
		r.add(h)
	case *network.EventWebSocketWillSendHandshakeRequest:
		if h := r.last(e.RequestID); h != nil {
			h.upgrade, h.start = e.Request, e.Timestamp
		}
	case *network.EventWebSocketHandshakeResponseReceived:
		if h := r.last(e.RequestID); h != nil {
			h.handshake = e.Response
		}
	case *network.EventWebSocketFrameSent:
		r.message(e.RequestID, "send", e.Timestamp, e.Response)
	case *network.EventWebSocketFrameReceived:
		r.message(e.RequestID, "receive", e.Timestamp, e.Response)
	case *network.EventWebSocketFrameError:
		if h := r.last(e.RequestID); h != nil {
			h.failed = e.ErrorMessage
		}
	}
}

func (r *recorder) of(id network.RequestID) *exchange {
	x := r.exchange[id]
	if x == nil {
		x = &exchange{}
		if len(r.exchange) < 2*maxRequests {
			r.exchange[id] = x
		}
	}
	return x
}

// last is the latest hop of a request; nil where none is recorded.
func (r *recorder) last(id network.RequestID) *hop {
	if x := r.exchange[id]; x != nil && len(x.hops) > 0 {
		return x.hops[len(x.hops)-1]
	}
	return nil
}

func (r *recorder) add(h *hop) bool {
	if len(r.order) >= maxRequests {
		r.dropped++
		return false
	}
	x := r.of(h.id)
	x.hops = append(x.hops, h)
	r.order = append(r.order, h)
	return true
}

func (r *recorder) sent(s *session, e *network.EventRequestWillBeSent) {
	if scheme, _, _ := strings.Cut(e.Request.URL, ":"); scheme == "data" || strings.HasPrefix(scheme, "chrome") || scheme == "devtools" {
		return // it stands in what was recorded, or is the browser's own; and it goes nowhere
	}
	if !r.take(len(e.Request.URL) + len(e.Request.URLFragment) + size(texts(e.Request.Headers))) {
		r.dropped++
		return
	}
	if h := r.last(e.RequestID); h != nil && e.RedirectResponse != nil {
		h.response, h.extra, h.end = e.RedirectResponse, e.RedirectHasExtraInfo, e.Timestamp
		if !h.finished {
			r.finish(h)
		}
	}
	h := &hop{session: s, id: e.RequestID, request: e.Request, url: e.Request.URL + e.Request.URLFragment, start: e.Timestamp, kind: e.Type,
		at: time.UnixMicro(int64(e.WallTime.Float64() * 1e6))}
	for _, p := range e.Request.PostDataEntries {
		h.post = append(h.post, p.Bytes...)
	}
	if !r.take(len(h.post)) {
		h.post = nil
	}
	if r.add(h) {
		r.open++
		r.quiet = time.Now()
	}
}

func (r *recorder) finish(h *hop) {
	h.finished = true
	r.open--
	r.quiet = time.Now()
}

// aside is what a message or a stored value takes beside its text: any number of them may be empty.
const aside = 100

// take says whether n more bytes may be kept, and counts them.
func (r *recorder) take(n int) bool {
	if int64(n) > r.limits.Body || r.kept+int64(n) > r.limits.Kept {
		r.left++
		return false
	}
	r.kept += int64(n)
	return true
}

func (r *recorder) message(id network.RequestID, way string, at cdp.MonotonicTime, f *network.WebSocketFrame) {
	h := r.last(id)
	if h == nil || f == nil || !r.take(len(f.PayloadData)+aside) {
		return
	}
	m := harSocketMessage{Type: way, Opcode: int(f.Opcode), Data: string(f.PayloadData)}
	if f.Opcode != 1 {
		m.Data = base64.StdEncoding.EncodeToString(f.PayloadData)
	}
	if h.start != 0 {
		m.Time = float64(h.at.UnixMicro())/1e6 + at.Float64() - h.start.Float64()
	}
	h.messages = append(h.messages, m)
}

// store takes what an origin keeps in the browser, and the number of its values that were not read.
func (r *recorder) store(s harStorage, unread int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left += unread
	tooMuch := func(p harPair) bool { return !r.take(len(p.Name) + len(p.Value) + aside) }
	s.Local, s.Session = slices.DeleteFunc(s.Local, tooMuch), slices.DeleteFunc(s.Session, tooMuch)
	if len(s.Local)+len(s.Session) > 0 {
		r.storage = append(r.storage, s)
	}
}

// bodyTimeout is how long the browser may take to hand a body over.
const bodyTimeout = 10 * time.Second

// fetch gets the body of a response, beside what else goes on.
func (r *recorder) fetch(ctx context.Context, h *hop) {
	if h.response == nil || pictorial(h.response.MimeType) || h.kind == network.ResourceTypePreflight { // whose body no page is given
		h.comment = "left out: no text"
		return
	}
	if r.kept >= r.limits.Kept {
		r.left++
		h.comment = "left out: too much"
		return
	}
	from := h.session
	r.ask(func() {
		select {
		case r.fetching <- struct{}{}:
			defer func() { <-r.fetching }()
		case <-ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(ctx, bodyTimeout)
		defer cancel()
		res, err := cdp.Call(ctx, from, network.GetResponseBody, network.GetResponseBodyParams{RequestID: h.id})
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case err != nil:
			r.lose(h, "the browser did not keep it")
		case !r.take(len(res.Body)):
			h.comment = "left out: too much"
		default:
			h.body = res.Body
		}
	})
}

// fetchPost gets what was posted, where it was not told with the request.
func (r *recorder) fetchPost(ctx context.Context, h *hop) {
	if !h.request.HasPostData || len(h.post) > 0 || r.kept >= r.limits.Kept {
		return
	}
	from := h.session
	r.ask(func() {
		ctx, cancel := context.WithTimeout(ctx, bodyTimeout)
		defer cancel()
		res, err := cdp.Call(ctx, from, network.GetRequestPostData, network.GetRequestPostDataParams{RequestID: h.id})
		r.mu.Lock()
		defer r.mu.Unlock()
		if err == nil && r.take(len(res.PostData)) {
			h.post = res.PostData
		}
	})
}

// idle is how long nothing has been under way; 0 where something is.
func (r *recorder) idle() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open > 0 {
		return 0
	}
	return time.Since(r.quiet)
}

// soFar gets what came of responses that have not ended. It is for a page that still runs: of what is broken off the browser keeps nothing.
func (r *recorder) soFar(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var wg sync.WaitGroup
	r.mu.Lock()
	for _, h := range r.order {
		if h.finished || h.response == nil || pictorial(h.response.MimeType) || h.comment != "" {
			continue
		}
		h.endless = true
		from := h.session
		wg.Go(func() {
			res, err := cdp.Call(ctx, from, network.StreamResourceContent, network.StreamResourceContentParams{RequestID: h.id})
			r.mu.Lock()
			defer r.mu.Unlock()
			switch {
			case err != nil || h.finished && h.failed == "": // by now, and fetched whole
			case !r.take(len(res.BufferedData)):
				h.comment = "left out: too much"
			default:
				h.body, h.comment = res.BufferedData, "it had not ended; this is what came of it"
			}
		})
	}
	r.mu.Unlock()
	wg.Wait()
}

// complete waits for all bodies, and counts those that could not be had. The page is stopped by then.
func (r *recorder) complete(ctx context.Context) {
	r.soFar(ctx) // of what could not answer before
	ctx, cancel := context.WithTimeout(ctx, bodyTimeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.pending > 0 && ctx.Err() == nil {
		r.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
		r.mu.Lock()
	}
	for _, h := range r.order {
		if h.endless && h.comment == "" && h.events.Len() == 0 && (!h.finished || h.failed != "") {
			r.lose(h, "it had no end")
		}
	}
}

// lose says why a body could not be had; r.mu is held.
func (r *recorder) lose(h *hop, why string) {
	r.lost++
	h.comment = "left out: " + why
}

// ask calls the browser beside what else goes on; r.mu is held.
func (r *recorder) ask(call func()) {
	r.pending++
	go func() {
		call()
		r.mu.Lock()
		r.pending--
		r.mu.Unlock()
	}()
}

// har is the recording so far.
func (r *recorder) har(started time.Time) *har {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := &har{harLog{Version: "1.2", Creator: harCreator{"mailreeve", "1"}, Storage: r.storage, Entries: []*harEntry{},
		Pages: []harPage{{Started: stamp(started), ID: "page", Title: "page"}}}}
	used := map[network.RequestID]int{} // hops of a request whose headers were taken
	for _, x := range r.order {
		e := x.entry()
		ex := r.exchange[x.id]
		if x.extra || x.response == nil && x.handshake == nil {
			i := used[x.id]
			used[x.id]++
			if i < len(ex.sent) {
				e.Request.Headers = pairs(ex.sent[i])
				e.Request.Cookies = cookiesSent(ex.sent[i])
			}
			if i < len(ex.received) {
				e.Response.Headers = pairs(ex.received[i])
				e.Response.Cookies = cookiesSet(ex.received[i])
			}
		}
		h.Log.Entries = append(h.Log.Entries, e)
	}
	h.Log.Comment = strings.Join(r.missing(), "; ")
	return h
}

// notes says what is not in the recording, without anything that the page could choose.
func (r *recorder) notes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.missing()
}

// missing is notes; r.mu is held.
func (r *recorder) missing() (notes []string) {
	if r.left > 0 {
		notes = append(notes, fmt.Sprintf("bodies, messages and stored values that were too much to be recorded: %d", r.left))
	}
	if r.dropped > 0 {
		notes = append(notes, fmt.Sprintf("requests that were too many to be recorded: %d", r.dropped))
	}
	if r.lost > 0 {
		notes = append(notes, fmt.Sprintf("responses whose bodies could not be recorded: %d", r.lost))
	}
	return notes
}

func (h *hop) entry() *harEntry {
	e := &harEntry{Page: "page", Started: stamp(h.at), Type: strings.ToLower(string(h.kind)), Messages: h.messages}
	if h.end > h.start {
		e.Time = (h.end - h.start).Float64() * 1000
		e.Timings.Receive = e.Time
	}
	e.Request = harRequest{Method: h.request.Method, URL: h.url, HTTPVersion: "HTTP/1.1", Cookies: []harPair{}, Headers: pairs(texts(h.request.Headers)),
		Query: queryOf(h.url), HeadersSize: -1, BodySize: len(h.post)}
	if len(h.post) > 0 || h.request.HasPostData {
		p := &harPostData{MimeType: value(texts(h.request.Headers), "content-type")}
		p.Text, p.Encoding = encoded(h.post)
		p.Params = paramsOf(p.MimeType, p.Text)
		if len(h.post) == 0 {
			p.Comment = "left out"
		}
		e.Request.Post = p
	}
	e.Response = harResponse{HTTPVersion: "HTTP/1.1", Cookies: []harPair{}, Headers: []harPair{}, HeadersSize: -1, BodySize: -1, Error: h.failed}
	switch {
	case h.handshake != nil:
		sent := h.handshake.RequestHeaders
		if len(sent) == 0 && h.upgrade != nil {
			sent = h.upgrade.Headers
		}
		e.Request.Headers, e.Request.Cookies = pairs(texts(sent)), cookiesSent(texts(sent))
		e.Response.Status, e.Response.StatusText = h.handshake.Status, h.handshake.StatusText
		e.Response.Headers, e.Response.Cookies = pairs(texts(h.handshake.Headers)), cookiesSet(texts(h.handshake.Headers))
	case h.upgrade != nil:
		e.Request.Headers, e.Request.Cookies = pairs(texts(h.upgrade.Headers)), cookiesSent(texts(h.upgrade.Headers))
	case h.response != nil:
		headers := texts(h.response.Headers)
		e.Response.Status, e.Response.StatusText, e.Response.Headers = h.response.Status, h.response.StatusText, pairs(headers)
		e.Response.RedirectURL = value(headers, "location")
		e.Response.Content.MimeType = h.response.MimeType
		if v := h.response.Protocol; v != "" {
			e.Request.HTTPVersion, e.Response.HTTPVersion = v, v
		}
		if len(h.response.RequestHeaders) > 0 {
			e.Request.Headers = pairs(texts(h.response.RequestHeaders))
		}
	}
	body := h.body
	if h.events.Len() > 0 {
		body = []byte(h.events.String())
	}
	e.Response.Content.Size = len(body)
	e.Response.Content.Text, e.Response.Content.Encoding = encoded(body)
	e.Response.Content.Comment = h.comment
	return e
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// texts is headers as text. The browser joins those that come more than once by line ends.
func texts(h network.Headers) map[string]string {
	out := make(map[string]string, len(h))
	for k, v := range h {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}

// size is how many bytes headers take.
func size(h map[string]string) int {
	n := 0
	for k, v := range h {
		n += len(k) + len(v)
	}
	return n
}

// value is a header's value; names compare without case.
func value(h map[string]string, name string) string {
	for k, v := range h {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// pairs is headers by their names, one pair for each time that one comes.
func pairs(h map[string]string) []harPair {
	out := []harPair{}
	for _, k := range slices.Sorted(maps.Keys(h)) {
		for v := range strings.SplitSeq(h[k], "\n") {
			out = append(out, harPair{k, v})
		}
	}
	return out
}

func cookiesSent(h map[string]string) []harPair {
	out := []harPair{}
	for part := range strings.SplitSeq(value(h, "cookie"), ";") {
		if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok {
			out = append(out, harPair{k, v})
		}
	}
	return out
}

func cookiesSet(h map[string]string) []harPair {
	out := []harPair{}
	for line := range strings.SplitSeq(value(h, "set-cookie"), "\n") {
		first, _, _ := strings.Cut(line, ";")
		if k, v, ok := strings.Cut(strings.TrimSpace(first), "="); ok {
			out = append(out, harPair{k, v})
		}
	}
	return out
}
