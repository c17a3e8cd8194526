package lambda

import (
	"os/exec"
	"runtime"
	"syscall"
)

// spawner starts every process from one operating system thread that lives as long as the host. The kernel
// sends the parent death signal when the *thread* that forked ends, not the process; Go ends threads
// at will, so the thread is locked to one goroutine.
type spawner struct {
	requests chan spawnRequest
	done     chan struct{}
}

type spawnRequest struct {
	cmd   *exec.Cmd
	reply chan error
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan spawnRequest), done: make(chan struct{})}
	go s.loop()
	return s
}

func (s *spawner) loop() {
	// Never unlocked: the thread ends with this goroutine, and takes with it whatever is still alive.
	runtime.LockOSThread()
	for {
		select {
		case r := <-s.requests:
			r.reply <- r.cmd.Start()
		case <-s.done:
			return
		}
	}
}

// start starts cmd so that it dies with the host, in a process group of its own: a Ctrl-C at the
// terminal is for the host to handle.
func (s *spawner) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	r := spawnRequest{cmd: cmd, reply: make(chan error, 1)}
	select {
	case s.requests <- r:
		return <-r.reply
	case <-s.done:
		return errClosed
	}
}

func (s *spawner) close() { close(s.done) }
