package pgtest

import "syscall"

// dieWithParent has the kernel stop the process when its parent dies.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGINT }
