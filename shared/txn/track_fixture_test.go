package txn_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// tracked is a tracker over a journal and a chain that says what it is told to.
type tracked struct {
	*testing.T
	txn.Account
	journal  *txntest.Journal
	works    *watchtest.Actions
	fence    txn.Fence
	state    txn.AccountState
	outcomes map[common.Hash]txn.Outcome
	facts    swap.Provisional
	findings []swap.Finding
	rings    int
	log      []string // what was done, in order
	fail     map[string]error
}

const depth = 4

// at is block n; the blocks are two seconds apart.
func at(n uint64) swap.Block {
	return swap.Block{Number: n, Time: simStart.Add(int64(2 * n)), Hash: common.BigToHash(common.Big1)}
}

// newTracked starts at block 100, all read as final up to 96.
func newTracked(t *testing.T) *tracked {
	works := watchtest.NewActions(nil)
	r := &tracked{T: t, Account: txntest.Account(), journal: txntest.NewJournal(works), works: works,
		state: txn.AccountState{Head: at(100)}, outcomes: map[common.Hash]txn.Outcome{}, facts: swap.Provisional{From: at(96), To: at(100)}, fail: map[string]error{}}
	r.fence = r.journal.Grant("lease", "run")
	return r
}

// entry journals an action of a taker, decided at the given block.
func (r *tracked) entry(taker common.Address, nonce, decided uint64, change ...func(*swap.Work)) (txn.Entry, swap.Work) {
	r.Helper()
	w := watchtest.Work(r.ChainID, taker)
	w.Signer, w.Hard = r.Signer, 0
	for _, c := range change {
		c(&w)
	}
	if err := r.works.Save(r.Context(), w); err != nil {
		r.Fatal(err)
	}
	e, step := txntest.Entry(r.Account, nonce, r.work(w.Key()))
	e.Txs[0].Head = at(decided)
	if err := r.journal.Record(r.Context(), r.fence, e, step); err != nil {
		r.Fatal(err)
	}
	return e, w
}

func (r *tracked) work(k swap.ActionKey) swap.Work {
	for _, w := range r.works.All() {
		if w.Key() == k {
			return w
		}
	}
	return swap.Work{}
}

// bump adds a transaction to an entry, of some of its acts or of all; gas
// 100,000 makes it one of nothing.
func (r *tracked) bump(e txn.Entry, gas, decided uint64, acts ...int) common.Hash {
	r.Helper()
	open, _, err := r.journal.Entries(r.Context(), r.Account)
	if err != nil {
		r.Fatal(err)
	}
	i := slices.IndexFunc(open, func(o txn.Entry) bool { return o.Nonce == e.Nonce })
	tx := txntest.Tx()
	tx.Gas, tx.Head, tx.Acts = gas, at(decided), acts
	open[i].Txs = append(open[i].Txs, tx)
	if err := r.journal.Record(r.Context(), r.fence, open[i], nil); err != nil {
		r.Fatal(err)
	}
	return tx.Hash
}

// mined lets a transaction be mined; one that succeeds does what its entry's
// acts are for.
func (r *tracked) mined(h common.Hash, block uint64, ok bool) {
	o := txn.Outcome{Known: true, Mined: true, Success: ok, Block: at(block)}
	for _, e := range r.journal.All(r.Account) {
		for _, t := range e.Txs {
			if t.Hash != h || t.Gas == 100_000 || !ok {
				continue
			}
			for i, a := range e.Acts {
				if t.Acts == nil || slices.Contains(t.Acts, i) {
					o.Events = append(o.Events, eventOf(a.Action))
				}
			}
		}
	}
	r.outcomes[h] = o
}

// eventOf is what the escrow of an action says when its call was made.
func eventOf(k swap.ActionKey) swap.EscrowEvent {
	ev := swap.EscrowEvent{ChainID: k.ChainID, Escrow: k.Escrow, Kind: swap.Withdrawn}
	switch k.Call {
	case swap.Cancel, swap.PublicCancel:
		ev.Kind = swap.Cancelled
	case swap.RescueFunds:
		ev.Kind, ev.Token = swap.Rescued, k.Token
	}
	return ev
}

