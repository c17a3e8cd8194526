package demo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// quietFor is how often a log file gets a line of progress, where a terminal
// has one that changes.
const quietFor = 10 * time.Second

// watch takes everything in that happens: it writes the functions' lines to a
// file, keeps the passes and alerts for the report, and shows the progress.
// It is safe for concurrent use.
type watch struct {
	path     string
	out      io.Writer
	terminal bool

	mu     sync.Mutex
	file   *os.File
	shown  time.Time
	status string // on the terminal's last line
	over   bool

	passes    []judge.Pass
	count     int // invocations
	failed    []string
	raised    map[raised]int
	lifted    int // transactions that were replaced for what is urgent behind them
	delivered int
}

// raised is an alert as the functions log it.
type raised struct{ kind, severity, escrow string }

// reader is the function whose runs read the chains.
const reader = "state-sync"

func newWatch(dir string, out io.Writer, terminal bool) (*watch, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	w := &watch{path: filepath.Join(dir, "demo.log"), out: out, terminal: terminal, raised: map[raised]int{}}
	var err error
	if w.file, err = os.Create(w.path); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *watch) close() { w.file.Close() } // a log of play money

// invocation is called by the stack.
func (w *watch) invocation(i lambda.Invocation) {
	w.mu.Lock()
	w.count++
	if i.Function == reader && i.Outcome == lambda.OK {
		w.passes = append(w.passes, judge.Pass{Start: i.Start, End: i.Start.Add(i.Duration)})
	}
	failed := i.Outcome != lambda.OK && !w.over
	if failed {
		w.failed = append(w.failed, fmt.Sprintf("%s: %s %s", i.Function, i.Outcome, i.Error))
	}
	w.mu.Unlock()
	if failed {
		w.say("        %s: %s after %.1f s: %s", i.Function, i.Outcome, i.Duration.Seconds(), i.Error)
	}
}

// line is called by the stack.
func (w *watch) line(l lambda.Line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(w.file, "%s %s@%d %s\n", time.Now().Format("15:04:05.000"), l.Function, l.ID, l.Text)
	var fields struct {
		Message, Kind, Severity, State, Escrow string
		Lifted                                 bool
	}
	switch {
	case json.Unmarshal([]byte(l.Text), &fields) != nil:
	case fields.Message == "alert":
		w.raised[raised{fields.Kind, fields.Severity, strings.ToLower(fields.Escrow)}]++
	case fields.Lifted:
		w.lifted++
	}
}

// alert is called by the stack for each message that the topic delivers.
func (w *watch) alert(a stack.Alert) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delivered++
	fmt.Fprintf(w.file, "%s TOPIC %s\n%s\n", time.Now().Format("15:04:05.000"), a.Subject, a.Message)
}

func (w *watch) alerts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.raised)
}

func (w *watch) runs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

func (w *watch) lifts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lifted
}

// seen lists the passes that read the chains, by start.
func (w *watch) seen() []judge.Pass {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortFunc(w.passes, func(a, b judge.Pass) int { return a.Start.Compare(b.Start) })
	return slices.Clone(w.passes)
}

// kinds counts the alerts by kind, and tells whether one of a kind is about
// one of the escrows, or about none in particular.
func (w *watch) kinds() (counts []string, about func(kind string, escrows ...string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	type sort struct{ severity, kind string }
	n := map[sort]int{}
	have := map[[2]string]bool{}
	for r := range w.raised {
		n[sort{r.severity, r.kind}]++
		have[[2]string{r.kind, r.escrow}] = true
	}
	var sorts []sort
	for s := range n {
		sorts = append(sorts, s)
	}
	slices.SortFunc(sorts, func(a, b sort) int {
		return cmp.Or(cmp.Compare(a.severity, b.severity), cmp.Compare(a.kind, b.kind))
	})
	for _, s := range sorts {
		counts = append(counts, fmt.Sprintf("%d %s (%s)", n[s], s.kind, s.severity))
	}
	return counts, func(kind string, escrows ...string) bool {
		return have[[2]string{kind, ""}] || slices.ContainsFunc(escrows, func(e string) bool { return have[[2]string{kind, strings.ToLower(e)}] })
	}
}

// say prints a line that stays.
func (w *watch) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clear()
	fmt.Fprintf(w.out, format+"\n", args...)
	if w.terminal && w.status != "" {
		fmt.Fprint(w.out, w.status)
	}
}

// progress shows how it goes.
func (w *watch) progress(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.terminal:
		w.clear()
		w.status = line
		fmt.Fprint(w.out, line)
	case time.Since(w.shown) >= quietFor:
		w.shown = time.Now()
		fmt.Fprintln(w.out, line)
	}
}

// done ends the progress line; runs that end from now on are being stopped.
func (w *watch) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clear()
	w.status, w.over = "", true
}

// clear removes the line that changes.
func (w *watch) clear() {
	if w.terminal && w.status != "" {
		fmt.Fprint(w.out, "\r\x1b[K")
	}
}
