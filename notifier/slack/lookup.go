package slack

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/notifier"
)

// skew is how much later than Slack's this machine's clock may be for messages to be found again.
const skew = time.Hour

// pageSize is how many messages are read at once.
const pageSize = 200

// A search is how far a message was looked for.
type search struct {
	attempt int // after how many attempts it goes on: if there was another meanwhile, it begins anew
	cursor  string
}

// find looks for a message that may have been posted to a place, and since when. Where Slack asks to wait, or the connection fails, after some pages, the next
// attempt goes on from there: Slack lets some apps read 15 messages a minute.
func (c *Client) find(ctx context.Context, msg audit.Message, in place, is func(slack.Message) bool) (at place, ok bool, err error) {
	id, err := c.id(ctx, in.channel)
	if err != nil {
		return at, false, err
	}
	oldest := strconv.FormatInt(max(0, msg.Created.Add(-skew).Time().Unix()), 10)
	name := msg.Key + "\x00" + in.String()
	for cursor := c.goOn(name, msg.Attempts); ; {
		page, next, err := c.page(ctx, id, in.ts, oldest, cursor)
		switch {
		case in.ts != "" && isGone(err):
			return at, false, errGone
		case codeOf(err) == "invalid_cursor" && cursor != "": // it was too old
			cursor = ""
			continue
		case err != nil:
			c.pause(name, search{msg.Attempts + 1, cursor})
			return at, false, c.reading(err)
		}
		for _, m := range page {
			if is(m) {
				return place{channel: id, ts: m.Timestamp}, true, nil
			}
		}
		if cursor = next; cursor == "" {
			return at, false, nil
		}
	}
}

// page reads some messages of a channel, or of a thread.
func (c *Client) page(ctx context.Context, channel, thread, oldest, cursor string) (list []slack.Message, next string, err error) {
	if thread != "" {
		list, _, next, err = c.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{ChannelID: channel, Timestamp: thread, Cursor: cursor,
			Oldest: oldest, Inclusive: true, Limit: pageSize, IncludeAllMetadata: true})
		return list, next, err
	}
	h, err := c.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: channel, Cursor: cursor, Oldest: oldest, Inclusive: true,
		Limit: pageSize, IncludeAllMetadata: true})
	if err != nil {
		return nil, "", err
	}
	return h.Messages, h.ResponseMetaData.NextCursor, nil
}

// reading says what to do about an error of a search. Slack counts each method apart: a limit of reading holds back this message's channel only.
func (c *Client) reading(err error) error {
	err = c.class(err, historyScope(err))
	var f *notifier.Failure
	if errors.As(err, &f) {
		f.Everyone = false
	}
	return err
}

// goOn is where a search goes on at an attempt, and pause notes it.
func (c *Client) goOn(name string, attempt int) (cursor string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.searches[name]
	delete(c.searches, name)
	if s.attempt == attempt {
		return s.cursor
	}
	return ""
}

func (c *Client) pause(name string, s search) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.searches[name] = s
}

// historyScope is what reading a channel needs: Slack says which of two it is.
func historyScope(err error) string {
	return needed(err, "channels:history (of a private channel groups:history)")
}

var scopePattern = regexp.MustCompile(`^[a-z:._,-]{1,80}$`)

// needed is the scope that Slack says is missing, else fallback.
func needed(err error, fallback string) string {
	if r, ok := asRefused(err); ok && scopePattern.MatchString(r.Needed) {
		return r.Needed
	}
	return fallback
}

var idPattern = regexp.MustCompile(`^[CGD][A-Z0-9]{8,}$`)

// id is that of a channel that may be given by name: as Slack answered when something was posted there, else from the list of channels.
func (c *Client) id(ctx context.Context, channel string) (string, error) {
	if idPattern.MatchString(channel) {
		return channel, nil
	}
	c.mu.Lock()
	id := c.ids[channel]
	c.mu.Unlock()
	if id != "" {
		return id, nil
	}
	name := strings.TrimPrefix(channel, "#")
	for cursor := ""; ; {
		page, next, err := c.api.GetConversationsContext(ctx, &slack.GetConversationsParameters{Cursor: cursor, ExcludeArchived: true, Limit: pageSize,
			Types: []string{"public_channel", "private_channel"}})
		if err != nil {
			return "", c.class(err, needed(err, "channels:read (and groups:read), or give the channel by its id"))
		}
		for _, ch := range page {
			if ch.Name == name {
				c.learn(channel, ch.ID)
				return ch.ID, nil
			}
		}
		if cursor = next; cursor == "" {
			return "", c.class(slack.SlackErrorResponse{Err: "channel_not_found"}, "")
		}
	}
}

// learn notes the id of a channel.
func (c *Client) learn(channel, id string) {
	if id != "" && id != channel {
		c.mu.Lock()
		c.ids[channel] = id
		c.mu.Unlock()
	}
}

// Scopes are those that a Client needs beside chat:write, and what for.
func Scopes() map[string]string {
	return map[string]string{
		"channels:history": "a message whose answer was lost is looked for before it is sent again, and waits as long as that cannot be done (in private channels: groups:history)",
		"channels:read":    "a channel that is given by name is found (private ones: groups:read)",
		"files:write":      "the chart gets into the digest's thread",
	}
}

// Reach says whether the app is in a channel. It needs the scope channels:read, of a private channel groups:read.
func (c *Client) Reach(ctx context.Context, channel string) error {
	id, err := c.id(ctx, channel)
	if err != nil {
		return err
	}
	info, err := c.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
	if err != nil {
		return c.class(err, needed(err, "channels:read"))
	}
	if !info.IsMember {
		return c.class(slack.SlackErrorResponse{Err: "not_in_channel"}, "")
	}
	return nil
}
