package archive

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeOut has the system begin to write n bytes of a file to its disk. That it cannot shows when the file is synced.
func writeOut(f *os.File, off, n int64) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _ = unix.SyncFileRange(int(fd), off, n, unix.SYNC_FILE_RANGE_WRITE) })
	}
}
