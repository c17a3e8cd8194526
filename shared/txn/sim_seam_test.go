package txn_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// seam is where the system meets the outside; every call may go wrong there.
type seam struct {
	*world
	hold *hold // of the process that calls, if it has one
}

func (s seam) do(ctx context.Context, op string, apply func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.parallel > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	f := fine
	if !s.nested {
		s.calls = append(s.calls, op)
		if s.world.fault != nil {
			f = s.world.fault(len(s.calls)-1, op)
		}
	}
	if f != fine {
		s.note("  %s: %s", op, f)
	}
	switch f {
	case refuse:
		return fmt.Errorf("%s: %w", op, errFault)
	case lose:
		if err := apply(); err != nil {
			return err
		}
		return fmt.Errorf("%s (applied): %w", op, errFault)
	case killFirst:
		panic(killed{op})
	case killAfter:
		_ = apply() // nobody is left to read the answer
		panic(killed{op})
	case overtake, supersede:
		if s.hold != nil {
			s.hold.over, s.hold.sees = true, f == supersede
			s.inside(func() { _, _, _ = s.world.drain(context.Background(), s.chainOf(s.hold)) })
		} else {
			s.inside(s.goOn)
		}
	case meanwhile:
		s.inside(s.goOn)
	}
	return apply()
}

// inside runs other processes while the caller of a seam stands still.
func (w *world) inside(run func()) {
	w.nested = true
	defer func() { w.nested = false }()
	run()
}

func (w *world) goOn() {
	if w.onGoing != nil {
		w.onGoing()
	}
}

func (w *world) chainOf(h *hold) uint64 {
	if h.fence.Lease == w.lease(dstChain) {
		return dstChain
	}
	return srcChain
}

func (s seam) Sign(ctx context.Context, _ common.Address, digest common.Hash) (sig [65]byte, err error) {
	err = s.do(ctx, "sign", func() error {
		b, err := crypto.Sign(digest[:], s.key)
		copy(sig[:], b)
		return err
	})
	return sig, err
}

func (s seam) Head(ctx context.Context, chain uint64) (b swap.Block, age time.Duration, err error) {
	err = s.do(ctx, "backend.head", func() error {
		c := s.chains[chain]
		if !c.halted {
			c.mine(c.step) // time goes by while somebody waits
		}
		b = c.head().Block
		return nil
	})
	return b, 0, err
}

func (s seam) Account(ctx context.Context, a txn.Account, depth uint64) (st txn.AccountState, err error) {
	err = s.do(ctx, "backend.account", func() error {
		c, age := s.chains[a.ChainID], s.age()
		b := c.at(age)
		pending := b.state.nonces[a.Signer]
		for c.holds(a.Signer, pending) {
			pending++
		}
		st = txn.AccountState{Head: b.Block, Latest: b.state.nonces[a.Signer], Settled: c.at(age + depth).state.nonces[a.Signer], Legacy: c.legacy, Pending: pending + c.pretends}
		st.Tip.SetUint64(c.tip)
		if c.legacy {
			st.Tip.SetUint64(max(c.tip, c.baseFee))
		} else {
			st.BaseFee.SetUint64(c.baseFee)
		}
		st.Balance.SetUint64(1 << 63)
		if have, ok := c.balance[a.Signer]; ok {
			st.Balance = *have
		}
		return nil
	})
	return st, err
}

func (s seam) Rehearse(ctx context.Context, call txn.Call, at swap.ChainTime) (r txn.Rehearsal, err error) {
	err = s.do(ctx, "backend.rehearse", func() error {
		c := s.chains[call.ChainID]
		inner, caller := []swap.InnerCall{{Target: call.To, Data: call.Data}}, call.From
		if in, ok, _ := swap.Unwrap(call.Data); ok && call.To == s.resolver {
			inner, caller = in, s.resolver
			if c.shut {
				r.Revert = swap.RevertInvalidCaller
				return nil
			}
		}
		if c.legacy { // stands for the nodes without an override
			r.AtHead, at = true, c.at(c.lag).Time
		}
		for _, i := range inner {
			in, _, err := swap.DecodeCall(i.Data)
			if err != nil {
				return err
			}
			if r.Revert = c.answer(c.head().state, s.legs[i.Target], in, caller, at, false); r.Revert != swap.RevertNone {
				break
			}
		}
		return nil
	})
	return r, err
}

