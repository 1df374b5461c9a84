package console_test

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/console"
)

// What waits for a person is listed, and done where it is listed; the deed leads back to the list.
func TestTasksAreDoneWhereTheyAreListed(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	f := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical)
	b.night(f)
	n := b.drafted()
	ann, bob, vera := b.loggedIn("ann", console.Reviewer), b.loggedIn("bob", console.Reviewer), b.loggedIn("vera", console.Viewer)
	back := url.Values{"back": {"/tasks"}}
	with := func(v url.Values) url.Values {
		v["back"] = back["back"]
		return v
	}
	if page := ann.says("/tasks", "All 1", "Approve 1", "approve critical Acme it waits for approval · 1 finding · "+n.ID, "Read and approve"); !strings.Contains(page, `href="/notices/`+n.ID+`"`) {
		t.Errorf("the task does not lead to the notice: %s", page)
	}
	if page := vera.says("/tasks", "it waits for approval"); strings.Contains(page, "Read and approve") {
		t.Error("a viewer is offered to approve")
	}
	ann.says("/tasks?what=dispute", "Nothing waits for a person here")
	if status, _, _ := ann.get("/tasks?what=tea"); status != 400 {
		t.Errorf("a task that there is not: %d", status)
	}

	ann.post("/notices/"+n.ID, url.Values{"do": {"approve"}, "digest": {shownDigest(t, ann, n.ID)}})
	ann.says("/tasks", "Nothing waits for a person.")
	must(t, b.desk.Queue(t.Context()))
	ann.post("/notices/"+n.ID, url.Values{"do": {"answer"}, "kind": {"dispute"}, "text": {"that was a test"}})
	ann.says("/tasks", "dispute critical "+f.Title, "another person than console:ann (ann) decides", "told by "+n.ID)
	decision := with(url.Values{"do": {"answer"}, "finding": {f.ID}, "kind": {"dispute-rejected"}, "text": {"it was not"}})
	if _, page, at := ann.post("/notices/"+n.ID, decision); at != "/tasks" || !strings.Contains(page, "another person than the one who approved the notice decides disputes") {
		t.Errorf("who approved it decides, at %s: %s", at, text(page))
	}
	if _, page, at := bob.post("/notices/"+n.ID, decision); at != "/tasks" || !strings.Contains(text(page), "dispute-rejected: "+f.ID) || !strings.Contains(text(page), "Nothing waits") {
		t.Errorf("another decides, at %s: %s", at, text(page))
	}
	bob.post("/notices/"+n.ID, url.Values{"do": {"answer"}, "kind": {"extension"}, "text": {"two weeks, please"}})
	bob.says("/tasks", "extension", "the vendor asks for more time", "Grant")
	bob.post("/notices/"+n.ID, with(url.Values{"do": {"answer"}, "finding": {f.ID}, "kind": {"extension-granted"}, "text": {"as asked"}, "days": {"14"}}))
	bob.post("/findings/"+f.ID, url.Values{"do": {"recommend"}, "act": {"delist"}})
	bob.says("/tasks", "decide", "recommended: delist")
	if _, page, at := bob.post("/findings", with(url.Values{"id": {f.ID}, "do": {"decide"}, "act": {"warn"}})); at != "/tasks" || !strings.Contains(text(page), "decided") {
		t.Errorf("to decide leads to %s: %s", at, text(page))
	}
	bob.says("/tasks", "Nothing waits for a person.")
}

