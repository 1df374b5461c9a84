package archive

import (
	"cmp"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

// callOrder is the order of calls in a day: by time, copies side by side, the first line first.
func callOrder(a, b *audit.Call) int {
	if a.At != b.At {
		return cmp.Compare(a.At, b.At)
	}
	return cmp.Or(cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.Source.File, b.Source.File), cmp.Compare(a.Source.Line, b.Source.Line))
}

// reportOrder is callOrder for reports.
func reportOrder(a, b *audit.Report) int {
	if a.At != b.At {
		return cmp.Compare(a.At, b.At)
	}
	return cmp.Or(cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.Source.File, b.Source.File), cmp.Compare(a.Source.Line, b.Source.Line))
}

// sortFacts sorts facts that mostly are in order already: a fact that came a little late goes back a few places.
func sortFacts[F any](facts []F, order func(a, b *F) int) {
	const few = 64
	for i := 1; i < len(facts); i++ {
		if order(&facts[i-1], &facts[i]) <= 0 {
			continue
		}
		late := facts[i]
		j := i
		for j > 0 && i-j < few && order(&facts[j-1], &late) > 0 {
			facts[j] = facts[j-1]
			j--
		}
		facts[j] = late
		if j > 0 && order(&facts[j-1], &late) > 0 {
			slices.SortFunc(facts, func(a, b F) int { return order(&a, &b) })
			return
		}
	}
}

