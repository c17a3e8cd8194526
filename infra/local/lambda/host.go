package lambda

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// Config is what the host needs from the stack around it. All callbacks may be nil, are called from
// many goroutines, and hold up what they observe: they must be quick.
type Config struct {
	// Region and Account go into ARNs and the environment of the functions.
	Region, Account string
	// SQS serves event source mappings and failure destinations; QueueURL gives the address of a queue by ARN.
	SQS      SQS
	QueueURL func(arn string) string
	// Env is laid over the template's environment of each new process.
	Env func(Process) map[string]string
	// Deliver disturbs asynchronous events: it returns after which delays the event is delivered, each delay being one
	// delivery. {0} is the undisturbed case, {0, 0} doubles the event, {} loses it. The age of an
	// event counts from its delivery. The function is given by its folder.
	Deliver func(function string, payload []byte) []time.Duration
	// Observe receives every invocation when it is over.
	Observe func(Invocation)
	// Log receives every line that a function writes.
	Log func(Line)
	// Traces is where the X-Ray daemon listens, HOST:PORT, to which each invocation of a function that is traced sends its
	// segments; empty: there is none, and nothing is sent.
	Traces string
	// Problem receives trouble of the host itself: a queue that does not answer, a reply that is no list of batch item
	// failures. A function that fails or is killed is not among it.
	Problem func(error)
	// InitTimeout is how long a new process may take to ask for its first invocation; 0 means the service's 10 s.
	InitTimeout time.Duration
	// Slack multiplies the timeouts of the functions, and InitTimeout, for machines that are slower than Lambda's; 0
	// means 1. A function sees it in its deadline.
	Slack int
	// Concurrency is the account's pool of concurrent executions; 0 means the usual 1,000.
	Concurrency int
}

// Function is a function of the template and the binary that runs it.
type Function struct {
	template.Function
	// Binary is the bootstrap; its folder is the task root and working directory.
	Binary string
}

// Process identifies one execution environment.
type Process struct {
	// Function is the folder of the function.
	Function string
	// ID is unique within the host, from 1.
	ID int
}

// Host runs functions. Its methods may be called concurrently.
type Host struct {
	cfg     Config
	pools   map[string]*pool // by folder
	byName  map[string]*pool
	async   *asyncQueue
	spawner *spawner
	closing context.Context // done when Close begins
	close   context.CancelFunc
	closed  sync.Once
	lastID  atomic.Int64
	running atomic.Int64 // invocations in flight, against the account's concurrency
}

// New checks that everything can be run; it starts nothing but the thread that will own the processes.
func New(cfg Config, functions []Function) (*Host, error) {
	if cfg.InitTimeout == 0 {
		cfg.InitTimeout = 10 * time.Second
	}
	cfg.Slack = max(cfg.Slack, 1)
	cfg.InitTimeout *= time.Duration(cfg.Slack)
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 1000
	}
	h := &Host{cfg: cfg, pools: map[string]*pool{}, byName: map[string]*pool{}}
	var problems []error
	for _, f := range functions {
		if err := h.add(f); err != nil {
			problems = append(problems, fmt.Errorf("function %s: %w", f.Folder, err))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	h.closing, h.close = context.WithCancel(context.Background())
	h.spawner = newSpawner()
	h.async = newAsyncQueue(h.closing)
	h.async.invoke, h.async.deliver, h.async.fail, h.async.problem = h.attempt, cfg.Deliver, h.sendFailure, h.problem
	return h, nil
}

func (h *Host) add(f Function) error {
	if h.pools[f.Folder] != nil || h.byName[f.Name] != nil {
		return errors.New("declared twice")
	}
	binary, err := filepath.Abs(f.Binary)
	if err != nil {
		return err
	}
	f.Binary = binary
	f.Timeout *= time.Duration(h.cfg.Slack)
	info, err := os.Stat(binary)
	if err != nil {
		return err
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s is not executable", binary)
	}
	for _, s := range f.Schedules {
		if s.Enabled && s.Every <= 0 {
			return fmt.Errorf("schedule %s: %s is not run locally, only rates and daily ones are", s.ID, s.Expression)
		}
	}
	needsSQS := f.Async.OnFailure != "" || len(f.Queues) > 0
	if needsSQS && (h.cfg.SQS == nil || h.cfg.QueueURL == nil) {
		return errors.New("a queue is attached but Config.SQS or Config.QueueURL is missing")
	}
	p := &pool{host: h, fn: f, all: map[*process]bool{}}
	h.pools[f.Folder], h.byName[f.Name] = p, p
	return nil
}

// Run fires the enabled schedules and reads the queues until ctx is done, then waits for the
// invocations under way and the asynchronous events already accepted. Close cuts that wait short.
func (h *Host) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.closing, cancel)()
	var wg sync.WaitGroup
	for folder, p := range h.pools {
		for _, s := range p.fn.Schedules {
			if !s.Enabled {
				continue
			}
			wg.Go(func() {
				runSchedule(ctx, s, func(tick time.Time) {
					event := scheduledEvent(h.cfg.Region, h.cfg.Account, p.fn.LogicalID+s.ID, tick)
					if _, err := h.InvokeAsync(folder, event); err != nil && !errors.Is(err, errClosed) {
						h.problem(fmt.Errorf("rule %s of %s: %w", s.ID, folder, err))
					}
				})
			})
		}
		for _, m := range p.fn.Queues {
			if !m.Enabled {
				continue
			}
			poller := &mapping{
				QueueMapping: m,
				region:       h.cfg.Region,
				sqs:          h.cfg.SQS,
				url:          h.cfg.QueueURL(m.QueueARN),
				invoke: func(payload []byte) Result {
					return h.attempt(folder, newRequestID(), SourceQueue, payload)
				},
				problem: func(err error) { h.problem(fmt.Errorf("mapping %s of %s: %w", m.ID, folder, err)) },
			}
			wg.Go(func() { poller.run(ctx) })
		}
	}
	wg.Wait()
	h.async.wait()
}

