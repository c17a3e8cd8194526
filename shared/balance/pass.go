package balance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Monitor reads, judges and keeps balances. It is safe for one pass at a time.
type Monitor struct {
	Chain Chain
	Book  Book
	// Legs reads a chain's watch book, consistently and whole.
	Legs func(ctx context.Context, chain uint64) ([]Leg, error)
	// Live reads the live work of a taker, consistently. Work may come beside an error.
	Live   func(ctx context.Context, chain uint64, taker common.Address) ([]swap.Work, error)
	Chains map[uint64]Config
	// Gas is the gas limit of the dearest usual action.
	Gas uint64
	// Sends: this stack sends transactions. Where it does not, a signer without gas fails nothing.
	Sends bool
}

// Result counts what a pass did.
type Result struct {
	Chains  int // read
	Read    int // holdings
	Failed  int // holdings and signers of which something could not be read
	Low     int // critical ones included
	Least   uint64
	Signers int // with a runway; Least is the shortest of theirs, in actions
}

// readShare is the part of a pass's time, as a divisor, that is kept back from reading for what has
// to be told and kept: a chain that stalls must not take it.
const readShare = 3

// Pass takes the snapshots of the tick at, one for each chain, all chains at a time. What can be read
// is judged, told and kept, whatever else fails; the error names all that is missing. now is the wall
// clock. To run it again for the same tick does no harm.
func (m *Monitor) Pass(ctx context.Context, desk Desk, at, now time.Time) (Result, error) {
	reading, cancel := context.WithCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		reading, cancel = context.WithDeadline(ctx, deadline.Add(-left/readShare))
	}
	defer cancel()
	legs, counted := m.legs(reading)
	ids := slices.Sorted(maps.Keys(m.Chains))
	snaps := make([]Snapshot, len(ids))
	errs := make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { snaps[i], errs[i] = m.chain(ctx, reading, desk, id, legs, counted == nil, at, now) })
	}
	wg.Wait()
	var res Result
	for _, s := range snaps {
		res.count(s)
	}
	return res, errors.Join(append(errs, counted)...)
}

// legs reads the watch books of all chains. One that cannot be read makes every count incomplete: its
// orders may have a leg anywhere.
func (m *Monitor) legs(ctx context.Context) (map[uint64][]Leg, error) {
	legs := map[uint64][]Leg{}
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for id := range m.Chains {
		wg.Go(func() {
			book, err := m.Legs(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("count what is open on chain %d: %w", id, err))
			}
			legs[id] = book
		})
	}
	wg.Wait()
	return legs, errors.Join(errs...)
}

// chain is the pass over one chain. What is told does not depend on what an earlier pass did, only on
// the readings and the levels that are kept, so that it may be killed anywhere.
func (m *Monitor) chain(ctx, reading context.Context, desk Desk, id uint64, legs map[uint64][]Leg, counted bool, at, now time.Time) (Snapshot, error) {
	c := m.Chains[id]
	was, lost := m.Book.Latest(reading, id, now)
	if lost != nil {
		lost = fmt.Errorf("read the last balances of chain %d: %w", id, lost)
	}
	s, missing := m.read(reading, id, c, legs, counted)
	if s.Head == (swap.Block{}) {
		return Snapshot{}, errors.Join(missing, lost)
	}
	s.At = at
	s.judge(was, c, m.Sends)
	t := teller{desk: desk, Config: c, s: &s, was: &was, now: now, proves: lost == nil}
	told := t.tell(ctx)
	if lost != nil {
		// Kept, a level within its margin would have been forgotten.
		return s, errors.Join(missing, lost, told)
	}
	if err := t.gone(ctx); err != nil {
		// Kept, nobody would know of what is gone.
		return s, errors.Join(missing, told, err)
	}
	err := m.Book.Save(ctx, s)
	if err != nil {
		err = fmt.Errorf("keep the balances of chain %d: %w", id, err)
	}
	return s, errors.Join(missing, told, err)
}

