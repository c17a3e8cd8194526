package followtest_test

import (
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/follow/followtest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

var (
	_ watch.Orders = followtest.Orders{}
	_ watch.Facts  = (*followtest.Facts)(nil)
)

func TestOrders(t *testing.T) {
	followtest.TestOrders(t, func(*testing.T) follow.Orders { return followtest.NewOrders(nil) })
}

func TestFacts(t *testing.T) {
	followtest.TestFacts(t, 100, func(*testing.T) follow.Facts { return followtest.NewFacts(nil) })
}

func TestParked(t *testing.T) {
	followtest.TestParked(t, func(*testing.T) followtest.ParkedFixture {
		s := followtest.NewParked(nil, 10, time.Hour)
		return followtest.ParkedFixture{Parked: s, Room: 10, Keep: time.Hour, Advance: s.Advance}
	})
}

func TestFactsPolice(t *testing.T) {
	block := func(n uint64) swap.Block { return swap.Block{Number: n} }
	for name, next := range map[string]swap.Provisional{
		"other chain":   {ChainID: 2},
		"marks crossed": {ChainID: 1, From: block(2), To: block(1)},
		"event beyond":  {ChainID: 1, To: block(1), Events: []swap.EscrowEvent{{ChainID: 1, Kind: swap.Cancelled, At: watchtest.Position(2)}}},
		"foreign leg":   {ChainID: 1, To: block(1), Legs: []swap.OrderID{{ChainID: 3}}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_ = followtest.NewFacts(nil).Replace(t.Context(), swap.Provisional{ChainID: 1}, next)
		})
	}
}
