package ingest

import (
	"os"
	"syscall"
)

func (id *identity) system(info os.FileInfo) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		id.Changed, id.Device, id.Inode = s.Ctim.Nano(), uint64(s.Dev), s.Ino
	}
}
