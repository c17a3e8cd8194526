package store

import (
	"maps"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/balance/balancetest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// What is open is read from the watch book, with whose it is; a row that a former
// release wrote does not say.
func TestLegsOfTheWatchBook(t *testing.T) {
	s := newStore(t)
	src, dst := watchtest.Chain(), watchtest.Chain()
	o, _ := watchtest.Order(src, dst)
	if err := s.Orders().Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	taker := o.Src.Immutables.TakerAddress()
	for chain, want := range map[uint64][]balance.Leg{
		src: {{Order: o.ID, Escrow: o.ID.Escrow, Side: swap.Src, Taker: taker, DstChain: dst}},
		dst: {{Order: o.ID, Escrow: o.Dsts[0].Escrow, Side: swap.Dst, Taker: taker}},
	} {
		got, err := s.Orders().Legs(t.Context(), chain)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("chain %d: %v (-want +got):\n%s", chain, err, diff)
		}
	}
	old := rowsOf(o)[0]
	delete(old, attrTaker)
	delete(old, attrDstChain)
	if err := s.write(t.Context(), overwrite(testTables.Orders, old)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Orders().Legs(t.Context(), src)
	if err != nil || len(got) != 1 || got[0].Taker != (common.Address{}) || got[0].DstChain != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A damaged snapshot is an error, and hides no other.
func TestADamagedSnapshotIsTold(t *testing.T) {
	s, chain := newStore(t), balancetest.Chain()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if err := s.Balances().Save(t.Context(), balancetest.Snapshot(chain, at, 0)); err != nil {
		t.Fatal(err)
	}
	stored, err := s.get(t.Context(), testTables.Jobs, key(balanceKey(chain), tickSK(at)))
	if err != nil {
		t.Fatal(err)
	}
	if got := stored.int(attrExpires); got != at.Add(7*24*time.Hour).Unix() {
		t.Errorf("expires at %d", got)
	}
	for i, damage := range []func(item){
		func(it item) { it[attrBody] = blob([]byte("torn")) },
		func(it item) { delete(it, attrBody) },
		func(it item) { it[attrSchema] = number(schema + 1) },
		func(it item) {}, // the right words under another time
	} {
		it := maps.Clone(stored)
		it[attrSK] = text(tickSK(at.Add(time.Duration(i+1) * time.Minute)))
		damage(it)
		if err := s.write(t.Context(), overwrite(testTables.Jobs, it)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Balances().Latest(t.Context(), chain, at); err == nil {
			t.Errorf("damage %d is not told", i)
		}
		got, err := s.Balances().Snapshots(t.Context(), chain, at, at.Add(time.Hour), at)
		if len(got) != 1 || err == nil {
			t.Errorf("damage %d: %d snapshots, %v", i, len(got), err)
		}
	}
}
