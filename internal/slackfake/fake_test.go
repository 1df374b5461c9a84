package slackfake

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
)

// The workspace refuses what Slack refuses, under Slack's names.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := New("#a")
	url := s.Start(t)
	api := slack.New(BotToken, slack.OptionAPIURL(url))
	section := func(n int) slack.Block {
		return slack.NewSectionBlock(slack.NewTextBlockObject(slack.PlainTextType, strings.Repeat("x", n), false, false), nil, nil)
	}
	many := func(n, long int) slack.MsgOption {
		var list []slack.Block
		for range n {
			list = append(list, section(long))
		}
		return slack.MsgOptionBlocks(list...)
	}
	for name, c := range map[string]struct {
		channel string
		o       slack.MsgOption
		want    string
	}{
		"unknown channel":    {"#b", slack.MsgOptionText("x", false), "channel_not_found"},
		"nothing":            {"#a", slack.MsgOptionText("", false), "no_text"},
		"50 blocks":          {"#a", many(50, 1), ""},
		"51 blocks":          {"#a", many(51, 1), "invalid_blocks"},
		"3000 in a section":  {"#a", many(1, 3000), ""},
		"3001 in a section":  {"#a", many(1, 3001), "invalid_blocks"},
		"all of it too long": {"#a", many(10, 2000), "msg_blocks_too_long"},
		"text too long":      {"#a", slack.MsgOptionText(strings.Repeat("x", maxText+1), false), "msg_too_long"},
		"no such thread":     {"#a", slack.MsgOptionCompose(slack.MsgOptionText("x", false), slack.MsgOptionTS("1.2")), "thread_not_found"},
	} {
		_, _, err := api.PostMessageContext(t.Context(), c.channel, c.o)
		var got slack.SlackErrorResponse
		errors.As(err, &got)
		if got.Err != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, _, _, err := api.UpdateMessageContext(t.Context(), s.ID("#a"), "1.2", slack.MsgOptionText("x", false)); err == nil || err.Error() != "message_not_found" {
		t.Errorf("update: %v", err)
	}
	if _, _, err := slack.New("xoxb-other", slack.OptionAPIURL(url)).PostMessageContext(t.Context(), "#a", slack.MsgOptionText("x", false)); err == nil || err.Error() != "invalid_auth" {
		t.Errorf("another token: %v", err)
	}
}

// One message a second and channel, and Retry-After.
func TestPace(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	s := New("#a", "#b")
	s.Paced, s.Clock = true, func() time.Time { return now }
	front := httptest.NewServer(s) // without slacktest
	defer front.Close()
	api := slack.New(BotToken, slack.OptionAPIURL(front.URL+"/api/"))
	post := func(channel string) error {
		_, _, err := api.PostMessageContext(t.Context(), channel, slack.MsgOptionText("x", false))
		return err
	}
	var limited *slack.RateLimitedError
	if err := post("#a"); err != nil {
		t.Fatal(err)
	}
	if err := post("#b"); err != nil {
		t.Errorf("another channel: %v", err)
	}
	if err := post("#a"); !errors.As(err, &limited) || limited.RetryAfter != time.Second {
		t.Errorf("at once: %v", err)
	}
	now = now.Add(time.Second)
	if err := post("#a"); err != nil {
		t.Errorf("a second later: %v", err)
	}
	if n := len(s.Messages("#a")); n != 2 {
		t.Errorf("%d messages", n)
	}
}

// Reading: replies that the channel is shown are in its history, too; it may be read so often, and so much at a time.
func TestReads(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	s := New("#a")
	s.Reads, s.Page, s.Clock = 1, 2, func() time.Time { return now }
	api := slack.New(BotToken, slack.OptionAPIURL(s.Start(t)))
	_, head, err := api.PostMessageContext(t.Context(), "#a", slack.MsgOptionText("head", false))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []slack.MsgOption{slack.MsgOptionBroadcast(), slack.MsgOptionCompose(), slack.MsgOptionBroadcast()} {
		if _, _, err := api.PostMessageContext(t.Context(), "#a", slack.MsgOptionText("reply", false), slack.MsgOptionTS(head), o); err != nil {
			t.Fatal(err)
		}
	}
	read := func(cursor string) (*slack.GetConversationHistoryResponse, error) {
		return api.GetConversationHistoryContext(t.Context(), &slack.GetConversationHistoryParameters{ChannelID: s.ID("#a"), Cursor: cursor, Limit: 200})
	}
	first, err := read("")
	if err != nil || len(first.Messages) != 2 || first.Messages[1].Text != "reply" {
		t.Fatalf("%+v, %v", first, err)
	}
	var limited *slack.RateLimitedError
	if _, err := read(""); !errors.As(err, &limited) || limited.RetryAfter < time.Minute {
		t.Errorf("at once: %v", err)
	}
	now = now.Add(time.Minute)
	if last, err := read(first.ResponseMetaData.NextCursor); err != nil || len(last.Messages) != 1 || last.Messages[0].Text != "head" {
		t.Errorf("%+v, %v", last, err)
	}
	_, _, err = api.PostMessageContext(t.Context(), "#a", slack.MsgOptionText("x", false),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "x", EventPayload: map[string]any{"key": strings.Repeat("x", maxMetadata)}}))
	if err == nil || err.Error() != "metadata_too_large" {
		t.Errorf("metadata: %v", err)
	}
}

// An upload takes its three steps, and is as long as was said.
func TestUpload(t *testing.T) {
	t.Parallel()
	s := New("#a")
	api := slack.New(BotToken, slack.OptionAPIURL(s.Start(t)))
	upload := func(size int) error {
		_, err := api.UploadFileContext(t.Context(), slack.UploadFileParameters{Reader: strings.NewReader("picture"), FileSize: size, Filename: "a.png", Channel: s.ID("#a")})
		return err
	}
	if err := upload(7); err != nil {
		t.Error(err)
	}
	if err := upload(8); err == nil {
		t.Error("a file that is shorter than was said is taken")
	}
	if list := s.Messages("#a"); len(list) != 1 || string(list[0].Files[0].Content) != "picture" {
		t.Errorf("%+v", list)
	}
}
