package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

var shellWord = regexp.MustCompile(`'[^']*'|\S+`)

// Each command shows how it is called, in a way in which it can be.
func TestEachCommandHasAnExample(t *testing.T) {
	t.Parallel()
	root := func() *cobra.Command { return (&cli{out: io.Discard, err: io.Discard, clock: time.Now}).root() }
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			look(sub)
		}
		if cmd.HasSubCommands() || cmd.Hidden {
			return
		}
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		own := false
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			line, _, _ = strings.Cut(line, " && ")
			line, _, _ = strings.Cut(line, " | ")
			line = strings.TrimRight(regexp.MustCompile(` [<>] ?\S+`).ReplaceAllString(line, ""), " ")
			var args []string
			for _, word := range shellWord.FindAllString(line, -1) {
				args = append(args, strings.Trim(word, "'"))
			}
			if len(args) == 0 || args[0] != "mailreeve" {
				t.Errorf("%s: no call of mailreeve: %q", cmd.CommandPath(), line)
				continue
			}
			called, rest, err := root().Find(args[1:])
			if err == nil {
				err = called.ParseFlags(rest)
			}
			if err == nil {
				err = called.ValidateArgs(called.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
			}
			own = own || called.CommandPath() == cmd.CommandPath()
		}
		if !own {
			t.Errorf("%s: no example is of it: %q", cmd.CommandPath(), cmd.Example)
		}
	}
	look(root())
}

// Shells complete what there is only so much of.
func TestCompletions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		typed []string
		want  string
	}{
		{[]string{"findings", "list", "--severity", ""}, "critical\nhigh\nmedium\nlow\n"},
		{[]string{"findings", "list", "--status", "all"}, "all\n"},
		{[]string{"findings", "recommend", "--act", ""}, "none\nwarn\n"},
		{[]string{"runs", "show", "--format", ""}, "table\njson\n:4\n"},
		{[]string{"checks", "explain", ""}, "access-unapproved\taddresses retrieved"},
		{[]string{"checks", "explain", "report-overdue", ""}, ":4\n"},
	} {
		var out, errs bytes.Buffer
		if code := execute(t.Context(), append([]string{"__complete"}, tt.typed...), &out, &errs); code != exitDone || !strings.HasPrefix(out.String(), tt.want) {
			t.Errorf("%q: exit %d, %q, want %q", tt.typed, code, out.String(), tt.want)
		}
	}
}