// batch journals actions of one taker in one entry, decided at block 80.
func (r *tracked) batch(nonce uint64, n int) (txn.Entry, []swap.Work) {
	r.Helper()
	var works []swap.Work
	for taker := watchtest.Address(); len(works) < n; {
		w := watchtest.Work(r.ChainID, taker)
		w.Signer, w.Hard = r.Signer, 0
		if err := r.works.Save(r.Context(), w); err != nil {
			r.Fatal(err)
		}
		works = append(works, r.work(w.Key()))
	}
	e, steps := txntest.Entry(r.Account, nonce, works...)
	e.Txs[0].Head = at(80)
	if err := r.journal.Record(r.Context(), r.fence, e, steps); err != nil {
		r.Fatal(err)
	}
	return e, works
}

func (r *tracked) settled(nonce uint64) txn.EntryState {
	for _, e := range r.journal.All(r.Account) {
		if e.Nonce == nonce {
			return e.State
		}
	}
	return ""
}

func (r *tracked) did(op string) error { r.log = append(r.log, op); return r.fail[op] }

func (r *tracked) Entries(ctx context.Context, a txn.Account) ([]txn.Entry, uint64, error) {
	open, next, err := r.journal.Entries(ctx, a)
	return open, next, errors.Join(err, r.did("entries"))
}

func (r *tracked) Record(context.Context, txn.Fence, txn.Entry, []swap.Work) error {
	r.Fatal("the tracker records")
	return nil
}

func (r *tracked) Settle(ctx context.Context, e txn.Entry, works []swap.Work) error {
	if err := r.did("settle"); err != nil {
		return err
	}
	return r.journal.Settle(ctx, e, works)
}

func (r *tracked) Done(context.Context, txn.Account, uint64, int) ([]txn.Entry, error) {
	r.Fatal("the tracker looks for what was undone")
	return nil, nil
}

func (r *tracked) Reopen(context.Context, txn.Fence, txn.Entry) error {
	r.Fatal("the tracker opens entries again")
	return nil
}

func (r *tracked) Head(context.Context, uint64) (swap.Block, time.Duration, error) {
	r.Fatal("the tracker reads a head of its own")
	return swap.Block{}, 0, nil
}

type trackedChain struct{ *tracked }

func (c trackedChain) Account(_ context.Context, a txn.Account, d uint64) (txn.AccountState, error) {
	if a != c.tracked.Account || d != depth {
		c.Errorf("account %v at depth %d", a, d)
	}
	return c.state, c.did("account")
}

func (c trackedChain) Rehearse(context.Context, txn.Call, swap.ChainTime) (txn.Rehearsal, error) {
	c.Fatal("the tracker rehearses")
	return txn.Rehearsal{}, nil
}

func (c trackedChain) DataFee(context.Context, uint64, []byte) (fee uint256.Int, err error) {
	c.Fatal("the tracker asks for prices")
	return fee, nil
}

func (c trackedChain) Send(context.Context, uint64, []byte) error {
	c.Fatal("the tracker sends")
	return nil
}

func (c trackedChain) Outcomes(_ context.Context, _ uint64, hashes []common.Hash) (out []txn.Outcome, err error) {
	for _, h := range hashes {
		out = append(out, c.outcomes[h])
	}
	if err := c.did("outcomes"); err != nil {
		return out[:0], err
	}
	return out, nil
}

func (r *tracked) Provisional(context.Context, uint64) (swap.Provisional, error) {
	return r.facts, r.did("facts")
}

func (r *tracked) track() (txn.Tracked, error) {
	r.log = nil
	t := txn.Tracker{Backend: trackedChain{r}, Journal: r, Works: r.works, Facts: r,
		Ring: func(_ context.Context, a txn.Account) error {
			if a != r.Account {
				r.Errorf("ring for %v", a)
			}
			r.rings++
			return r.did("ring")
		},
		Report: func(_ context.Context, f []swap.Finding) error {
			r.findings = append(r.findings, f...)
			return r.did("report")
		},
		Policy: swap.Policy{Chains: map[uint64]swap.ChainPolicy{r.ChainID: {Inclusion: 20}}},
		Chains: map[uint64]txn.ChainConfig{r.ChainID: {PoolCap: 1, Confirmations: depth}}, Log: slog.New(slog.DiscardHandler)}
	return t.Track(r.Context(), r.Account)
}
