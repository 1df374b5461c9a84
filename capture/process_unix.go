//go:build unix && !linux

package capture

import (
	"os/exec"
	"syscall"
)

// alone gives the command a process group.
func alone(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killAll kills a browser's group.
func killAll(pid int, _ string) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
