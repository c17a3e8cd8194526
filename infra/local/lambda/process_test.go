package lambda

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestInvoke(t *testing.T) {
	w := start(t, Config{}, function(nil))
	result, got := w.invoke(`{}`)
	if got.RequestID != result.RequestID || got.ARN != "arn:aws:lambda:eu-west-1:000000000000:function:rc-probe" {
		t.Errorf("request %q, function %q", got.RequestID, got.ARN)
	}
	if got.Left <= 0 || got.Left > patience {
		t.Errorf("%v to the deadline of a function with %v", got.Left, patience)
	}
	if !strings.HasPrefix(got.TraceID, "Root=1-") || strings.Contains(got.TraceID, "Sampled=") || strings.Contains(got.TraceID, "Parent=") {
		t.Errorf("trace id %q of a function that is not traced", got.TraceID)
	}
	first := w.record(0)
	if !first.Cold || first.Init <= 0 || first.Duration <= 0 || first.MaxRSS < 1<<20 || first.PID != got.PID ||
		first.Outcome != OK || first.Source != SourceSync || first.Function != "probe" || first.RequestID != result.RequestID {
		t.Errorf("record %+v", first)
	}
}

// Of a function that is traced it is decided whether an invocation is: without a daemon none is.
func TestTracedInvocation(t *testing.T) {
	w := start(t, Config{}, function(func(f *Function) { f.Tracing = "Active" }))
	if _, got := w.invoke(`{}`); !strings.HasPrefix(got.TraceID, "Root=1-") || !strings.HasSuffix(got.TraceID, ";Sampled=0") {
		t.Errorf("trace id %q", got.TraceID)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("OF_THE_HOST", "must not leak")
	w := start(t, Config{Env: func(p Process) map[string]string {
		return map[string]string{"OVERLAID": fmt.Sprintf("%s %d", p.Function, p.ID)}
	}}, function(nil))
	_, got := w.invoke(`{}`)
	for _, want := range []string{
		"AWS_LAMBDA_FUNCTION_NAME=rc-probe", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_REGION=eu-west-1", "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO", "LAMBDA_TASK_ROOT=" + filepath.Dir(bootstrap),
		"FROM_TEMPLATE=yes", "OVERLAID=probe 1", "TZ=:UTC", "_HANDLER=bootstrap",
	} {
		if !slices.Contains(got.Env, want) {
			t.Errorf("missing %s", want)
		}
	}
	if i := slices.IndexFunc(got.Env, func(s string) bool { return strings.HasPrefix(s, "OF_THE_HOST") }); i >= 0 {
		t.Errorf("the host's environment leaks: %s", got.Env[i])
	}
	if got.Dir != filepath.Dir(bootstrap) {
		t.Errorf("works in %s", got.Dir)
	}
}

// Where a daemon listens, every process knows it, and invocations of functions that are traced are recorded.
func TestTraces(t *testing.T) {
	for tracing, sampled := range map[string]bool{"Active": true, "PassThrough": false} {
		w := start(t, Config{Traces: "127.0.0.1:9"}, function(func(f *Function) { f.Tracing = tracing }))
		_, got := w.invoke(`{}`)
		if strings.HasSuffix(got.TraceID, ";Sampled=1") != sampled || !slices.Contains(got.Env, "AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:9") {
			t.Errorf("%s: trace id %q, environment %q", tracing, got.TraceID, got.Env)
		}
	}
}

func TestFrozenBetweenInvocations(t *testing.T) {
	w := start(t, Config{}, function(nil))
	_, first := w.invoke(`{}`)
	untilState(t, first.PID, 'T')
	_, second := w.invoke(`{}`)
	if second.PID != first.PID || second.Count != 2 {
		t.Errorf("second invocation ran as number %d of process %d, want 2 of %d", second.Count, second.PID, first.PID)
	}
	if w.record(1).Cold {
		t.Error("a warm invocation is recorded as cold")
	}
	untilState(t, first.PID, 'T')
}

func TestAnotherProcessWhenBusy(t *testing.T) {
	w := start(t, Config{}, function(nil))
	busy, open, done := w.held()
	_, other := w.invoke(`{}`)
	if other.PID == busy {
		t.Error("one process has two invocations")
	}
	running := w.Running("probe")
	if len(running) != 1 {
		t.Errorf("running %v", running)
	}
	open()
	if r := <-done; r.Outcome != OK || running[r.RequestID] != busy {
		t.Errorf("outcome %s, running %v", r.Outcome, running)
	}
	if got := w.Running("probe"); len(got) != 0 {
		t.Errorf("still running %v", got)
	}
	// Both are frozen now; the one used last is used next.
	if _, next := w.invoke(`{}`); next.PID != busy {
		t.Errorf("reused %d, want %d", next.PID, busy)
	}
}

func TestFailures(t *testing.T) {
	const short = 300 * time.Millisecond
	tests := []struct {
		name    string
		change  func(*Function)
		init    string
		slack   int
		event   string
		outcome Outcome
		says    string
		// survives: the process serves the next invocation.
		survives bool
	}{
		{name: "error", event: `{"Do":"fail"}`, outcome: FunctionError, says: `"errorMessage":"told to fail"`, survives: true},
		{name: "panic", event: `{"Do":"panic"}`, outcome: FunctionError, says: "told to panic"},
		{name: "exit", event: `{"Do":"exit"}`, outcome: Crashed, says: "Runtime exited with error: exit status 3"},
		{name: "timeout", event: `{"Do":"hang"}`, outcome: TimedOut, says: "Task timed out after 0.30 seconds",
			change: func(f *Function) { f.Timeout = short }},
		{name: "timeout with slack", event: `{"Do":"hang"}`, outcome: TimedOut, says: "Task timed out after 0.60 seconds", slack: 2,
			change: func(f *Function) { f.Timeout = short }},
		{name: "memory", event: `{"Do":"alloc","MB":300}`, outcome: OutOfMemory, says: "of 128 MB"},
		{name: "big reply", event: `{"Do":"big"}`, outcome: FunctionError, says: "Function.ResponseSizeTooLarge"},
		{name: "init exit", init: "exit", event: `{}`, outcome: InitError, says: "Runtime exited during init: exit status 2"},
		{name: "init error", init: "error", event: `{}`, outcome: InitError, says: "chains[0].id: missing"},
		{name: "init hangs", init: "hang", event: `{}`, outcome: InitError, says: "Init timed out after 0.30 seconds"},
		{name: "init hangs with slack", init: "hang", event: `{}`, outcome: InitError, says: "Init timed out after 0.90 seconds", slack: 3},
		{name: "init memory", init: "alloc", event: `{}`, outcome: OutOfMemory, says: "of 128 MB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := Config{Slack: tt.slack, Env: func(Process) map[string]string { return map[string]string{"INIT": tt.init} }}
			if tt.init == "hang" {
				cfg.InitTimeout = short
			}
			w := start(t, cfg, function(tt.change))
			result, _ := w.invoke(tt.event)
			if result.Outcome != tt.outcome || !strings.Contains(string(result.Payload), tt.says) {
				t.Fatalf("outcome %q, payload %.300s", result.Outcome, result.Payload)
			}
			record := w.record(0)
			if record.Outcome != tt.outcome || !strings.Contains(record.Error, tt.says) || record.PID == 0 {
				t.Errorf("record %+v", record)
			}
			if tt.init != "" {
				untilState(t, record.PID, 0)
				return
			}
			if _, next := w.invoke(`{}`); (next.PID == record.PID) != tt.survives {
				t.Errorf("next ran in process %d after %d", next.PID, record.PID)
			}
			if !tt.survives {
				untilState(t, record.PID, 0)
			}
		})
	}
}

