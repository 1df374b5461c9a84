package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A DeedKind is what a person does to a finding.
type DeedKind string

// What people do to findings.
const (
	DoAcknowledge DeedKind = "acknowledge"
	DoAssign      DeedKind = "assign"
	DoComment     DeedKind = "comment"
	DoRemediate   DeedKind = "remediate"
	DoResolve     DeedKind = "resolve"
	DoReopen      DeedKind = "reopen"
	DoSuppress    DeedKind = "suppress"
	DoDismiss     DeedKind = "dismiss"
	DoAccept      DeedKind = "accept"
	DoRecommend   DeedKind = "recommend"
	DoDecide      DeedKind = "decide"
)

// DeedKinds lists them.
func DeedKinds() []DeedKind {
	return []DeedKind{DoAcknowledge, DoAssign, DoComment, DoRemediate, DoResolve, DoReopen, DoSuppress, DoDismiss, DoAccept, DoRecommend, DoDecide}
}

// RecommendedActs lists what can be recommended and decided about an app, from the mildest on.
func RecommendedActs() []string {
	return []string{"none", "warn", "block-new-installs", "remove-from-allow-list", "delist"}
}

// A Deed is something that a person does to a finding. Texts from people are redacted before they come here.
type Deed struct {
	Kind     DeedKind
	By       string
	At       Instant
	Reason   string  // needed to suppress and to dismiss; a comment's text
	Until    Instant // of a suppression
	Site     string  // of a suppression, or of the end of one: only this one; empty: all
	Assignee string  // empty: nobody
	Act      string  // recommended or decided; empty: decide what is recommended

	// If is asked first, while nobody else can change the finding; its error is the deed's. Nil: nothing is.
	If func() error

	Policy *Policy
	AsOf   Instant // of the last run: what the finding was judged by
	Nature Nature  // of the finding's check
	Sites  IDs     // of the finding; needed where Site is given
}

// A DeedDone is what a deed makes of a finding.
type DeedDone struct {
	Finding Finding
	Begun   []Act // with what the finding holds still to be filled in
	Ended   []Act
	Trail   []TrailEntry

	// Approvals says what becomes of the app's approvals. Nil: nothing.
	Approvals func([]Approval) ([]Approval, error)
	// Judge says that the next night has to judge anew whether the finding, a state's, holds.
	Judge bool
}

// A RefusedError says why something cannot be done to a finding.
type RefusedError struct {
	Finding string
	Kind    DeedKind
	Why     string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("finding %s: cannot %s it: %s", e.Finding, e.Kind, e.Why)
}

// Do does the deed to a finding on which acts run. But for If, it is pure. A [RefusedError] where the finding is not in a state for it, or the deed lacks
// something.
func (d Deed) Do(f Finding, running []Act) (*DeedDone, error) {
	if d.If != nil {
		if err := d.If(); err != nil {
			return nil, err
		}
	}
	x := &doing{Deed: d, was: f, running: running, done: DeedDone{Finding: f}}
	x.done.Finding.Worsened = false
	steps := map[DeedKind]func() error{
		DoAcknowledge: x.acknowledge, DoAssign: x.assign, DoComment: x.comment, DoRemediate: x.remediate, DoResolve: x.resolve, DoReopen: x.reopen,
		DoSuppress: x.suppress, DoDismiss: x.dismiss, DoAccept: x.accept, DoRecommend: x.recommend, DoDecide: x.decide,
	}
	step, ok := steps[d.Kind]
	if !ok {
		return nil, fmt.Errorf("nobody can %q a finding", d.Kind)
	}
	if err := step(); err != nil {
		return nil, &RefusedError{f.ID, d.Kind, err.Error()}
	}
	return &x.done, nil
}

// doing is one deed under way.
type doing struct {
	Deed
	was     Finding
	running []Act
	done    DeedDone
}

// note writes the deed's entry of the trail.
func (x *doing) note(what string, details map[string]any) {
	if to := x.done.Finding.Status; to != x.was.Status {
		if details == nil {
			details = map[string]any{}
		}
		details["from"], details["to"] = string(x.was.Status), string(to)
	}
	x.done.Trail = append(x.done.Trail, TrailEntry{At: x.At, Who: x.By, What: what, Finding: x.was.ID, Why: x.Reason, Details: details})
}

