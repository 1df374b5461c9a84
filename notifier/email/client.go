package email

import (
	"context"
	"errors"

	"github.com/mailreeve/mailreeve/audit"
)

// A Config says which server takes mail.
type Config struct {
	URL                string // smtp://host:port, or smtps://host:port
	Username, Password string // both "": none are needed
}

// A Client gives mail to a server. It is a notifier.Sink, and safe for concurrent use.
type Client struct{}

// New makes a client.
func New(c Config) (*Client, error) { return &Client{}, nil }

// Deliver sends msg.
func (c *Client) Deliver(ctx context.Context, msg audit.Message) (receipt string, err error) {
	return "", errors.New("not yet")
}
