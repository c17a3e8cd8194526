package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// rounds is how often all endpoints are asked before an operation fails.
	rounds = 3
	// firstWait is the pause after the first round; it doubles.
	firstWait = 250 * time.Millisecond
)

// chain is one configured chain.
type chain struct {
	Config
	endpoints []*endpoint
	wait      time.Duration // after the first round
	usage     meter

	mu       sync.Mutex
	readings []reading // the latest spans read, newest last
}

// order lists the endpoints to try: those in good standing first, in the
// operator's order, those known to have the wanted block before those that
// may lag. The ones aside come last, the soonest back first.
func (ch *chain) order(block uint64) []*endpoint {
	type place struct {
		e       *endpoint
		until   time.Time
		lagging bool
	}
	places := make([]place, len(ch.endpoints))
	for i, e := range ch.endpoints {
		places[i] = place{e, e.asideUntil(), e.lastHead() < block}
	}
	slices.SortStableFunc(places, func(a, b place) int {
		switch {
		case !a.until.Equal(b.until):
			return a.until.Compare(b.until) // the zero time is the earliest
		case a.lagging != b.lagging:
			if a.lagging {
				return 1
			}
			return -1
		}
		return 0
	})
	out := make([]*endpoint, len(places))
	for i, p := range places {
		out[i] = p.e
	}
	return out
}

// newest is the highest head that any endpoint in good standing told.
func (ch *chain) newest() uint64 {
	var n uint64
	for _, e := range ch.endpoints {
		if e.asideUntil().IsZero() {
			n = max(n, e.lastHead())
		}
	}
	return n
}

// try runs do on one endpoint after the other until it succeeds, in up to
// three rounds with waits between them where a wait can help. The error joins
// what each endpoint said in the last round.
func (ch *chain) try(ctx context.Context, order func() []*endpoint, do func(context.Context, *endpoint) error) error {
	return ch.retry(ctx, func() error { return ch.once(ctx, order(), do) })
}

// once is one round of try.
func (ch *chain) once(ctx context.Context, order []*endpoint, do func(context.Context, *endpoint) error) error {
	var errs []error
	for _, e := range order {
		err := do(ctx, e)
		if err == nil {
			e.works()
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		e.note(err)
		errs = append(errs, err)
	}
	return join(errs)
}

// retry repeats a round while its error is of the passing sort and ctx has
// time for another.
func (ch *chain) retry(ctx context.Context, round func() error) error {
	wait := ch.wait
	for n := 1; ; n++ {
		err := round()
		if err == nil || ctx.Err() != nil || n == rounds || !passing(err) {
			return err
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < 2*wait {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w; %w", err, context.Cause(ctx))
		}
		wait *= 2
	}
}

// faults lists the faults joined in an error.
func faults(err error) []*fault {
	var many joined
	if errors.As(err, &many) {
		var out []*fault
		for _, err := range many {
			out = append(out, faults(err)...)
		}
		return out
	}
	if f, ok := errors.AsType[*fault](err); ok {
		return []*fault{f}
	}
	return nil
}

// passing reports whether any of the faults may be gone in a moment.
func passing(err error) bool {
	return slices.ContainsFunc(faults(err), func(f *fault) bool { return conducts[f.class].again })
}

// joined holds the errors of several endpoints.
type joined []error

func join(errs []error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return joined(errs)
}

func (j joined) Error() string {
	s := j[0].Error()
	for _, err := range j[1:] {
		s += "; " + err.Error()
	}
	return s
}

func (j joined) Unwrap() []error { return j }