func (x *doing) become(s Status) {
	x.done.Finding.Status, x.done.Finding.Reason = s, x.Reason
}

// end ends running acts.
func (x *doing) end(which func(*Act) bool) {
	for _, a := range x.running {
		if which(&a) {
			a.Ended = x.At
			x.done.Ended = append(x.done.Ended, a)
		}
	}
}

func every(*Act) bool { return true }

// closed says why a finding that is not open cannot be worked on; nil where it is open, acknowledged or in remediation.
func (x *doing) closed() error {
	switch x.was.Status {
	case Resolved:
		return errors.New("it is resolved; reopen it first")
	case Suppressed:
		return errors.New("it is suppressed; reopen it first")
	case FalsePositive:
		return errors.New("it is dismissed as a false positive; reopen it first")
	}
	return nil
}

func (x *doing) acknowledge() error {
	switch x.was.Status {
	case Acknowledged:
		return errors.New("it is acknowledged already")
	case InRemediation:
		return errors.New("it is in remediation already")
	}
	if err := x.closed(); err != nil {
		return err
	}
	x.become(Acknowledged)
	x.note("acknowledged", nil)
	return nil
}

// maxAssignee is how long the name of who deals with a finding may be, in characters: lists are sorted by it.
const maxAssignee = 200

func (x *doing) assign() error {
	if err := x.closed(); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(x.Assignee); n > maxAssignee {
		return fmt.Errorf("a name of %d characters: give one of at most %d", n, maxAssignee)
	}
	if x.Assignee == x.was.Assignee {
		if x.Assignee == "" {
			return errors.New("it is assigned to nobody already")
		}
		return fmt.Errorf("it is assigned to %s already", x.Assignee)
	}
	x.done.Finding.Assignee = x.Assignee
	x.note("assigned", map[string]any{"assignee": x.Assignee})
	return nil
}

func (x *doing) comment() error {
	if strings.TrimSpace(x.Reason) == "" {
		return errors.New("the comment is empty")
	}
	x.note("commented", nil)
	return nil
}

func (x *doing) remediate() error {
	if x.was.Status == InRemediation {
		return errors.New("it is in remediation already")
	}
	if err := x.closed(); err != nil {
		return err
	}
	x.become(InRemediation)
	x.note("remediation started", nil)
	return nil
}

// resolve leaves suppressions running: what comes back while one runs comes back into it. Whether a state is mended is for the next night to see.
func (x *doing) resolve() error {
	if x.was.Status == Resolved {
		return errors.New("it is resolved already")
	}
	x.become(Resolved)
	x.done.Judge = x.Nature == IsState
	x.note("resolved", nil)
	return nil
}

// reopen also takes back what the person before did: it ends what runs on the finding, and an acceptance.
func (x *doing) reopen() error {
	switch {
	case x.Site != "":
		return x.reopenSite()
	case IsOpen(x.was.Status):
		return fmt.Errorf("it is not closed, but %s", x.was.Status)
	case x.was.Occurrences == 0:
		return errors.New("nothing is left of it; it reopens by itself when something new is found")
	}
	x.end(every)
	x.become(Open)
	x.done.Judge = x.Nature == IsState
	if x.was.Check == AcceptableCheck {
		x.done.Approvals = func(list []Approval) ([]Approval, error) { return unaccept(list, x.was.Subject), nil }
	}
	x.note(TrailReopened, nil)
	return nil
}

// TrailSiteReopened is what ends the suppression of a site of a finding whose status stays as it was.
const TrailSiteReopened = "suppression ended"

// reopenSite ends the suppression of one site. A finding that was out of the way because all its sites were is open again.
func (x *doing) reopenSite() error {
	here := func(a *Act) bool { return a.Kind == Suppress && a.Site == x.Site }
	left := slices.DeleteFunc(slices.Clone(x.running), func(a Act) bool { return here(&a) })
	switch {
	case slices.ContainsFunc(x.running, func(a Act) bool { return a.Site == "" }):
		return fmt.Errorf("it is %s for all sites; reopen it without naming one", x.was.Status)
	case len(left) == len(x.running):
		return fmt.Errorf("it is not suppressed on site %q", x.Site)
	}
	x.end(here)
	what := TrailSiteReopened
	if status, _ := quieted(&x.was, x.Sites, left); x.was.Status == Suppressed && status == "" {
		x.become(Open)
		x.done.Judge = x.Nature == IsState
		what = TrailReopened
	}
	x.note(what, map[string]any{"site": x.Site})
	return nil
}