// read takes the readings of a chain at one head. Without a head there is no snapshot.
func (m *Monitor) read(ctx context.Context, id uint64, c Config, legs map[uint64][]Leg, counted bool) (Snapshot, error) {
	head, _, err := m.Chain.Head(ctx, id)
	if err != nil {
		return Snapshot{}, fmt.Errorf("balances of chain %d: %w", id, err)
	}
	var fees Fees
	var unpriced, uncounted, unread error
	var works []swap.Work
	var readings []Reading
	of := c.holdings()
	var wg sync.WaitGroup
	wg.Go(func() { fees, unpriced = m.Chain.Fees(ctx, id, sample) })
	wg.Go(func() { works, uncounted = m.live(ctx, id, c) })
	wg.Go(func() {
		if readings, unread = m.Chain.Holdings(ctx, id, head, of); unread == nil && len(readings) != len(of) {
			unread = fmt.Errorf("%d readings of %d holdings", len(readings), len(of))
		}
	})
	wg.Wait()
	if unread != nil {
		return Snapshot{}, errors.Join(fmt.Errorf("balances of chain %d: %w", id, unread), unpriced, uncounted)
	}
	s := Snapshot{ChainID: id, Head: head}
	var failed []error
	for i, h := range of {
		held := Held{Account: h.Account, Token: h.Token, Decimals: nativeDecimals, Least: c.least(h), Amount: readings[i].Amount, Failed: readings[i].Failed}
		if t, ok := c.Tokens[h.Token]; ok {
			held.Symbol, held.Decimals = t.Symbol, t.Decimals
		}
		if held.Failed != "" {
			held.Amount.Clear()
			if !readings[i].Mute { // else it is told, and no other pass would do better
				failed = append(failed, fmt.Errorf("balance of %s in token %s on chain %d: %s", h.Account, name(h.Token), id, held.Failed))
			}
		}
		s.Holdings = append(s.Holdings, held)
	}
	owed := Owed(id, c, legs, works)
	for _, signer := range c.signers() {
		g := Gas{Signer: signer, Priced: unpriced == nil, Counted: counted && uncounted == nil, Owed: owed[signer]}
		if held, ok := s.Find(Holding{Account: signer}); ok {
			g.Read, g.Balance = true, held.Amount
		}
		if g.Priced {
			g.Price = Price(fees, m.Gas, c.MaxFee)
		}
		g.runway()
		s.Gas = append(s.Gas, g)
	}
	if unpriced != nil {
		failed = append(failed, fmt.Errorf("price of an action on chain %d: %w", id, unpriced))
	}
	return s, errors.Join(append(failed, uncounted)...)
}

// live reads the live work of a chain's takers.
func (m *Monitor) live(ctx context.Context, id uint64, c Config) (works []swap.Work, err error) {
	var errs []error
	for _, taker := range sorted(c.Takers) {
		w, err := m.Live(ctx, id, taker)
		works = append(works, w...)
		errs = append(errs, err)
	}
	return works, errors.Join(errs...)
}

// judge fills in the levels. Where nothing is sent, a signer without gas is low and no more.
func (s *Snapshot) judge(was Snapshot, c Config, sends bool) {
	for i := range s.Holdings {
		h := &s.Holdings[i]
		before, _ := was.held(h.Holding())
		if h.Level = before.Level; h.Failed == "" {
			h.Level = Judge(before.Level, h.Amount, tokenLimits(h.Least))
		}
	}
	for i := range s.Gas {
		g := &s.Gas[i]
		before, _ := was.gas(g.Signer)
		if g.Level = judgeGas(before.Level, *g, c); !sends {
			g.Level = min(g.Level, Low)
		}
		for j := range s.Holdings { // its coin has the level of its gas
			if h := &s.Holdings[j]; h.Holding() == (Holding{Account: g.Signer}) {
				h.Level = g.Level
			}
		}
	}
}

func (r *Result) count(s Snapshot) {
	if s.Head == (swap.Block{}) {
		return
	}
	r.Chains++
	r.Failed += s.Missing()
	for _, h := range s.Holdings {
		if h.Failed == "" {
			r.Read++
		}
		if h.Low() {
			r.Low++
		}
	}
	for _, g := range s.Gas {
		if g.Read && g.Priced {
			if r.Signers++; r.Signers == 1 || g.Payable < r.Least {
				r.Least = g.Payable
			}
		}
	}
}

// sample stands for an unsigned transaction when the data fee is asked: the size of a withdrawal with
// parameters through a resolver contract, of bytes that do not compress, which is dearer than any.
var sample = func() []byte {
	const size = 800
	var b []byte
	for len(b) < size {
		b = append(b, crypto.Keccak256(b)...)
	}
	return b[:size]
}()
