package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/api"
	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/internal/record"
)

func (c *cli) tokensCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokens",
		Short: "Tokens for programs that ask the API: create, list, revoke",
		Long: `A token lets a program ask the API, at /api/v1 of the console, and act where its scopes say so. docs/api.md tells of it. Who created and revoked tokens is in
the trail, and so is what was done with them: as api:NAME, and by whom it was made.`,
	}
	cmd.AddCommand(c.tokensCreateCommand(), c.tokensListCommand(), c.tokensRevokeCommand())
	return cmd
}

func (c *cli) tokensCreateCommand() *cobra.Command {
	var name, expires string
	var scopes []string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a token, and print it, once",
		Long: `create prints the token on standard output. It is kept nowhere: who loses it creates another. Its name is its own for ever, also once it is revoked, because the trail
calls by it who acted.`,
		Example: "  mailreeve tokens create --name siem --scope findings:read,trail:read --expires 2027-06-30 > token",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, x := range []struct{ option, value string }{{"--name", name}, {"--scope", strings.Join(scopes, "")}, {"--expires", expires}} {
				if x.value == "" {
					return usagef("%s needs %s", cmd.CommandPath(), x.option)
				}
			}
			ends, err := until("--expires", expires)
			if err != nil {
				return err
			}
			t, secret, err := api.NewToken(name, scopes, operator(), audit.At(c.clock()), ends)
			if err != nil {
				return usagef("--%w", err)
			}
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			if err := s.store.CreateToken(cmd.Context(), t); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(c.out, secret); err != nil { // nobody has it: it is to be of no use
				_, revoked := s.store.RevokeToken(cmd.Context(), t.Name, operator(), t.Created)
				return errors.Join(fmt.Errorf("the token could not be told: %w", err), revoked)
			}
			fmt.Fprintf(c.err, "%s works until %s, for %s. It is shown this once.\n", t.Name, when(t.Expires), strings.Join(t.Scopes, ", "))
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "what the trail calls it: letters a to z, digits, dots, hyphens, underscores (needed)")
	cmd.Flags().StringSliceVar(&scopes, "scope", nil, "some of "+joined(api.Scopes())+" (needed)")
	cmd.Flags().StringVar(&expires, "expires", "", "until when it works, at most 366 days: RFC 3339, or a day, at whose beginning (UTC) it ends (needed)")
	return cmd
}

func (c *cli) tokensListCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "list",
		Example: "  mailreeve tokens list",
		Short:   "List all tokens, also those that do not work any more",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			tokens, err := s.store.Tokens(cmd.Context())
			if err != nil {
				return err
			}
			type T = record.Token
			now, list := audit.At(c.clock()), make([]T, len(tokens))
			for i := range tokens {
				list[i] = record.TokenOf(&tokens[i], now)
			}
			return listing[T]{
				none:   "no tokens",
				record: func(t T) any { return t },
				columns: []column[T]{
					{name: "name", of: func(t T) string { return t.Name }},
					{name: "state", of: func(t T) string { return t.State }},
					{name: "scopes", of: func(t T) string { return strings.Join(t.Scopes, " ") }},
					{name: "expires at", at: func(t T) audit.Instant { return audit.Instant(t.ExpiresAt) }},
					{name: "used at", at: func(t T) audit.Instant { return audit.Instant(t.UsedAt) }},
					{name: "created by", of: func(t T) string { return t.CreatedBy }},
					{name: "created at", at: func(t T) audit.Instant { return audit.Instant(t.CreatedAt) }, wide: true},
					{name: "revoked by", of: func(t T) string { return t.RevokedBy }, wide: true},
					{name: "revoked at", at: func(t T) audit.Instant { return audit.Instant(t.RevokedAt) }, wide: true},
				},
			}.print(c, format, slices.Values(list))
		},
	}
	formatFlag(cmd, &format)
	return cmd
}

func (c *cli) tokensRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "revoke NAME…",
		Short:   "Take tokens back, at once and for good",
		Example: "  mailreeve tokens revoke siem",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			s, err := c.openStore(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			for _, name := range names {
				t, err := s.store.RevokeToken(cmd.Context(), name, operator(), audit.At(c.clock()))
				if err != nil {
					return err
				}
				fmt.Fprintf(c.out, "%s does not work any more, since %s\n", t.Name, when(t.Revoked))
			}
			return nil
		},
	}
}
