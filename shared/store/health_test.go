package store

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// What is open is counted by its sources alone, without reading an order.
func TestOpenOrdersAreCounted(t *testing.T) {
	s, src, dst := newStore(t), watchtest.Chain(), watchtest.Chain()
	for range 3 {
		o, _ := watchtest.Order(src, dst)
		if err := s.Orders().Save(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	closed, _ := watchtest.Order(src, dst)
	closed.Closed = true
	if err := s.Orders().Save(t.Context(), closed); err != nil {
		t.Fatal(err)
	}
	for chain, want := range map[uint64]int{src: 3, dst: 0} {
		if got, err := s.Orders().Open(t.Context(), chain); got != want || err != nil {
			t.Errorf("chain %d: %d, %v, want %d", chain, got, err, want)
		}
	}
}

func TestPingReadsEveryTable(t *testing.T) {
	s := newStore(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, lost := range []*string{&s.tables.Orders, &s.tables.Actions, &s.tables.Journal, &s.tables.Jobs} {
		name := *lost
		*lost = "no-such-table"
		if err := s.Ping(t.Context()); err == nil {
			t.Errorf("without %s all is well", name)
		}
		*lost = name
	}
}
