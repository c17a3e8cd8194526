package measure

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/bill"
	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// total is what a function took in a phase. The zero value is nothing.
type total struct {
	runs, rings                        float64
	cpu                                time.Duration
	blocks, rpc, aws, read, write, log float64
	messages, puts, gets, notes, kms   float64
}

// mean is that of its runs.
func (t total) mean() total {
	if t.runs == 0 {
		return total{}
	}
	return t.times(1 / t.runs)
}

func (t total) times(by float64) total {
	return total{t.runs * by, t.rings * by, time.Duration(float64(t.cpu) * by), t.blocks * by, t.rpc * by, t.aws * by, t.read * by, t.write * by, t.log * by,
		t.messages * by, t.puts * by, t.gets * by, t.notes * by, t.kms * by}
}

func (t total) plus(o total) total {
	return total{t.runs + o.runs, t.rings + o.rings, t.cpu + o.cpu, t.blocks + o.blocks, t.rpc + o.rpc, t.aws + o.aws, t.read + o.read, t.write + o.write, t.log + o.log,
		t.messages + o.messages, t.puts + o.puts, t.gets + o.gets, t.notes + o.notes, t.kms + o.kms}
}

func (t total) less(o total) total { return t.plus(o.times(-1)) }

// cost is the same as the bill keeps it; what is below zero is noise, and is zero there.
func (t total) cost() bill.Cost {
	n := bill.Thousandths
	return bill.Cost{CPUMillis: n(t.cpu.Seconds() * 1000), Blocks: n(t.blocks), RPCRequests: n(t.rpc), AWSRequests: n(t.aws), ReadUnits: n(t.read), WriteUnits: n(t.write),
		LogBytes: n(t.log), Messages: n(t.messages), Puts: n(t.puts), Gets: n(t.gets), Notes: n(t.notes), KMS: n(t.kms)}
}

// logOverhead is what CloudWatch Logs adds to the bytes of each event.
const logOverhead = 26

// meter adds up what the functions take. Its methods may be called concurrently.
type meter struct {
	mu     sync.Mutex
	totals map[string]*total
	held   map[int]time.Duration      // of each process, as it was last seen
	inits  map[string][]time.Duration // starts, by function
	firsts map[string][]time.Duration // on a core, with the first run
	peaks  map[string]int64
	series map[string]bool
	failed []string
}

func newMeter() *meter {
	return &meter{totals: map[string]*total{}, held: map[int]time.Duration{}, inits: map[string][]time.Duration{}, firsts: map[string][]time.Duration{},
		peaks: map[string]int64{}, series: map[string]bool{}}
}

// of is the function's total of this phase. The caller holds the lock.
func (m *meter) of(function string) *total {
	if m.totals[function] == nil {
		m.totals[function] = &total{}
	}
	return m.totals[function]
}

// observe sees an invocation when its process is frozen.
func (m *meter) observe(i lambda.Invocation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.of(i.Function)
	t.runs++
	m.peaks[i.Function] = max(m.peaks[i.Function], i.MaxRSS)
	now, err := onCore(i.PID)
	if err != nil {
		m.failed = append(m.failed, err.Error())
		return
	}
	if i.Cold {
		m.inits[i.Function] = append(m.inits[i.Function], i.Init)
		m.firsts[i.Function] = append(m.firsts[i.Function], now)
	} else {
		t.cpu += now - m.held[i.PID]
	}
	m.held[i.PID] = now
}

// ahead tells whether a line is the alert that the chains run ahead of the clock, which they do here.
func ahead(line string) bool {
	return strings.Contains(line, `"kind":"unhealthy"`) && strings.Contains(line, "in the future")
}

// read sees a line.
func (m *meter) read(l lambda.Line) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(l.Function).log += float64(len(l.Text) + logOverhead)
	if strings.Contains(l.Text, `"level":"ERROR"`) && !ahead(l.Text) {
		m.failed = append(m.failed, l.Text)
	}
	var line map[string]json.RawMessage
	var meta struct {
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name string }
		}
	}
	if json.Unmarshal([]byte(l.Text), &line) != nil || json.Unmarshal(line["_aws"], &meta) != nil {
		return // a line without metrics
	}
	for _, d := range meta.CloudWatchMetrics {
		for _, dimensions := range d.Dimensions {
			name := ""
			for _, key := range dimensions {
				name += "," + key + "=" + strings.Trim(string(line[key]), `"`)
			}
			for _, metric := range d.Metrics {
				m.series[d.Namespace+"/"+metric.Name+name] = true
			}
		}
	}
}

// call sees a request to a service.
func (m *meter) call(c *awsproxy.Call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.of(c.Function)
	t.aws++
	switch {
	case c.Service == "kms":
		t.kms++
	case c.Service == "sns" && c.Action == "Publish":
		t.notes++
	case c.Service == "s3" && (strings.HasPrefix(c.Action, "Get") || strings.HasPrefix(c.Action, "Head")):
		t.gets++
	case c.Service == "s3" && !strings.HasPrefix(c.Action, "Delete"): // which costs nothing
		t.puts++
	}
}

// sent counts messages; the function is the sender.
func (m *meter) sent(function string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(function).messages += float64(n)
}

// rang counts a run that a doorbell began.
func (m *meter) rang(function string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(function).rings++
}

// waited counts a block that a run waited for.
func (m *meter) waited(function string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(function).blocks++
}

// start begins a phase.
func (m *meter) start(s *stack.Stack) {
	s.AWS.ResetUsage()
	s.RPC.Reset()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.totals = map[string]*total{}
}

// end is what each function took in the phase.
func (m *meter) end(s *stack.Stack) map[string]total {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, u := range s.AWS.Usage() {
		t := m.of(name(k.Function))
		t.read += u.ReadUnits
		t.write += u.WriteUnits
	}
	for caller, n := range s.RPC.Requests() {
		m.of(name(caller.Function)).rpc += float64(n)
	}
	out := map[string]total{}
	for f, t := range m.totals {
		out[f] = *t
	}
	return out
}

// name is the function of a process.
func name(process string) string {
	f, _, _ := strings.Cut(process, "@")
	return f
}

// onCore is how long the threads of a process ran so far (proc(5), schedstat).
func onCore(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("process %d has gone, or there is no /proc", pid)
	}
	var sum time.Duration
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that has ended meanwhile
		}
		var ran int64
		if _, err := fmt.Sscan(string(src), &ran); err != nil {
			return 0, fmt.Errorf("%s: %w", f, err)
		}
		sum += time.Duration(ran)
	}
	return sum, nil
}

func median(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	of = slices.Clone(of)
	slices.Sort(of)
	return of[len(of)/2]
}
