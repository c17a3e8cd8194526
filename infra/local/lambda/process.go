package lambda

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

var errClosed = errors.New("the host is closed")

// memoryPoll is how often a running process is held against its memory. The peak is kept by the
// kernel, so a spike between two looks is still seen.
const memoryPoll = 25 * time.Millisecond

// maxLine bounds one log line, as the service does; the rest goes into the next line.
const maxLine = 256 << 10

// process is one execution environment: a bootstrap, its Runtime API, and its log lines.
type process struct {
	Process
	host *Host
	fn   Function
	cmd  *exec.Cmd
	pid  int
	api  *http.Server

	ready     chan struct{}    // closed when the process first asks for work
	initError chan []byte      // the error object of /init/error
	work      chan *assignment // to the handler of /next
	exited    chan struct{}    // closed when the process is gone and its output read
	exitState string           // valid after exited

	mu      sync.Mutex
	current *assignment // in flight
	last    string      // request id of the current or last invocation
	asked   bool        // the process has asked for work at least once
	maxRSS  int64
}

// assignment is an invocation given to a process. The process's lock guards the reply.
type assignment struct {
	requestID string
	payload   []byte
	deadline  time.Time
	done      chan struct{}
	replied   bool
	failed    bool
	reply     []byte
}

func startProcess(h *Host, fn Function, id Process) (*process, error) {
	p := &process{
		Process:   id,
		host:      h,
		fn:        fn,
		ready:     make(chan struct{}),
		initError: make(chan []byte, 1),
		work:      make(chan *assignment, 1),
		exited:    make(chan struct{}),
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the runtime API: %w", err)
	}
	p.api = &http.Server{Handler: p.routes(), ReadHeaderTimeout: 10 * time.Second}
	p.cmd = exec.Command(fn.Binary)
	p.cmd.Dir = filepath.Dir(fn.Binary)
	p.cmd.Env = p.environment(listener.Addr().String())
	if err := p.spawn(); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	go func() {
		if err := p.api.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			h.problem(fmt.Errorf("runtime API of %s: %w", fn.Folder, err))
		}
	}()
	return p, nil
}

// spawn starts the binary with its output piped to the host's log, and buries it when it ends.
func (p *process) spawn() error {
	stdout, outWriter, err := os.Pipe()
	if err != nil {
		return err
	}
	stderr, errWriter, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdout.Close(), outWriter.Close())
	}
	p.cmd.Stdout, p.cmd.Stderr = outWriter, errWriter
	err = p.host.spawner.start(p.cmd)
	// The child has its own copies; ours would keep the pipes open for ever.
	err = errors.Join(err, outWriter.Close(), errWriter.Close())
	if err != nil {
		return errors.Join(err, stdout.Close(), stderr.Close())
	}
	p.pid = p.cmd.Process.Pid
	var output sync.WaitGroup
	output.Go(func() { p.read(stdout, false) })
	output.Go(func() { p.read(stderr, true) })
	go func() {
		// The exit status is all there is to learn here; how the invocation ended is told by exitState.
		_ = p.cmd.Wait()
		output.Wait()
		p.exitState = p.cmd.ProcessState.String()
		close(p.exited)
		if err := p.api.Close(); err != nil {
			p.host.problem(fmt.Errorf("close runtime API of %s: %w", p.Function, err))
		}
	}()
	return nil
}

