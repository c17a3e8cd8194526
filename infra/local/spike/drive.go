package spike

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

const (
	// executor waits for blocks; the others end by themselves.
	executor = "action-executor"
	// patience is the longest that a block lasts by the wall clock. It ends
	// earlier, once nothing runs but what waits for the next one.
	patience = 5 * time.Second
	// look is how often it is asked whether anything runs still.
	look = 10 * time.Millisecond
)

// driver invokes the functions by the time of the chains, as their schedules
// would by the wall clock. Where a doorbell would ring the executor is invoked
// in each block.
type driver struct {
	stack   *stack.Stack
	waiting *stack.Waiting
	every   map[string]uint64 // seconds between invocations, by function

	mu      sync.Mutex
	running map[string]int
	failed  []string
}

func newDriver(s *stack.Stack) *driver {
	d := &driver{stack: s, waiting: s.Waiting(), every: map[string]uint64{}, running: map[string]int{}}
	for _, f := range s.Template.Functions {
		for _, schedule := range f.Schedules {
			if schedule.Enabled && schedule.Every > 0 && slices.Contains(functions, f.Folder) {
				d.every[f.Folder] = uint64(schedule.Every / time.Second)
			}
		}
	}
	d.every[executor] = blockTime
	return d
}

// block lets the functions act on a new block, whose predecessor is from before.
func (d *driver) block(ctx context.Context, before, now uint64) error {
	d.waiting.Block()
	for _, f := range slices.Sorted(maps.Keys(d.every)) {
		if now/d.every[f] > before/d.every[f] {
			d.start(ctx, f)
		}
	}
	return d.rest(ctx)
}

// start invokes a function beside what else runs.
func (d *driver) start(ctx context.Context, function string) {
	d.count(function, 1)
	event := fmt.Appendf(nil, `{"version":"0","id":"%s@%d","detail-type":"Scheduled Event","source":"aws.events","account":"000000000000","time":%q,"region":"us-east-1","resources":[%q],"detail":{}}`,
		function, time.Now().UnixNano(), time.Now().UTC().Format(time.RFC3339Nano), function)
	go func() {
		defer d.count(function, -1)
		result, err := d.stack.Host.Invoke(ctx, function, event)
		if err == nil && !result.Failed() || ctx.Err() != nil {
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.failed = append(d.failed, fmt.Sprintf("%s: %s %s %v", function, result.Outcome, result.Payload, err))
	}()
}

func (d *driver) count(function string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running[function] += n
}

// rest ends a block: when nothing runs but executors that wait for the next, or
// patience ends.
func (d *driver) rest(ctx context.Context) error {
	ticks := time.NewTicker(look)
	defer ticks.Stop()
	for end := time.Now().Add(patience); d.busy() && time.Now().Before(end); {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return ctx.Err()
}

// busy reports whether a function is at work on the block.
func (d *driver) busy() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for f, n := range d.running {
		if n > 0 && (f != executor || d.waiting.Count(f) < n) {
			return true
		}
	}
	return false
}

// failures are the invocations that failed.
func (d *driver) failures() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.failed)
}
