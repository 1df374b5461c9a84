package demo

import (
	"encoding/json"
	"strconv"
	"time"
)

// call is a call of the Email API.
type call struct {
	at       time.Time
	app      *app // nil: no app
	site     *site
	auth     string // "": the app's own
	purpose  string // "": none declared
	status   int
	accounts []string

	id uint64
}

// report is a call of the reporting API.
type report struct {
	at       time.Time
	app      *app
	status   int
	accounts []stored
	answers  []answer

	id uint64
}

// stored is an account of a report; a zero time is not said.
type stored struct {
	account string
	updated time.Time
}

// answer is what the platform says of an account: closed or updated.
type answer struct{ account, status string }

// install is an event of an app's life on a site.
type install struct {
	at    time.Time
	app   string
	site  *site
	event string
}

// call logs a call in the file of its day.
func (m *Market) call(c *call) {
	c.id = m.requestID()
	if f := m.log("access", m.dayOf(c.at)); f != nil {
		f.lines = append(f.lines, line{c.at, c})
	}
}

// report logs a report in the file of its day.
func (m *Market) report(r *report) {
	r.id = m.requestID()
	if f := m.log("reports", m.dayOf(r.at)); f != nil {
		f.lines = append(f.lines, line{r.at, r})
	}
}

// install logs an event in the file of its day; one from before the tour comes with the first night.
func (m *Market) install(e *install) {
	if f := m.log("installs", m.dayOf(e.at)); f != nil {
		f.lines = append(f.lines, line{e.at, e})
	}
}

// A written record appends itself as JSON.
type written interface{ appendTo(b []byte) []byte }

func (c *call) appendTo(b []byte) []byte {
	b = appendStart(b, c.at, c.id)
	key, auth, agent, path := "", c.auth, "curl/8.9", "/rest/api/3/user/email"
	if c.app != nil {
		key, agent = c.app.Key, c.app.agent
		if auth == "" {
			auth = c.app.auth
		}
		if c.app.wiki {
			path = "/wiki/rest/api/user/email"
		}
	}
	b = appendField(b, "app_key", key)
	b = appendField(b, "cloud_id", c.site.id)
	b = append(b, `,"method":"GET"`...)
	if len(c.accounts) > 1 {
		path += "/bulk"
	}
	b = appendField(b, "path", path)
	b = appendField(b, "auth", auth)
	if c.purpose != "" {
		b = appendField(b, "purpose", c.purpose)
	}
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(c.status), 10)
	b = append(b, `,"account_ids":[`...)
	for i, id := range c.accounts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, id)
	}
	b = append(b, `],"source_ip":"192.0.2.`...)
	b = strconv.AppendInt(b, int64(c.id%250+1), 10)
	b = append(b, '"')
	b = appendField(b, "user_agent", agent)
	return append(b, '}', '\n')
}

func (r *report) appendTo(b []byte) []byte {
	b = appendStart(b, r.at, r.id)
	b = appendField(b, "app_key", r.app.Key)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(r.status), 10)
	b = append(b, `,"accounts":[`...)
	for i, s := range r.accounts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"account_id":`...)
		b = appendString(b, s.account)
		if !s.updated.IsZero() {
			b = append(b, `,"updated_at":`...)
			b = appendTime(b, s.updated)
		}
		b = append(b, '}')
	}
	b = append(b, `],"result":[`...)
	for i, x := range r.answers {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"account_id":`...)
		b = appendString(b, x.account)
		b = appendField(b, "status", x.status)
		b = append(b, '}')
	}
	return append(b, "]}\n"...)
}

func (e *install) appendTo(b []byte) []byte {
	b = append(b, `{"ts":`...)
	b = appendTime(b, e.at)
	b = appendField(b, "app_key", e.app)
	b = appendField(b, "cloud_id", e.site.id)
	b = appendField(b, "event", e.event)
	b = append(b, `,"users":`...)
	b = strconv.AppendInt(b, int64(e.site.users), 10)
	return append(b, '}', '\n')
}

// raw is a line as it stands.
type raw string

func (r raw) appendTo(b []byte) []byte { return append(append(b, r...), '\n') }

func appendStart(b []byte, at time.Time, id uint64) []byte {
	b = append(b, `{"ts":`...)
	b = appendTime(b, at)
	b = append(b, `,"request_id":"`...)
	b = strconv.AppendUint(b, id, 16)
	return append(b, '"')
}

func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	return append(b, '"')
}

// appendField appends a member that is not the first.
func appendField(b []byte, name, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return appendString(b, value)
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // a string always can be written
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
