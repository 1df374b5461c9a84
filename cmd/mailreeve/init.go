package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit/config"
)

// starter holds what init writes.
//
//go:embed starter
var starter embed.FS

// starterFiles are the files that init writes.
func starterFiles() []string { return []string{config.DefaultName, "policy.yaml"} }

// starterFolders are the folders that its configuration reads from.
func starterFolders() []string { return []string{"logs", "status", "registry"} }

func (c *cli) initCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:     "init",
		Example: "  mailreeve init\n  mailreeve init --dir /etc/mailreeve",
		Short:   "Write a commented configuration, policy and folders to start from",
		Long:    "init writes mailreeve.yaml and policy.yaml, both with comments on each key, and the folders that they read from. It overwrites nothing.",
		RunE:    func(*cobra.Command, []string) error { return c.init(dir) },
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "where to write")
	return cmd
}

func (c *cli) init(dir string) error {
	for _, name := range starterFiles() {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s exists, and init overwrites nothing: remove it, or give another --dir", path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, name := range starterFolders() {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	for _, name := range starterFiles() {
		text, err := starter.ReadFile("starter/" + name)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, name)
		if err := create(path, text); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "wrote %s\n", path)
	}
	fmt.Fprintf(c.out, "Put the logs where %s looks for them, or tell it where they are; then: mailreeve run -c %[1]s\n", filepath.Join(dir, config.DefaultName))
	return nil
}

// create writes a file that must not exist yet.
func create(path string, text []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(text)
	return err
}
