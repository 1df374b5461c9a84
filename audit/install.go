package audit

import (
	"fmt"
	"strings"
)

// Event is what happened to an app on a site.
type Event uint8

// The lifecycle events. Present is a snapshot that saw the app installed.
const (
	Installed Event = iota + 1
	Uninstalled
	Enabled
	Disabled
	Present
)

var eventNames = [...]string{"", "installed", "uninstalled", "enabled", "disabled", "present"}

// ParseEvent is the event that s names; 0 where it names none.
func ParseEvent(s []byte) Event {
	for e, name := range eventNames {
		if e > 0 && name == string(s) {
			return Event(e)
		}
	}
	return 0
}

// EventNames lists the events for people.
func EventNames() string { return strings.Join(eventNames[1:], ", ") }

func (e Event) String() string {
	if int(e) < len(eventNames) {
		return eventNames[e]
	}
	return fmt.Sprintf("event(%d)", uint8(e))
}

// Active says whether the app may be used on the site after e.
func (e Event) Active() bool { return e == Installed || e == Enabled || e == Present }

// A Lifecycle is a fact: something happened to an app on a site.
type Lifecycle struct {
	At     Instant
	App    string
	Site   string
	Event  Event
	Users  int64 // accounts on the site at that time; -1 where the line says none
	Source Source
}

// An Incident is a fact: an outage of one of the platform's own APIs, over [From, To).
type Incident struct {
	API    string
	From   Instant
	To     Instant // Never: it still runs
	Source Source
}

// ReportingAPI is the Incident.API that moves the deadlines of reports.
const ReportingAPI = "reporting"
