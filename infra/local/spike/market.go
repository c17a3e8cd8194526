package spike

import (
	"math/big"

	"github.com/ethereum/go-ethereum/params"
)

// Market is what a block asked of a transaction. Prices are in wei per gas.
type Market struct {
	Time uint64 // of the block
	// Base is the base fee, Tip the least that a builder took beside it: others
	// paid as much, and the blocks were full of them.
	Base, Tip uint64
}

// The course of the base fee, in blocks from the one in which the claims become
// due.
const (
	calm     = params.GWei // before it, and at last again
	rise     = 10          // blocks from calm to twenty times as much
	stepUp   = 27          // a block, over stepBase
	stepBase = 20
	stay     = 80 // blocks at the top
	// tipShare is the part of the base fee, as a divisor, that others add for the
	// builder.
	tipShare = 10
)

// course is the base fee of a block, so many after the one in which the claims
// become due. It falls as fast as empty blocks make it.
func course(block int) uint64 {
	fee := uint64(calm)
	for range min(block, rise) {
		fee = fee * stepUp / stepBase
	}
	for range block - rise - stay {
		fee = max(calm, fee*7/8)
	}
	return fee
}

// Order is a claim as a sender sees it: from when on it can be sent, by the time
// of the head, and the block time before which it has to be included.
type Order struct{ Due, Deadline uint64 }

// inTime reports whether an inclusion saves the claim; 0 is none.
func (o Order) inTime(at uint64) bool { return at != 0 && at < o.Deadline }

// fixedFee is what becomes of claims whose sender prices each once and never
// again: twice the base fee of the head, and the tip that the head asked. They
// have nonces in a row in the order given, and at most window of them wait in
// the pool. It returns the block times at which they are included, 0 for never.
//
// It is put as well as can be: a block has room for all of them, and what a
// claim costs that comes too late is not counted.
func fixedFee(blocks []Market, claims []Order, window int) []uint64 {
	type bid struct{ limit, tip uint64 }
	var bids []bid
	at := make([]uint64, len(claims))
	mined := 0
	for _, b := range blocks {
		for ; mined < len(bids); mined++ {
			own := bids[mined]
			if own.limit < b.Base || min(own.tip, own.limit-b.Base) < b.Tip {
				break
			}
			at[mined] = b.Time
		}
		for len(bids) < len(claims) && len(bids)-mined < window && claims[len(bids)].Due <= b.Time {
			bids = append(bids, bid{2*b.Base + b.Tip, b.Tip})
		}
	}
	return at
}

// steepest is by how much the base fee rose within so many blocks, in percent.
func steepest(blocks []Market, within int) uint64 {
	most := uint64(100)
	for i, b := range blocks {
		for _, later := range blocks[i:min(i+within+1, len(blocks))] {
			most = max(most, later.Base*100/b.Base)
		}
	}
	return most
}

func wei(v uint64) *big.Int { return new(big.Int).SetUint64(v) }
