package email

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/notifier"
)

// A Config says which server takes mail.
type Config struct {
	// URL is smtp://host:port, port 587 if absent, with STARTTLS where the server offers it, or smtps://host:port, port 465 if absent, with TLS from
	// the first byte.
	URL string

	// Username and Password are both empty where the server asks for none. Where they are not, a server that is not on this machine must offer TLS.
	Username, Password string
}

// A Client gives mail to a server, over a connection of its own each time. It is a notifier.Sink, and safe for concurrent use.
//
// The server's certificate must be valid for its name (SSL_CERT_FILE adds an authority), but not on this machine: nobody listens between here and here.
type Client struct {
	host               string
	port               int
	implicit           bool // TLS from the first byte
	local              bool // the server is on this machine
	username, password string

	roots *x509.CertPool // nil: the machine's
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
}

// New makes a client. It connects to nobody yet.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, errors.New("notices.smtp: write smtp://host:port or smtps://host:port; credentials come from username_env and password_env")
	}
	if (c.Username == "") != (c.Password == "") {
		return nil, errors.New("notices: there is a user name without a password, or a password without a user name, in the variables that username_env and password_env name: set both or none")
	}
	client := &Client{host: u.Hostname(), implicit: u.Scheme == "smtps", username: c.Username, password: c.Password, dial: (&net.Dialer{}).DialContext}
	port := u.Port()
	switch {
	case port == "" && client.implicit:
		port = "465"
	case port == "":
		port = "587"
	}
	if client.port, err = strconv.Atoi(port); err != nil || client.port < 1 || client.port > 65535 {
		return nil, fmt.Errorf("notices.smtp: %q is no port", port)
	}
	ip := net.ParseIP(client.host)
	client.local = client.host == "localhost" || ip != nil && ip.IsLoopback()
	return client, nil
}

// Pace is what lets one recipient's server take mail from us for what it is.
func (c *Client) Pace() time.Duration { return time.Second }

// patience is how often a mail is tried until those recipients whose server asks to come later are left out: about an hour.
const patience = 20

// A Receipt is what a Client returns of a mail that is done with, as JSON.
type Receipt struct {
	MessageID string    `json:"message_id"`
	Refused   []Refusal `json:"refused"` // recipients whom the server did not take it for; it took it for all others, if there are any
}

// A Refusal says which recipient was refused, and why.
type Refusal struct {
	To     int    `json:"to"`     // its place in Envelope.To, from 0
	Status string `json:"status"` // as in 5.1.1 (RFC 3463); "" where the server gave none
	Says   string `json:"says"`   // what the server said: one line, without addresses
}

// ParseReceipt reads what Deliver returned.
func ParseReceipt(s string) (Receipt, error) {
	var r Receipt
	if err := json.Unmarshal([]byte(s), &r); err != nil {
		return Receipt{}, fmt.Errorf("the receipt of a mail: %w", err)
	}
	return r, nil
}

// Deliver gives msg to the server, and returns a Receipt. It is delivered to those of its recipients whom the server takes, and the others are in the
// receipt, also where these are all. Where the server asks to come later for some (4xx), it is first tried for all again.
//
// What the server refuses of the mail for good (5xx), as where it does not forward mail for us, and what is wrong with the configuration, is a *notifier.Failure that is final; anything else passes. No error and
// no receipt holds an address, the user name or the password. What fails before the mail itself is under way surely did not arrive, and is marked as notifier.Unsent.
func (c *Client) Deliver(ctx context.Context, msg audit.Message) (receipt string, err error) {
	var b body
	if err := json.Unmarshal(msg.Body, &b); err != nil {
		return "", notifier.Unsent(notifier.Final(fmt.Errorf("mail: message %s of the outbox cannot be read: %w", msg.Key, err)))
	}
	from, to, raw, err := b.compose()
	if err != nil {
		return "", notifier.Unsent(notifier.Final(fmt.Errorf("mail %s: %w", msg.Key, err)))
	}
	s, err := c.open(ctx, asciiOnly(append(to, from)))
	if err != nil {
		return "", notifier.Unsent(c.class(ctx, "connection", err))
	}
	defer s.end()
	if err := s.Mail("<" + from + ">"); err != nil {
		return "", notifier.Unsent(c.class(ctx, "sender", err))
	}
	var refused []Refusal
	var first error
	theirs := true // who is refused is so for what he is
	for i, address := range to {
		err := s.Rcpt("<" + address + ">")
		if err == nil {
			continue
		}
		var answer *textproto.Error
		if !errors.As(err, &answer) {
			return "", notifier.Unsent(c.class(ctx, fmt.Sprint("recipient ", i+1), err))
		}
		later := answer.Code < 500
		if first == nil || later && msg.Attempts < patience {
			first = c.class(ctx, fmt.Sprint("recipient ", i+1), err)
		}
		if later && msg.Attempts < patience {
			return "", notifier.Unsent(first)
		}
		theirs = theirs && recipients(answer)
		refused = append(refused, Refusal{To: i, Status: status(answer.Msg), Says: c.plain(answer.Error())})
	}
	if len(refused) < len(to) {
		if err := s.data(raw); err != nil {
			about := c.class(ctx, "message", err)
			var answer *textproto.Error
			if errors.As(err, &answer) { // it was refused
				about = notifier.Unsent(about)
			}
			return "", about
		}
	} else if !theirs {
		return "", notifier.Unsent(first)
	}
	r, err := json.Marshal(Receipt{MessageID: b.MessageID, Refused: append([]Refusal{}, refused...)})
	return string(r), err
}

