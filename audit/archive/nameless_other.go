//go:build !linux

package archive

import "os"

// nameless is a file in dir whose name is removed at once.
func nameless(dir string) (*os.File, error) { return unlinked(dir) }
