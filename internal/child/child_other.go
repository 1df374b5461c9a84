//go:build unix && !linux

// Package child is about the processes that tests start.
package child

import "syscall"

// DieWithParent does nothing: other systems than Linux have nothing for it.
func DieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
