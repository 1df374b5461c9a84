package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func (c *cli) manCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "man",
		Short: "Write the manual pages",
		Long: `man writes a manual page for each command into a folder: mailreeve.1, mailreeve-run.1, mailreeve-findings-list.1, and so on. They say what --help says.

mailreeve completion writes what a shell completes commands by.`,
		Example: "  mailreeve man --dir /usr/local/share/man/man1\n  mailreeve man --dir . && man ./mailreeve-run.1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("--dir: %w", err)
			}
			version, _ := build()
			now := c.clock()
			header := &doc.GenManHeader{Title: "MAILREEVE", Section: "1", Source: "mailreeve " + version, Manual: "mailreeve", Date: &now}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, header, dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "the folder to write to; it is made where it is missing")
	return cmd
}
