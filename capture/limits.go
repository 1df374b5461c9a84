package capture

import "time"

// Limits bound what one page may take.
type Limits struct {
	Start       time.Duration // until the browser is there
	Page        time.Duration // to open it and read all of it
	Load        time.Duration // until its load event
	Rest        time.Duration // until its network is quiet, each time
	Screenshot  time.Duration // to mask it and take its picture
	Bytes       int64         // over the network, both ways
	Connections int           // at one time
	Body        int64         // of one body, message or stored value that is kept
	Kept        int64         // of all of them
	Height      int64         // of the screenshot, in pixels
}

// DefaultLimits are those of the command.
func DefaultLimits() Limits {
	return Limits{Start: 30 * time.Second, Page: 45 * time.Second, Load: 15 * time.Second, Rest: 5 * time.Second, Screenshot: 20 * time.Second,
		Bytes: 200 << 20, Connections: 128, Body: 10 << 20, Kept: 60 << 20, Height: 8000}
}