func (x *doing) suppress() error {
	switch {
	case strings.TrimSpace(x.Reason) == "":
		return errors.New("it needs a reason")
	case x.Until <= x.At:
		return fmt.Errorf("it can only be suppressed until a time to come, and %s is not", x.Until)
	case x.Until > x.At.Add(x.Policy.SuppressMax):
		return fmt.Errorf("the policy allows at most %d days, until %s", int(x.Policy.SuppressMax/(24*time.Hour)), x.At.Add(x.Policy.SuppressMax))
	case x.Site != "" && !x.Sites.Has(x.Site):
		return fmt.Errorf("it is about no site %q", x.Site)
	case x.was.Status == Resolved || x.was.Status == FalsePositive:
		return x.closed()
	}
	whole := func(a *Act) bool { return a.Kind == Suppress && a.Site == "" }
	if x.Site != "" && slices.ContainsFunc(x.running, func(a Act) bool { return whole(&a) }) {
		return errors.New("it is suppressed for all sites; reopen it first")
	}
	// A new suppression takes the place of those that it covers.
	replaced := func(a *Act) bool { return x.Site == "" || a.Site == x.Site }
	x.end(replaced)
	now := Act{App: x.was.App, Finding: x.was.ID, Kind: Suppress, Site: x.Site, Reason: x.Reason, By: x.By, At: x.At, Until: x.Until, Ended: Never}
	x.done.Begun = append(x.done.Begun, now)
	left := append(slices.DeleteFunc(slices.Clone(x.running), func(a Act) bool { return replaced(&a) }), now)
	if status, _ := quieted(&x.was, x.Sites, left); status != "" {
		x.become(status)
	}
	details := map[string]any{"until": x.Until.String()}
	if x.Site != "" {
		details["site"] = x.Site
	}
	x.note("suppressed", details)
	return nil
}

func (x *doing) dismiss() error {
	switch {
	case strings.TrimSpace(x.Reason) == "":
		return errors.New("it needs a reason")
	case x.was.Status == FalsePositive:
		return errors.New("it is dismissed already")
	case x.was.Status == Resolved:
		return x.closed()
	}
	until := x.At.Add(x.Policy.DismissFor)
	x.end(every)
	x.done.Begun = append(x.done.Begun, Act{App: x.was.App, Finding: x.was.ID, Kind: Dismiss, Reason: x.Reason, By: x.By, At: x.At, Until: until, Ended: Never})
	x.become(FalsePositive)
	x.note("dismissed", map[string]any{"until": until.String()})
	return nil
}

// AcceptableCheck is the check whose findings can be accepted.
const AcceptableCheck = "feature-drift"

func (x *doing) accept() error {
	switch {
	case x.was.Check != AcceptableCheck:
		return fmt.Errorf("only what %s finds can be taken into an approval, and this is %s; suppress or dismiss it", AcceptableCheck, x.was.Check)
	case x.was.Status == Resolved:
		return errors.New("it is resolved already")
	}
	x.done.Approvals = func(list []Approval) ([]Approval, error) {
		out, err := accepted(list, x.was.Subject, x.AsOf)
		if err != nil {
			return nil, &RefusedError{x.was.ID, x.Kind, err.Error()}
		}
		return out, nil
	}
	x.end(every)
	x.become(Resolved)
	x.done.Finding.Reason = "accepted"
	if x.Reason != "" {
		x.done.Finding.Reason += ": " + x.Reason
	}
	x.done.Judge = true
	x.note("accepted", map[string]any{"subject": x.was.Subject})
	return nil
}

func (x *doing) recommend() error {
	switch {
	case !slices.Contains(RecommendedActs(), x.Act):
		return fmt.Errorf("%q is none of %s", x.Act, strings.Join(RecommendedActs(), ", "))
	case x.was.Status == FalsePositive:
		return x.closed()
	}
	x.done.Finding.Recommendation = &Recommendation{Act: x.Act, ProposedBy: x.By, ProposedAt: x.At, DecidedAt: Never}
	x.note("recommended", map[string]any{"act": x.Act})
	return nil
}

