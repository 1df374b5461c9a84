package audit

// A ReportRecord is one line of the reporting API's log. Its bytes are views into the line that it was read from.
type ReportRecord struct {
	Sec       int64 // ts, seconds since the Unix epoch
	Nsec      int64 // and nanoseconds
	RequestID []byte
	App       []byte
	Status    int
	Accounts  []ReportedRecord
	Results   []AnswerRecord
}

// A ReportedRecord is one account that a report says is stored.
type ReportedRecord struct {
	ID         []byte
	HasUpdated bool
	Sec, Nsec  int64 // updated_at, where given
}

// An AnswerRecord is the platform's answer for one account.
type AnswerRecord struct {
	ID     []byte
	Closed bool // closed; else updated
}

// A Report is a fact: one call of the reporting API, with accounts as indexes into its ReportDay.
type Report struct {
	At       Instant
	Hash     uint64 // keyed, of the report's whole content
	Source   Source
	Status   uint16
	Accounts []Reported // without UnknownAccount
	Answers  []Answer   // without UnknownAccount
}

// Counts says whether the platform took the report.
func (r *Report) Counts() bool { return r.Status == 200 || r.Status == 204 }

// Reported is one stored account of a report.
type Reported struct {
	Account uint32
	Updated Instant // Ever where the report gave none
}

// Answer is what the platform said of one account.
type Answer struct {
	Account uint32
	Closed  bool // closed; else updated
}

// A ReportDay holds the reports of one app on one UTC day, in order of time.
type ReportDay struct {
	Day      Day
	Accounts IDs
	Reports  []Report
}