// environment is what the service gives a process, and nothing of the host's own environment.
func (p *process) environment(runtimeAPI string) []string {
	stream := fmt.Sprintf("local/[$LATEST]%08d", p.ID)
	env := map[string]string{
		"AWS_ACCESS_KEY_ID":               "local",
		"AWS_SECRET_ACCESS_KEY":           "local",
		"AWS_SESSION_TOKEN":               "local",
		"AWS_REGION":                      p.host.cfg.Region,
		"AWS_DEFAULT_REGION":              p.host.cfg.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        p.fn.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(p.fn.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       p.fn.LogGroup,
		"AWS_LAMBDA_LOG_STREAM_NAME":      stream,
		"AWS_LAMBDA_RUNTIME_API":          runtimeAPI,
		"LAMBDA_TASK_ROOT":                filepath.Dir(p.fn.Binary),
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"_HANDLER":                        p.fn.Handler,
		"LANG":                            "en_US.UTF-8",
		"PATH":                            "/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"TZ":                              ":UTC",
	}
	if p.fn.LogFormat == "JSON" {
		env["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
		env["AWS_LAMBDA_LOG_LEVEL"] = p.fn.LogLevel
	}
	if p.host.cfg.Traces != "" {
		env["AWS_XRAY_DAEMON_ADDRESS"] = p.host.cfg.Traces
	}
	maps.Copy(env, p.fn.Env)
	if p.host.cfg.Env != nil {
		maps.Copy(env, p.host.cfg.Env(p.Process))
	}
	out := make([]string, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		out = append(out, k+"="+env[k])
	}
	return out
}

// read passes lines on until the process has closed the stream.
func (p *process) read(from *os.File, stderr bool) {
	r := bufio.NewReaderSize(from, maxLine)
	for {
		// A line longer than the buffer comes in parts; the last may lack its end.
		line, _, err := r.ReadLine()
		if err == nil && p.host.cfg.Log != nil {
			p.host.cfg.Log(Line{Process: p.Process, PID: p.pid, RequestID: p.lastRequest(), Stderr: stderr, Text: string(line)})
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.host.problem(fmt.Errorf("read output of %s: %w", p.Function, err))
			}
			if err := from.Close(); err != nil {
				p.host.problem(fmt.Errorf("close output of %s: %w", p.Function, err))
			}
			return
		}
	}
}

// init waits until the process asks for work; a result that is not empty says why it never will.
func (p *process) init(requestID string) Result {
	limit := time.NewTimer(p.host.cfg.InitTimeout)
	defer limit.Stop()
	look := time.NewTicker(memoryPoll)
	defer look.Stop()
	for {
		select {
		case <-p.ready:
			return Result{}
		case payload := <-p.initError:
			p.end()
			return Result{RequestID: requestID, Outcome: InitError, Payload: payload}
		case <-p.exited:
			// An init error that was reported just before the exit says more than the exit.
			select {
			case payload := <-p.initError:
				return Result{RequestID: requestID, Outcome: InitError, Payload: payload}
			default:
			}
			return failure(requestID, InitError, "Runtime.ExitError", "Runtime exited during init: "+p.exitState)
		case <-limit.C:
			p.end()
			return failure(requestID, InitError, "Sandbox.Timedout",
				fmt.Sprintf("Init timed out after %.2f seconds", p.host.cfg.InitTimeout.Seconds()))
		case <-look.C:
			if p.tooBig() {
				p.end()
				return p.outOfMemory(requestID)
			}
		}
	}
}

// invoke gives the process an invocation and waits until it asks for the next one or is gone.
func (p *process) invoke(requestID string, payload []byte) Result {
	a := &assignment{
		requestID: requestID,
		payload:   payload,
		deadline:  time.Now().Add(p.fn.Timeout),
		done:      make(chan struct{}),
	}
	p.mu.Lock()
	p.current, p.last = a, requestID
	p.mu.Unlock()
	p.thaw()
	p.work <- a

	result := p.outcome(a)
	p.mu.Lock()
	p.current = nil
	p.mu.Unlock()
	return result
}

func (p *process) outcome(a *assignment) Result {
	limit := time.NewTimer(time.Until(a.deadline))
	defer limit.Stop()
	look := time.NewTicker(memoryPoll)
	defer look.Stop()
	for {
		select {
		case <-a.done:
			if p.tooBig() {
				// It outgrew its memory before it replied: the service would have killed it first.
				p.end()
				return p.outOfMemory(a.requestID)
			}
			return p.replyOr(a, failure(a.requestID, Crashed, "Runtime.ExitError", "Runtime asked for work without a reply"))
		case <-p.exited:
			return p.replyOr(a, failure(a.requestID, Crashed, "Runtime.ExitError", "Runtime exited with error: "+p.exitState))
		case <-limit.C:
			p.end()
			return p.replyOr(a, failure(a.requestID, TimedOut, "Sandbox.Timedout",
				fmt.Sprintf("Task timed out after %.2f seconds", p.fn.Timeout.Seconds())))
		case <-look.C:
			if p.tooBig() {
				p.end()
				return p.replyOr(a, p.outOfMemory(a.requestID))
			}
		}
	}
}

// replyOr returns the reply that the process posted, else what became of it.
func (p *process) replyOr(a *assignment, otherwise Result) Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !a.replied {
		return otherwise
	}
	outcome := OK
	if a.failed {
		outcome = FunctionError
	}
	return Result{RequestID: a.requestID, Outcome: outcome, Payload: a.reply}
}

func (p *process) outOfMemory(requestID string) Result {
	return failure(requestID, OutOfMemory, "Runtime.OutOfMemory",
		fmt.Sprintf("Runtime exited with error: signal: killed (used %d MB of %d MB)", p.peak()>>20, p.fn.MemoryMB))
}

// The process ignores none of these three; an error only says that it is gone already.

func (p *process) freeze() { _ = p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *process) thaw()   { _ = p.cmd.Process.Signal(syscall.SIGCONT) }
func (p *process) kill()   { _ = p.cmd.Process.Signal(syscall.SIGKILL) }

// end kills the process and waits until it is gone.
func (p *process) end() {
	p.kill()
	<-p.exited
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *process) currentRequest() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return ""
	}
	return p.current.requestID
}

func (p *process) lastRequest() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

func (p *process) tooBig() bool { return p.peak() > int64(p.fn.MemoryMB)<<20 }

// peak looks at the largest resident size so far, in bytes; of a process that is gone, at the last look.
func (p *process) peak() int64 {
	size := highWater(p.pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alive() {
		p.maxRSS = max(p.maxRSS, size)
	}
	return p.maxRSS
}
