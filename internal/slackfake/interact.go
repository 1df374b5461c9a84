package slackfake

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// sockets are the open connections of Socket Mode.
type sockets struct {
	mu      sync.Mutex
	open    []*websocket.Conn
	waiting map[string]chan json.RawMessage // answers by envelope
	n       int
}

func (s *Server) connect(w http.ResponseWriter, r *http.Request) {
	_ = parse(r)
	w.Header().Set("Content-Type", "application/json")
	if token(r) != AppToken {
		reply(w, map[string]any{"ok": false, "error": "invalid_auth"})
		return
	}
	reply(w, map[string]any{"ok": true, "url": "ws://" + r.Host + "/socket"})
}

func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	k := &s.sockets
	k.mu.Lock()
	err = conn.WriteJSON(map[string]any{"type": "hello", "num_connections": 1})
	k.open = append(k.open, conn)
	k.mu.Unlock()
	for err == nil {
		var a struct {
			Envelope string          `json:"envelope_id"`
			Payload  json.RawMessage `json:"payload"`
		}
		if err = conn.ReadJSON(&a); err != nil {
			break
		}
		k.mu.Lock()
		if c := k.waiting[a.Envelope]; c != nil {
			c <- a.Payload
			delete(k.waiting, a.Envelope)
		}
		k.mu.Unlock()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, c := range k.open {
		if c == conn {
			k.open = append(k.open[:i:i], k.open[i+1:]...)
			break
		}
	}
}

// ErrNotAnswered is what a person sees as a warning sign: nobody answered within 3 seconds.
var ErrNotAnswered = errors.New("no answer within 3 seconds")

// PressSocket sends what a person did over Socket Mode, and gives what was answered. It waits for a connection.
func (s *Server) PressSocket(ctx context.Context, payload any) (json.RawMessage, error) {
	k := &s.sockets
	for {
		k.mu.Lock()
		if len(k.open) > 0 {
			break
		}
		k.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	k.n++
	envelope, answer := fmt.Sprint("e", k.n), make(chan json.RawMessage, 1)
	if k.waiting == nil {
		k.waiting = map[string]chan json.RawMessage{}
	}
	k.waiting[envelope] = answer
	err := k.open[0].WriteJSON(map[string]any{"type": "interactive", "envelope_id": envelope, "accepts_response_payload": true, "payload": payload})
	k.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case a := <-answer:
		return a, nil
	case <-time.After(3 * time.Second):
		return nil, ErrNotAnswered
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Signed is the request by which Slack tells an app, at an address, what a person did at a time.
func Signed(ctx context.Context, address, secret string, payload any, at time.Time) (*http.Request, error) {
	text, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	body := url.Values{"payload": {string(text)}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, "v0:"+stamp+":"+body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return r, nil
}

// Press is what Slack sends where a person pressed the button of an action under a message.
func (s *Server) Press(user, action, value string, on Message) map[string]any {
	return map[string]any{"type": "block_actions", "user": map[string]any{"id": user, "username": "name-of-" + user, "name": "name-of-" + user}, "trigger_id": s.Trigger(),
		"channel": map[string]any{"id": s.ID(on.Channel)}, "message": map[string]any{"ts": on.TS}, "container": map[string]any{"type": "message", "message_ts": on.TS, "channel_id": s.ID(on.Channel)},
		"actions": []any{map[string]any{"type": "button", "block_id": "buttons", "action_id": action, "value": value}}}
}

// Submit is what Slack sends where a person submitted a modal; values are those of its inputs, by block id and action id, as Slack's state has them.
func Submit(user, callback, meta string, values map[string]map[string]any) map[string]any {
	return map[string]any{"type": "view_submission", "user": map[string]any{"id": user, "username": "name-of-" + user, "name": "name-of-" + user},
		"view": map[string]any{"type": "modal", "id": "V1", "callback_id": callback, "private_metadata": meta, "state": map[string]any{"values": values}}}
}
