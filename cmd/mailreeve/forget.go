package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/store"
)

func (c *cli) forgetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "forget ACCOUNT_ID…",
		Short: "Erase accounts everywhere",
		Long: `forget erases accounts from everything that mailreeve keeps: packs, findings and their evidence, answers, captures, mails and signals, quarantine, messages,
and the details of the trail, whose chain still holds. Numbers stay as they are: each account keeps its seat under a pseudonym. A keyed hash stays as a
tombstone, so that the same files, read again, do not bring the account back. It waits for a night that runs, and may be killed anywhere and run again.

What mailreeve does not keep it cannot erase: the input files, exports that somebody wrote, backups, messages that were delivered.`,
		Example: "  mailreeve forget 5b10a2844c20165700ede21f\n  mailreeve forget 712020:f58131cb-b67d-43c7-b30d-6b58d40bd077 557058:0867a421-a9ee-4659-801a-bc0ee4a4487e",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, id := range args {
				switch {
				case id == "" || utf8.RuneCountInString(id) > 128:
					return usagef("%q is no account id: it has 1 to 128 characters", id)
				case address.LooksLike([]byte(id)):
					return usagef("this looks like an address, and no account id does: give the id of the account") // it is not repeated
				case id == audit.UnknownAccount:
					return usagef("%q stands for no account at all", id)
				}
			}
			slices.Sort(args)
			args = slices.Compact(args)
			s, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			erased, err := s.forget(cmd.Context(), args)
			if err != nil {
				return err
			}
			c.tellErased(erased, len(args))
			return nil
		},
	}
}

func (c *cli) tellErased(e audit.Erased, accounts int) {
	who := count(accounts, "account", "accounts")
	if e.Total() == 0 {
		fmt.Fprintf(c.out, "Nothing was known of %s. The tombstones keep it so.\n", who)
		return
	}
	fmt.Fprintf(c.out, "Erased %s from\n", who)
	for _, p := range e.Parts() {
		if p.N > 0 {
			fmt.Fprintf(c.out, "%8d  %s\n", p.N, p.What)
		}
	}
	fmt.Fprintln(c.out, "Numbers of findings stay as they are. Input files, exports and backups are not mailreeve's to erase.")
}

// forget erases accounts under the night's lock. Each step leaves a store that is whole, and is done again by who was killed after it.
func (s *system) forget(ctx context.Context, ids []string) (erased audit.Erased, err error) {
	lease, err := s.store.Lock(ctx, false)
	if errors.Is(err, store.ErrLocked) {
		s.log.Info("another night is running: waiting for its end")
		lease, err = s.store.Lock(ctx, true)
	}
	if err != nil {
		return erased, err
	}
	defer func() { err = errors.Join(err, lease.Release()) }()
	if err := s.sweep(ctx); err != nil {
		return erased, err
	}
	forgotten, err := s.store.Forgotten(ctx)
	if err != nil {
		return erased, err
	}
	if forgotten == nil {
		forgotten = audit.NewForgotten(s.store.ArchiveKey())
	}
	what := store.Forgetting{Renames: forgotten.Forget(ids), Who: operator(), At: audit.At(s.clock())}
	packs, err := s.store.AllPacks(ctx)
	if err != nil {
		return erased, err
	}
	if what.Moved, what.Packs, err = s.archive.Rewrite(ctx, fmt.Sprintf("forget-%06d", lease.Fence), packs, what.Renames); err != nil {
		return erased, err
	}
	if erased, err = s.store.Night(lease).Forget(ctx, what); err != nil {
		return erased, err
	}
	if err := s.sweep(ctx); err != nil {
		return erased, err
	}
	if err := s.store.Wipe(ctx); err != nil {
		return erased, err
	}
	head, err := s.store.Head(ctx)
	if err != nil {
		return erased, err
	}
	s.keepHead(ctx, head, fmt.Sprintf("%s forget", what.At))
	return erased, nil
}

// sweep removes the segments that the store does not name.
func (s *system) sweep(ctx context.Context) error {
	inUse, err := s.store.SegmentsInUse(ctx)
	if err != nil {
		return err
	}
	return s.archive.Sweep(inUse)
}
