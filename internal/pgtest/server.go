//go:build unix

package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lib/pq"

	"github.com/mailreeve/mailreeve/internal/child"
)

// Options of a server.
type Options struct {
	Durable bool                    // a commit outlives the server's death by SIGKILL; without it the server is faster
	Network string                  // an address range, such as 10.1.2.0/30, from which it is reached beside this machine's own
	Prepare func(data string) error // called with the empty folder that is to be the server's data, before anything is written there
}

// A Server is a private Postgres server. Its only user is mailreeve, without a password.
type Server struct {
	bin, dir string
	owner    *syscall.Credential
	port     int
	settings []string
	server   *exec.Cmd
	ended    chan struct{}
}

// Start starts a server with data of its own.
func Start(o Options) (s *Server, err error) {
	s = &Server{}
	if s.bin, err = binaries(); err != nil {
		return nil, err
	}
	if s.owner, err = credential(); err != nil {
		return nil, err
	}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "mailreeve-postgres-"); err != nil {
		return nil, err
	}
	if err := s.create(o); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	s.settings = []string{"fsync=off", "full_page_writes=off", "max_connections=200", "max_wal_size=4GB", "unix_socket_directories=", "listen_addresses=127.0.0.1"}
	if !o.Durable {
		s.settings = append(s.settings, "synchronous_commit=off")
	}
	if o.Network != "" {
		s.settings = append(s.settings, "listen_addresses=*")
	}
	return s, s.Start()
}

// create makes the server's data.
func (s *Server) create(o Options) error {
	own := func(path string) error {
		if s.owner == nil {
			return nil
		}
		return os.Chown(path, int(s.owner.Uid), int(s.owner.Gid))
	}
	if err := errors.Join(own(s.dir), os.Mkdir(s.data(), 0o700)); err != nil {
		return err
	}
	if o.Prepare != nil {
		if err := o.Prepare(s.data()); err != nil {
			return err
		}
	}
	if err := errors.Join(own(s.data()), os.Chmod(s.data(), 0o700)); err != nil {
		return err
	}
	out, err := s.program("initdb", "-D", s.data(), "-U", "mailreeve", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if o.Network == "" {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(s.data(), "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "host all all %s trust\n", o.Network)
	return errors.Join(err, f.Close())
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner}
	return cmd
}

// Start starts the server again after it has ended, and waits until it answers.
func (s *Server) Start() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port)}
	for _, x := range s.settings {
		args = append(args, "-c", x)
	}
	s.server = s.program("postgres", args...)
	s.server.Stdout, s.server.Stderr = log, log
	child.DieWithParent(s.server.SysProcAttr, syscall.SIGINT) // whatever becomes of the tests, their server does not outlive them
	if err := s.server.Start(); err != nil {
		return err
	}
	server, ended := s.server, make(chan struct{})
	s.ended = ended
	go func() { _ = server.Wait(); close(ended) }() // how it ended does not matter
	return s.await(log.Name())
}

// await waits until the server answers.
func (s *Server) await(log string) error {
	db, err := sql.Open("postgres", s.URL("127.0.0.1", "postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-s.ended:
		case <-time.After(30 * time.Millisecond):
			continue
		}
		said, _ := os.ReadFile(log) // without it there is just less to say
		return fmt.Errorf("the test's Postgres does not answer: %w\n%s", err, said[max(0, len(said)-2000):])
	}
}

// URL is the address of a database, for those who reach the server at host.
func (s *Server) URL(host, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("mailreeve"), Host: net.JoinHostPort(host, strconv.Itoa(s.port)), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Create creates a database.
func (s *Server) Create(database string) error {
	db, err := sql.Open("postgres", s.URL("127.0.0.1", "postgres"))
	if err != nil {
		return err
	}
	_, err = db.Exec("CREATE DATABASE " + pq.QuoteIdentifier(database))
	return errors.Join(err, db.Close())
}

// Ended says whether the server has ended, by itself or by Stop or Kill.
func (s *Server) Ended() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// Revive starts the server where it has ended by itself, and waits until it answers.
func (s *Server) Revive() error {
	if s.Ended() {
		return s.Start()
	}
	err := s.await(filepath.Join(s.dir, "log"))
	if err != nil && s.Ended() { // only now
		return s.Start()
	}
	return err
}

// Stop ends the server as a restart does: sessions are ended, nothing that was committed is lost.
func (s *Server) Stop() error {
	if s.Ended() {
		return nil
	}
	err := s.server.Process.Signal(syscall.SIGINT) // fast shutdown
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		err = errors.Join(err, s.server.Process.Kill())
		<-s.ended
	}
	return err
}

// Close stops the server and removes its files.
func (s *Server) Close() error {
	return errors.Join(s.Stop(), os.RemoveAll(s.dir))
}

// Log is what the server had to say.
func (s *Server) Log() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return strings.TrimSpace(string(text))
}
