package services

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// readyWords precede the URL in the line by which a server says that it listens.
	readyWords = "istening on http://"
	// lastLines is how many of a server's output lines are kept for its obituary.
	lastLines = 20
	// maxLine bounds one kept line, in bytes.
	maxLine = 2 << 10
	// stopGrace is how long a server may take to end by itself before it is killed.
	stopGrace = 3 * time.Second
)

// Server is one running backing server. Safe for concurrent use.
type Server struct {
	// URL is the endpoint, without a trailing slash.
	URL string

	name   string
	cmd    *exec.Cmd // nil for a server started by someone else, or inside this process
	inside io.Closer // of a server inside this process
	stdin  io.Closer
	done   chan struct{}

	mu      sync.Mutex
	tail    []string
	stopped bool
	err     error
}

// Done is closed when the server has ended, by Stop or by itself.
// For an outside endpoint it closes on Stop only.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err is nil while the server runs and after Stop. When it died by itself, Err says how,
// with its last lines of output.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// PID is the server's process id, 0 for one that has no process of its own.
func (s *Server) PID() int {
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Stop ends the server and returns when it is gone: asked first, killed after a grace
// of a few seconds. Calling it again, or on a dead server, does nothing.
func (s *Server) Stop() {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	s.mu.Unlock()
	switch {
	case s.inside != nil:
		_ = s.inside.Close() // it keeps nothing, and serving ends in any case
		<-s.done
		return
	case s.cmd == nil:
		if first {
			close(s.done)
		}
		return
	}
	select {
	case <-s.done:
		return
	default:
	}
	// Errors here mean that it is gone already, which Done tells better.
	_ = s.stdin.Close()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-s.done:
		return
	case <-grace.C:
	}
	_ = s.cmd.Process.Kill()
	<-s.done
}

func outside(url string) *Server {
	return &Server{URL: strings.TrimRight(url, "/"), name: "outside endpoint", done: make(chan struct{})}
}

// start runs cmd and returns once it printed the line that it listens.
func start(ctx context.Context, name string, cmd *exec.Cmd) (*Server, error) {
	out, childOut, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	cmd.Stdout, cmd.Stderr = childOut, childOut
	cmd.SysProcAttr = childAttr()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		_ = out.Close()
		_ = childOut.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s := &Server{name: name, cmd: cmd, stdin: stdin, done: make(chan struct{})}
	ready := make(chan string, 1)
	started := make(chan error)
	go s.run(out, childOut, ready, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	select {
	case s.URL = <-ready:
		return s, nil
	case <-s.done:
		return nil, fmt.Errorf("start %s: %w", name, s.Err())
	case <-ctx.Done():
		s.Stop()
		return nil, fmt.Errorf("start %s: %w%s", name, ctx.Err(), s.lastWords())
	}
}

// run is the life of the child. The goroutine keeps its thread until the child is
// gone, since the kernel kills the child when the thread that forked it ends.
func (s *Server) run(out, childOut *os.File, ready chan<- string, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := s.cmd.Start()
	_ = childOut.Close()
	started <- err
	if err != nil {
		_ = out.Close()
		return
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		s.read(out, ready)
	}()
	err = s.cmd.Wait()
	<-read
	words := s.lastWords()
	s.mu.Lock()
	if !s.stopped {
		if err == nil {
			s.err = fmt.Errorf("%s (pid %d) ended by itself%s", s.name, s.PID(), words)
		} else {
			s.err = fmt.Errorf("%s (pid %d) ended: %w%s", s.name, s.PID(), err, words)
		}
	}
	s.mu.Unlock()
	close(s.done)
}

// read keeps the last lines of the child's output and reports the first URL in it.
func (s *Server) read(out *os.File, ready chan<- string) {
	defer out.Close()
	r := bufio.NewReaderSize(out, maxLine)
	for {
		// A longer line arrives in pieces; each counts as one.
		piece, _, err := r.ReadLine()
		if err != nil {
			return
		}
		line := string(piece)
		s.mu.Lock()
		if s.tail = append(s.tail, line); len(s.tail) > lastLines {
			s.tail = s.tail[1:]
		}
		s.mu.Unlock()
		if _, address, ok := strings.Cut(line, readyWords); ok {
			select {
			case ready <- "http://" + strings.TrimRight(strings.TrimSpace(address), "/"):
			default: // said twice; the first counts
			}
		}
	}
}

func (s *Server) lastWords() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tail) == 0 {
		return ""
	}
	return "; last output:\n\t" + strings.Join(s.tail, "\n\t")
}
