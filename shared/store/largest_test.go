package store

import (
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// What strangers can make an order grow to: every list filled until package
// swap takes no more, with nothing in it that compresses.
func TestLargestOrder(t *testing.T) {
	s := newStore(t)
	src, dst := watchtest.Chain(), watchtest.Chain()
	o, secret := watchtest.Order(src, dst)
	o.Src.Immutables.Parameters = noise(swap.MaxParameters)[:swap.MaxParameters]
	o.Expect.Parameters = noise(swap.MaxParameters)[:swap.MaxParameters]
	o.Dsts = nil
	full := func(what string, want int, add func() bool) {
		t.Helper()
		n := 0
		for n <= want && add() {
			n++
		}
		if n != want {
			t.Errorf("%d %s, want %d", n, what, want)
		}
	}
	full("dst legs", swap.MaxDstLegs, func() bool {
		l := watchtest.Dst(o)
		l.Immutables.Parameters = noise(swap.MaxParameters)[:swap.MaxParameters]
		return o.AddDst(l, true)
	})
	full("candidates", swap.MaxCandidates, func() bool {
		return o.AddCandidate(swap.DstCreated{ChainID: dst, Escrow: watchtest.Address(), At: watchtest.Position(8)})
	})
	number := func() *uint256.Int { w := watchtest.Word(); return new(uint256.Int).SetBytes32(w[:]) }
	for _, e := range o.Escrows() {
		o.SetBalance(e.ChainID, e.Escrow, swap.Balance{Block: swap.Block{Number: 9, Hash: watchtest.Word()}, Token: *number(), Native: *number()})
		for at := range uint64(50) {
			ev := swap.EscrowEvent{ChainID: e.ChainID, Escrow: e.Escrow, At: watchtest.Position(at)}
			for _, ev.Kind = range []swap.EventKind{swap.Withdrawn, swap.Cancelled, swap.Rescued} {
				ev.At.Index++
				switch ev.Secret, ev.Token, ev.Amount = [32]byte{}, watchtest.Address(), *number(); ev.Kind {
				case swap.Withdrawn:
					ev.Secret, ev.Token, ev.Amount = secret, common.Address{}, uint256.Int{}
				case swap.Cancelled:
					ev.Token, ev.Amount = common.Address{}, uint256.Int{}
				}
				o.AddEvent(ev)
			}
		}
	}
	o.Learn(secret)
	_, packed, err := packItem(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d escrows, %d events: %d bytes of %d", len(o.Escrows()), len(o.Events), len(packed), maxBody)
	if err := s.Orders().Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.Version++
	got, err := s.Orders().Load(t.Context(), []swap.OrderID{o.ID})
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], o) {
		t.Errorf("read back %d orders, %v", len(got), err)
	}
	o.Closed, o.Wakes = true, swap.Wakes{}
	if err := s.Orders().Save(t.Context(), o); err != nil {
		t.Errorf("close it: %v", err)
	}
}

// What a burst can put between a chain's final block and its head: a hundred
// orders, each with all the dst escrows it has room for and each of these ended
// as often as is kept, while ten thousand orders are sought. It costs its maker
// twenty thousand transactions, and what is beyond it ends when those are final.
// Under -short, a tenth of all that has to fit into parts of a tenth.
func TestLargestBurst(t *testing.T) {
	const ends = 8
	orders, sought, part := 100, 10_000, maxBody
	if testing.Short() {
		orders, sought, part = orders/10, sought/10, part/10
	}
	s, chain := newStore(t), watchtest.Chain()
	s.part = part
	next := swap.Provisional{ChainID: chain, To: swap.Block{Number: 1, Hash: watchtest.Word()}}
	for range orders * (swap.MaxDstLegs + swap.MaxCandidates) {
		id := swap.OrderID{ChainID: chain, Escrow: watchtest.Address()}
		next.Legs = append(next.Legs, id)
		for range ends {
			next.Events = append(next.Events, swap.EscrowEvent{ChainID: chain, Escrow: id.Escrow, Kind: swap.Withdrawn,
				Secret: watchtest.Word(), At: watchtest.Position(1)})
		}
	}
	for range sought {
		next.Sync.Seek = append(next.Sync.Seek, swap.OrderID{ChainID: watchtest.Chain(), Escrow: watchtest.Address()})
	}
	if err := s.Facts().Replace(t.Context(), swap.Provisional{ChainID: chain}, next); err != nil {
		t.Fatal(err)
	}
	got, err := s.Facts().Provisional(t.Context(), chain)
	if err != nil || !reflect.DeepEqual(got, next) {
		t.Errorf("read back %d legs, %d events, %d sought, %v", len(got.Legs), len(got.Events), len(got.Sync.Seek), err)
	}
	for gen, n := range parts(t, s, chain) {
		t.Logf("%s: %d parts of %d", gen, n, maxParts)
	}
}
