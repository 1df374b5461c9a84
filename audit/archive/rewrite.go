package archive

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/mailreeve/mailreeve/audit"
)

// Rewrite writes the segments anew that hold packs which name accounts of r, in one new segment of that name, and gives where their packs lie now. packs are
// all that the store names. Once the store names the new places, Sweep removes the old segments; until then a crash leaves but a segment that no row names.
// changed counts the packs that are another now.
func (a *Archive) Rewrite(ctx context.Context, name string, packs []audit.Pack, r *audit.Renames) (moved []audit.Moved, changed int, err error) {
	touched, named := map[string]bool{}, make([]bool, len(packs))
	for i := range packs {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		if named[i], err = a.names(&packs[i], r); err != nil {
			return nil, 0, err
		}
		touched[packs[i].Segment] = touched[packs[i].Segment] || named[i]
	}
	maps.DeleteFunc(touched, func(_ string, is bool) bool { return !is })
	if len(touched) == 0 {
		return nil, 0, nil
	}
	w, err := a.create(name + segmentSuffix)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			w.remove()
			return
		}
		if cerr := w.f.Close(); cerr != nil {
			err = fmt.Errorf("archive: %w", cerr)
		}
	}()
	for i := range packs {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		p := &packs[i]
		if !touched[p.Segment] {
			continue
		}
		b, err := a.read(p, p.Length)
		if err != nil {
			return nil, 0, err
		}
		if named[i] {
			var is bool
			if b, is, err = renamed(p, b, r); err != nil {
				return nil, 0, damaged(p, err)
			} else if is {
				changed++
			}
		}
		to := *p
		to.Segment, to.Length = w.name, int64(len(b))
		if to.Offset, err = w.append(b); err != nil {
			return nil, 0, err
		}
		moved = append(moved, audit.Moved{From: *p, To: to})
	}
	return moved, changed, w.sync()
}

// names says by a pack's tables whether it names accounts of r: what calls and reports say of one another is not read.
func (a *Archive) names(p *audit.Pack, r *audit.Renames) (bool, error) {
	b, err := a.tables(p)
	if err != nil {
		return false, err
	}
	_, tables, _, err := open(p.Kind, b)
	if err != nil {
		return false, damaged(p, err)
	}
	t := reader{b: tables}
	ids := t.ids()
	_, is := r.IDs(ids)
	if p.Kind == audit.CallPack && !is {
		t.bits(ids.Len())
		t.texts() // sites
		for _, list := range [][]string{t.texts(), t.texts()} {
			is = is || slices.ContainsFunc(list, func(s string) bool { return r.Text(s) != s })
		}
	}
	if t.bad {
		return false, damaged(p, errDamaged)
	}
	return is, nil
}

// renamed is the bytes of a pack without the accounts of r, and whether they are others.
func renamed(p *audit.Pack, b []byte, r *audit.Renames) ([]byte, bool, error) {
	if p.Kind == audit.ReportPack {
		d, err := decodeReports(p.Day, b)
		if err != nil {
			return nil, false, err
		}
		set, is := r.IDs(d.Accounts)
		if !is {
			return b, false, nil
		}
		return encodeReports(nil, renameReports(d, set, r.Numbers(d.Accounts, set))), true, nil
	}
	d, err := decodeCalls(p.Day, b, &memory{})
	if err != nil {
		return nil, false, err
	}
	set, is := r.IDs(d.Accounts)
	paths, purposes := newTexts(), newTexts()
	path, purpose := renameTexts(d.Paths, paths, r, &is), renameTexts(d.Purposes, purposes, r, &is)
	if !is {
		return b, false, nil
	}
	numbers := r.Numbers(d.Accounts, set)
	for i := range d.Calls {
		c := &d.Calls[i]
		c.Path, c.Purpose = path[c.Path], purpose[c.Purpose]
		for k := range c.Accounts {
			c.Accounts[k] = numbers[c.Accounts[k]]
		}
		slices.Sort(c.Accounts)
		c.Accounts = slices.Compact(c.Accounts)
	}
	d.Accounts, d.Paths, d.Purposes = set, paths.all, purposes.all
	return encodeCalls(nil, d), true, nil
}

// renameTexts gives the numbers that texts have under their new names.
func renameTexts(list []string, now *texts, r *audit.Renames, changed *bool) []uint32 {
	out := make([]uint32, len(list))
	for i, s := range list {
		t := r.Text(s)
		*changed = *changed || t != s
		out[i] = now.add(t)
	}
	return out
}

func renameReports(d *audit.ReportDay, set audit.IDs, numbers []uint32) *audit.ReportDay {
	d.Accounts = set
	for i := range d.Reports {
		x := &d.Reports[i]
		for k := range x.Accounts {
			x.Accounts[k].Account = numbers[x.Accounts[k].Account]
		}
		for k := range x.Answers {
			x.Answers[k].Account = numbers[x.Answers[k].Account]
		}
		slices.SortFunc(x.Accounts, compareReported)
		slices.SortFunc(x.Answers, compareAnswers)
	}
	return d
}
