package cleanup

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// What is too much for one object comes in several: as many orders as there is room
// for, from the first on, and what was written can be read.
func TestAsManyAsOneObjectTakes(t *testing.T) {
	var all []Finished
	for i := range 6 {
		f := Finished{ClosedAt: time.Unix(1_750_000_000, 0).UTC(), History: []Item{{Key: "hist#work#1", Version: 1, Body: json.RawMessage(strconv.Quote(strings.Repeat("a", 15<<17)))}}}
		f.Order.ID = swap.OrderID{ChainID: uint64(i + 1)}
		f.Order.Src.Side, f.Order.Src.Family = swap.Src, swap.OneInchV1
		f.Order.Closed, f.Order.Version = true, 1
		all = append(all, f)
	}
	var chains []uint64
	for len(all) > 0 {
		body, left, err := encode(all)
		for _, l := range left {
			t.Fatalf("order %s is left: %v", l.order, l.why)
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(body)
		if err != nil || len(got) == 0 || len(got) > 4 {
			t.Fatalf("%d orders, %v", len(got), err)
		}
		for _, f := range got {
			chains = append(chains, f.Order.ID.ChainID)
		}
		all = all[len(got):]
	}
	for i, id := range chains {
		if len(chains) != 6 || id != uint64(i+1) {
			t.Fatalf("orders %v", chains)
		}
	}
}
