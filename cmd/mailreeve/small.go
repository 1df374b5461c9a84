package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

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
	return &cobra.Command{
		Use:   "verify",
		Short: "Check the audit trail's hash chain",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			n, head, err := s.store.Verify(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(c.out, "%d entries, whole and in order; head %s\n", n, head)
			return nil
		},
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
