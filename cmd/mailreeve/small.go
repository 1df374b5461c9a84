package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/s3"
)

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Example: "  mailreeve version",
		Short:   "Print the version",
		RunE: func(*cobra.Command, []string) error {
			version, built := build()
			fmt.Fprintf(c.out, "mailreeve %s %s\n", version, built)
			return nil
		},
	}
}

// build is mailreeve's version, and Go's that built it.
func build() (version, built string) {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version, info.GoVersion
	}
	return "(devel)", ""
}

func (c *cli) verifyCommand() *cobra.Command {
	var head string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check the audit trail's hash chain",
		Long: `verify follows the trail's chain from its first entry, and holds it against the heads that were kept after each night, in a file and, where the archive is in object storage, there.
With --head it also says whether the trail still has the entry of that hash, as a digest named it: if so, everything up to it stands as it was.`,
		Example: "  mailreeve verify\n  mailreeve verify --head 5f0c…",
		RunE: func(cmd *cobra.Command, _ []string) error {
			asked := cmd.Flags().Changed("head")
			if raw, err := hex.DecodeString(head); asked && (err != nil || len(raw) != sha256.Size) {
				return usagef("--head: %q is not a hash of 64 hexadecimal digits, as digests and verify name it", head)
			}
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			n, last, err := s.store.Verify(cmd.Context())
			if err != nil {
				return err
			}
			heads, err := s.heads()
			if err != nil {
				return err
			}
			var kept []int
			for _, in := range heads {
				n, err := s.store.Agrees(cmd.Context(), in)
				if err != nil {
					return err
				}
				kept = append(kept, n)
			}
			if asked {
				seq, err := s.store.FindHead(cmd.Context(), head)
				if errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("no entry of the trail has the hash %s: its history up to that head was cut off or written anew, or this is the head of another store; compare with a backup", head)
				} else if err != nil {
					return err
				}
				fmt.Fprintf(c.out, "the head is entry %d: everything up to it stands\n", seq)
			}
			fmt.Fprintf(c.out, "%s, whole and in order; head %s\n", count(n, "entry", "entries"), last)
			for i, in := range heads {
				switch {
				case kept[i] > 0:
					fmt.Fprintf(c.out, "it agrees with %s in %s\n", count(kept[i], "kept head", "kept heads"), in)
				case n > 0:
					fmt.Fprintf(c.err, "no head of the trail is kept in %s, so nothing tells whether its end was cut off: the next night keeps one\n", in)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&head, "head", "", "a head that was kept, as digests and verify name it")
	return cmd
}

// heads are where the heads of the trail are kept: with the archive, and beside a store that is a file.
func (s *system) heads() ([]store.Heads, error) {
	if !s3.IsURL(s.cfg.Archive) {
		return []store.Heads{s.store.HeadFile(s.cfg.Resolve(s.cfg.Archive))}, nil
	}
	objects, err := store.HeadsInBucket(s.objects, s.cfg.Archive)
	if err != nil || !strings.HasPrefix(s.cfg.StoreURL(), "sqlite:") {
		return []store.Heads{objects}, err
	}
	return []store.Heads{s.store.HeadFile(s.cfg.Dir), objects}, nil
}

// keepHead keeps a head of the trail. What was done is done, also where that fails: the next head covers it.
func (s *system) keepHead(ctx context.Context, head audit.TrailHead, after string) {
	heads, err := s.heads()
	for _, in := range heads {
		err = errors.Join(err, in.Append(ctx, head, after))
	}
	if err != nil {
		s.log.Warn("the trail's head is not kept; the next one covers it", "after", after, "error", err)
	}
}

func (c *cli) migrateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "migrate", Short: "Bring the store's schema up to date, or tell how far it is"}
	cmd.AddCommand(&cobra.Command{
		Use: "up", Example: "  mailreeve migrate up", Short: "Bring the schema up to date (every start does)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			applied, err := store.Migrate(cmd.Context(), cfg.StoreURL())
			if err != nil {
				return err
			}
			for _, m := range applied {
				fmt.Fprintf(c.out, "applied %s\n", m)
			}
			if len(applied) == 0 {
				fmt.Fprintln(c.out, "the schema is up to date")
			}
			return nil
		},
	}, c.migrationsCommand())
	return cmd
}

func (c *cli) migrationsCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "status", Short: "List the steps of the schema, and which are applied",
		Long: `status lists the steps of the schema that this mailreeve knows, and whether the store has taken each. It changes nothing, and ends with 0 also where steps
are pending: they are no failure, and the next start takes them. A script reads --format json.`,
		Example: "  mailreeve migrate status\n  mailreeve migrate status --format json | jq 'any(.[]; .applied | not)'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			all, err := store.MigrationStatus(cmd.Context(), cfg.StoreURL())
			if err != nil {
				return err
			}
			type M = store.Migration
			state := func(m M) string {
				if m.Applied {
					return "applied"
				}
				return "pending"
			}
			return listing[M]{
				record: func(m M) any {
					return struct {
						Version int64  `json:"version"`
						Name    string `json:"name"`
						Applied bool   `json:"applied"`
					}{m.Version, m.Name, m.Applied}
				},
				columns: []column[M]{{name: "state", of: state}, {name: "step", of: func(m M) string { return m.Name }}},
			}.print(c, format, slices.Values(all))
		},
	}
	formatFlag(cmd, &format, asTable, asJSON, asJSONL, asCSV)
	return cmd
}