// Invoke runs a function (by folder) and waits for its reply. A context that ends stops the wait, not the
// invocation. The error is ctx's, or says that there is no such function.
func (h *Host) Invoke(ctx context.Context, function string, payload []byte) (Result, error) {
	if h.pools[function] == nil {
		return Result{}, fmt.Errorf("no function %q", function)
	}
	done := make(chan Result, 1)
	go func() { done <- h.attempt(function, newRequestID(), SourceSync, payload) }()
	select {
	case r := <-done:
		return r, nil
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// InvokeAsync queues an event for a function (by folder) and returns the request id.
func (h *Host) InvokeAsync(function string, payload []byte) (string, error) {
	p := h.pools[function]
	if p == nil {
		return "", fmt.Errorf("no function %q", function)
	}
	return h.async.add(p.fn, payload)
}

// attempt is one try of an invocation; throttling is a result.
func (h *Host) attempt(function, requestID string, source Source, payload []byte) Result {
	p := h.pools[function]
	if h.running.Add(1) > int64(h.cfg.Concurrency) {
		h.running.Add(-1)
		return p.throttled(requestID, source)
	}
	defer h.running.Add(-1)
	return p.invoke(requestID, source, payload)
}

// Running returns the invocations in flight of a function, by request id, with the process that runs each.
func (h *Host) Running(function string) map[string]int {
	p := h.pools[function]
	if p == nil {
		return nil
	}
	return p.running()
}

// Kill kills every process of a function, busy or frozen, and returns how many were busy. Their
// invocations fail as if the process had crashed.
func (h *Host) Kill(function string) int {
	p := h.pools[function]
	if p == nil {
		return 0
	}
	return p.kill(func(*process) bool { return true })
}

// KillProcess kills one process and tells whether it was busy.
func (h *Host) KillProcess(id int) bool {
	for _, p := range h.pools {
		if p.kill(func(q *process) bool { return q.ID == id }) > 0 {
			return true
		}
	}
	return false
}

// Close kills every process and waits until all are gone. Nothing can be invoked afterwards.
func (h *Host) Close() {
	h.closed.Do(func() {
		h.close()
		for _, p := range h.pools {
			p.close()
		}
		h.async.wait()
		h.spawner.close()
	})
}

func (h *Host) problem(err error) {
	if h.cfg.Problem != nil {
		h.cfg.Problem(err)
	}
}

func (h *Host) observe(i Invocation) {
	if h.cfg.Observe != nil {
		h.cfg.Observe(i)
	}
}
