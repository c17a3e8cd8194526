package e2e

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/kill"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// bell is a doorbell on its way to the executor. Times are those of the chains.
type bell struct {
	body string
	due  uint64
}

// patience is the longest that a second of the chains usually lasts by the wall
// clock. It ends earlier, once nothing runs but what waits for the next block:
// how fast the machine is must not decide what happens in which block.
const patience = 5 * time.Second

// slack is by how much functions may be slower here than on Lambda.
const slack = 4

// rules are the periods of drive, in seconds of the chains.
var rules = judge.Rules{Sync: 10, Net: 10}

// cadence is how often drive invokes each function, in seconds of the chains.
func cadence() map[string]uint64 {
	return map[string]uint64{stateSync: 10, timelockMonitor: 5, cancellationCheck: 10, transactionTracker: 5}
}

// delivery is an event on its way.
type delivery struct {
	function string
	event    []byte
	due      uint64
}

// driver invokes the functions by the time of the chains, as schedules and
// queues would by the wall clock.
type driver struct {
	*rig
	every map[string]uint64
	// deliver says after how many seconds each time an event is delivered that
	// is due now: {0} is the undisturbed case, {} loses it, {0, 0} hands it to two
	// processes at once.
	deliver func(function string, queued bool) []uint64
	now     uint64
	late    []delivery
	// patience is how long a second waits for those that work; shorter, it lets
	// what is slow by the wall clock cost time of the chains.
	patience time.Duration
	waiting  *stack.Waiting

	mu       sync.Mutex
	running  map[string]int // invocations by function
	idle     chan struct{}  // closed while nothing runs
	failures []string
}

// drive plays the scenes to their end and lets the functions settle what is
// left, and judges every swap.
func (r *rig) drive(scenes []*scene.Scene, change ...func(*driver)) *driver {
	r.t.Helper()
	d := &driver{rig: r, every: cadence(), now: max(r.begin-1, r.clock()), running: map[string]int{},
		idle: make(chan struct{}), patience: patience}
	close(d.idle)
	d.waiting = r.Waiting()
	r.hear()
	for _, c := range change {
		c(d)
	}
	play, err := scene.NewPlay(r.world, scenes, r.begin)
	if err != nil {
		r.t.Fatal(err)
	}
	start, from := time.Now(), d.now
	const grace = 90 // seconds of the chains after the end of the play
	var why string
	for last := d.now + scene.Length + grace; ; {
		d.second(play)
		if d.now%5 == 0 && play.Over() {
			if why = d.unsafe(scenes); why == "" {
				break
			}
		}
		if d.now >= last {
			break
		}
	}
	<-d.quiet()
	for _, s := range scenes {
		for _, sw := range s.Swaps {
			v, err := r.ledger.Judge(r.t.Context(), sw.Case(), rules, nil)
			if err != nil {
				r.t.Fatal(err)
			}
			if !v.Safe {
				r.t.Errorf("%s: %s", sw, v.Why)
			}
			if sw.Alert != "" && !r.alerted(sw.Alert) {
				r.t.Errorf("%s: no alert %s", sw, sw.Alert)
			}
		}
	}
	if err := r.settled(); err != nil {
		r.t.Error(err)
	}
	r.t.Logf("%d s of the chains in %.1f s; %d transactions of ours", d.now-from, time.Since(start).Seconds(), len(r.ledger.Ours()))
	return d
}

// unsafe says why it is not the end yet; "" if it is.
func (d *driver) unsafe(scenes []*scene.Scene) string {
	for _, s := range scenes {
		for _, sw := range s.Swaps {
			v, err := d.ledger.Judge(d.t.Context(), sw.Case(), rules, nil)
			if err != nil {
				d.t.Fatal(err)
			}
			if !v.Safe {
				return fmt.Sprintf("%s: %s", sw, v.Why)
			}
		}
	}
	if err := d.settled(); err != nil {
		return err.Error()
	}
	return ""
}

// second is one second of the chains: a block on each, what the play does on
// it, and the invocations that are due.
func (d *driver) second(play *scene.Play) {
	d.t.Helper()
	d.now++
	if err := d.world.Mine(d.t.Context(), d.now); err != nil {
		d.t.Fatal(err)
	}
	d.waiting.Block()
	if err := d.ledger.Update(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	if play != nil {
		if err := play.Tick(d.t.Context()); err != nil {
			d.t.Fatalf("%d s after the beginning: %v", d.now-d.begin, err)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(d.every)) {
		if d.now%d.every[f] == 0 {
			d.post(f, tick(f), false)
		}
	}
	if due := d.ring(d.now); len(due) > 0 {
		d.post(actionExecutor, queueEvent(due...), true)
	}
	d.late = slices.DeleteFunc(d.late, func(l delivery) bool {
		if l.due <= d.now {
			d.start(l.function, l.event)
		}
		return l.due <= d.now
	})
	d.rest()
}

// rest ends the second: when nothing runs but executors that wait for the next
// block, or patience ends. What still works then goes on beside the next second.
func (d *driver) rest() {
	end := time.NewTimer(d.patience)
	defer end.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-d.quiet():
			return
		case <-end.C:
			return
		case <-look.C:
			if d.allWait() {
				return
			}
		}
	}
}

