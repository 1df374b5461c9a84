//go:build !unix

package capture

import (
	"os"
	"os/exec"
)

func alone(*exec.Cmd) {}

// killAll kills a browser; its children end when they lose it.
func killAll(pid int, _ string) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}
