// Command mailreeve audits what third-party apps do with the addresses that a platform's Email API gives them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // schedules name time zones, and a small container has none

	"github.com/mailreeve/mailreeve/checks"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitBlind  = 3 // done, but a configured source could not be looked at
)

// grace is how long after a signal the process may take to end. What was begun has ended, or was given up, in a second; only a database or a disk that does not answer takes longer. Whatever
// supervises it has to wait for longer than that: see docs/operations.md and the files in deploy.
const grace = 10 * time.Second

func main() {
	limitMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop() // so that a second signal ends it at once
		time.Sleep(grace)
		fmt.Fprintf(os.Stderr, "mailreeve: it has not ended %s after it was told to, as where a database does not answer: it ends now; what is not recorded is done again by the next start\n", grace)
		os.Exit(exitFailed)
	})
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// limitMemory lets the garbage collector work seldom while the heap is small, and harder before a night takes more than a gigabyte together with the rows
// that lie beside the heap. GOGC and GOMEMLIMIT say otherwise.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(450 << 20)
	}
}

// A cli is one call of the command.
type cli struct {
	out, err io.Writer
	clock    func() time.Time
	config   string     // -c
	checks   checks.Set // under the policy that was loaded
}

// execute runs the command line and gives the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return (&cli{out: stdout, err: stderr, clock: time.Now}).execute(ctx, args)
}

func (c *cli) execute(ctx context.Context, args []string) int {
	stderr := c.err
	root := c.root()
	root.SetArgs(args)
	root.SetOut(c.out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var code exitCode
	var usage *usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "mailreeve: %v\nSee mailreeve --help.\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "mailreeve: %v\n", err)
		return exitFailed
	}
}

// exitCode ends the command with a code; what there was to say has been said.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

// A usageError is a call that cannot be meant.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "mailreeve",
		Short: "The nightly audit of a platform's Email API",
		Long: `mailreeve reads the access logs of a platform's Email API, the apps' reports of stored accounts, their installs and the registry,
checks every app against every clause of the guideline, files what breaks one as a finding with its evidence, and tells Slack.

Every long option can also be given as MAILREEVE_… in the environment (--as-of as MAILREEVE_AS_OF).
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done, but a configured source could not be looked at.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags()) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.PersistentFlags().StringVarP(&c.config, "config", "c", "", "the configuration (default: mailreeve.yaml here, then in the user's config folder)")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(c.demoCommand(), c.initCommand(), c.runCommand(), c.serveCommand(), c.findingsCommand(), c.noticesCommand(), c.appsCommand(), c.checksCommand(),
		c.workerCommand(), c.runsCommand(), c.quarantineCommand(), c.captureCommand(), c.migrateCommand(), c.doctorCommand(), c.digestCommand(),
		c.forgetCommand(), c.reportCommand(), c.replayCommand(), c.manCommand(), c.verifyCommand(), c.tokensCommand(), c.versionCommand())
	wrapArgs(root)
	return root
}

// wrapArgs makes wrong arguments usage errors, for every command.
func wrapArgs(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	if cmd.HasSubCommands() && cmd.HasParent() {
		check = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
			}
			return fmt.Errorf("%s needs one of: %s", cmd.CommandPath(), strings.Join(names(cmd), ", "))
		}
		cmd.RunE = func(*cobra.Command, []string) error { return nil }
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{err}
		}
		return nil
	}
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
}

func names(cmd *cobra.Command) []string {
	var out []string
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			out = append(out, sub.Name())
		}
	}
	return out
}

// fromEnvironment sets options that the command line left out from MAILREEVE_….
func fromEnvironment(flags *pflag.FlagSet) error {
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "MAILREEVE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v := os.Getenv(name); v != "" && !f.Changed && f.Name != "help" && first == nil {
			if err := flags.Set(f.Name, v); err != nil {
				first = usagef("%s: %w", name, err)
			}
		}
	})
	return first
}
