package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/slack-go/slack"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// Sink is the name of this sink in the outbox.
const Sink = "slack"

// EventType is the type of the metadata that each message carries. Its payload holds the message's key, by which it can be found again.
const EventType = "mailreeve_message"

// body is a message of the outbox: all that is posted, rendered when the night was published.
type body struct {
	Channel string       `json:"channel"`
	Text    string       `json:"text"`
	Blocks  slack.Blocks `json:"blocks"`
}

// Enqueue makes a message for the outbox that posts m to a channel, given by name or id. No two messages of one key are enqueued.
func Enqueue(key, channel string, m Message, at audit.Instant) (audit.Message, error) {
	b, err := json.Marshal(body{channel, m.Text, slack.Blocks{BlockSet: m.Blocks}})
	if err != nil {
		return audit.Message{}, fmt.Errorf("slack message %s: %w", key, err)
	}
	return audit.Message{Key: key, Sink: Sink, Lane: channel, Body: b, Created: at, NextAt: at, SentAt: audit.Never}, nil
}

// A Client posts messages. It is a notifier.Sink, and safe for concurrent use.
type Client struct {
	token string
	api   *slack.Client
}

// New makes a client. apiURL is Slack's where it is empty. No redirect is followed: the token would go with it.
func New(token, apiURL string, client *http.Client) *Client {
	own := http.Client{}
	if client != nil {
		own = *client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	url := strings.TrimRight(cmp.Or(apiURL, slack.APIURL), "/") + "/"
	return &Client{token: token, api: slack.New(token, slack.OptionAPIURL(url), slack.OptionHTTPClient(&own))}
}

// Deliver posts msg and returns Slack's timestamp of it. Errors that are known not to pass by themselves, and those with a Retry-After, are a
// *notifier.Failure. No error holds the token.
func (c *Client) Deliver(ctx context.Context, msg audit.Message) (receipt string, err error) {
	var b body
	if err := json.Unmarshal(msg.Body, &b); err != nil {
		return "", final(fmt.Errorf("slack: message %s of the outbox cannot be read: %w", msg.Key, err))
	}
	_, ts, _, err := c.api.SendMessageContext(ctx, b.Channel,
		slack.MsgOptionPost(),
		slack.MsgOptionText(b.Text, false),
		slack.MsgOptionBlocks(b.Blocks.BlockSet...),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: EventType, EventPayload: map[string]any{"key": msg.Key}}),
		slack.MsgOptionParse(false),
		slack.MsgOptionLinkNames(false),
		slack.MsgOptionDisableLinkUnfurl(),
		slack.MsgOptionDisableMediaUnfurl(),
	)
	switch {
	case err != nil:
		return "", c.class(err)
	case ts == "":
		return "", errors.New("slack: the answer does not say that the message was posted")
	}
	return ts, nil
}

// Check asks Slack whether it knows the token, and returns the workspace's name.
func (c *Client) Check(ctx context.Context) (team string, err error) {
	a, err := c.api.AuthTestContext(ctx)
	if err != nil {
		return "", c.class(err)
	}
	return a.Team, nil
}

// class says what to do about an error.
func (c *Client) class(err error) error {
	var limited *slack.RateLimitedError
	var status slack.StatusCodeError
	var refused slack.SlackErrorResponse
	switch {
	case errors.As(err, &limited):
		return &notifier.Failure{Err: fmt.Errorf("slack: asked to wait %s", limited.RetryAfter), RetryAfter: limited.RetryAfter}
	case errors.As(err, &status):
		err := fmt.Errorf("slack: answered with status %d", status.Code)
		if status.Code < 500 && status.Code != http.StatusTooManyRequests && status.Code != http.StatusRequestTimeout {
			return final(err)
		}
		return err
	case errors.As(err, &refused):
		code := refused.Err
		if !codePattern.MatchString(code) {
			code = "an unknown error"
		}
		err := fmt.Errorf("slack: %s%s", code, advice(code))
		if passes(code) {
			return err
		}
		return final(err)
	}
	// What is left is the network, or an answer that is no JSON.
	text := err.Error()
	if c.token != "" {
		text = strings.ReplaceAll(text, c.token, "…")
	}
	return errors.New("slack: " + text)
}

var codePattern = regexp.MustCompile(`^[a-z0-9_.-]{1,64}$`)

func final(err error) error { return &notifier.Failure{Err: err, Final: true} }

// passes says whether a code of https://docs.slack.dev/reference/methods/chat.postMessage#errors is of Slack's own trouble.
func passes(code string) bool {
	switch code {
	case "fatal_error", "internal_error", "service_unavailable", "request_timeout", "ratelimited", "rate_limited", "team_added_to_org":
		return true
	}
	return false
}

// advice says what an operator can do about a code.
func advice(code string) string {
	switch code {
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired":
		return " (the token is not, or no longer, valid)"
	case "missing_scope":
		return " (the app needs the scope chat:write)"
	case "channel_not_found":
		return " (there is no such channel, or it is private and the app is not in it)"
	case "not_in_channel":
		return " (invite the app into the channel)"
	case "is_archived":
		return " (the channel is archived)"
	}
	return ""
}