func (x *doing) decide() error {
	r := x.was.Recommendation
	switch {
	case !IsPerson(x.By):
		return errors.New("a person decides")
	case r == nil:
		return errors.New("nothing is recommended; recommend something first")
	case r.DecidedBy != "":
		return fmt.Errorf("%s decided it already, for %s; recommend again first", r.DecidedBy, r.Decision)
	case x.was.Status == FalsePositive:
		return x.closed()
	}
	act := x.Act
	if act == "" {
		act = r.Act
	}
	if !slices.Contains(RecommendedActs(), act) {
		return fmt.Errorf("%q is none of %s", act, strings.Join(RecommendedActs(), ", "))
	}
	if slices.Contains(x.Policy.FourEyes, act) {
		switch {
		case SamePerson(r.ProposedBy, x.By) && r.Act == act:
			return fmt.Errorf("the policy's four_eyes names %s, and %s proposed it: another person decides", act, r.ProposedBy)
		case !IsPerson(r.ProposedBy) || r.Act != act:
			x.done.Finding.Recommendation = &Recommendation{Act: act, ProposedBy: x.By, ProposedAt: x.At, DecidedAt: Never}
			x.note("decided by one of two", map[string]any{"recommended": r.Act, "act": act})
			return nil
		case !vouchedFor(x.By):
			return fmt.Errorf("the policy's four_eyes names %s: the second person has to be one whom a login vouches for, in the console with console.oidc, or in Slack", act)
		}
	}
	now := *r
	now.DecidedBy, now.DecidedAt, now.Decision = x.By, x.At, act
	x.done.Finding.Recommendation = &now
	x.note("decided", map[string]any{"recommended": r.Act, "act": act})
	return nil
}

// vouchedFor says whether somebody else than the machine says who a person is: of the command line and of the console's link only the operating system does,
// and whoever may use it can be anybody.
func vouchedFor(who string) bool {
	return !strings.HasPrefix(who, ByCommandLine) && !strings.HasPrefix(who, ByLink+" ")
}

// accepted is an app's approvals once a subject of feature-drift is taken into the newest that is in force at t.
func accepted(list []Approval, subject string, t Instant) ([]Approval, error) {
	out := slices.Clone(list)
	d := Dossier{AsOf: t, Approvals: out}
	a := d.ApprovalNow()
	if a == nil {
		return nil, errors.New("the app has no approval in force that could take it in")
	}
	if !slices.Contains(a.Accepted, subject) {
		a.Accepted = append(slices.Clip(a.Accepted), subject)
		slices.Sort(a.Accepted)
	}
	return out, nil
}

// unaccept is an app's approvals without an acceptance of a subject.
func unaccept(list []Approval, subject string) []Approval {
	out := slices.Clone(list)
	for i := range out {
		a := &out[i]
		if slices.Contains(a.Accepted, subject) {
			a.Accepted = slices.DeleteFunc(slices.Clone(a.Accepted), func(s string) bool { return s == subject })
			if len(a.Accepted) == 0 {
				a.Accepted = nil
			}
		}
	}
	return out
}

// KeepAccepted is the approvals now with what people accepted into those before: the registry does not know of it. An approval is known by its
// request id, several of one id by their order.
func KeepAccepted(before, now []Approval) []Approval {
	kept := map[approvalName][]string{}
	for i, n := range approvalNames(before) {
		kept[n] = before[i].Accepted
	}
	out := slices.Clone(now)
	for i, n := range approvalNames(now) {
		out[i].Accepted = kept[n]
	}
	return out
}

// Known is the snapshot with what people accepted into it since, as feature-drift compares with it. A part that was not recorded stays so.
func (a *Approval) Known() Features {
	f := a.Snapshot
	for _, subject := range a.Accepted {
		part, name, _ := strings.Cut(subject, ":")
		for of, list := range map[string]*[]string{"scope": &f.Scopes, "module": &f.Modules, "egress": &f.Egress, "domain": &f.Domains} {
			if of == part && *list != nil {
				*list = append(slices.Clip(*list), name)
			}
		}
	}
	return f
}
