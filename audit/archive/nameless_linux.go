package archive

import (
	"os"

	"golang.org/x/sys/unix"
)

// nameless is a file in dir that never has a name: not even a kill leaves one behind. Where the file system cannot do that, its name is removed at once.
func nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return unlinked(dir)
	}
	return os.NewFile(uintptr(fd), dir), nil
}
