package tallytest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// Play is a random history of orders, transactions and runs, written to a store
// and remembered.
type Play struct {
	Fixture
	Now time.Time // of the wall clock; it may go back

	rand    *rand.Rand
	latest  time.Time // the latest Now
	orders  []*swap.Order
	secrets [][32]byte
	mined   map[uint64]txn.Entry
	signer  common.Address
	nonce   uint64
	records map[string]job.Record
	counted time.Time // of the last pass without an error
}

// Jobs are those whose runs a play records.
var Jobs = []string{"one", "two"}

// NewPlay begins a play of that seed.
func NewPlay(f Fixture, seed uint64) *Play {
	p := &Play{Fixture: f, rand: rand.New(rand.NewPCG(seed, 0)), mined: map[uint64]txn.Entry{}, signer: watchtest.Address(), records: map[string]job.Record{}}
	p.at(Epoch)
	p.counted = p.Now
	return p
}

func (p *Play) at(now time.Time) {
	p.Now = now
	if now.After(p.latest) {
		p.latest = now
	}
	p.SetNow(now)
}

// Aggregator counts what the play writes.
func (p *Play) Aggregator() *tally.Aggregator {
	return &tally.Aggregator{Feed: p.Feed, Hours: p.Hours, Latest: p.Latest, Runs: p.Since, Jobs: Jobs}
}

// again repeats a write until it is known to have been made.
func again(ctx context.Context, write func(context.Context) error) error {
	for try := 1; ; try++ {
		err := write(ctx)
		if err == nil || !errors.Is(err, faulttest.ErrInjected) || try == 20 {
			return err
		}
	}
}

func (p *Play) some(most time.Duration) time.Duration {
	return time.Duration(p.rand.Int64N(int64(most/time.Second))) * time.Second
}

// Write does something that is not a pass.
func (p *Play) Write(ctx context.Context) error {
	switch n := p.rand.IntN(20); {
	case n < 4 || len(p.orders) == 0:
		return p.create(ctx)
	case n < 12:
		return p.change(ctx)
	case n < 15:
		return p.transaction(ctx)
	default:
		return p.run(ctx)
	}
}

// Tick moves the clock, mostly ahead.
func (p *Play) Tick() {
	switch p.rand.IntN(8) {
	case 0:
		back := p.Now.Add(-p.some(50 * time.Minute))
		if least := p.latest.Add(-50 * time.Minute); back.Before(least) {
			back = least
		}
		p.at(back)
	case 1:
		p.at(p.Now.Add(p.some(5 * time.Hour)))
	default:
		p.at(p.Now.Add(p.some(20 * time.Minute)))
	}
}

// Overdue reports whether a pass must succeed before run items expire.
func (p *Play) Overdue() bool { return p.Now.Sub(p.counted) > 8*time.Hour }

// Pass runs one pass.
func (p *Play) Pass(ctx context.Context) (tally.Result, error) {
	res, err := p.Aggregator().Pass(ctx, p.Now)
	if err == nil {
		p.counted = p.Now
	}
	return res, err
}

// Finish moves the clock ahead of all that it has shown, and runs a pass.
func (p *Play) Finish(t testing.TB) (tally.Result, time.Time) {
	t.Helper()
	p.at(p.latest.Add(p.some(time.Hour)))
	res, err := p.Pass(t.Context())
	if err != nil {
		t.Fatalf("the last pass: %v", err)
	}
	return res, p.Now
}

func (p *Play) save(ctx context.Context, o *swap.Order) error {
	if err := again(ctx, func(ctx context.Context) error { return p.Save(ctx, *o) }); err != nil {
		return fmt.Errorf("save order: %w", err)
	}
	o.Version++
	return nil
}

// create writes an order of now, of some hours ago, or of a chain whose clock is
// a little ahead.
func (p *Play) create(ctx context.Context) error {
	at := p.Now.Add(-p.some(20 * time.Minute))
	switch p.rand.IntN(6) {
	case 0:
		at = p.Now.Add(-p.some(9 * time.Hour))
	case 1:
		at = p.Now.Add(p.some(10 * time.Minute))
	}
	if at.Before(Epoch.Add(-9 * time.Hour)) {
		at = Epoch
	}
	o, secret := Order(at)
	o.Src.Final = p.rand.IntN(3) > 0
	var amount uint256.Int
	if amount.SetUint64(1 + p.rand.Uint64N(1000)); p.rand.IntN(4) == 0 {
		amount.Lsh(&amount, 200) // above 2^128
	}
	o.Src.Immutables.Amount = amount.Bytes32()
	if p.rand.IntN(4) == 0 {
		o.Dsts = nil
	}
	p.orders, p.secrets = append(p.orders, &o), append(p.secrets, secret)
	return p.save(ctx, &o)
}

