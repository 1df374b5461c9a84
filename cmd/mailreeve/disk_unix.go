//go:build linux || darwin

package main

import "golang.org/x/sys/unix"

// freeRoom is how many bytes this user may still write in dir, and which disk that is.
func freeRoom(dir string) (free, disk uint64, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, 0, err
	}
	var st unix.Stat_t
	err = unix.Stat(dir, &st)
	return uint64(fs.Bavail) * uint64(fs.Bsize), uint64(st.Dev), err
}

// mayWrite says why this user cannot make files in dir.
func mayWrite(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }
