package capture

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"golang.org/x/net/websocket"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

// TestWhatIsRecorded has a page send an address in every way that a browser knows, each to a host of its own, and receive one in every way.
func TestWhatIsRecorded(t *testing.T) {
	c, s := capturer(t), newSite(t)
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(jane)))
	s.page("/", strings.ReplaceAll(`<!doctype html><title>Recorder</title><p>Nothing to see
<iframe src="http://framed.example:PORT/frame"></iframe>
<form id=form method=post action="http://posted.example:PORT/sink" target=hole><input name=mail value="bob.yellowstone@customer.example"></form><iframe name=hole></iframe>
<script>
 const to = host => "http://" + host + ".example:PORT/sink", a = "jane.quartermaine@customer.example"
 new Image().src = to("pixel") + "?e=" + btoa(a)
 navigator.sendBeacon(to("beacon"), a)
 fetch(to("fetched"), {method: "POST", body: JSON.stringify({mail: a}), mode: "no-cors"})
 fetch("http://app.example:PORT/hop?to=" + encodeURIComponent(to("hopped") + "?u=" + encodeURIComponent(a)), {mode: "no-cors"})
 const data = new FormData(); data.append("mail", a); fetch(to("multipart"), {method: "POST", body: data, mode: "no-cors"})
 fetch(to("hashed") + "?h=HASH", {mode: "no-cors"})
 fetch(to("blob"), {method: "POST", body: new Blob([a]), mode: "no-cors"})
 document.getElementById("form").submit()
 const ws = new WebSocket("ws://socket.example:PORT/socket"); ws.onopen = () => ws.send("hello " + a)
 const binary = new WebSocket("ws://binary.example:PORT/socket"); binary.binaryType = "arraybuffer"; binary.onopen = () => binary.send(new TextEncoder().encode(a))
 new EventSource("/events")
 fetch("/stream").then(async r => { for await (const x of r.body) ; })
 new Worker("/worker.js")
 if (window.SharedWorker) new SharedWorker("/shared.js")
 sessionStorage.setItem("me", a)
 document.cookie = "mail=" + encodeURIComponent(a)
 fetch("/seen-cookie")
</script>`, "HASH", hash))
	s.page("/frame", `<script>fetch("http://inframe.example:PORT/sink?e=jane.quartermaine@customer.example", {mode: "no-cors"}); localStorage.setItem("x", "jane.quartermaine@customer.example")
 for (const k of "abc") sessionStorage.setItem(k, k.repeat(900000))</script>`)
	script := func(host string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprintf(w, `fetch("http://%s.example:%s/sink?e=jane.quartermaine@customer.example", {mode: "no-cors"})`, host, s.port)
		}
	}
	s.mux.HandleFunc("/worker.js", script("worker"))
	s.mux.HandleFunc("/shared.js", script("shared"))
	s.mux.HandleFunc("/sink", func(http.ResponseWriter, *http.Request) {})
	s.mux.HandleFunc("/seen-cookie", func(http.ResponseWriter, *http.Request) {})
	s.mux.HandleFunc("/hop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	})
	s.mux.Handle("/socket", websocket.Server{Handler: func(ws *websocket.Conn) {
		_ = websocket.Message.Send(ws, "welcome "+bob)
		var in []byte
		for websocket.Message.Receive(ws, &in) == nil {
		}
	}})
	endless := func(kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			fmt.Fprint(w, text)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		}
	}
	s.mux.HandleFunc("/events", endless("text/event-stream", "data: "+bob+"\n\n"))
	s.mux.HandleFunc("/stream", endless("text/plain", strings.Repeat(" ", 2000)+bob+"\n"))
	res, recording, _, _ := capture(t, c, s.at("app.example", "/"))
	found := map[string]bool{}
	for _, x := range res.HAR {
		found[fmt.Sprint(x.Account, " ", x.Place, " ", x.Host)] = true
	}
	for _, host := range []string{"pixel", "beacon", "fetched", "hopped", "multipart", "socket", "binary", "inframe", "worker", "shared", "hashed", "blob"} {
		if !found["jane sent "+host+".example"] {
			t.Errorf("what was sent to %s was not seen", host)
		}
	}
	if !found["bob sent posted.example"] {
		t.Error("the posted form was not seen")
	}
	for _, part := range []string{"storage", "cookie", "websocket"} {
		if !slices.ContainsFunc(res.HAR, func(x audit.Sighting) bool { return strings.Contains(strings.ToLower(x.Field), part) }) {
			t.Errorf("nothing was seen in a %s: %v", part, res.HAR)
		}
	}
	var h har
	if err := json.Unmarshal([]byte(recording), &h); err != nil {
		t.Fatal(err)
	}
	for _, endless := range []string{"/events", "/stream"} {
		if !slices.ContainsFunc(h.Log.Entries, func(e *harEntry) bool {
			return strings.HasSuffix(e.Request.URL, endless) && strings.Contains(e.Response.Content.Text, address.Mask)
		}) {
			t.Errorf("what came of %s is not recorded", endless)
		}
	}
	if !strings.Contains(recording, "stored values that were too much to be recorded: 1") {
		t.Error("it is not told that a value of the storage was too much")
	}
	for _, x := range []string{jane, bob, hash, base64.StdEncoding.EncodeToString([]byte(jane))} {
		if strings.Contains(recording, x) {
			t.Errorf("the recording holds %s", x)
		}
	}
}

// TestWhatIsSmallIsBoundedToo has messages and stored values that hold nothing, without end: they take memory all the same.
func TestWhatIsSmallIsBoundedToo(t *testing.T) {
	l := DefaultLimits()
	l.Kept = 100_000
	for name, x := range map[string]struct {
		once func(*recorder)
		size func(*harLog) int
	}{
		"messages": {func(r *recorder) {
			r.see(t.Context(), nil, &network.EventWebSocketFrameReceived{RequestID: "1", Response: &network.WebSocketFrame{Opcode: 1}})
		}, func(l *harLog) int { return len(l.Entries[0].Messages) }},
		"events": {func(r *recorder) {
			r.see(t.Context(), nil, &network.EventEventSourceMessageReceived{RequestID: "1"})
		}, func(l *harLog) int { return strings.Count(l.Entries[0].Response.Content.Text, "event:") }},
		"storage": {func(r *recorder) {
			r.store(harStorage{Origin: "http://app.example", Local: []harPair{{}}, Session: []harPair{{}}}, 0)
		}, func(l *harLog) int {
			n := 0
			for _, s := range l.Storage {
				n += len(s.Local) + len(s.Session)
			}
			return n
		}},
	} {
		r := newRecorder(l)
		r.see(t.Context(), nil, &network.EventWebSocketCreated{RequestID: "1", URL: "ws://app.example/"})
		for range 10_000 {
			x.once(r)
		}
		h := r.har(time.Now())
		if n := x.size(&h.Log); n == 0 || n > 1000 {
			t.Errorf("%d %s are kept", n, name)
		}
		if !strings.Contains(h.Log.Comment, "stored values") {
			t.Errorf("%s: it is not told that some were left out: %q", name, h.Log.Comment)
		}
	}
}