// recipients says whether an answer is about the recipient, and not about us: credentials, forwarding and the order of commands have codes of their own
// (RFC 4954; RFC 3463, 3.6 and 3.8).
func recipients(answer *textproto.Error) bool {
	s := status(answer.Msg)
	return answer.Code >= 550 && answer.Code <= 553 && !strings.HasPrefix(s, "5.5.") && !strings.HasPrefix(s, "5.7.")
}

// Check connects, and authenticates, and sends nothing.
func (c *Client) Check(ctx context.Context) error {
	s, err := c.open(ctx, true)
	if err != nil {
		return c.class(ctx, "connection", err)
	}
	s.end()
	return nil
}

// A session is a connection to the server, greeted, encrypted and authenticated.
type session struct {
	*smtp.Client
	conn net.Conn
	stop func() bool
}

// timeout is how long a server may take for an answer.
const timeout = 25 * time.Second

func (c *Client) open(ctx context.Context, ascii bool) (*session, error) {
	s := &session{}
	config := &tls.Config{ServerName: c.host, MinVersion: tls.VersionTLS12, RootCAs: c.roots, InsecureSkipVerify: c.local}
	options := []gomail.Option{gomail.WithPort(c.port), gomail.WithTimeout(timeout), gomail.WithTLSConfig(config), gomail.WithTLSPolicy(gomail.TLSOpportunistic),
		gomail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			conn, err := c.dial(dialing, network, address)
			if err != nil {
				return nil, err
			}
			if s.conn = conn; c.implicit {
				secure := tls.Client(conn, config)
				if err := secure.HandshakeContext(dialing); err != nil {
					return nil, errors.Join(err, conn.Close())
				}
				s.conn = secure
			}
			// What waits for the server ends with ctx.
			s.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
			return s.conn, nil
		})}
	if ascii {
		options = append(options, gomail.WithoutSMTPUTF8())
	}
	if c.username != "" {
		options = append(options, gomail.WithUsername(c.username), gomail.WithPassword(c.password))
		if c.local {
			options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthPlainNoEnc))
		} else {
			options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover))
		}
		if c.implicit { // it is encrypted already, and offers no STARTTLS
			options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
		}
	}
	client, err := gomail.NewClient(c.host, options...)
	if err != nil {
		return nil, notifier.Final(err)
	}
	s.Client, err = client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		s.close()
		return nil, err
	}
	s.SetDSNMailReturnOption("HDRS") // a bounce needs no more than the headers
	if err := s.UpdateDeadline(timeout); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// data sends a message, and waits for its being accepted.
func (s *session) data(raw []byte) error {
	w, err := s.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err // without the final dot nothing was sent
	}
	return w.Close()
}

// end says goodbye, without waiting long for an answer: nothing depends on it.
func (s *session) end() {
	_ = s.UpdateDeadline(time.Second)
	_ = s.Quit()
	s.close()
}

func (s *session) close() {
	if s.stop != nil {
		s.stop()
	}
	if s.conn != nil {
		_ = s.conn.Close() // it may be closed already
	}
}

// class says what to do about an error, and what it was about.
func (c *Client) class(ctx context.Context, about string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("mail server %s, %s: %w", c.server(), about, ctx.Err())
	}
	said := fmt.Errorf("mail server %s, %s: %s%s", c.server(), about, c.plain(err.Error()), advice(err))
	var answer *textproto.Error
	var network net.Error
	var garbled textproto.ProtocolError
	switch {
	case errors.As(err, &answer):
		if answer.Code >= 500 {
			return notifier.Final(said)
		}
	case errors.As(err, &network), errors.As(err, &garbled), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
	default: // the certificate, no TLS, no way to authenticate
		return notifier.Final(said)
	}
	return said
}

func (c *Client) server() string { return net.JoinHostPort(c.host, strconv.Itoa(c.port)) }

// advice says what an operator can do about an error.
func advice(err error) string {
	var answer *textproto.Error
	var invalid *tls.CertificateVerificationError
	switch {
	case errors.As(err, &answer) && (answer.Code == 530 || answer.Code == 534 || answer.Code == 535 || answer.Code == 538):
		return " (see the variables that notices.username_env and notices.password_env name)"
	case errors.As(err, &invalid):
		return " (name the server as its certificate does; SSL_CERT_FILE names the file of another authority)"
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		return " (credentials are not sent in clear: use a port that offers STARTTLS, or smtps://)"
	}
	return ""
}

// plain is what a server said, on one line, without addresses and credentials.
func (c *Client) plain(s string) string {
	if c.password != "" {
		for _, secret := range []string{c.password, c.username} {
			s = strings.ReplaceAll(s, secret, "…")
			s = strings.ReplaceAll(s, base64.StdEncoding.EncodeToString([]byte(secret)), "…")
		}
		s = strings.ReplaceAll(s, base64.StdEncoding.EncodeToString([]byte("\x00"+c.username+"\x00"+c.password)), "…")
	}
	return said(s)
}

// said is what another server said, on one line, without addresses.
func said(s string) string { return notifier.Shorten(address.Redact(notifier.Line(s)), 300) }

var statusPattern = regexp.MustCompile(`\b[245]\.\d{1,3}\.\d{1,3}\b`)

// status is the code of RFC 3463 in what a server said; "" where there is none.
func status(s string) string { return statusPattern.FindString(s) }

func asciiOnly(list []string) bool {
	for _, s := range list {
		for i := range len(s) {
			if s[i] >= utf8.RuneSelf {
				return false
			}
		}
	}
	return true
}
