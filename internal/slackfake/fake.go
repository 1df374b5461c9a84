// Package slackfake is a Slack workspace for tests: the methods that mailreeve calls, with Slack's limits and under its names for what it refuses. It
// speaks the real protocol, over HTTP and over Socket Mode, and remembers what a person would see.
//
// It is slacktest with the methods and limits that that lacks; what it does not know itself, slacktest answers.
package slackfake

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slacktest"
)

// AllScopes are those of the app manifest in docs/slack.md.
func AllScopes() []string {
	return []string{"chat:write", "files:write", "channels:history", "groups:history", "channels:read", "groups:read"}
}

// BotToken and AppToken are the tokens that a Server knows at first.
const (
	BotToken = "xoxb-1234567890-SECRET"
	AppToken = "xapp-1-A123-SECRET"
)

// A Message is what stands in a channel, or in a thread of one.
type Message struct {
	Channel string // its name
	TS      string
	Thread  string // TS of the head; empty: it is none's reply
	Shown   bool   // a reply that the channel is shown, too
	Key     string // mailreeve's, of its metadata
	Text    string
	Blocks  json.RawMessage
	Files   []File
	Edits   int
	meta    json.RawMessage
}

// A File was uploaded.
type File struct {
	ID, Name, Title string
	Content         []byte
	length          int // that was said before
	complete        bool
}

// A Server is a workspace. Its exported fields are not changed once it was asked something.
type Server struct {
	Scopes []string         // of the bot token; nil: AllScopes
	Paced  bool             // more than one message a second and channel is refused by 429
	Reads  int              // how often a minute each of the methods that read messages may be asked; 0: at will
	Page   int              // how many messages they give at most; 0: 999
	Clock  func() time.Time // nil: time.Now

	mu       sync.Mutex
	channels []string // the nth's id is C00000000n
	messages []*Message
	files    map[string]*File
	calls    map[string]int
	last     map[string]time.Time // of a channel: when a message was taken
	reads    map[string][]time.Time
	triggers map[string]time.Time
	views    []slack.ModalViewRequest
	whispers []Whisper
	refused  []string
	sockets  sockets
	mux      *http.ServeMux
}

// A Whisper is an answer that only one person sees.
type Whisper struct{ User, Channel, Text string }

// New is a workspace that has the channels of these names. The bot is in all of them.
func New(channels ...string) *Server {
	s := &Server{channels: channels, files: map[string]*File{}, calls: map[string]int{}, last: map[string]time.Time{}, reads: map[string][]time.Time{}, triggers: map[string]time.Time{}, mux: http.NewServeMux()}
	s.Bind(customize{s.mux})
	return s
}

// customize lets Bind write into a mux.
type customize struct{ mux *http.ServeMux }

func (c customize) Handle(pattern string, h http.HandlerFunc) { c.mux.HandleFunc(pattern, h) }

// Bind gives its methods to a slacktest server: slacktest.NewTestServer(s.Bind).
func (s *Server) Bind(c slacktest.Customize) {
	for name, m := range map[string]method{
		"auth.test":                    {"", s.authTest},
		"chat.postMessage":             {"chat:write", s.post},
		"chat.update":                  {"chat:write", s.update},
		"chat.postEphemeral":           {"chat:write", s.whisper},
		"conversations.list":           {"channels:read", s.list},
		"conversations.info":           {"channels:read", s.info},
		"conversations.history":        {"channels:history", s.history},
		"conversations.replies":        {"channels:history", s.replies},
		"files.getUploadURLExternal":   {"files:write", s.uploadURL},
		"files.completeUploadExternal": {"files:write", s.completeUpload},
		"views.open":                   {"", s.open},
	} {
		c.Handle("/"+name, func(w http.ResponseWriter, r *http.Request) { s.call(w, r, name, m) })
	}
	c.Handle("/apps.connections.open", s.connect)
	c.Handle("/socket", s.socket)
	c.Handle("/upload/", s.upload)
}

// ServeHTTP answers without slacktest, on whatever address.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r2 := r.Clone(r.Context())
	r2.URL.Path = strings.TrimPrefix(r.URL.Path, "/api")
	s.mux.ServeHTTP(w, r2)
}

// Start serves until the test's end and returns the API's URL.
func (s *Server) Start(t interface{ Cleanup(func()) }) string {
	behind := slacktest.NewTestServer(s.Bind)
	behind.Start()
	t.Cleanup(behind.Stop)
	return behind.GetAPIURL()
}

// A refusal is Slack's name for why it does not do something.
type refusal string

type method struct {
	scope string
	do    func(r *http.Request) (any, refusal)
}

