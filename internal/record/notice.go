package record

import (
	"cmp"
	"time"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/notifier/notices"
)

// A Notice is a notice in JSON.
type Notice struct {
	ID          string             `json:"id"`
	Kind        audit.NoticeKind   `json:"kind"`
	Vendor      string             `json:"vendor"`
	VendorName  string             `json:"vendor_name"`
	Run         string             `json:"run"`
	Findings    []string           `json:"findings"`
	Recipients  []string           `json:"recipients"`
	Delivery    audit.Delivery     `json:"delivery"`
	Answer      audit.VendorAnswer `json:"answer"`
	DueAt       Moment             `json:"due_at"`
	CreatedAt   Moment             `json:"created_at"`
	ApprovedBy  string             `json:"approved_by"`
	ApprovedAt  Moment             `json:"approved_at"`
	Digest      string             `json:"digest"`           // of what it says and to whom
	Content     string             `json:"approved_content"` // that digest, as it was approved
	SentAt      Moment             `json:"sent_at"`
	DeliveredAt Moment             `json:"delivered_at"`
	Why         string             `json:"why"`
}

// NoticeOf is a notice and what became of it, with its digest as [notices.Desk.Shown] gives it.
func NoticeOf(v *notices.State, digest string) Notice {
	r := Notice{ID: v.ID, Kind: v.Kind, Vendor: v.Vendor, VendorName: v.VendorName, Run: v.Run, Findings: v.Notice.Findings(), Recipients: append([]string{}, v.Recipients...),
		Delivery: v.Delivery, Answer: v.Answer(), DueAt: Moment(v.Due()), CreatedAt: Moment(v.Created), ApprovedBy: v.ApprovedBy, ApprovedAt: Moment(v.ApprovedAt), Digest: digest, Content: v.Pinned,
		SentAt: Moment(v.SentAt), DeliveredAt: Moment(audit.Never), Why: v.Why}
	if v.Delivery == audit.NoticeDelivered {
		r.DeliveredAt = Moment(v.EndedAt)
	}
	return r
}

// A NoticeDetail is a notice, what goes on about its findings, and what its vendor attached.
type NoticeDetail struct {
	Notice
	Matters     []Matter     `json:"matters"`
	Attachments []Attachment `json:"attachments"`
}

// A Matter is what goes on about one finding, in JSON.
type Matter struct {
	Finding        string             `json:"finding"`
	AppKey         string             `json:"app_key"`
	Severity       audit.Severity     `json:"severity"`
	NotifiedAt     Moment             `json:"notified_at"`
	DueAt          Moment             `json:"due_at"`
	Answer         audit.VendorAnswer `json:"answer"`
	AnswerBy       Moment             `json:"answer_by"` // of an incident's questions that are not answered; null: none
	ExtendedDays   int                `json:"extended_days"`
	ExtensionAsked bool               `json:"extension_asked"`
	DisputedAt     Moment             `json:"disputed_at"`
	ClockStopped   bool               `json:"clock_stopped"`
	SecondNotice   string             `json:"second_notice"`
	ClosedAt       Moment             `json:"closed_at"`
}

// MattersOf is what goes on about findings.
func MattersOf(list []audit.Matter) []Matter {
	out := make([]Matter, len(list))
	for i, m := range list {
		out[i] = Matter{m.Finding, m.App, m.Severity, Moment(m.Notified), Moment(m.Due), m.Answer, Moment(cmp.Or(m.AnswerBy, audit.Never)), int(m.Extended / (24 * time.Hour)), m.ExtensionAsked,
			Moment(m.DisputedAt), m.Stands(), m.Second, Moment(m.ClosedAt)}
	}
	return out
}

// An Attachment is a file that a vendor attached, in JSON.
type Attachment struct {
	ID      string `json:"id"`
	Finding string `json:"finding"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	At      Moment `json:"at"`
}

// AttachmentsOf is files that a vendor attached.
func AttachmentsOf(list []store.Attachment) []Attachment {
	out := make([]Attachment, len(list))
	for i, a := range list {
		out[i] = Attachment{a.ID, a.Finding, a.Name, a.Kind, a.Size, a.Digest, Moment(a.At)}
	}
	return out
}