// mergeSorted is the facts of sorted lists in one.
func mergeSorted[F any](lists [][]F, order func(a, b *F) int) []F {
	switch len(lists) {
	case 0:
		return nil
	case 1:
		return lists[0]
	}
	half := len(lists) / 2
	a, b := mergeSorted(lists[:half], order), mergeSorted(lists[half:], order)
	out := make([]F, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if order(&a[0], &b[0]) <= 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// dropCopies keeps, in place, the first of equal facts, and none that known holds. Both lists are in order. copies counts what goes by file.
func dropCopies[F fact](facts, known []F, order func(a, b *F) int, same, sameKnown func(a, b *F) bool) (kept []F, copies map[uint32]int64) {
	kept = facts[:0]
	copies = map[uint32]int64{}
	k := 0
next:
	for i := range facts {
		f := &facts[i]
		at, hash, source := factOf(f)
		for k < len(known) {
			if kat, khash, _ := factOf(&known[k]); kat > at || kat == at && khash >= hash {
				break
			}
			k++
		}
		for j := k; j < len(known); j++ {
			if kat, khash, _ := factOf(&known[j]); kat != at || khash != hash {
				break
			}
			if sameKnown(f, &known[j]) {
				copies[source.File]++
				continue next
			}
		}
		for j := len(kept) - 1; j >= 0; j-- {
			jat, jhash, _ := factOf(&kept[j])
			if jat != at || jhash != hash {
				break
			}
			if same(&kept[j], f) {
				copies[source.File]++
				continue next
			}
		}
		if n := len(kept); n == i {
			kept = facts[:n+1]
		} else {
			kept = append(kept, *f)
		}
	}
	return kept, copies
}

type fact interface{ audit.Call | audit.Report }

func factOf[F fact](f *F) (audit.Instant, uint64, audit.Source) {
	switch f := any(f).(type) {
	case *audit.Call:
		return f.At, f.Hash, f.Source
	case *audit.Report:
		return f.At, f.Hash, f.Source
	}
	panic("unreachable")
}

// mergeCalls is the calls of several parts of one day as one.
func mergeCalls(day audit.Day, parts []*audit.CallDay) *audit.CallDay {
	switch len(parts) {
	case 0:
		return &audit.CallDay{Day: day}
	case 1:
		return parts[0]
	}
	out := &audit.CallDay{Day: day}
	var accounts audit.IDsBuilder
	sites, paths, purposes := newTexts(), newTexts(), newTexts()
	numbers := make([][]uint32, len(parts))
	for i, p := range parts {
		numbers[i] = accounts.AddSet(p.Accounts)
	}
	set, ordinals := accounts.Set()
	out.Accounts = set
	lists := make([][]audit.Call, len(parts))
	for i, p := range parts {
		site, path, purpose := sites.addAll(p.Sites), paths.addAll(p.Paths), purposes.addAll(p.Purposes)
		for j := range p.Calls {
			c := &p.Calls[j]
			c.Site, c.Path, c.Purpose = site[c.Site], path[c.Path], purpose[c.Purpose]
			for k, a := range c.Accounts {
				c.Accounts[k] = ordinals.Of(numbers[i][a]) // all sets order ids alike, so they still ascend
			}
		}
		lists[i] = p.Calls
	}
	out.Sites, out.Paths, out.Purposes = sites.all, paths.all, purposes.all
	out.Calls = mergeSorted(lists, callOrder)
	return out
}

// mergeReports is the reports of several parts of one day as one.
func mergeReports(day audit.Day, parts []*audit.ReportDay) *audit.ReportDay {
	switch len(parts) {
	case 0:
		return &audit.ReportDay{Day: day}
	case 1:
		return parts[0]
	}
	out := &audit.ReportDay{Day: day}
	var accounts audit.IDsBuilder
	numbers := make([][]uint32, len(parts))
	for i, p := range parts {
		numbers[i] = accounts.AddSet(p.Accounts)
	}
	set, ordinals := accounts.Set()
	out.Accounts = set
	lists := make([][]audit.Report, len(parts))
	for i, p := range parts {
		for j := range p.Reports {
			r := &p.Reports[j]
			for k := range r.Accounts {
				r.Accounts[k].Account = ordinals.Of(numbers[i][r.Accounts[k].Account])
			}
			for k := range r.Answers {
				r.Answers[k].Account = ordinals.Of(numbers[i][r.Answers[k].Account])
			}
		}
		lists[i] = p.Reports
	}
	out.Reports = mergeSorted(lists, reportOrder)
	return out
}

// compactCalls drops from a day's tables what no call uses any more.
func compactCalls(d *audit.CallDay) *audit.CallDay {
	used := make([]bool, d.Accounts.Len())
	for i := range d.Calls {
		for _, a := range d.Calls[i].Accounts {
			used[a] = true
		}
	}
	out := &audit.CallDay{Day: d.Day, Accounts: d.Accounts.Select(func(i int) bool { return used[i] }), Calls: d.Calls}
	place := renumber(used)
	sites, paths, purposes := newTexts(), newTexts(), newTexts()
	for i := range out.Calls {
		c := &out.Calls[i]
		c.Site, c.Path, c.Purpose = sites.add(d.Sites[c.Site]), paths.add(d.Paths[c.Path]), purposes.add(d.Purposes[c.Purpose])
		for k, a := range c.Accounts {
			c.Accounts[k] = place[a]
		}
	}
	out.Sites, out.Paths, out.Purposes = sites.all, paths.all, purposes.all
	return out
}

// compactReports drops from a day's table what no report uses any more.
func compactReports(d *audit.ReportDay) *audit.ReportDay {
	used := make([]bool, d.Accounts.Len())
	for i := range d.Reports {
		for _, a := range d.Reports[i].Accounts {
			used[a.Account] = true
		}
		for _, a := range d.Reports[i].Answers {
			used[a.Account] = true
		}
	}
	place := renumber(used)
	out := &audit.ReportDay{Day: d.Day, Accounts: d.Accounts.Select(func(i int) bool { return used[i] }), Reports: d.Reports}
	for i := range out.Reports {
		r := &out.Reports[i]
		for k := range r.Accounts {
			r.Accounts[k].Account = place[r.Accounts[k].Account]
		}
		for k := range r.Answers {
			r.Answers[k].Account = place[r.Answers[k].Account]
		}
	}
	return out
}

func renumber(used []bool) []uint32 {
	place := make([]uint32, len(used))
	n := uint32(0)
	for i, u := range used {
		place[i] = n
		if u {
			n++
		}
	}
	return place
}
