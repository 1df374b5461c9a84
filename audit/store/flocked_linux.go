package store

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// flockedBy is the process that holds the lock on a file; 0 where it cannot be told, as in another container.
func flockedBy(path string) (pid int) {
	var st syscall.Stat_t
	locks, err := os.ReadFile("/proc/locks")
	if err != nil || syscall.Stat(path, &st) != nil {
		return 0
	}
	// The device, major and minor in hexadecimal digits, and the inode: another file system may have the same one.
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 4711 fe:00:131073 0 EOF
		if f := strings.Fields(line); len(f) > 5 && f[1] == "FLOCK" && f[5] == file {
			if n, err := fmt.Sscan(f[4], &pid); n == 1 && err == nil {
				return max(pid, 0)
			}
		}
	}
	return 0
}