// change lets something happen to an order, or nothing.
func (p *Play) change(ctx context.Context) error {
	i := p.rand.IntN(len(p.orders))
	o, secret := p.orders[i], p.secrets[i]
	l := &o.Src
	if len(o.Dsts) > 0 && p.rand.IntN(2) == 0 {
		l = &o.Dsts[0]
	}
	created := time.Unix(int64(l.Created.Time), 0)
	at := created.Add(p.some(2 * time.Hour)) // some events lie ahead of the wall clock
	switch p.rand.IntN(12) {
	case 0:
		o.Src.Final = true
	case 1, 2, 3, 4:
		End(o, l, swap.Withdrawn, at, secret)
	case 5, 6:
		End(o, l, swap.Cancelled, at, secret)
	case 7:
		End(o, l, swap.Rescued, at, secret)
	case 8:
		o.Rewind(l.ChainID, uint64(at.Unix())-uint64(p.rand.IntN(7200)))
	case 9:
		o.SetBalance(l.ChainID, l.Escrow, swap.Balance{Block: swap.Block{Number: uint64(at.Unix()), Time: swap.ChainTime(at.Unix())}})
	case 10:
		if len(o.Dsts) > 0 {
			o.AddTrace(DstChain, o.Dsts[0].Escrow, swap.Trace{Tx: watchtest.Word(), Astray: *uint256.NewInt(p.rand.Uint64N(5))})
		}
	case 11: // saved as it is
	}
	return p.save(ctx, o)
}

// transaction settles an entry or takes one back.
func (p *Play) transaction(ctx context.Context) error {
	if len(p.mined) > 0 && p.rand.IntN(4) == 0 {
		for n := range p.nonce {
			if e, ok := p.mined[n]; ok {
				delete(p.mined, n)
				return again(ctx, func(ctx context.Context) error { return p.Reopen(ctx, e) })
			}
		}
	}
	mined := p.Now.Add(-p.some(3 * time.Hour))
	hard := time.Duration(0)
	if p.rand.IntN(2) == 0 {
		hard = p.some(2*time.Hour) - 10*time.Minute
	}
	e := Entry(p.signer, p.nonce, mined.Add(-p.some(10*time.Minute)), mined, p.rand.Uint64(), hard)
	e.Result.Reverted = p.rand.IntN(5) == 0
	p.mined[p.nonce] = e
	p.nonce++
	return again(ctx, func(ctx context.Context) error { return p.Settle(ctx, e) })
}

// run records the end of a run, some of them hours late.
func (p *Play) run(ctx context.Context) error {
	at := p.Now.Add(-p.some(5 * time.Minute))
	r := job.Record{Job: Jobs[p.rand.IntN(len(Jobs))], Scheduled: at, State: job.Done, Token: watchtest.Word().Hex(), Started: at, Ended: p.Now, Attempts: 1}
	switch p.rand.IntN(6) {
	case 0:
		r.State, r.Class, r.Reason = job.Failed, []job.Class{job.ClassRPC, job.ClassStore, job.ClassPanic}[p.rand.IntN(3)], "why"
	case 1:
		r.State = job.Abandoned
		if r.Scheduled = p.Now.Add(-p.some(8 * time.Hour)); r.Scheduled.Before(Epoch) {
			r.Scheduled = Epoch
		}
	}
	if p.rand.IntN(2) == 0 {
		r.RPC = job.RPC{Calls: p.rand.Int64N(50), Failed: p.rand.Int64N(5), TimedOut: p.rand.Int64N(3), Throttled: p.rand.Int64N(3),
			Busy: time.Duration(p.rand.IntN(5000)) * time.Millisecond, Slowest: time.Duration(p.rand.IntN(900)) * time.Millisecond}
	}
	k := r.Job + r.Scheduled.String()
	if p.records[k].State < r.State {
		p.records[k] = r
	}
	return again(ctx, func(ctx context.Context) error { return p.Record(ctx, r) })
}