func (s seam) DataFee(ctx context.Context, chain uint64, unsigned []byte) (fee uint256.Int, err error) {
	err = s.do(ctx, "backend.data", func() error {
		var t types.Transaction
		if err := t.UnmarshalBinary(unsigned); err != nil {
			return err
		}
		fee.SetUint64(s.chains[chain].dataFee * uint64(len(unsigned)))
		return nil
	})
	return fee, err
}

func (s seam) Send(ctx context.Context, chain uint64, raw []byte) error {
	return s.do(ctx, "backend.send", func() error {
		s.police(chain, raw)
		return s.chains[chain].take(raw, false)
	})
}

func (s seam) Outcomes(ctx context.Context, chain uint64, hashes []common.Hash) (out []txn.Outcome, err error) {
	err = s.do(ctx, "backend.outcomes", func() error {
		c := s.chains[chain]
		b := c.at(s.age())
		for _, h := range hashes {
			o, mined := b.state.mined[h]
			if !mined {
				_, later := c.head().state.mined[h]
				o = txn.Outcome{Known: later || c.pool[h] != nil}
			}
			out = append(out, o)
		}
		return nil
	})
	return out, err
}

func (s seam) Entries(ctx context.Context, a txn.Account) (open []txn.Entry, next uint64, err error) {
	err = s.do(ctx, "journal.entries", func() (err error) {
		open, next, err = s.journal.Entries(ctx, a)
		return err
	})
	return open, next, err
}

func (s seam) Record(ctx context.Context, f txn.Fence, e txn.Entry, works []swap.Work) error {
	return s.do(ctx, "journal.record", func() error { return s.journal.Record(ctx, f, e, works) })
}

func (s seam) Settle(ctx context.Context, e txn.Entry, works []swap.Work) error {
	return s.do(ctx, "journal.settle", func() error { return s.journal.Settle(ctx, e, works) })
}

func (s seam) Done(ctx context.Context, a txn.Account, from uint64, limit int) (out []txn.Entry, err error) {
	err = s.do(ctx, "journal.done", func() (err error) {
		out, err = s.journal.Done(ctx, a, from, limit)
		return err
	})
	return out, err
}

func (s seam) Reopen(ctx context.Context, f txn.Fence, e txn.Entry) error {
	return s.do(ctx, "journal.reopen", func() error { return s.journal.Reopen(ctx, f, e) })
}

func (s seam) Live(ctx context.Context, chain uint64, taker common.Address) (out []swap.Work, err error) {
	err = s.do(ctx, "works.live", func() (err error) {
		out, err = s.works.Live(ctx, chain, taker)
		return err
	})
	return out, err
}

func (s seam) Save(ctx context.Context, work swap.Work) error {
	return s.do(ctx, "works.save", func() error { return s.works.Save(ctx, work) })
}

func (s seam) Provisional(ctx context.Context, chain uint64) (p swap.Provisional, err error) {
	err = s.do(ctx, "facts", func() error { p = s.facts[chain]; return nil })
	return p, err
}

func (s seam) decide(ctx context.Context, ids []swap.OrderID) (out map[swap.OrderID]swap.Case, views swap.Views, err error) {
	out = map[swap.OrderID]swap.Case{}
	err = s.do(ctx, "decide", func() error {
		views = s.views()
		if s.planned != nil {
			s.planned(ids)
		}
		for _, id := range ids {
			if c, err := s.plan(id, views); err == nil {
				out[id] = c
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return out, views, nil
}

func (s seam) report(ctx context.Context, findings []swap.Finding) error {
	return s.do(ctx, "report", func() error {
		s.findings = append(s.findings, findings...)
		return nil
	})
}

func (s seam) ring(ctx context.Context, a txn.Account) error {
	return s.do(ctx, "ring", func() error { s.rung[a.ChainID] = true; return nil })
}
