package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/store"
)

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
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
		Long: `verify follows the trail's chain from its first entry, and holds it against the heads that were kept after each night in the file beside the store.
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
			kept, err := s.store.Agrees(cmd.Context(), s.headFile())
			if err != nil {
				return err
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
			if kept == 0 && n > 0 {
				fmt.Fprintf(c.err, "no head of the trail is kept in %s, so nothing tells whether its end was cut off: the next night keeps one\n", string(s.headFile()))
			}
			if kept > 0 {
				fmt.Fprintf(c.out, "it agrees with %s in %s\n", count(kept, "kept head", "kept heads"), string(s.headFile()))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&head, "head", "", "a head that was kept, as digests and verify name it")
	return cmd
}

// headFile is where the heads of the trail are kept.
func (s *system) headFile() store.HeadFile {
	dir := s.cfg.Resolve(s.cfg.Archive)
	if strings.Contains(dir, "://") {
		dir = s.cfg.Dir
	}
	return s.store.HeadFile(dir)
}

// keepHead appends a head of the trail to the file of the heads. What was done is done, also where that fails: the next head covers it.
func (s *system) keepHead(head audit.TrailHead, after string) {
	if err := s.headFile().Append(head, after); err != nil {
		s.log.Warn("the trail's head is not kept; the next one covers it", "after", after, "error", err)
	}
}

func (c *cli) migrateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "migrate", Short: "Bring the store's schema up to date, or tell how far it is"}
	cmd.AddCommand(&cobra.Command{
		Use: "up", Short: "Bring the schema up to date (every start does)",
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
	}, &cobra.Command{
		Use: "status", Short: "List the migrations, and which are applied",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			all, err := store.MigrationStatus(cmd.Context(), cfg.StoreURL())
			if err != nil {
				return err
			}
			for _, m := range all {
				state := "pending"
				if m.Applied {
					state = "applied"
				}
				fmt.Fprintf(c.out, "%-8s %s\n", state, m.Name)
			}
			return nil
		},
	})
	return cmd
}