// A message that cannot be delivered is tried again, or given up with a reason, and the trail says by whom.
func TestMessagesThatCannotBeDelivered(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	must(t, b.store.EnqueueMessages(t.Context(), audit.Message{Key: "digest R-000001", Sink: "webhook", Lane: "hook", Body: []byte("{}"), Created: start.Add(-30 * day), NextAt: start.Add(-30 * day), SentAt: audit.Never}))
	rita := b.loggedIn("rita", console.Reviewer)
	page := rita.says("/tasks", "Undelivered 1", "digest R-000001", "Try again", "Give up")
	path := "/messages/M-1"
	if !strings.Contains(page, `action="`+path+`"`) {
		t.Fatalf("no form is about %s: %s", path, page)
	}
	if _, page, at := rita.post(path, url.Values{"do": {"give-up"}, "back": {"/tasks?what=undelivered"}}); at != "/tasks?what=undelivered" || !strings.Contains(text(page), "Say why the message is given up.") {
		t.Errorf("without a reason, at %s: %s", at, text(page))
	}
	if _, page, at := rita.post(path, url.Values{"do": {"retry"}}); at != "/tasks" || !strings.Contains(text(page), "M-1 is tried again at once.") {
		t.Errorf("to try it again: %s", text(page))
	}
	if _, page, _ := rita.post(path, url.Values{"do": {"give-up"}, "reason": {"zebra@customer.example left"}}); !strings.Contains(text(page), "M-1 is given up.") || !strings.Contains(text(page), "Nothing waits") {
		t.Errorf("to give it up: %s", text(page))
	}
	for path, form := range map[string]url.Values{path: {"do": {"give-up"}, "reason": {"again"}}, "/messages/M-9": {"do": {"give-up"}, "reason": {"none"}}, "/messages/x": {"do": {"give-up"}, "reason": {"none"}}} {
		if status, page, at := rita.post(path, form); status != 200 || at != "/tasks" || strings.Contains(text(page), "is given up.") {
			t.Errorf("%s: %d at %s: %s", path, status, at, text(page))
		}
	}
	if status, _, _ := rita.post(path, url.Values{"do": {"burn"}}); status != 400 {
		t.Errorf("to burn it: %d", status)
	}
	trail, err := b.store.Trail(t.Context(), store.TrailFilter{})
	must(t, err)
	var said []string
	for _, e := range trail {
		said = append(said, e.Who+" "+e.What+" "+e.Why)
	}
	if got, want := strings.Join(said, "; "), "console:rita (rita) message retried M-1; console:rita (rita) message given up [address] left"; got != want {
		t.Errorf("the trail says %s, want %s", got, want)
	}
}

// What is assigned is assigned back by a further deed, each finding to whom it was with before.
func TestUndoAssignsBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	first, second := finding("purpose-prohibited", "com.acme.mailer", "marketing", audit.Critical), finding("purpose-prohibited", "com.birch.board", "marketing", audit.High)
	b.night(first, second)
	rita := b.loggedIn("rita", console.Reviewer)
	rita.post("/findings/"+first.ID, url.Values{"do": {"assign"}, "to": {"bob"}})
	_, page, _ := rita.post("/findings", url.Values{"do": {"assign"}, "to": {"me"}, "id": {first.ID, second.ID}, "back": {"/findings"}})
	if said := text(page); !strings.Contains(said, "Undo: back to nobody") || !strings.Contains(said, "Undo: back to bob") {
		t.Errorf("to assign both says %s", said)
	}
	rita.post("/findings", url.Values{"do": {"assign"}, "to": {"bob"}, "id": {first.ID}, "back": {"/findings"}})
	now, err := b.store.Finding(t.Context(), first.ID)
	must(t, err)
	if now.Assignee != "bob" {
		t.Errorf("it is assigned to %q", now.Assignee)
	}
	b.post(second.ID, audit.DoSuppress, "pilot")
	if page := rita.says("/suppressions", second.ID); !strings.Contains(page, `aria-label="Reopen `+second.ID+`"`) {
		t.Error("a suppression cannot be ended where it is listed")
	}
	if _, page, at := rita.post("/findings", url.Values{"do": {"reopen"}, "id": {second.ID}, "back": {"/suppressions"}}); at != "/suppressions" || !strings.Contains(text(page), "Nothing is suppressed") {
		t.Errorf("to reopen it leads to %s: %s", at, text(page))
	}
}

