package oracle

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// capture is one look at an app's UI.
type capture struct {
	file, kind, app, site, viewer, url string
	at                                 time.Time
	sightings                          []sighting
}

func parseCapture(line []byte) (c capture, err error) {
	o, err := readObject(line)
	if err != nil {
		return c, err
	}
	if c.file, err = o.fileName(); err != nil {
		return c, err
	}
	if c.kind, err = o.oneOf("kind", "har", "html", "text", "js"); err != nil {
		return c, err
	}
	if c.app, err = o.need("app_key"); err != nil {
		return c, err
	}
	if err = notAddress("app_key", c.app); err != nil {
		return c, err
	}
	if c.site, err = o.text("cloud_id"); err != nil {
		return c, err
	}
	if err = notAddress("cloud_id", c.site); err != nil {
		return c, err
	}
	if c.viewer, err = o.text("viewer_account_id"); err != nil {
		return c, err
	}
	if c.viewer != "" {
		if err = accountID(c.viewer); err != nil {
			return c, err
		}
	}
	if c.at, err = o.needInstant("captured_at"); err != nil {
		return c, err
	}
	c.url, err = o.text("url")
	return c, err
}

// fileName reads the name of a file beside the manifest: required, a local path, nothing that looks like an address.
func (o object) fileName() (string, error) {
	s, err := o.need("file")
	if err != nil {
		return "", err
	}
	if err := notAddress("file", s); err != nil {
		return "", err
	}
	if strings.HasPrefix(s, "/") {
		return "", errors.New("file is no local path")
	}
	for _, part := range strings.Split(s, "/") {
		if part == ".." {
			return "", errors.New("file is no local path")
		}
	}
	return s, nil
}

func (a *audit) readCaptures(in Input, res *Result) {
	k := newKind("captures", res)
	a.configuredCaptures = in.Captures != nil
	if in.Captures != nil {
		a.lookedCaptures = len(in.Captures.Files) > 0
		lines(in.Captures.Files, func(f File, number int, line []byte) {
			k.n.Lines++
			c, err := parseCapture(line)
			if err != nil {
				k.bad(f, number, err)
				return
			}
			data, ok := in.Captures.Beside[c.file]
			if !ok {
				k.bad(f, number, errors.New("the file is missing"))
				return
			}
			if c.sightings, err = a.look(c.kind, data); err != nil {
				k.bad(f, number, err)
				return
			}
			id := fmt.Sprintf("%q %q %q %q %q %s %q", c.file, c.kind, c.app, c.site, c.viewer, c.at.Format(time.RFC3339Nano), c.url)
			if k.fact(id) && a.clock(res, c.at) {
				a.captures = append(a.captures, c)
			}
		})
	}
	k.done()
}

// mail is a message that was caught in a canary's mailbox.
type mail struct {
	file, app, site, account string
	at                       time.Time
	message
	sightings []sighting
}

func parseMail(line []byte) (m mail, err error) {
	o, err := readObject(line)
	if err != nil {
		return m, err
	}
	if m.file, err = o.fileName(); err != nil {
		return m, err
	}
	if m.app, err = o.need("app_key"); err != nil {
		return m, err
	}
	if err = notAddress("app_key", m.app); err != nil {
		return m, err
	}
	if m.site, err = o.need("cloud_id"); err != nil {
		return m, err
	}
	if err = notAddress("cloud_id", m.site); err != nil {
		return m, err
	}
	if m.account, err = o.need("account_id"); err != nil {
		return m, err
	}
	if err = accountID(m.account); err != nil {
		return m, err
	}
	m.at, err = o.needInstant("received_at")
	return m, err
}

func (a *audit) readMail(in Input, res *Result) {
	k := newKind("mail", res)
	a.configuredMail = in.Mail != nil
	if in.Mail != nil {
		a.lookedMail = len(in.Mail.Files) > 0
		lines(in.Mail.Files, func(f File, number int, line []byte) {
			k.n.Lines++
			m, err := parseMail(line)
			if err != nil {
				k.bad(f, number, err)
				return
			}
			data, ok := in.Mail.Beside[m.file]
			if !ok {
				k.bad(f, number, errors.New("the file is missing"))
				return
			}
			if m.message, err = readMessage(data, in.Mail.AuthservID); err != nil {
				k.bad(f, number, err)
				return
			}
			m.sightings = a.lookAtMail(m.message)
			id := fmt.Sprintf("%q %q %q %q %s", m.file, m.app, m.site, m.account, m.at.Format(time.RFC3339Nano))
			if k.fact(id) && a.clock(res, m.at) {
				a.mails = append(a.mails, m)
			}
		})
	}
	k.done()
}

// signal is what somebody reports.
type signal struct {
	ts                            time.Time
	app, site, kind, text, source string
}

func parseSignal(line []byte) (s signal, err error) {
	o, err := readObject(line)
	if err != nil {
		return s, err
	}
	if s.ts, err = o.needInstant("ts"); err != nil {
		return s, err
	}
	if s.app, err = o.need("app_key"); err != nil {
		return s, err
	}
	if err = notAddress("app_key", s.app); err != nil {
		return s, err
	}
	if s.site, err = o.text("cloud_id"); err != nil {
		return s, err
	}
	if err = notAddress("cloud_id", s.site); err != nil {
		return s, err
	}
	if s.kind, err = o.need("kind"); err != nil {
		return s, err
	}
	if s.text, err = o.text("text"); err != nil {
		return s, err
	}
	s.source, err = o.text("source")
	return s, err
}

func (a *audit) readSignals(in Input, res *Result) {
	k := newKind("signals", res)
	if in.Signals != nil {
		a.lookedSignals = len(in.Signals.Files) > 0
		lines(in.Signals.Files, func(f File, number int, line []byte) {
			k.n.Lines++
			s, err := parseSignal(line)
			if err != nil {
				k.bad(f, number, err)
				return
			}
			id := fmt.Sprintf("%s %q %q %q %q %q", s.ts.Format(time.RFC3339Nano), s.app, s.site, s.kind, s.text, s.source)
			if k.fact(id) && a.clock(res, s.ts) {
				a.signals = append(a.signals, s)
			}
		})
	}
	k.done()
}

// readAddresses reads the addresses that were handed out. It knows plain ones only, no digests.
func (a *audit) readAddresses(in Input, res *Result) {
	k := newKind("addresses", res)
	if in.Addresses != nil {
		a.lookedAddresses = len(in.Addresses.Files) > 0
		lines(in.Addresses.Files, func(f File, number int, line []byte) {
			k.n.Lines++
			account, email, err := parseAddress(line)
			if err != nil {
				k.bad(f, number, err)
				return
			}
			if k.fact(fmt.Sprintf("%q %q", account, email)) {
				a.addresses[account] = newAddress(email)
			}
		})
	}
	k.done()
}

func parseAddress(line []byte) (account, email string, err error) {
	o, err := readObject(line)
	if err != nil {
		return "", "", err
	}
	if account, err = o.need("account_id"); err != nil {
		return "", "", err
	}
	if err = accountID(account); err != nil {
		return "", "", err
	}
	email, err = o.need("email")
	return account, email, err
}
