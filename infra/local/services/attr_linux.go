package services

import "syscall"

// childAttr puts the child into a process group of its own and has the kernel kill it
// when the thread that forked it ends.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
