package slack

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/mailreeve/mailreeve/audit"
)

// skew is how much later than Slack's this machine's clock may be for messages to be found again.
const skew = time.Hour

// pageSize is how many messages are read at once.
const pageSize = 200

// find looks for a message that was posted to a place since a time.
func (c *Client) find(ctx context.Context, in place, since audit.Instant, is func(slack.Message) bool) (at place, ok bool, err error) {
	id, err := c.id(ctx, in.channel)
	if err != nil {
		return at, false, err
	}
	oldest := strconv.FormatInt(max(0, since.Add(-skew).Time().Unix()), 10)
	for cursor := ""; ; {
		var page []slack.Message
		if in.ts == "" {
			h, err := c.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: id, Cursor: cursor, Oldest: oldest,
				Inclusive: true, Limit: pageSize, IncludeAllMetadata: true})
			if err != nil {
				return at, false, c.class(err, historyScope(err))
			}
			page, cursor = h.Messages, h.ResponseMetaData.NextCursor
		} else {
			var next string
			page, _, next, err = c.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{ChannelID: id, Timestamp: in.ts, Cursor: cursor,
				Oldest: oldest, Inclusive: true, Limit: pageSize, IncludeAllMetadata: true})
			if err != nil {
				return at, false, c.class(err, historyScope(err))
			}
			cursor = next
		}
		for _, m := range page {
			if is(m) {
				return place{id, m.Timestamp}, true, nil
			}
		}
		if cursor == "" {
			return at, false, nil
		}
	}
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