func (s *Server) call(w http.ResponseWriter, r *http.Request, name string, m method) {
	if err := parse(r); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[name]++
	scopes := s.scopes()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-OAuth-Scopes", strings.Join(scopes, ","))
	if token(r) != BotToken {
		reply(w, map[string]any{"ok": false, "error": "invalid_auth"})
		return
	}
	if m.scope != "" && !slices.Contains(scopes, m.scope) {
		s.refused = append(s.refused, name+": missing_scope")
		reply(w, map[string]any{"ok": false, "error": "missing_scope", "needed": m.scope, "provided": strings.Join(scopes, ",")})
		return
	}
	answer, why := m.do(r)
	switch {
	case why == "ratelimited":
		w.Header().Set("Retry-After", s.wait(name))
		w.WriteHeader(http.StatusTooManyRequests)
		reply(w, map[string]any{"ok": false, "error": "ratelimited"})
	case why != "":
		s.refused = append(s.refused, name+": "+string(why))
		reply(w, map[string]any{"ok": false, "error": why})
	default:
		reply(w, answer)
	}
}

// wait is for how many seconds a method that was refused asks to be left alone.
func (s *Server) wait(method string) string {
	if list := s.reads[method]; len(list) > 0 {
		return strconv.Itoa(int(time.Minute-s.now().Sub(list[0]))/1e9 + 1)
	}
	return "1"
}

// tooOften says whether a method that reads was asked more often than Reads in the last minute.
func (s *Server) tooOften(method string) bool {
	if s.Reads == 0 {
		return false
	}
	now := s.now()
	list := slices.DeleteFunc(s.reads[method], func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if s.reads[method] = list; len(list) >= s.Reads {
		return true
	}
	s.reads[method] = append(list, now)
	return false
}

// parse reads a form, or JSON as some methods take it.
func parse(r *http.Request) error {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return r.ParseForm()
	}
	var fields map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&fields); err != nil {
		return err
	}
	r.Form = map[string][]string{}
	for k, v := range fields {
		var text string
		if json.Unmarshal(v, &text) != nil {
			text = string(v)
		}
		r.Form.Set(k, text)
	}
	return nil
}

func token(r *http.Request) string {
	if t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return t
	}
	return r.Form.Get("token")
}

func reply(w io.Writer, v any) { _ = json.NewEncoder(w).Encode(v) } // who asked may be gone

func (s *Server) scopes() []string {
	if s.Scopes == nil {
		return AllScopes()
	}
	return s.Scopes
}

func (s *Server) now() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return time.Now()
}

// channel finds one by name or id.
func (s *Server) channel(ref string) (name string, ok bool) {
	for i, c := range s.channels {
		if ref == c || ref == strings.TrimPrefix(c, "#") || ref == id(i) {
			return c, true
		}
	}
	return "", false
}

func id(n int) string { return fmt.Sprintf("C%09d", n+1) }

// ID is a channel's.
func (s *Server) ID(name string) string { return id(slices.Index(s.channels, name)) }

func (s *Server) find(channel, ts string) *Message {
	for _, m := range s.messages {
		if m.Channel == channel && m.TS == ts {
			return m
		}
	}
	return nil
}

// stamp is a ts that no message has yet, later than all.
func (s *Server) stamp() string {
	at := s.now().UnixMicro()
	if n := len(s.messages); n > 0 {
		last, _ := strconv.ParseInt(strings.Replace(s.messages[n-1].TS, ".", "", 1), 10, 64)
		at = max(at, last+1)
	}
	return fmt.Sprintf("%d.%06d", at/1e6, at%1e6)
}

func (s *Server) authTest(*http.Request) (any, refusal) {
	return map[string]any{"ok": true, "team": "Platform", "user": "mailreeve", "team_id": "T1", "user_id": "UBOT", "bot_id": "B1", "url": "https://platform.slack.example/"}, ""
}

func (s *Server) post(r *http.Request) (any, refusal) {
	name, ok := s.channel(r.Form.Get("channel"))
	if !ok {
		return nil, "channel_not_found"
	}
	text, blocks := r.Form.Get("text"), json.RawMessage(r.Form.Get("blocks"))
	if text == "" && len(blocks) == 0 {
		return nil, "no_text"
	}
	if why := tooMuch(text, blocks); why != "" {
		return nil, why
	}
	m := &Message{Channel: name, Thread: r.Form.Get("thread_ts"), Shown: r.Form.Get("reply_broadcast") == "true", Text: text, Blocks: blocks}
	if m.Shown = m.Shown && m.Thread != ""; m.Thread != "" && s.find(name, m.Thread) == nil {
		return nil, "thread_not_found"
	}
	if meta := r.Form.Get("metadata"); meta != "" {
		var d struct {
			Type    string         `json:"event_type"`
			Payload map[string]any `json:"event_payload"`
		}
		if json.Unmarshal([]byte(meta), &d) != nil || d.Type == "" {
			return nil, "invalid_metadata_format"
		}
		if len(meta) > maxMetadata {
			return nil, "metadata_too_large"
		}
		m.Key, _ = d.Payload["key"].(string)
		m.meta = json.RawMessage(meta)
	}
	if now := s.now(); s.Paced {
		if last, ok := s.last[name]; ok && now.Sub(last) < time.Second {
			return nil, "ratelimited"
		}
		s.last[name] = now
	}
	m.TS = s.stamp()
	s.messages = append(s.messages, m)
	return map[string]any{"ok": true, "channel": s.ID(name), "ts": m.TS, "message": map[string]any{"text": text}}, ""
}

