package notifier

import (
	"time"

	"github.com/mailreeve/mailreeve/audit"
)

// NoticeSchema names the format of a Notice's JSON.
const NoticeSchema = "mailreeve.notice/1"

// A Notice is what a vendor is told. Its JSON is a part of the mail, and the body of the webhook. It holds account ids nowhere: they are behind the link.
// It holds no recipients and no end user's address; texts from outside in it are one line each, redacted, and not yet escaped.
type Notice struct {
	Schema   string           `json:"schema"` // NoticeSchema
	ID       string           `json:"id"`     // N-…
	Kind     audit.NoticeKind `json:"kind"`
	Vendor   NoticeVendor     `json:"vendor"`
	IssuedAt time.Time        `json:"issued_at"`
	Findings []NoticeFinding  `json:"findings"` // worst first; of a reminder, those that are not answered
	Asks     []string         `json:"asks"`     // questions of an incident: category, scope, since when, users affected; empty: none are asked
	// AnswerHours is how many hours from this mail on the questions are to be answered in; 0: none are asked. No time is named: a mail may be held up.
	AnswerHours int          `json:"answer_hours"`
	Answer      NoticeAnswer `json:"answer"`
	Next        []string     `json:"next"` // what happens next, in order
}

// A NoticeVendor is who is written to.
type NoticeVendor struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// A NoticeFinding is one finding as its vendor is told of it.
type NoticeFinding struct {
	ID          string           `json:"id"`
	Check       string           `json:"check"`
	Clause      string           `json:"clause"`      // P6
	ClauseText  string           `json:"clause_text"` // what the clause says, in plain words
	Severity    string           `json:"severity"`
	AppKey      string           `json:"app_key"`
	AppName     string           `json:"app_name"`
	Subject     string           `json:"subject"`
	Title       string           `json:"title"`
	Seen        string           `json:"seen"` // what was seen, in a sentence: the numbers, the threshold, the window
	Occurrences int              `json:"occurrences"`
	Accounts    int              `json:"accounts"`
	Sites       int              `json:"sites"`
	First       time.Time        `json:"first"` // of what was seen, UTC
	Last        time.Time        `json:"last"`
	Evidence    []NoticeEvidence `json:"evidence"` // at most 10
	ToDo        string           `json:"to_do"`
	Incident    bool             `json:"incident"` // the notice's questions, where it asks some, are about it
	Due         *time.Time       `json:"due"`      // nil: it runs from delivery, and is DueDays after it
	DueDays     int              `json:"due_days"` // from delivery
	FormURL     string           `json:"form_url"` // where to ask for approval; "": does not apply
}

// A NoticeEvidence is one row of what was seen.
type NoticeEvidence struct {
	At     time.Time `json:"at"`
	Site   string    `json:"site"` // cloud_id
	Detail string    `json:"detail"`
}

// A NoticeAnswer says how to answer or dispute.
type NoticeAnswer struct {
	URL     string `json:"url"` // signed, serves this vendor only; "": there is no page, answer by mail
	ReplyTo string `json:"reply_to"`
	How     string `json:"how"`
}
