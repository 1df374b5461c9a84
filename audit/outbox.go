package audit

import "time"

// A Message waits in the outbox until it is delivered.
type Message struct {
	ID       int64
	Key      string // unique: no message is enqueued twice
	Sink     string // slack, …
	Lane     string // the receiver, such as a channel: messages of one sink and lane go one after another, in the order of their IDs
	Body     []byte // JSON, the sink's own
	Created  Instant
	Attempts int     // begun, also those whose end nobody saw
	Doubt    Instant // until when an attempt was being made that may have arrived, at the latest; 0: none may have
	Began    Instant // when the attempt did that is being made; only of a Claim
	NextAt   Instant // not to be tried before
	SentAt   Instant // Never: not yet, or given up
	Failed   bool    // it will not pass by itself; messages after it go on without it
	Error    string  // of the last attempt
	Receipt  string  // what the receiver answered, such as Slack's ts
	GivenUp  *GivenUp
}

// A GivenUp says who decided, when and why, that a message is not delivered any more.
type GivenUp struct {
	At      Instant
	By, Why string
}

// StuckAfter is how long a message may wait until people have to know.
const StuckAfter = 6 * time.Hour

// Stuck says whether people have to know that a message is not delivered: it failed for good, or it waits for too long.
func (m *Message) Stuck(now Instant) bool {
	late := now.Add(-StuckAfter)
	return m.SentAt == Never && m.GivenUp == nil && (m.Failed || m.Created < late && (m.Attempts > 0 || m.NextAt < late)) // it may have been written to be sent later
}

// A Lane is the messages for one receiver that are not delivered yet.
type Lane struct {
	Sink, Name string
	Next       Instant // when one of them may be tried
	Until      Instant // somebody tries one, and has the lane for himself until then; Ever: nobody does
}

// Due is when the lane may be taken, by whoever does not have it.
func (l Lane) Due() Instant { return max(l.Next, l.Until) }

// A Claim is a message that its holder may try to deliver, as long as he holds its lane.
type Claim struct {
	Message
	Holder string
}

// A Miss is an attempt to deliver that failed.
type Miss struct {
	At     Instant // when it ended
	Error  string
	Unsent bool    // it surely did not arrive: nothing of it was given to its receiver, or that refused it
	Final  bool    // it will not pass by itself
	Next   Instant // the message is not tried before; unless it is final, neither are the others of its lane
	Lane   Instant // nor is any of its lane before
	Sink   Instant // nor is any of its sink before; Ever: they may be
}
