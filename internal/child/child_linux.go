// Package child is about the processes that tests start.
package child

import "syscall"

// DieWithParent has the kernel send a process that is started so a signal when its parent dies, however that dies.
func DieWithParent(a *syscall.SysProcAttr, signal syscall.Signal) { a.Pdeathsig = signal }
