package audit

import (
	"cmp"
	"maps"
	"slices"
)

// Who retrieved a canary is the one thing that the judgment of one app asks of another: whether somebody else could have passed the address on. So it
// is a fact of its own, known before any app is judged.

// mailedCanaries is the accounts that a mail was caught for.
func mailedCanaries(list []Canary) map[string]bool {
	out := map[string]bool{}
	for _, c := range list {
		if c.Mailed {
			out[c.Account] = true
		}
	}
	return out
}

// setCanaries learns who retrieved which canary: from the calls that were read just now, and, for accounts that are canaries only since now, from
// those that earlier runs kept.
func (r *running) setCanaries() error {
	type name struct{ account, app string }
	known := map[name]Canary{}
	for _, c := range r.led.Canaries {
		known[name{c.Account, c.App}] = c
	}
	now := maps.Clone(known)
	learn := func(c Canary) {
		k := name{c.Account, c.App}
		was, ok := now[k]
		if !ok {
			was = Canary{Account: c.Account, App: c.App, Retrieved: Never}
		}
		was.Mailed = was.Mailed || c.Mailed
		was.Retrieved = min(was.Retrieved, c.Retrieved)
		now[k] = was
	}
	for _, c := range r.reading.Canaries {
		learn(c)
	}
	watched := mailedCanaries(r.led.Canaries)
	fresh := map[string]bool{}
	for _, c := range r.reading.Canaries {
		if c.Mailed && !watched[c.Account] {
			fresh[c.Account] = true
		}
	}
	if err := r.lookBackForCanaries(fresh, learn); err != nil {
		return err
	}

	r.canaryOf, r.touchedByCanaries = Canaries{}, map[string]bool{}
	mailed := map[string][]string{} // apps, by account
	for k, c := range now {
		if c.Mailed {
			mailed[c.Account] = append(mailed[c.Account], c.App)
		}
		r.canaryOf.add(c)
		if known[k] != c {
			r.canaries = append(r.canaries, c)
		}
	}
	for k, c := range now {
		passed := c.Retrieved > r.prev && c.Retrieved <= r.o.AsOf
		if known[k].Retrieved != c.Retrieved || passed {
			for _, app := range mailed[c.Account] {
				r.touchedByCanaries[app] = true
			}
		}
	}
	slices.SortFunc(r.canaries, func(a, b Canary) int { return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.App, b.App)) })
	return nil
}

// lookBackForCanaries looks through the calls of earlier runs for retrievals of accounts. That costs a look at every pack's accounts, once for an account.
func (r *running) lookBackForCanaries(accounts map[string]bool, learn func(Canary)) error {
	if len(accounts) == 0 || r.led.Last == nil {
		return nil
	}
	packs, err := r.Store.PacksBetween(r.ctx, Ever, Never)
	if err != nil {
		return err
	}
	for i := range packs {
		p := packs[i : i+1]
		if p[0].Kind != CallPack || p[0].App == "" {
			continue
		}
		if err := r.ctx.Err(); err != nil {
			return err
		}
		got, err := r.Archive.Counting(p)
		if err != nil {
			return err
		}
		var hits []string
		for a := range accounts {
			if got.Has(a) {
				hits = append(hits, a)
			}
		}
		if len(hits) == 0 {
			continue
		}
		calls, err := r.Archive.Calls(p[0].Day, p)
		if err != nil {
			return err
		}
		for _, a := range hits {
			which, _ := calls.Accounts.Index(a)
			for j := range calls.Calls {
				if c := &calls.Calls[j]; c.Retrieval() && slices.Contains(c.Accounts, uint32(which)) {
					learn(Canary{Account: a, App: p[0].App, Retrieved: c.At})
					break
				}
			}
		}
	}
	return nil
}
