// Package services runs the backing servers of the tests and of the local stack:
// DynamoDB (Dynoxide) and SQS with SNS (fauxqs), both pinned by package-lock.json,
// and S3 (gofakes3), which runs inside this process; all on free loopback ports.
//
// # Nothing outlives its parent
//
// A test binary that panics, a stack killed with SIGKILL or a Ctrl-C must leave no
// server behind. No exit handler survives those, so the kernel does it: each child
// carries a parent-death signal (Linux). That signal is tied to the *thread* that
// forked, not to the process, so every server has a goroutine of its own that is
// locked to its thread until the child is gone. The SQS/SNS server in addition ends
// when its standard input closes, which holds on every system.
// Children live in process groups of their own: a Ctrl-C reaches the parent alone,
// which can then stop what uses the servers before the servers.
package services
