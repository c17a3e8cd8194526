package balance

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Leg is an escrow of an open order, as the watch book of its chain has it.
type Leg struct {
	Order  swap.OrderID
	Escrow common.Address
	Side   swap.Side
	// Taker of the order; zero where the row does not say. The legs of an order have the same.
	Taker common.Address
	// DstChain is, of a src leg, where the maker is to be paid; zero if that is not said.
	DstChain uint64
}

// Owed counts, for each signer of a chain, the actions that are open or still to come: its live work,
// one more for each escrow in the watch book that has none, and one for each order whose dst leg is
// still to be made there. legs holds every chain's book; works is the live work of this one. What is
// not known to be one signer's is counted for all of them: a reserve may be too large.
func Owed(chain uint64, c Config, legs map[uint64][]Leg, works []swap.Work) map[common.Address]int {
	owed := map[common.Address]int{}
	signers := c.signers()
	count := func(taker common.Address) {
		if taker == (common.Address{}) {
			for _, s := range signers {
				owed[s]++
			}
			return
		}
		if s := c.signerFor(taker); s != (common.Address{}) {
			owed[s]++
		}
	}
	seen := map[common.Address]bool{} // escrows counted
	for _, w := range works {
		if w.ChainID != chain || !w.State.Live() || w.Signer == (common.Address{}) {
			continue
		}
		seen[w.Escrow] = true
		owed[w.Signer]++
	}
	paid := map[swap.OrderID]bool{} // orders with a dst leg here
	for _, l := range legs[chain] {
		if l.Side == swap.Dst {
			paid[l.Order] = true
		}
		if !seen[l.Escrow] {
			seen[l.Escrow] = true
			count(l.Taker)
		}
	}
	for id, book := range legs {
		for _, l := range book {
			if l.Side == swap.Src && l.DstChain == chain && !paid[l.Order] && l.Order.ChainID == id {
				count(l.Taker)
			}
		}
	}
	return owed
}
