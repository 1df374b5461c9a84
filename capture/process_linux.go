package capture

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// alone gives the command a process group, and lets the kernel end it when mailreeve is gone.
func alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killAll kills a browser and what it left: its group, and whatever names its profile.
func killAll(pid int, profile string) {
	_ = syscall.Kill(-pid, syscall.SIGKILL) // gone already, perhaps
	all, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, p := range all {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if line, err := os.ReadFile("/proc/" + p.Name() + "/cmdline"); err == nil && bytes.Contains(line, []byte("--user-data-dir="+profile)) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
