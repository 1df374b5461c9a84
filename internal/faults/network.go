//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"
)

// A network is a network namespace, and the cable that joins it to this machine's own.
type network struct {
	name    string
	here    string // the cable's end here, and the address on it
	address string
	wide    string // the range of both ends' addresses
}

// newNetwork makes a network; n tells those of one process apart.
func newNetwork(n int) (*network, error) {
	third, fourth, err := unused()
	if err != nil {
		return nil, err
	}
	at := func(i int) string { return fmt.Sprintf("10.213.%d.%d", third, fourth+i) }
	w := &network{name: fmt.Sprintf("mailreeve-faults-%d-%d", os.Getpid(), n), here: fmt.Sprintf("mrv%d-%d", os.Getpid(), n), address: at(1), wide: at(0) + "/30"}
	there := w.here + "x"
	for _, args := range [][]string{
		{"netns", "add", w.name},
		{"link", "add", w.here, "type", "veth", "peer", "name", there},
		{"link", "set", there, "netns", w.name},
		{"addr", "add", at(1) + "/30", "dev", w.here},
		{"link", "set", w.here, "up"},
		{"-n", w.name, "addr", "add", at(2) + "/30", "dev", there},
		{"-n", w.name, "link", "set", there, "up"},
		{"-n", w.name, "link", "set", "lo", "up"},
	} {
		if err := ip(args...); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	return w, nil
}

// unused is the end of an address range of four that no interface has.
func unused() (third, fourth int, err error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return 0, 0, err
	}
	for i := range 256 * 64 {
		third, fourth = i/64, i%64*4
		free := true
		for _, a := range all {
			if n, ok := a.(*net.IPNet); ok && n.Contains(net.IPv4(10, 213, byte(third), byte(fourth+1))) {
				free = false
			}
		}
		if free {
			return third, fourth, nil
		}
	}
	return 0, 0, errors.New("no address range is free for a network")
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %v: %w: %s", args, err, out)
	}
	return nil
}

// inside is what a command line in the network begins with.
func (w *network) inside() []string { return []string{"ip", "netns", "exec", w.name} }

// cut takes the cable out for a while.
func (w *network) cut(long time.Duration) func(x *striking) error {
	return func(*striking) error {
		if err := ip("link", "set", w.here, "down"); err != nil {
			return err
		}
		time.Sleep(long)
		return ip("link", "set", w.here, "up")
	}
}

func (w *network) close() error {
	_ = ip("link", "del", w.here) // it goes with the namespace, but later
	return ip("netns", "del", w.name)
}
