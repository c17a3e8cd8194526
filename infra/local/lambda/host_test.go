package lambda

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// bootstrap is the binary built from testdata/bootstrap.
var bootstrap string

func TestMain(m *testing.M) {
	if os.Getenv("HOST_TO_KILL") != "" {
		bootstrap = os.Getenv("HOST_TO_KILL")
		hostToKill()
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "lambda-host")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bootstrap = filepath.Join(dir, "bootstrap")
		if out, err := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, "./testdata/bootstrap").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the bootstrap: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// patience bounds how long a test waits for what must happen; it decides no verdict but failure.
const patience = 20 * time.Second

func function(change func(*Function)) Function {
	f := Function{
		Function: template.Function{
			LogicalID: "Probe", Folder: "probe", Name: "rc-probe",
			ARN:     "arn:aws:lambda:eu-west-1:000000000000:function:rc-probe",
			Handler: "bootstrap", Runtime: "provided.al2023", MemoryMB: 128, Timeout: patience,
			Env:      map[string]string{"FROM_TEMPLATE": "yes", "OVERLAID": "no"},
			LogGroup: "/aws/lambda/rc-probe", LogFormat: "JSON", LogLevel: "INFO",
		},
		Binary: bootstrap,
	}
	if change != nil {
		change(&f)
	}
	return f
}

// watched is a host with a record of what it told.
type watched struct {
	*Host
	t *testing.T

	mu          sync.Mutex
	invocations []Invocation
	lines       []Line
	problems    []error
	changed     chan struct{} // closed and replaced at every change
}

func start(t *testing.T, cfg Config, f Function) *watched {
	t.Helper()
	w := &watched{t: t, changed: make(chan struct{})}
	note := func(change func()) {
		w.mu.Lock()
		defer w.mu.Unlock()
		change()
		close(w.changed)
		w.changed = make(chan struct{})
	}
	cfg.Region, cfg.Account = "eu-west-1", "000000000000"
	cfg.Observe = func(i Invocation) { note(func() { w.invocations = append(w.invocations, i) }) }
	cfg.Log = func(l Line) { note(func() { w.lines = append(w.lines, l) }) }
	cfg.Problem = func(err error) { note(func() { w.problems = append(w.problems, err) }) }
	h, err := New(cfg, []Function{f})
	if err != nil {
		t.Fatal(err)
	}
	w.Host = h
	t.Cleanup(h.Close)
	return w
}

// until waits until the host's record satisfies the condition.
func (w *watched) until(what string, condition func() bool) {
	w.t.Helper()
	limit := time.After(patience)
	for {
		w.mu.Lock()
		ok, changed := condition(), w.changed
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit:
			w.t.Fatalf("never: %s", what)
		}
	}
}

func (w *watched) record(i int) Invocation {
	w.t.Helper()
	w.until(fmt.Sprintf("invocation %d", i), func() bool { return len(w.invocations) > i })
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.invocations[i]
}

type reply struct {
	PID       int
	Count     int
	RequestID string
	ARN       string
	Left      time.Duration
	TraceID   string
	Env       []string
	Dir       string
}

func (w *watched) invoke(event string) (Result, reply) {
	w.t.Helper()
	result, err := w.Invoke(w.t.Context(), "probe", []byte(event))
	if err != nil {
		w.t.Fatal(err)
	}
	var r reply
	if result.Outcome == OK {
		if err := json.Unmarshal(result.Payload, &r); err != nil {
			w.t.Fatal(err)
		}
	}
	return result, r
}

// gate holds functions that "wait" until it is opened.
type gate struct {
	net.Listener
	t *testing.T
}

func newGate(t *testing.T) *gate {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &gate{l, t}
}

func (g *gate) event() string { return fmt.Sprintf(`{"Do":"wait","Addr":%q}`, g.Addr()) }

// arrival waits for a function and returns its process and what lets it go on.
func (g *gate) arrival() (pid int, open func()) {
	g.t.Helper()
	if err := g.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
		g.t.Fatal(err)
	}
	c, err := g.Accept()
	if err != nil {
		g.t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		g.t.Fatal(err)
	}
	pid, err = strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		g.t.Fatal(err)
	}
	return pid, func() { c.Close() }
}

// held begins an invocation that waits at a gate of its own. It returns the process, what lets it go on, and
// where the result will come.
func (w *watched) held() (pid int, open func(), done <-chan Result) {
	w.t.Helper()
	g := newGate(w.t)
	result := make(chan Result, 1)
	go func() {
		r, _ := w.Invoke(context.Background(), "probe", []byte(g.event())) // "probe" exists, the context has no end
		result <- r
	}()
	pid, open = g.arrival()
	return pid, open, result
}

// state is the letter of proc_pid_stat(5), 0 when the process is gone or only waits to be buried.
func state(pid int) byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	if rest == "" || rest[0] == 'Z' || rest[0] == 'X' {
		return 0
	}
	return rest[0]
}

func untilState(t *testing.T, pid int, want byte) {
	t.Helper()
	limit := time.After(patience)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for state(pid) != want {
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("process %d is in state %q, want %q", pid, state(pid), want)
		}
	}
}