func TestKill(t *testing.T) {
	for name, kill := range map[string]func(*watched) bool{
		"function": func(w *watched) bool { return w.Kill("probe") == 1 },
		"process":  func(w *watched) bool { return !w.KillProcess(2) && w.KillProcess(1) },
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, Config{}, function(nil))
			pid, open, done := w.held()
			defer open()
			if !kill(w) {
				t.Error("the busy process was not counted")
			}
			if r := <-done; r.Outcome != Crashed || !strings.Contains(string(r.Payload), "signal: killed") {
				t.Errorf("outcome %q, payload %s", r.Outcome, r.Payload)
			}
			if state(pid) != 0 {
				t.Error("alive after Kill")
			}
		})
	}
}

func TestKillOfFrozenProcessIsNoFailure(t *testing.T) {
	w := start(t, Config{}, function(nil))
	_, first := w.invoke(`{}`)
	if n := w.Kill("probe"); n != 0 {
		t.Errorf("%d counted as busy", n)
	}
	_, second := w.invoke(`{}`)
	if second.PID == first.PID || !w.record(1).Cold {
		t.Error("the killed process was used again")
	}
}

func TestFrozenProcessThatDiesIsNotReused(t *testing.T) {
	w := start(t, Config{}, function(nil))
	_, first := w.invoke(`{}`)
	p, err := os.FindProcess(first.PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	untilState(t, first.PID, 0)
	// The host may learn of it a moment later; then the invocation fails, as it does on the service, and the next is served.
	result, _ := w.invoke(`{}`)
	if result.Outcome != OK && result.Outcome != Crashed {
		t.Errorf("outcome %q", result.Outcome)
	}
	if result, _ := w.invoke(`{}`); result.Outcome != OK {
		t.Errorf("outcome %q", result.Outcome)
	}
}

func TestConcurrencyLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg    Config
		change func(*Function)
	}{
		"reserved": {Config{}, func(f *Function) { f.Reserved = 1 }},
		"account":  {Config{Concurrency: 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, tt.cfg, function(tt.change))
			_, open, done := w.held()
			if r, _ := w.invoke(`{}`); r.Outcome != Throttled {
				t.Errorf("outcome %q", r.Outcome)
			}
			open()
			<-done
			if r, _ := w.invoke(`{}`); r.Outcome != OK {
				t.Errorf("outcome %q", r.Outcome)
			}
		})
	}
}