func (d *driver) allWait() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for f, n := range d.running {
		if n > 0 && (f != actionExecutor || d.waiting.Count(f) < n) {
			return false
		}
	}
	return true
}

// post sends an event on its way.
func (d *driver) post(function string, event []byte, queued bool) {
	delays := []uint64{0}
	if d.deliver != nil {
		delays = d.deliver(function, queued)
	}
	for _, delay := range delays {
		d.late = append(d.late, delivery{function, event, d.now + delay})
	}
}

// start invokes a function beside what else runs.
func (d *driver) start(function string, event []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.runs() == 0 {
		d.idle = make(chan struct{})
	}
	d.running[function]++
	go func() {
		res, err := d.Host.Invoke(d.t.Context(), function, event)
		if err == nil && res.Failed() {
			err = errors.New(string(res.Payload))
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if err != nil {
			d.failures = append(d.failures, fmt.Sprintf("%s: %v", function, err))
		}
		if d.running[function]--; d.runs() == 0 {
			close(d.idle)
		}
	}()
}

// runs counts the invocations under way; mu is held.
func (d *driver) runs() (n int) {
	for _, of := range d.running {
		n += of
	}
	return n
}

// quiet is closed once nothing runs any more.
func (d *driver) quiet() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.idle
}

// clock is the time of the chains.
func (r *rig) clock() uint64 {
	now := uint64(0)
	for _, c := range r.world.Chains {
		now = max(now, c.Dev.Head().Time)
	}
	return now
}

// ring takes the doorbells that are due.
func (r *rig) ring(now uint64) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	r.bells = slices.DeleteFunc(r.bells, func(b bell) bool {
		if b.due > now {
			return false
		}
		if !slices.Contains(out, b.body) {
			out = append(out, b.body)
		}
		return true
	})
	return out
}

// tick is a scheduled event of the present.
func tick(function string) []byte { return tickAt(function, time.Now()) }

func tickAt(function string, at time.Time) []byte {
	event, err := json.Marshal(map[string]any{
		"version": "0", "id": fmt.Sprintf("%s@%d", function, at.UnixNano()), "detail-type": "Scheduled Event", "source": "aws.events",
		"account": "000000000000", "time": at.UTC().Format(time.RFC3339Nano), "region": "us-east-1", "resources": []string{function}, "detail": map[string]any{},
	})
	if err != nil {
		panic(err) // strings always encode
	}
	return event
}

// queueEvent is a batch of messages.
func queueEvent(bodies ...string) []byte {
	records := make([]map[string]any, len(bodies))
	for i, b := range bodies {
		records[i] = map[string]any{
			"messageId": fmt.Sprintf("message-%d", i), "receiptHandle": fmt.Sprintf("receipt-%d", i), "body": b,
			"attributes":        map[string]string{"ApproximateReceiveCount": "1"},
			"messageAttributes": map[string]any{}, "eventSource": "aws:sqs",
			"eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:local-Doorbells", "awsRegion": "us-east-1",
		}
	}
	event, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		panic(err) // strings always encode
	}
	return event
}

// mustRun invokes a function and wants it to succeed.
func (r *rig) mustRun(function string, event []byte) lambda.Result {
	r.t.Helper()
	res, err := r.Host.Invoke(r.t.Context(), function, event)
	if err != nil {
		r.t.Fatal(err)
	}
	if res.Failed() {
		r.t.Fatalf("%s: %s: %s", function, res.Outcome, res.Payload)
	}
	return res
}

// mine adds blocks up to a time, one at each chain, and lets the ledger see
// them.
func (r *rig) mine(times ...uint64) error {
	for _, at := range times {
		for _, c := range r.world.Chains {
			if _, err := c.Dev.Mine(at); err != nil {
				return err
			}
		}
	}
	return r.ledger.Update(r.t.Context())
}

// act plays steps, a block each second.
func (r *rig) act(s *scene.Scene) error {
	play, err := scene.NewPlay(r.world, []*scene.Scene{s}, r.clock()+1)
	if err != nil {
		return err
	}
	for !play.Over() {
		if err := play.Tick(r.t.Context()); err != nil {
			return err
		}
		if err := r.mine(r.clock() + 1); err != nil {
			return err
		}
	}
	return nil
}

// deployed is the time from which a leg's windows count.
func deployed(l judge.Leg) uint64 {
	return uint64(binary.BigEndian.Uint32(l.Immutables.Timelocks[:4]))
}

// expire lets the leases of dead processes run out.
func (r *rig) expire() error {
	return kill.Expire(r.t.Context(), r.DynamoDB, r.TableName("Jobs"))
}
