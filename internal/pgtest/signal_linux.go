package pgtest

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// Kill ends all of the server's processes at once, without a word.
func (s *Server) Kill() error {
	if err := s.all(syscall.SIGKILL); err != nil {
		return err
	}
	<-s.ended
	// The next server may not start while a session of this one lives.
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if left, err := s.sessions(); err != nil || len(left) == 0 {
			return err
		}
	}
	return errors.New("sessions of the killed Postgres go on")
}

// Pause stops all of the server's processes where they are, until Resume.
func (s *Server) Pause() error { return s.all(syscall.SIGSTOP) }

// Resume lets the server's processes go on after Pause.
func (s *Server) Resume() error { return s.all(syscall.SIGCONT) }

// all sends a signal to the server, which then has no more children, and to those that it has.
func (s *Server) all(sig syscall.Signal) error {
	if err := s.server.Process.Signal(sig); err != nil {
		return err
	}
	pids, err := s.sessions()
	for _, pid := range pids {
		if e := syscall.Kill(pid, sig); e != nil && !errors.Is(e, syscall.ESRCH) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// sessions is the server's processes beside its first: those that run in its data, whoever is their parent by now.
func (s *Server) sessions() (pids []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil || pid == s.server.Process.Pid {
			continue
		}
		dir, err := os.Readlink("/proc/" + e.Name() + "/cwd")
		if err == nil && strings.TrimSuffix(dir, " (deleted)") == s.data() {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
