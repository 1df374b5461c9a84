//go:build !linux

package archive

import "os"

// writeOut leaves it to the system when it writes a file to its disk.
func writeOut(*os.File, int64, int64) {}
