//go:build unix

// Package pgtest gives tests a Postgres of their own: the server that MAILREEVE_TEST_POSTGRES names, or a private one started from the binaries that
// are installed, which is gone when the test binary's tests are done.
package pgtest

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/lib/pq"
)

// Environment names the variable with the address of a server to use, as postgres://user@host/database. Its user must be able to create databases.
const Environment = "MAILREEVE_TEST_POSTGRES"

// A Cluster is a Postgres server for tests. The zero value starts, or finds, its server at the first call of New.
//
// A test binary has one as a package variable of its tests, and calls Close in TestMain after all tests.
type Cluster struct {
	once   sync.Once
	base   *url.URL
	err    error
	server *Server
	next   atomic.Int64
}

// ErrMissing is why a private server cannot be started: Postgres is not installed.
var ErrMissing = errors.New("no Postgres is installed")

// New creates an empty database and gives its address; it is dropped at the end of t. Where there is no Postgres, t is skipped, but fails when CI=true.
func (c *Cluster) New(t testing.TB) string {
	t.Helper()
	c.once.Do(func() { c.err = c.start() })
	if c.err != nil {
		if errors.Is(c.err, ErrMissing) && os.Getenv("CI") != "true" {
			t.Skipf("%v; install it, or set %s", c.err, Environment)
		}
		t.Fatal(c.err)
	}
	admin, err := sql.Open("postgres", c.base.String())
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("mailreeve_test_%d_%d", os.Getpid(), c.next.Add(1))
	if _, err := admin.Exec("CREATE DATABASE " + pq.QuoteIdentifier(name)); err != nil {
		t.Fatalf("create a database for the test: %v", err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec("DROP DATABASE IF EXISTS " + pq.QuoteIdentifier(name) + " WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
		_ = admin.Close() // nothing depends on it any more
	})
	u := *c.base
	u.Path = "/" + name
	return u.String()
}

// Own skips t where the server is not the cluster's own: it can be stopped, then, and started again.
func (c *Cluster) Own(t testing.TB) {
	t.Helper()
	if os.Getenv(Environment) != "" {
		t.Skipf("%s names a server that is not this test's to stop", Environment)
	}
}

// Close stops a server that New started and removes its files.
func (c *Cluster) Close() error {
	if c.server == nil {
		return nil
	}
	return c.server.Close()
}

// Stop stops the server and leaves its files, for Start.
func (c *Cluster) Stop() error {
	if c.server == nil {
		return nil
	}
	return c.server.Stop()
}

func (c *Cluster) start() (err error) {
	if address := os.Getenv(Environment); address != "" {
		c.base, err = url.Parse(address)
		return err
	}
	if c.server, err = Start(Options{}); err == nil {
		c.base, err = url.Parse(c.server.URL("127.0.0.1", "postgres"))
	}
	return err
}

// Start starts the server that Stop stopped, on the same files and the same address; as a standby, which nobody can write, if that is asked for.
func (c *Cluster) Start(standby bool) error {
	signal := filepath.Join(c.server.data(), "standby.signal") // its being there says so
	err := os.Remove(signal)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if standby {
		err = os.WriteFile(signal, nil, 0o644)
	}
	if err != nil {
		return err
	}
	return c.server.Start()
}

// binaries is the folder of initdb and postgres.
func binaries() (string, error) {
	var folders []string
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(out)))
	}
	installed, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	folders = append(folders, installed...)
	if path, err := exec.LookPath("initdb"); err == nil {
		folders = append(folders, filepath.Dir(path))
	}
	for i := len(folders) - 1; i >= 0; i-- { // the newest version first
		ok := true
		for _, name := range []string{"initdb", "postgres"} {
			if _, err := os.Stat(filepath.Join(folders[i], name)); err != nil {
				ok = false
			}
		}
		if ok {
			return folders[i], nil
		}
	}
	return "", fmt.Errorf("%w: initdb and postgres are neither where pg_config points, nor in /usr/lib/postgresql/*/bin, nor in PATH", ErrMissing)
}

// credential is the user to run Postgres as: it refuses to be run by root. Nil: the present one.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("%w that root could start: there is no user postgres or nobody to run it as", ErrMissing)
}

// freePort is a port that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
