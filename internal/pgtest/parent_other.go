//go:build unix && !linux

package pgtest

import "syscall"

// dieWithParent does nothing: other systems than Linux have nothing for it.
func dieWithParent(*syscall.SysProcAttr) {}
