package email

import (
	"context"
	"errors"
	"time"
)

// A Bounce is what came back of a mail.
type Bounce struct {
	MessageID string    // of the mail that was sent, without angle brackets
	Recipient string    // a vendor's contact; "" where the report does not say who
	Final     bool      // it will not be delivered; else it is late, and the server goes on trying
	Complaint bool      // the recipient called it unwanted
	Status    string    // as in 5.1.1 (RFC 3463); "" where there is none
	Says      string    // what the receiving server said: one line, without addresses
	At        time.Time // when the report was written
}

// ReadBounces reads the reports in a Maildir.
func ReadBounces(ctx context.Context, dir string, each func(Bounce) error) error {
	return errors.New("not yet")
}
