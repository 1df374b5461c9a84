package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailreeve/mailreeve/audit/address"
	"github.com/mailreeve/mailreeve/audit/ingest"
)

func (c *cli) digestCommand() *cobra.Command {
	var keyFile string
	cmd := &cobra.Command{
		Use:   "digest [FILE]",
		Short: "Turn addresses into keyed digests, where the addresses live",
		Long: `digest reads lines of the addresses source, {"account_id":"…","email":"…"}, from FILE or standard input, and writes lines that say the same by keyed digests:
{"account_id":"…","key_id":"…","digests":{…}}. Addresses need not leave the machine that has them; the audit compares the digests, and needs only the key.

The key is 32 bytes in hex, in a file: that of --address-key-file, else the configuration's address_key_file. Make one with: openssl rand -hex 32

A line that is bad is named on stderr by its number and left out, and the exit code is 1.`,
		Example: "  mailreeve digest --address-key-file key <addresses.jsonl >digests.jsonl",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if keyFile == "" {
				cfg, err := c.load()
				if err != nil {
					return fmt.Errorf("no --address-key-file, and %w", err)
				}
				if cfg.AddressKeyFile == "" {
					return fmt.Errorf("%s names no address_key_file: give one, or --address-key-file", cfg.Path)
				}
				keyFile = cfg.Resolve(cfg.AddressKeyFile)
			}
			key, err := readKey(keyFile)
			if err != nil {
				return err
			}
			in := os.Stdin
			if len(args) > 0 && args[0] != "-" {
				if in, err = os.Open(args[0]); err != nil {
					return err
				}
			}
			defer in.Close()
			defer context.AfterFunc(cmd.Context(), func() { in.Close() })() // a read that waits ends, too
			return errors.Join(c.digest(in, *key), cmd.Context().Err())
		},
	}
	cmd.Flags().StringVar(&keyFile, "address-key-file", "", "the key's file: 32 bytes, in hex")
	return cmd
}

// digest writes the digests of the addresses that in holds.
func (c *cli) digest(in io.Reader, key [32]byte) error {
	type record struct {
		Account string              `json:"account_id"`
		KeyID   string              `json:"key_id"`
		Digests map[string][]string `json:"digests"`
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), ingest.MaxLine)
	out := bufio.NewWriterSize(c.out, 1<<20)
	write := json.NewEncoder(out)
	id := address.KeyID(key)
	bad := 0
	for n := 1; lines.Scan(); n++ {
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff")) // a byte order mark at a file's start is no text
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		a, err := ingest.Address(line)
		if err == nil && a.Email == "" {
			err = errors.New("it holds digests already")
		}
		if err != nil {
			bad++
			fmt.Fprintf(c.err, "line %d: %v\n", n, err)
			continue
		}
		if err := write.Encode(record{a.Account, id, address.Digests(key, a.Email)}); err != nil {
			return err
		}
	}
	if err := errors.Join(lines.Err(), out.Flush()); err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	if bad > 0 {
		return fmt.Errorf("%s left out", count(bad, "line was", "lines were"))
	}
	return nil
}

// readKey reads a key of 32 bytes, written in hex. Errors do not show it.
func readKey(path string) (*[32]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the key of the addresses' digests: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("%s: this is no key of 32 bytes in hex: make one with openssl rand -hex 32", path)
	}
	return (*[32]byte)(key), nil
}
