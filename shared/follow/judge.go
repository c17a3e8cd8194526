package follow

import (
	"context"
	"slices"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

// Bounds of what is looked up in one round per chain. What is left over is not
// lost: the round ends before the block of the first one left out, and the next
// round begins there. A block is always taken whole, so there is progress.
const (
	// batchLookups is how many creating transactions are read at once.
	batchLookups = 100
	// maxLookups is how many are read in a round.
	maxLookups = 1000
	// maxSearched is how many bytes of calldata are searched in a round: some
	// seconds of work in the worst case.
	maxSearched = 4 << 20
)

// judge decides what dst escrows are to orders: true legs, decoys, or
// candidates of which nothing can be proven.
func (in *intake) judge(ctx context.Context, c *chainPass, pairs []adoption, history bool) error {
	var predicted, rest []adoption
	for _, a := range pairs {
		o := a.order
		if r := record(&o.Order, c.id, a.dst.Escrow); r != nil {
			in.placed[a.dst.Escrow] = true
			if a.dst.window != loose && !r.Final && !r.Ours {
				predicted = append(predicted, a) // whose making it is may not have been known
			}
			continue
		}
		factory, ok := c.factory(a.dst.Factory)
		if _, judged := c.judged[judgement{a.dst.Escrow, o.ID}]; judged || !ok {
			continue // one parked under a factory that is no longer configured
		}
		leg, ok := factory.PredictDst(swap.SrcCreated{Leg: o.Src.Leg, Expect: o.Expect}, a.dst.At.Time)
		if !ok || leg.Escrow != a.dst.Escrow {
			rest = append(rest, a)
			continue
		}
		leg.Created = a.dst.At
		a.leg = &leg
		in.proven[o.ID] = true
		predicted = append(predicted, a)
	}
	wants := make([]want, 0, len(predicted))
	for _, a := range predicted {
		wants = append(wants, want{at: a.dst.At, use: func(tx Transaction) int {
			a.ours = in.Policy.Chains[c.id].Ours(tx.From)
			if a.leg != nil {
				in.place(a)
			} else if a.ours {
				in.mine = append(in.mine, a)
			}
			return 0
		}})
	}
	if _, err := in.lookUp(ctx, c, wants, false); err != nil {
		return err
	}
	wants = wants[:0]
	for _, a := range rest {
		wants = append(wants, want{at: a.dst.At, needed: func() bool { return in.worthLookup(c, a) },
			use: func(tx Transaction) int { return in.prove(c, a, tx) }})
	}
	if len(rest) > 0 && rest[0].sure {
		_, err := in.lookUp(ctx, c, wants, false) // the room for parked ones bounds them
		return err
	}
	if err := in.lookUpWithin(ctx, c, wants, history); err != nil {
		return err
	}
	in.strays(c, pairs)
	return nil
}

// worthLookup reports whether the creating transaction of a dst escrow has to
// be read: always while its order has no proven dst leg, and else up to a
// bound, since what comes then is an extra of ours or a decoy.
func (in *intake) worthLookup(c *chainPass, a adoption) bool {
	if !in.proven[a.order.ID] && len(a.order.Dsts) == 0 {
		return true
	}
	if c.extras++; c.extras <= maxExtras {
		return true
	}
	in.decoy(c, a, "one of very many beside a proven leg, not looked at", false, false)
	return false
}

// prove looks for the escrow's immutables in the calldata that created it, and
// returns how many bytes it searched.
func (in *intake) prove(c *chainPass, a adoption, tx Transaction) int {
	o, d := a.order, a.dst
	a.ours = in.Policy.Chains[c.id].Ours(tx.From)
	factory, _ := c.factory(d.Factory)
	im, found := factory.FindImmutables(swap.Dst, tx.Input, d.Escrow, d.Hashlock, d.At.Time, [][]byte{o.Expect.Parameters})
	if !found {
		in.candidate(c, a)
		return len(tx.Input)
	}
	leg := factory.Leg(swap.Dst, im, d.At)
	if wrong := o.Matches(leg); wrong != "" {
		in.decoy(c, a, "not what the maker expects: "+wrong, a.ours, leg.Immutables.OrderHash != o.Src.Immutables.OrderHash)
		return len(tx.Input)
	}
	a.leg = &leg
	in.proven[o.ID] = true
	in.place(a)
	return len(tx.Input)
}

// candidate takes up a dst escrow of which nothing can be proven. It may be the
// true leg, so the order keeps it, but only as many as there is room for.
func (in *intake) candidate(c *chainPass, a adoption) {
	o := a.order
	if slices.ContainsFunc(o.Candidates, func(k swap.Candidate) bool { return k.ChainID == c.id && k.Escrow == a.dst.Escrow }) {
		in.placed[a.dst.Escrow] = true
		return // read again, and still not proven
	}
	pending := 0
	for _, other := range in.legs {
		if other.order == o && other.leg == nil {
			pending++
		}
	}
	in.find(swap.Finding{Code: swap.UnprovenDst, Severity: swap.Warning, Order: o.ID, ChainID: c.id, Escrow: a.dst.Escrow,
		Detail: "its immutables are neither predicted nor in the creating calldata"})
	if pending < swap.MaxCandidates {
		in.place(a)
	} else {
		in.noRoom(a)
	}
}

// place notes that a dst escrow is taken up by an order.
func (in *intake) place(a adoption) {
	in.legs = append(in.legs, a)
	in.placed[a.dst.Escrow] = true
}

// strays are the final dst escrows that are nothing to any order known, and
// are proven to be another one's.
func (in *intake) strays(c *chainPass, pairs []adoption) {
	foreign := true
	for i, a := range pairs {
		foreign = foreign && c.judged[judgement{a.dst.Escrow, a.order.ID}]
		if i+1 < len(pairs) && pairs[i+1].dst.Escrow == a.dst.Escrow {
			continue
		}
		if foreign && a.dst.window != loose && !in.placed[a.dst.Escrow] {
			in.parks = append(in.parks, a.dst.DstCreated)
		}
		foreign = true
	}
}

// noRoom tells that an order cannot take a dst escrow that may be its own.
func (in *intake) noRoom(a adoption) {
	f := swap.Finding{Code: swap.ParkedDst, Severity: swap.Critical, Order: a.order.ID, ChainID: a.chain.id, Escrow: a.dst.Escrow,
		Detail: "the order has no room for another dst leg"}
	if a.leg == nil {
		f.Escrow, f.Detail = common.Address{}, "the order has no room for another dst escrow of which nothing is proven"
	}
	in.find(f)
}

// decoy notes that a dst escrow is nothing to its order. It is told once, when
// it is final; at once if it is of our own making, because then our money is
// in it.
func (in *intake) decoy(c *chainPass, a adoption, detail string, ours, foreign bool) {
	c.judged[judgement{a.dst.Escrow, a.order.ID}] = foreign
	f := swap.Finding{Code: swap.DecoyDst, Severity: swap.Warning, Order: a.order.ID, ChainID: c.id, Escrow: a.dst.Escrow, Detail: detail}
	if ours {
		f.Severity, f.Detail = swap.Critical, "created by an account of ours, and "+detail
	}
	if a.dst.window != loose {
		in.res.Decoys++
	}
	if a.dst.window != loose || ours {
		in.find(f)
	}
}

// want is a creating transaction to be looked up.
type want struct {
	at     swap.Position
	needed func() bool           // nil: it is
	use    func(Transaction) int // returns how many bytes it searched
}

// lookUpWithin is lookUp within the bounds of a round; the reading is cut
// before the first block that was left out.
func (in *intake) lookUpWithin(ctx context.Context, c *chainPass, wants []want, history bool) error {
	done, err := in.lookUp(ctx, c, wants, true)
	if err != nil || done == len(wants) {
		return err
	}
	w := firm
	if history {
		w = past
	}
	return in.cut(ctx, c, w, wants[done].at.Block)
}

// lookUp reads the wanted transactions, which are in block order, and has each
// used. When the bounds are reached it stops at the end of the block, and
// returns how many it has been through.
func (in *intake) lookUp(ctx context.Context, c *chainPass, wants []want, bounded bool) (done int, err error) {
	looked, searched := 0, 0
	for done < len(wants) {
		var batch []want
		var hashes []common.Hash
		index := map[common.Hash]int{}
		for ; done < len(wants) && len(hashes) < batchLookups; done++ {
			w := wants[done]
			full := bounded && (looked+len(batch) >= maxLookups || searched >= maxSearched)
			if full && done > 0 && wants[done-1].at.Block != w.at.Block {
				break
			}
			if w.needed != nil && !w.needed() {
				continue
			}
			if _, ok := index[w.at.Tx]; !ok {
				index[w.at.Tx] = len(hashes)
				hashes = append(hashes, w.at.Tx)
			}
			batch = append(batch, w)
		}
		if len(batch) == 0 {
			return done, nil
		}
		rpc, cancel := in.share(ctx, 2)
		txs, err := in.Probe.Transactions(rpc, c.id, hashes)
		cancel()
		if err != nil {
			return done, c.failed(err, "read creating transactions")
		}
		for _, w := range batch {
			searched += w.use(txs[index[w.at.Tx]])
		}
		looked += len(batch)
	}
	return done, nil
}
