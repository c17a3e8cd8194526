//go:build !linux

package services

import "syscall"

// childAttr puts the child into a process group of its own. Only the SQS/SNS server is
// ever started here, and that one ends when its standard input closes.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
