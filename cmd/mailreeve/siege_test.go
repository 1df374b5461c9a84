package main

import (
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/audit/store"
	"github.com/mailreeve/mailreeve/internal/unreliable"
)

// A siege is three processes that deliver what is in a store, and are killed over and over, at moments that a seed chooses.
type siege struct {
	*testing.T
	store     *store.Store
	start     func() *exec.Cmd // a process that delivers, still to be started
	more      func() bool      // writes more messages, and says whether there is yet more to come
	kills     int
	survivors int           // how many of the three are left to finish
	pause     time.Duration // between two kills, at most
	patience  time.Duration // for all
	buried    func(pid int) // after a kill; nil: nothing is done
	rng       *rand.Rand

	killed int
	said   syncBuffer
}

// run returns when all kills are done and nothing is left to deliver, or patience is over.
func (g *siege) run() {
	g.Helper()
	var children []*exec.Cmd
	begin := func() *exec.Cmd {
		cmd := g.start()
		cmd.Stdout, cmd.Stderr = &g.said, &g.said
		if err := cmd.Start(); err != nil {
			g.Fatal(err)
		}
		return cmd
	}
	kill := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill() // SIGKILL
		_ = cmd.Wait()
		if g.buried != nil {
			g.buried(cmd.Process.Pid)
		}
	}
	for range 3 {
		children = append(children, begin())
	}
	defer func() {
		for _, c := range children {
			kill(c)
		}
	}()
	for more, end := true, time.Now().Add(g.patience); time.Now().Before(end); time.Sleep(time.Duration(g.rng.IntN(300)) * time.Millisecond) {
		if more {
			more = g.more()
		}
		left := g.hurry()
		switch {
		case g.killed < g.kills:
			i := g.rng.IntN(len(children))
			time.Sleep(time.Duration(g.rng.Int64N(int64(g.pause))))
			kill(children[i])
			children[i] = begin()
			g.killed++
		case len(children) > g.survivors:
			kill(children[0])
			children = children[1:]
		case left == 0 && !more:
			return
		}
	}
}

// hurry lets what was tried be tried again at once: nobody waits for a backoff of minutes.
func (g *siege) hurry() (left int) {
	waiting, err := g.store.Pending(g.Context())
	if err != nil {
		g.Fatal(err)
	}
	for _, m := range waiting {
		if m.Error != "" {
			_ = g.store.Retry(g.Context(), m.ID) // it may have arrived just now
		}
	}
	return len(waiting)
}

// newDoor is the URL of a door that fails, before a handler.
func newDoor(t *testing.T, next http.Handler, seed uint64, rate float64) string {
	door := httptest.NewUnstartedServer(unreliable.Handler(next, seed, rate))
	door.Config.ErrorLog = log.New(io.Discard, "", 0)
	door.Start()
	t.Cleanup(door.Close)
	return door.URL
}