func TestLogLines(t *testing.T) {
	w := start(t, Config{}, function(nil))
	long := strings.Repeat("y", maxLine+10)
	result, got := w.invoke(`{"Do":"print","Text":"` + long + `"}`)
	w.until("four lines", func() bool { return len(w.lines) == 4 })
	for _, stderr := range []bool{false, true} {
		var text string
		for _, l := range w.lines {
			if l.PID != got.PID || l.RequestID != result.RequestID || l.Function != "probe" || l.ID != 1 {
				t.Errorf("line of %+v", l.Process)
			}
			if l.Stderr == stderr {
				text += l.Text
			}
		}
		if text != long {
			t.Errorf("stderr %t: %d characters, want %d", stderr, len(text), len(long))
		}
	}
}

func TestLinesComeBeforeTheCrash(t *testing.T) {
	w := start(t, Config{Env: func(Process) map[string]string { return map[string]string{"INIT": "exit"} }}, function(nil))
	w.invoke(`{}`)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) != 1 || w.lines[0].Text != "no configuration" || !w.lines[0].Stderr || w.lines[0].RequestID != "" {
		t.Errorf("lines %+v", w.lines)
	}
}

func TestClose(t *testing.T) {
	w := start(t, Config{}, function(nil))
	busy, open, done := w.held()
	defer open()
	_, idle := w.invoke(`{}`)
	w.Close()
	if state(busy) != 0 || state(idle.PID) != 0 {
		t.Error("a process outlives Close")
	}
	if r := <-done; r.Outcome != Crashed {
		t.Errorf("outcome %q", r.Outcome)
	}
	if r, _ := w.invoke(`{}`); r.Outcome != Throttled {
		t.Errorf("after Close: %q", r.Outcome)
	}
	if _, err := w.InvokeAsync("probe", []byte(`{}`)); err == nil {
		t.Error("after Close an event was accepted")
	}
	w.Close() // once more does nothing
}

// An invocation that ends while the host closes is one that closing waits for: its process may be in no list any more.
func TestCloseWaitsForWhoIsReleased(t *testing.T) {
	w := start(t, Config{}, function(nil))
	w.invoke(`{}`)
	p := w.pools["probe"]
	p.mu.Lock()
	proc := p.take()
	p.busy++
	p.closed = true
	p.mu.Unlock()
	if proc == nil {
		t.Fatal("no process is kept")
	}
	p.release(proc)
	if proc.alive() || state(proc.pid) != 0 {
		t.Error("the process outlives its release")
	}
	if p.busy != 0 || len(p.all) != 0 || len(p.idle) != 0 {
		t.Errorf("%d busy, %d processes, %d of them idle", p.busy, len(p.all), len(p.idle))
	}
}

// hostToKill is the other process of TestProcessesDieWithTheHost: it prints a frozen and a busy process and stays.
func hostToKill() {
	h, err := New(Config{Region: "eu-west-1"}, []Function{function(nil)})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, event := range os.Args[1:] {
		go h.Invoke(context.Background(), "probe", []byte(event))
	}
	select {}
}

func TestProcessesDieWithTheHost(t *testing.T) {
	busyGate, frozenGate := newGate(t), newGate(t)
	host := exec.Command(os.Args[0], busyGate.event(), frozenGate.event())
	host.Env = append(os.Environ(), "HOST_TO_KILL="+bootstrap)
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			t.Log(s.Text())
		}
	}()
	busy, open := busyGate.arrival()
	defer open()
	frozen, openFrozen := frozenGate.arrival()
	openFrozen()
	untilState(t, frozen, 'T')
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Killed, not asked: its state is all that Wait could tell.
	_ = host.Wait()
	untilState(t, busy, 0)
	untilState(t, frozen, 0)
}

func TestNewReportsEveryProblem(t *testing.T) {
	bad := func(folder string, change func(*Function)) Function {
		return function(func(f *Function) {
			f.Folder, f.Name = folder, folder
			change(f)
		})
	}
	_, err := New(Config{}, []Function{
		bad("a", func(f *Function) { f.Binary = filepath.Join(t.TempDir(), "missing") }),
		bad("b", func(f *Function) { f.Binary = "process_test.go" }),
		bad("c", func(f *Function) { f.Async.OnFailure = "arn:aws:sqs:eu-west-1:000000000000:q" }),
		bad("d", func(*Function) {}),
		bad("d", func(*Function) {}),
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"function a: stat ", "function b: ", "is not executable", "function c: a queue is attached", "function d: declared twice"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}