// Keys are of others' making: whatever they are, their pages are reached by the links of the lists.
func TestOddKeysAreReached(t *testing.T) {
	t.Parallel()
	for _, key := range []string{".", "..", "...", "a//b", "/", "/etc/passwd", `a\b`, "a b", "a?b=c", "a#b", "a%2Fb", "ключ", "a+b", "a&key=c", " "} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, console.OIDC{})
			b.vendor = audit.Vendor{ID: key, Name: "Acme", Contacts: []string{"security@acme.example"}}
			b.night(finding("purpose-prohibited", "com."+key, "marketing", audit.Critical), finding("purpose-prohibited", key, "user-sync", audit.Low))
			x := b.loggedIn("vera", console.Viewer)
			for list, want := range map[string]string{"/vendors": "2 open findings", "/apps": "Findings to deal with 1"} {
				page := x.says(list)
				found := 0
				for _, link := range links(page) {
					if at := strings.TrimPrefix(link, list); at == link || at == "" || strings.HasPrefix(at, "?q=") {
						continue
					}
					found++
					x.says(link, want)
				}
				if found == 0 {
					t.Errorf("%s leads nowhere: %s", list, page)
				}
			}
		})
	}
}

// drifted is an app that has changed since it was approved, and what was found of that.
func (b *bench) drifted() (scope, module, words audit.Finding) {
	const key = "com.acme.mailer"
	scope, module = finding(audit.AcceptableCheck, key, "scope:write", audit.Medium), finding(audit.AcceptableCheck, key, "module:panel/mails", audit.Low)
	words = finding("policy-language-changed", key, "", audit.Medium)
	b.night(scope, module, words)
	b.wait(day)
	b.publish(audit.AppUpdate{Key: key, StatesAt: audit.Never, SetApprovals: true,
		Version: &audit.AppVersion{From: audit.At(b.clock()), App: &audit.App{Key: key, Name: "Mailer", Vendor: b.vendor, PrivacyPolicyText: "Acme and you. We rarely sell addresses to anybody. Write to us.",
			Features: audit.Features{Scopes: []string{"read", "write"}, Modules: []string{"panel/mails"}, Egress: []string{"api.acme.example"}}}},
		Approvals: []audit.Approval{{RequestID: "REQ-2", Status: audit.Approved, Decided: start.Add(-50 * day), Revoked: audit.Never, PolicyExcerpt: "We never sell addresses",
			Snapshot: audit.Features{Scopes: []string{"READ", "admin"}, Modules: []string{}, Egress: []string{"*.acme.example"}}}}})
	return scope, module, words
}

// An app is held against its approval's snapshot, and its privacy policy against the approved words.
func TestDriftIsShownAsADiff(t *testing.T) {
	t.Parallel()
	b := newBench(t, console.OIDC{})
	drift, module, words := b.drifted()
	key := drift.App
	rita := b.loggedIn("rita", console.Reviewer)
	page := rita.says("/apps/"+key, "request REQ-2", "+ write", "− admin no longer there", "+ panel/mails", "1 is as it was approved", "Domains The approval's snapshot does not have them",
		"Acme and you. We approved: never now: rarely sell addresses to anybody. Write to us. …", "Accept all 2")
	if strings.Contains(page, "Egress hosts") || strings.Contains(page, "Found before") {
		t.Errorf("what did not change is among what changed: %s", text(page))
	}
	page = rita.says("/findings/"+drift.ID, "Approved, and now", "+ write this finding", "− admin")
	if strings.Contains(text(page), "+ panel/mails") || strings.Contains(page, "rarely") {
		t.Errorf("the finding shows other drift than it is about: %s", text(page))
	}
	rita.says("/findings/"+words.ID, "approved: never now: rarely")
	_, page, _ = rita.post("/findings", url.Values{"id": {drift.ID, module.ID}, "do": {"accept"}, "back": {"/apps/" + key}})
	if said := text(page); !strings.Contains(said, "2 findings: accepted into the approval.") || !strings.Contains(said, "+ write accepted since") || strings.Contains(said, "Accept into the approval") {
		t.Errorf("to accept all says %s", said)
	}
	if _, page, _ := rita.post("/findings", url.Values{"id": {drift.ID}, "do": {"reopen"}, "back": {"/apps/" + key}}); !strings.Contains(text(page), "+ write "+drift.ID) {
		t.Errorf("to take it back says %s", text(page))
	}
}

// links are where a page leads.
func links(page string) (list []string) {
	for _, m := range regexp.MustCompile(`<a [^>]*href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		list = append(list, html.UnescapeString(m[1]))
	}
	return list
}
