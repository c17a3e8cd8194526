package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/shared/store"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// orderDesk has its tables in one.
func orderDesk(t *testing.T) *desk {
	client, table := servicetest.Table(t)
	d := &desk{T: t, now: t0, env: map[string]string{}}
	var err error
	if d.store, err = store.New(client, store.Tables{Orders: table, Actions: table, Journal: table, Jobs: table}, store.Live); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ORDERS", "ACTIONS", "JOURNAL", "JOBS"} {
		d.env[name+"_TABLE"] = table
	}
	d.dial = func(context.Context) (*dynamodb.Client, error) { return client, nil }
	return d
}

func (d *desk) save(o swap.Order, work ...swap.Work) {
	d.Helper()
	if err := d.store.Orders().Save(d.Context(), o); err != nil {
		d.Fatal(err)
	}
	for _, w := range work {
		if err := d.store.Actions().Save(d.Context(), w); err != nil {
			d.Fatal(err)
		}
	}
}

func TestOrder(t *testing.T) {
	d := orderDesk(t)
	o, secret := watchtest.Order(1, 10)
	dst := o.Dsts[0]
	taker, signer := dst.Immutables.TakerAddress(), watchtest.Address()
	window, _ := dst.Window(swap.Cancel)
	planned := swap.Work{Action: swap.Action{Order: o.ID, ChainID: 10, Escrow: dst.Escrow, Side: swap.Dst, Call: swap.Cancel, Path: swap.PathResolver, Taker: taker, Signer: signer,
		From: window.From, Hard: window.From + 60}, State: swap.WorkPlanned, Attempt: 1}
	other, _ := watchtest.Order(1, 10)
	another := planned
	another.Order, another.Escrow, another.Call = other.ID, other.Dsts[0].Escrow, swap.Withdraw
	d.save(o, planned, another)

	cancel, err := swap.EncodeCall(dst.Leg, swap.Cancel, swap.CallArgs{})
	if err != nil {
		t.Fatal(err)
	}
	wrapped := hexutil.Encode(swap.EncodeArbitraryCalls([]common.Address{dst.Escrow}, [][]byte{cancel}))
	out, _ := d.ops(exitDone, "order", o.ID.String())
	d.says(out, "the secret is not public", o.ID.Escrow.Hex(), dst.Escrow.Hex(), "dst cancel on chain 10, planned: legal from "+window.From.String()+", lost from "+planned.Hard.String(),
		"from "+signer.Hex(), "to   "+taker.Hex(), "data "+wrapped)
	if strings.Contains(out, "withdraw") {
		t.Errorf("another order's work, or what was not asked for:\n%s", out)
	}

	out, _ = d.ops(exitDone, "order", "-all", o.ID.String())
	d.says(out, "no transaction: the secret is not public", "Never cancel src once dst was withdrawn", "data "+hexutil.Encode(cancel))

	// The secret has come out.
	orders, err := d.store.Orders().Load(t.Context(), []swap.OrderID{o.ID})
	if err != nil {
		t.Fatal(err)
	}
	known := orders[0]
	known.Secret = &secret
	known.Events = append(known.Events, watchtest.Withdrawn(dst.Leg, secret))
	d.save(known)
	withdraw, err := swap.EncodeCall(o.Src.Leg, swap.Withdraw, swap.CallArgs{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	out, _ = d.ops(exitDone, "order", "-all", "-json", o.ID.String())
	var v orderView
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatal(err)
	}
	claim, _ := o.Src.Window(swap.Withdraw)
	want := callView{Side: "src", Call: "withdraw", Chain: 1, From: claim.From.String(), Until: claim.Until.String(), Sender: o.Src.Immutables.TakerAddress(), To: o.Src.Escrow, Data: hexutil.Encode(withdraw)}
	if len(v.All) != 4 || len(v.Work) != 1 || len(v.Events) != 1 || !v.Secret || !cmp.Equal(v.All[0], want) {
		t.Errorf("%s", out)
	}

	if out, _ := d.ops(exitDone, "order", "-mode", "shadow", o.ID.String()); !strings.Contains(out, "nothing is planned of it") {
		t.Errorf("live work in shadow:\n%s", out)
	}
	for _, args := range [][]string{{}, {"8453"}, {o.ID.String(), other.ID.String()}, {o.ID.String(), "-mode", "off"}} {
		d.ops(exitUsage, append([]string{"order"}, args...)...)
	}
	if _, errs := d.ops(exitFailed, "order", other.ID.String()); !strings.Contains(errs, "never seen, or it is archived") {
		t.Errorf("an unknown order: %s", errs)
	}
}
