package audit

import (
	"fmt"
	"strings"
)

// Auth tells how a caller proved who it is.
type Auth uint8

// The ways of authentication that a gateway logs.
const (
	ConnectJWT Auth = iota + 1
	OAuth2
	ForgeApp
	ForgeUser
	APIToken
	Basic
	Session
)

var authNames = [...]string{"", "connect-jwt", "oauth2", "forge-app", "forge-user", "api-token", "basic", "session"}

// ParseAuth is the kind of authentication that s names; 0 where it names none.
func ParseAuth(s []byte) Auth {
	for a, name := range authNames {
		if a > 0 && name == string(s) {
			return Auth(a)
		}
	}
	return 0
}

// AuthNames lists the kinds of authentication for people.
func AuthNames() string { return strings.Join(authNames[1:], ", ") }

func (a Auth) String() string {
	if int(a) < len(authNames) {
		return authNames[a]
	}
	return fmt.Sprintf("auth(%d)", uint8(a))
}

// IsApp says whether a is a way by which an app calls as itself (P11).
func (a Auth) IsApp() bool { return a == ConnectJWT || a == OAuth2 || a == ForgeApp }

// UnknownAccount is the account id that stands for a deleted account: no account at all.
const UnknownAccount = "unknown"

// A CallRecord is one line of an access log: one call of the Email API. Its bytes are views into the line that it was read from.
type CallRecord struct {
	Sec       int64 // ts, seconds since the Unix epoch
	Nsec      int64 // and nanoseconds
	RequestID []byte
	App       []byte // empty: the caller is no app
	Site      IDList // cloud_id, and nothing else
	Path      []byte
	Purpose   []byte // empty: none declared
	Auth      Auth
	Status    int
	Accounts  IDList
}

// A Call is a fact: one call of the Email API by an app, with Site, Path, Purpose and Accounts as indexes into its CallDay.
type Call struct {
	At       Instant
	Hash     uint64 // keyed, of the call's whole content
	Source   Source
	Site     uint32
	Path     uint32
	Purpose  uint32
	Status   uint16
	Auth     Auth
	Accounts []uint32 // without UnknownAccount, no account twice, ascending
}

// Retrieval says whether the call got the address of at least one account.
func (c *Call) Retrieval() bool { return c.Status == 200 && len(c.Accounts) > 0 }

// A CallDay holds the calls of one app on one UTC day, in order of time.
type CallDay struct {
	Day      Day
	Sites    []string
	Paths    []string
	Purposes []string
	Accounts IDs
	Calls    []Call

	Memory any // what it lies in, where an archive can use that again
}

// A Source is the line that a fact was first read from.
type Source struct {
	File uint32 `json:"file"` // number of the file in the store
	Line uint64 `json:"line"` // counted from 1
}
