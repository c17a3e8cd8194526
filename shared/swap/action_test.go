package swap

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

func TestActionKeys(t *testing.T) {
	w := newWorld(OneInchV1, withDst)
	_, d := w.plan(t, 310, 310)
	keys := map[string]bool{}
	for _, a := range d.Actions {
		keys[a.Key().String()] = true
	}
	rescue := d.Actions[0]
	rescue.Call = RescueFunds
	for _, coin := range []common.Address{{}, srcCoin} {
		rescue.Token = coin
		keys[rescue.Key().String()] = true
	}
	if len(keys) != 4 {
		t.Errorf("%v", keys)
	}
	if want := strings.ToLower(w.order.ID.Escrow.Hex()) + "#rescueFunds#" + strings.ToLower(srcCoin.Hex()); rescue.Key().String() != want {
		t.Errorf("%s, want %s", rescue.Key(), want)
	}
	if _, ok := d.Wanted(rescue.Key()); ok || d.Waits(rescue.Key()) {
		t.Error("found an action that is not there")
	}
	if rescue.refuse(NoPath); rescue.Refused != NoPath {
		t.Error("not refused")
	}
	if rescue.refuse(Unfunded); rescue.Refused != NoPath {
		t.Error("the first reason does not stand")
	}
}
