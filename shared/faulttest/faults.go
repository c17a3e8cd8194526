// Package faulttest makes fakes fail on demand: before they have applied a call, or after, so that the caller does not
// know. Every fake of a storage interface, or of another service, is built on it.
package faulttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrInjected is what a call told to fail returns.
var ErrInjected = errors.New("injected failure")

// Fault is what happens to one call.
type Fault int

// The faults.
const (
	OK      Fault = iota
	Refused       // fails, nothing applied
	Lost          // its answer is lost, whatever it was: applied, unless it was refused
)

// Faults is a fault plan and a count of calls that any number of fakes share,
// so that one plan can cross every step of a pass. The zero value injects
// nothing. It is safe for concurrent use.
type Faults struct {
	mu    sync.Mutex
	plan  func(op, about string) Fault
	calls map[string]int
	order []string
}

// Fail installs the plan: f is asked once per call with its name, such as
// "orders.save". nil ends all faults. f must not call a fake.
func (f *Faults) Fail(plan func(op string) Fault) {
	if plan == nil {
		f.FailAbout(nil)
		return
	}
	f.FailAbout(func(op, _ string) Fault { return plan(op) })
}

// FailAbout is Fail for a plan that is told what each call is about too. One
// that decides by that, and not by the order in which calls come, gives the
// same faults however goroutines are scheduled.
func (f *Faults) FailAbout(plan func(op, about string) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan = plan
}

// Calls is how often op was called so far.
func (f *Faults) Calls(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// Log lists the calls so far in the order in which they came.
func (f *Faults) Log() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.order...)
}

// Do runs apply as the call op, with the fault planned for it around it.
func (f *Faults) Do(ctx context.Context, op string, apply func() error) error {
	return f.DoAbout(ctx, op, "", apply)
}

// DoAbout is Do for calls that run beside others of their name: about tells
// them apart.
func (f *Faults) DoAbout(ctx context.Context, op, about string, apply func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	switch f.next(op, about) {
	case Refused:
		return fmt.Errorf("%s: %w", op, ErrInjected)
	case Lost:
		_ = apply() // nobody hears
		return fmt.Errorf("%s: %w (applied)", op, ErrInjected)
	}
	if err := apply(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// Under is apply under a lock.
func Under(mu sync.Locker, apply func() error) func() error {
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		return apply()
	}
}

func (f *Faults) next(op, about string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = map[string]int{}
	}
	f.calls[op]++
	f.order = append(f.order, op)
	if f.plan == nil {
		return OK
	}
	return f.plan(op, about)
}
