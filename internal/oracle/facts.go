package oracle

import (
	"errors"
	"fmt"
	"time"
)

// call is one call of the Email API.
type call struct {
	ts                                        time.Time
	requestID, app, site, path, auth, purpose string
	status                                    int
	accounts                                  []string
	// purposes: the source logs purposes.
	purposes bool
}

func parseCall(line []byte) (c call, err error) {
	o, err := readObject(line)
	if err != nil {
		return c, err
	}
	if c.ts, err = o.needInstant("ts"); err != nil {
		return c, err
	}
	if c.requestID, err = o.need("request_id"); err != nil {
		return c, err
	}
	if c.app, err = o.text("app_key"); err != nil {
		return c, err
	}
	if err = notAddress("app_key", c.app); err != nil {
		return c, err
	}
	if c.site, err = o.need("cloud_id"); err != nil {
		return c, err
	}
	if err = notAddress("cloud_id", c.site); err != nil {
		return c, err
	}
	if c.path, err = o.need("path"); err != nil {
		return c, err
	}
	if c.auth, err = o.oneOf("auth", "connect-jwt", "oauth2", "forge-app", "forge-user", "api-token", "basic", "session"); err != nil {
		return c, err
	}
	if c.purpose, err = o.text("purpose"); err != nil {
		return c, err
	}
	if c.status, err = o.status(); err != nil {
		return c, err
	}
	if c.accounts, _, err = o.texts("account_ids"); err != nil {
		return c, err
	}
	for _, id := range c.accounts {
		if err = accountID(id); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (a *audit) readAccess(in Input, res *Result) {
	k := newKind("access", res)
	a.configuredAccess = len(in.Access) > 0
	a.lookedAccess = a.configuredAccess
	logged := map[string]bool{}
	var calls []call
	var ids []string
	for _, src := range in.Access {
		if len(src.Files) == 0 {
			a.lookedAccess = false
		}
		lines(src.Files, func(f File, number int, line []byte) {
			k.n.Lines++
			c, err := parseCall(line)
			if err != nil {
				k.bad(f, number, err)
				return
			}
			id := fmt.Sprintf("%s %q %q %q %q %q %q %d %q", c.ts.Format(time.RFC3339Nano), c.requestID, c.app, c.site, c.path, c.auth, c.purpose, c.status, c.accounts)
			if src.Purposes {
				logged[id] = true
			}
			if k.fact(id) {
				calls = append(calls, c)
				ids = append(ids, id)
			}
		})
	}
	for i, c := range calls {
		c.purposes = logged[ids[i]]
		if a.clock(res, c.ts) {
			a.calls = append(a.calls, c)
		}
	}
	k.done()
}

// held gives the accounts of a list, each once; the id unknown stands for no account.
func held(ids []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, id := range ids {
		if id == "unknown" || seen[id] {
			continue
		}
		seen[id] = true
		out = append(out, id)
	}
	return out
}

// retrieval: a call with status 200 and at least one account.
func (c call) retrieval() bool { return c.status == 200 && len(held(c.accounts)) > 0 }

// holds says whether the answer of the call held the account.
func (c call) holds(account string) bool {
	for _, id := range held(c.accounts) {
		if id == account {
			return true
		}
	}
	return false
}

// reported is an account in a report.
type reported struct {
	account   string
	updatedAt *time.Time
}

// answer is what the platform answered for an account.
type answer struct{ account, status string }

// report is one call of the reporting API.
type report struct {
	ts             time.Time
	requestID, app string
	status         int
	accounts       []reported
	result         []answer
}

func parseReport(line []byte) (r report, err error) {
	o, err := readObject(line)
	if err != nil {
		return r, err
	}
	if r.ts, err = o.needInstant("ts"); err != nil {
		return r, err
	}
	if r.requestID, err = o.need("request_id"); err != nil {
		return r, err
	}
	if r.app, err = o.need("app_key"); err != nil {
		return r, err
	}
	if err = notAddress("app_key", r.app); err != nil {
		return r, err
	}
	if r.status, err = o.status(); err != nil {
		return r, err
	}
	list, err := o.list("accounts")
	if err != nil {
		return r, err
	}
	for _, e := range list {
		eo, ok := e.(object)
		if !ok {
			return r, errors.New("accounts holds something that is no object")
		}
		var x reported
		if x.account, err = eo.text("account_id"); err != nil {
			return r, err
		}
		if err = accountID(x.account); err != nil {
			return r, err
		}
		if x.updatedAt, err = eo.instant("updated_at"); err != nil {
			return r, err
		}
		r.accounts = append(r.accounts, x)
	}
	list, err = o.list("result")
	if err != nil {
		return r, err
	}
	for _, e := range list {
		eo, ok := e.(object)
		if !ok {
			return r, errors.New("result holds something that is no object")
		}
		var x answer
		if x.account, err = eo.text("account_id"); err != nil {
			return r, err
		}
		if err = accountID(x.account); err != nil {
			return r, err
		}
		if x.status, err = eo.oneOf("status", "closed", "updated"); err != nil {
			return r, err
		}
		r.result = append(r.result, x)
	}
	return r, nil
}

func (r report) identity() string {
	s := fmt.Sprintf("%s %q %q %d", r.ts.Format(time.RFC3339Nano), r.requestID, r.app, r.status)
	for _, x := range r.accounts {
		s += fmt.Sprintf(" a%q", x.account)
		if x.updatedAt != nil {
			s += x.updatedAt.Format(time.RFC3339Nano)
		}
	}
	for _, x := range r.result {
		s += fmt.Sprintf(" r%q%q", x.account, x.status)
	}
	return s
}

// readReports keeps the reports that count (status 200 or 204): only such are meant by the checks, and only their results.
func (a *audit) readReports(in Input, res *Result) {
	k := newKind("reports", res)
	if in.Reports != nil {
		a.lookedReports = len(in.Reports.Files) > 0
		lines(in.Reports.Files, func(f File, number int, line []byte) {
			k.n.Lines++
			r, err := parseReport(line)
			if err != nil {
				k.bad(f, number, err)
				return
			}
			if !k.fact(r.identity()) || !a.clock(res, r.ts) {
				return
			}
			if r.status == 200 || r.status == 204 {
				a.reports = append(a.reports, r)
			}
		})
	}
	k.done()
}

// held gives the accounts that the report holds, each once.
func (r report) held() []string {
	var ids []string
	for _, x := range r.accounts {
		ids = append(ids, x.account)
	}
	return held(ids)
}

func (r report) holds(account string) bool {
	for _, id := range r.held() {
		if id == account {
			return true
		}
	}
	return false
}

// answered says whether the report's result gave the account this status.
func (r report) answered(account, status string) bool {
	for _, x := range r.result {
		if x.account == account && x.status == status {
			return true
		}
	}
	return false
}

// event is a lifecycle event of an app on a site.
type event struct {
	ts              time.Time
	app, site, what string
	users           *int64
}

// active: installed, enabled or present.
func (e event) active() bool {
	return e.what == "installed" || e.what == "enabled" || e.what == "present"
}

func parseEvent(line []byte) (e event, err error) {
	o, err := readObject(line)
	if err != nil {
		return e, err
	}
	if e.ts, err = o.needInstant("ts"); err != nil {
		return e, err
	}
	if e.app, err = o.need("app_key"); err != nil {
		return e, err
	}
	if err = notAddress("app_key", e.app); err != nil {
		return e, err
	}
	if e.site, err = o.need("cloud_id"); err != nil {
		return e, err
	}
	if err = notAddress("cloud_id", e.site); err != nil {
		return e, err
	}
	if e.what, err = o.oneOf("event", "installed", "uninstalled", "enabled", "disabled", "present"); err != nil {
		return e, err
	}
	if e.users, err = o.integer("users"); err != nil {
		return e, err
	}
	return e, nil
}

func (a *audit) readInstalls(in Input, res *Result) {
	k := newKind("installs", res)
	if in.Installs != nil {
		a.lookedInstalls = len(in.Installs.Files) > 0
		lines(in.Installs.Files, func(f File, number int, line []byte) {
			k.n.Lines++
			e, err := parseEvent(line)
			if err != nil {
				k.bad(f, number, err)
				return
			}
			users := ""
			if e.users != nil {
				users = fmt.Sprint(*e.users)
			}
			if k.fact(fmt.Sprintf("%s %q %q %q %s", e.ts.Format(time.RFC3339Nano), e.app, e.site, e.what, users)) && a.clock(res, e.ts) {
				a.events = append(a.events, e)
			}
		})
	}
	k.done()
}

// incident is an outage of the platform's own; without to it still runs.
type incident struct {
	api  string
	from time.Time
	to   *time.Time
}

func parseIncident(line []byte) (i incident, err error) {
	o, err := readObject(line)
	if err != nil {
		return i, err
	}
	if i.api, err = o.need("api"); err != nil {
		return i, err
	}
	if i.from, err = o.needInstant("from"); err != nil {
		return i, err
	}
	i.to, err = o.instant("to")
	return i, err
}

// readIncidents reads the incidents; one runs until a line with the same api and from says when it ended. Of several such lines
// the one that says the latest end holds.
func (a *audit) readIncidents(in Input, res *Result) {
	k := newKind("incidents", res)
	a.configuredIncidents = in.Incidents != nil
	if in.Incidents != nil {
		a.lookedIncidents = len(in.Incidents.Files) > 0
		lines(in.Incidents.Files, func(f File, number int, line []byte) {
			k.n.Lines++
			n, err := parseIncident(line)
			if err != nil {
				k.bad(f, number, err)
				return
			}
			id := fmt.Sprintf("%q %s", n.api, n.from.Format(time.RFC3339Nano))
			if n.to != nil {
				id += n.to.Format(time.RFC3339Nano)
			}
			if !k.fact(id) || !a.clock(res, n.from) {
				return
			}
			for j := range a.incidents {
				old := &a.incidents[j]
				if old.api == n.api && old.from.Equal(n.from) {
					if old.to == nil || n.to != nil && n.to.After(*old.to) {
						old.to = n.to
					}
					return
				}
			}
			a.incidents = append(a.incidents, n)
		})
	}
	k.done()
}