func (s *Server) update(r *http.Request) (any, refusal) {
	ref := r.Form.Get("channel")
	name, ok := s.channel(ref)
	if !ok || ref != s.ID(name) { // a name does not do here
		return nil, "channel_not_found"
	}
	m := s.find(name, r.Form.Get("ts"))
	if m == nil {
		return nil, "message_not_found"
	}
	text, blocks := r.Form.Get("text"), json.RawMessage(r.Form.Get("blocks"))
	if why := tooMuch(text, blocks); why != "" {
		return nil, why
	}
	m.Text, m.Blocks = text, blocks
	m.Edits++
	if meta := r.Form.Get("metadata"); meta != "" {
		m.meta = json.RawMessage(meta)
	}
	return map[string]any{"ok": true, "channel": ref, "ts": m.TS, "text": text}, ""
}

func (s *Server) whisper(r *http.Request) (any, refusal) {
	name, ok := s.channel(r.Form.Get("channel"))
	if !ok {
		return nil, "channel_not_found"
	}
	if why := tooMuch(r.Form.Get("text"), nil); why != "" {
		return nil, why
	}
	s.whispers = append(s.whispers, Whisper{r.Form.Get("user"), name, r.Form.Get("text")})
	return map[string]any{"ok": true, "message_ts": s.stamp()}, ""
}

func (s *Server) list(r *http.Request) (any, refusal) {
	const page = 2 // small, so that pages are turned
	from, _ := strconv.Atoi(r.Form.Get("cursor"))
	list, next := []map[string]any{}, ""
	for i := from; i < len(s.channels); i++ {
		if i == from+page {
			next = strconv.Itoa(i)
			break
		}
		list = append(list, map[string]any{"id": id(i), "name": strings.TrimPrefix(s.channels[i], "#"), "is_channel": true, "is_member": true})
	}
	return map[string]any{"ok": true, "channels": list, "response_metadata": map[string]any{"next_cursor": next}}, ""
}

func (s *Server) info(r *http.Request) (any, refusal) {
	ref := r.Form.Get("channel")
	name, ok := s.channel(ref)
	if !ok || ref != s.ID(name) {
		return nil, "channel_not_found"
	}
	return map[string]any{"ok": true, "channel": map[string]any{"id": ref, "name": strings.TrimPrefix(name, "#"), "is_channel": true, "is_member": true}}, ""
}

func (s *Server) history(r *http.Request) (any, refusal) {
	if s.tooOften("conversations.history") {
		return nil, "ratelimited"
	}
	return s.read(r, "")
}

func (s *Server) replies(r *http.Request) (any, refusal) {
	if s.tooOften("conversations.replies") {
		return nil, "ratelimited"
	}
	ts := r.Form.Get("ts")
	if name, ok := s.channel(r.Form.Get("channel")); ok && s.find(name, ts) == nil {
		return nil, "thread_not_found"
	}
	return s.read(r, ts)
}

// read gives a channel's messages, newest first, or a thread with its head, oldest first, a page at a time.
func (s *Server) read(r *http.Request, thread string) (any, refusal) {
	ref := r.Form.Get("channel")
	name, ok := s.channel(ref)
	if !ok || ref != s.ID(name) {
		return nil, "channel_not_found"
	}
	limit, err := strconv.Atoi(r.Form.Get("limit"))
	if err != nil || limit <= 0 {
		limit = 100
	}
	if limit = min(limit, 999); s.Page > 0 {
		limit = min(limit, s.Page)
	}
	var found []*Message
	for _, m := range s.messages {
		in := m.Thread == thread || thread != "" && m.TS == thread || thread == "" && m.Shown
		if m.Channel == name && in && m.TS > r.Form.Get("oldest") {
			found = append(found, m)
		}
	}
	if thread == "" {
		slices.Reverse(found)
	}
	from, _ := strconv.Atoi(r.Form.Get("cursor"))
	found = found[min(from, len(found)):]
	next := ""
	if len(found) > limit {
		found, next = found[:limit], strconv.Itoa(from+limit)
	}
	list := []map[string]any{}
	for _, m := range found {
		out := map[string]any{"type": "message", "ts": m.TS, "text": m.Text, "bot_id": "B1"}
		if m.Thread != "" {
			out["thread_ts"] = m.Thread
		}
		if m.meta != nil && r.Form.Get("include_all_metadata") == "1" || m.meta != nil && r.Form.Get("include_all_metadata") == "true" {
			out["metadata"] = m.meta
		}
		var files []map[string]any
		for _, f := range m.Files {
			files = append(files, map[string]any{"id": f.ID, "name": f.Name, "title": f.Title})
		}
		if files != nil {
			out["files"] = files
		}
		list = append(list, out)
	}
	return map[string]any{"ok": true, "messages": list, "has_more": next != "", "response_metadata": map[string]any{"next_cursor": next}}, ""
}

