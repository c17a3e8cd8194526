package txn

import (
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// readyFor is work of a taker; with fees, its call takes the gas of a v1.1
// withdrawal that pays them.
func readyFor(taker byte, path swap.Path, escrow byte, fees bool) ready {
	a := swap.Action{ChainID: 1, Escrow: common.Address{1, escrow}, Call: swap.Withdraw, Path: path, Taker: common.Address{2, taker}}
	leg := swap.LegState{}
	leg.ChainID, leg.Escrow, leg.Family = 1, a.Escrow, swap.OneInchV1
	if fees {
		leg.Family, leg.Immutables.Parameters = swap.OneInchV11, make([]byte, 128)
	}
	s := swap.State{}
	s.Src = leg
	return ready{swap.Work{Action: a, State: swap.WorkPlanned, Attempt: 1}, swap.Case{State: s}}
}

func TestPack(t *testing.T) {
	var due []ready
	for i := range byte(70) {
		due = append(due, readyFor(1, swap.PathResolver, i, false))
	}
	due = slices.Insert(due, 1, readyFor(2, swap.PathResolver, 100, false), readyFor(3, swap.PathEOA, 101, false), readyFor(3, swap.PathEOA, 102, false))
	var sizes []int
	for _, p := range pack(due) {
		sizes = append(sizes, len(p.items))
	}
	// The first of each contract opens a parcel where it stands; accounts share none.
	if want := []int{32, 1, 1, 1, 32, 6}; !slices.Equal(sizes, want) {
		t.Errorf("sizes %v, want %v", sizes, want)
	}
}

// However much gas its calls take, a transaction stays a share of a block.
func TestPackByGas(t *testing.T) {
	var due []ready
	for i := range byte(64) {
		due = append(due, readyFor(1, swap.PathResolver, i, true))
	}
	total := 0
	for _, p := range pack(due) {
		if gas := p.call.Gas; gas > maxBatchGas || gas != uint64(len(p.items))*gasFees+gasResolver {
			t.Errorf("%d calls, gas %d", len(p.items), gas)
		}
		total += len(p.items)
	}
	if total != len(due) {
		t.Errorf("%d of %d", total, len(due))
	}
}

// What reverted together goes in ever smaller parcels, at last alone.
func TestPackAfterReverts(t *testing.T) {
	for attempt, want := range map[int]int{2: 4, 3: 2, 4: 1, 50: 1} {
		var due []ready
		for i := range byte(8) {
			d := readyFor(1, swap.PathResolver, i, false)
			d.work.Why, d.work.Attempt = revertedTogether, attempt
			due = append(due, d)
		}
		if got := len(pack(due)[0].items); got != want {
			t.Errorf("attempt %d: %d together, want %d", attempt, got, want)
		}
	}
}

// Journal and store can settle a full entry in one transaction.
func TestMaxActsFits(t *testing.T) {
	const items, entry, perWork = 100, 2, 2 // of DynamoDB; of a settlement
	if MaxActs*perWork+entry > items {
		t.Errorf("%d acts take %d items", MaxActs, MaxActs*perWork+entry)
	}
	if gas := MaxActs*gasCall + gasResolver; gas > maxBatchGas {
		t.Errorf("%d acts take %d gas", MaxActs, gas)
	}
}
