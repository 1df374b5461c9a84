package markettest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/mailreeve/mailreeve/internal/oracle"
)

// CLI tries a built binary through its command line.
type CLI struct {
	Binary  string        // an absolute path
	Timeout time.Duration // of one command; zero: a minute
}

// Run is `run -c mailreeve.yaml --as-of T`: exit 0 is done, 3 is ErrPartial.
func (c CLI) Run(ctx context.Context, dir string, asOf time.Time) error {
	_, err := c.command(ctx, dir, "run", "-c", "mailreeve.yaml", "--as-of", asOf.UTC().Format(time.RFC3339Nano))
	return err
}

// Open is `findings list -c mailreeve.yaml --format json`.
func (c CLI) Open(ctx context.Context, dir string) (map[oracle.Key]oracle.Finding, error) {
	out, err := c.command(ctx, dir, "findings", "list", "-c", "mailreeve.yaml", "--format", "json")
	if err != nil {
		return nil, err
	}
	var list []struct {
		Check       string `json:"check"`
		AppKey      string `json:"app_key"`
		Subject     string `json:"subject"`
		Occurrences int    `json:"occurrences"`
		Accounts    int    `json:"accounts"`
		Sites       int    `json:"sites"`
		Severity    string `json:"severity"`
		Confidence  string `json:"confidence"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("findings list: %w in %.300q", err, out)
	}
	open := map[oracle.Key]oracle.Finding{}
	for _, f := range list {
		k := oracle.Key{Check: f.Check, App: f.AppKey, Subject: f.Subject}
		if _, twice := open[k]; twice {
			return nil, fmt.Errorf("two findings for %+v", k)
		}
		open[k] = oracle.Finding{
			Numbers:  oracle.Numbers{Occurrences: f.Occurrences, Accounts: f.Accounts, Sites: f.Sites},
			Severity: f.Severity, Confidence: f.Confidence}
	}
	return open, nil
}

func (c CLI) command(ctx context.Context, dir string, args ...string) ([]byte, error) {
	limit := c.Timeout
	if limit == 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Binary, args...)
	cmd.Dir = dir
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "MAILREEVE_") && !strings.HasPrefix(e, "SLACK_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 3 {
		err = ErrPartial
	}
	if err != nil {
		text := stderr.String()
		if len(text) > 4000 {
			text = "…" + text[len(text)-4000:]
		}
		return stdout.Bytes(), fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, text)
	}
	return stdout.Bytes(), nil
}
