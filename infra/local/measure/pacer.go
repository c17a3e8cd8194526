package measure

import (
	"context"
	"errors"
	"math"

	"github.com/bridge-me-not/resolver-cron/infra/bill"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// pacer measures the clock of profile test: some of its minutes, each with all its ticks. What the ticks start is not
// its own.
func pacer(ctx context.Context, o Options, w *scene.World) (_ bill.Function, err error) {
	m := newMeter()
	s, err := stack.Start(ctx, stack.Options{Root: o.Root, Profile: "test", Mode: "live", Keys: Keys(), DynamoDB: o.DynamoDB,
		ChainsFile: ChainsFile(w), Observe: func(i lambda.Invocation) {
			if i.Function == clock {
				m.observe(i)
			}
		}, Log: m.read})
	if err != nil {
		return bill.Function{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	d := newDriver(s, w, m, w.Chains[0].Dev.Head().Time)
	minute := func() error {
		if err := d.run(ctx, clock, scheduled(clock)); err != nil {
			return err
		}
		for _, tick := range d.ringing() {
			if err := d.run(ctx, clock, message("PacerTicks", tick.body)); err != nil {
				return err
			}
		}
		return nil
	}
	for range starts {
		s.Host.Kill(clock)
		if err := minute(); err != nil {
			return bill.Function{}, err
		}
	}
	m.start(s)
	if err := minute(); err != nil {
		return bill.Function{}, err
	}
	run := m.end(s)[clock].mean()
	return bill.Function{Idle: run.cost(), InitMillis: bill.Thousandths(median(m.inits[clock]).Seconds() * 1000), FirstCPU: bill.Thousandths(median(m.firsts[clock]).Seconds() * 1000),
		PeakMB: bill.Thousandths(math.Ceil(float64(m.peaks[clock]) / (1 << 20)))}, nil
}

// ringing takes all messages that were heard.
func (d *driver) ringing() []ring {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.rings
	d.rings = nil
	return all
}