func (s *Server) uploadURL(r *http.Request) (any, refusal) {
	name := r.Form.Get("filename")
	length, err := strconv.Atoi(r.Form.Get("length"))
	if name == "" || err != nil || length <= 0 {
		return nil, "invalid_arguments"
	}
	f := &File{ID: fmt.Sprintf("F%09d", len(s.files)+1), Name: name, length: length}
	s.files[f.ID] = f
	return map[string]any{"ok": true, "upload_url": "http://" + r.Host + "/upload/" + f.ID, "file_id": f.ID}, ""
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	part, _, err := r.FormFile("file")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	content, err := io.ReadAll(part)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["upload"]++
	f := s.files[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	if len(content) != f.length {
		http.Error(w, "not as long as was said", http.StatusBadRequest)
		return
	}
	f.Content = content
	fmt.Fprintf(w, "OK - %d", len(content))
}

func (s *Server) completeUpload(r *http.Request) (any, refusal) {
	var list []struct{ ID, Title string }
	if json.Unmarshal([]byte(r.Form.Get("files")), &list) != nil || len(list) == 0 {
		return nil, "invalid_arguments"
	}
	ref := r.Form.Get("channel_id")
	name, ok := s.channel(ref)
	if !ok || ref != s.ID(name) {
		return nil, "channel_not_found"
	}
	m := &Message{Channel: name, Thread: r.Form.Get("thread_ts"), TS: s.stamp()}
	if m.Thread != "" && s.find(name, m.Thread) == nil {
		return nil, "thread_not_found"
	}
	var out []map[string]any
	for _, x := range list {
		f := s.files[x.ID]
		if f == nil || f.Content == nil || f.complete {
			return nil, "file_not_found"
		}
		f.Title, f.complete = x.Title, true
		m.Files = append(m.Files, *f)
		out = append(out, map[string]any{"id": f.ID, "title": f.Title})
	}
	s.messages = append(s.messages, m)
	return map[string]any{"ok": true, "files": out}, ""
}

func (s *Server) open(r *http.Request) (any, refusal) {
	at, ok := s.triggers[r.Form.Get("trigger_id")]
	switch {
	case !ok:
		return nil, "invalid_trigger_id"
	case s.now().Sub(at) > 3*time.Second:
		return nil, "expired_trigger_id"
	}
	delete(s.triggers, r.Form.Get("trigger_id")) // it is good once
	var v slack.ModalViewRequest
	if err := json.Unmarshal([]byte(r.Form.Get("view")), &v); err != nil {
		return nil, "invalid_arguments"
	}
	if why := wrongView(r.Form.Get("view")); why != "" {
		return nil, why
	}
	s.views = append(s.views, v)
	return map[string]any{"ok": true, "view": map[string]any{"id": "V1"}}, ""
}

// Messages are those of a channel that stand there now, with its threads' replies, in the order in which they came.
func (s *Server) Messages(channel string) (list []Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if channel == "" || m.Channel == channel {
			list = append(list, *m)
		}
	}
	return list
}

// Remove is what a person does who deletes a message.
func (s *Server) Remove(channel, ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m *Message) bool { return m.Channel == channel && m.TS == ts })
}

// Calls is how often each method was asked.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// Refused is what was refused, as in "chat.postMessage: invalid_blocks", without what came too fast.
func (s *Server) Refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// Whispers are the answers that only one person saw.
func (s *Server) Whispers() []Whisper {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.whispers)
}

// Views are the modals that were opened.
func (s *Server) Views() []slack.ModalViewRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.views)
}

// Trigger is the id of a press that just happened: it opens one modal, within three seconds.
func (s *Server) Trigger() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := fmt.Sprintf("1337.%d", len(s.triggers)+len(s.views)+1)
	s.triggers[t] = s.now()
	return t
}
