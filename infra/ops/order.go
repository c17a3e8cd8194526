package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/bridge-me-not/resolver-cron/shared/store"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

var orderCommand = command{"order", "ID [-all] [-mode live|shadow] [-json]", "a swap with its deadlines, what is planned of it, and the calls to send by hand", showOrder}

// orderView is an order as -json prints it. Times are those of blocks.
type orderView struct {
	Order  string    `json:"order"`
	Secret bool      `json:"secretPublic"`
	Closed bool      `json:"closed"`
	Legs   []legView `json:"legs"`
	// Unproven are escrows that may be dst legs of it.
	Unproven int        `json:"unproven"`
	Events   []string   `json:"events"` // those that are final
	Work     []callView `json:"work"`   // what is planned, sent or refused
	All      []callView `json:"all,omitempty"`
}

type legView struct {
	Side   string         `json:"side"`
	Chain  uint64         `json:"chain"`
	Escrow common.Address `json:"escrow"`
	Family string         `json:"family"`
	Taker  common.Address `json:"taker"`
	Token  common.Address `json:"token"`
	Amount string         `json:"amount"` // in the token's smallest unit
}

// callView is a call with the transaction that makes it.
type callView struct {
	Side     string         `json:"side"`
	Call     string         `json:"call"`
	Chain    uint64         `json:"chain"`
	State    string         `json:"state,omitempty"`
	Why      string         `json:"why,omitempty"`
	From     string         `json:"from"`
	Until    string         `json:"until,omitempty"`
	Deadline string         `json:"deadline,omitempty"` // principal is lost from here on
	Sender   common.Address `json:"sender"`
	To       common.Address `json:"to"`
	Data     string         `json:"data,omitempty"`
	Missing  string         `json:"missing,omitempty"` // why there is no data
}

func showOrder(ctx context.Context, t tool, args []string) error {
	f := t.flags()
	all := f.Bool("all", false, "withdrawing and cancelling each leg too, whether that is planned or not")
	mode := f.String("mode", string(store.Live), "live or shadow, whose plans to show")
	rest, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usage("want the id of one order, as alerts have it: CHAIN:ADDRESS of its source escrow")
	}
	if m := store.Mode(*mode); m != store.Live && m != store.Shadow {
		return usage("-mode: unknown %q; known: live, shadow", *mode)
	}
	id, err := swap.ParseOrderID(rest[0])
	if err != nil {
		return usage("%w", err)
	}
	s, err := t.openAs(ctx, f, store.Mode(*mode))
	if err != nil {
		return err
	}
	orders, err := s.Orders().Load(ctx, []swap.OrderID{id})
	if err != nil {
		return err
	}
	if len(orders) != 1 {
		return fmt.Errorf("no order %s: it was never seen, or it is archived", id)
	}
	v, err := viewOrder(ctx, s.Actions(), orders[0], *all)
	if f.json {
		return errors.Join(err, t.printJSON(v))
	}
	return errors.Join(err, t.tellOrder(v))
}

// viewOrder reads what is planned of an order. What cannot be read does not hide the rest.
func viewOrder(ctx context.Context, actions store.Actions, o swap.Order, all bool) (orderView, error) {
	v := orderView{Order: o.ID.String(), Secret: o.Secret != nil, Closed: o.Closed, Unproven: len(o.Candidates), Events: []string{}, Work: []callView{}}
	for _, e := range o.Events {
		v.Events = append(v.Events, fmt.Sprintf("%s %s of %s on chain %d by %s", e.At.Time, e.Kind, e.Escrow, e.ChainID, e.At.Tx))
	}
	var errs []error
	type account struct {
		chain uint64
		taker common.Address
	}
	asked := map[account]bool{}
	for _, leg := range append([]swap.LegRecord{o.Src}, o.Dsts...) {
		im := leg.Immutables
		amount := im.AmountInt()
		v.Legs = append(v.Legs, legView{leg.Side.String(), leg.ChainID, leg.Escrow, leg.Family.String(), im.TakerAddress(), im.TokenAddress(), amount.Dec()})
		if all {
			for _, c := range []swap.Call{swap.Withdraw, swap.Cancel} {
				if w, ok := leg.Window(c); ok {
					v.All = append(v.All, call(o, swap.Action{ChainID: leg.ChainID, Escrow: leg.Escrow, Side: leg.Side, Call: c, Path: swap.PathEOA,
						Taker: im.TakerAddress(), Signer: im.TakerAddress(), From: w.From, Until: w.Until}))
				}
			}
		}
		of := account{leg.ChainID, im.TakerAddress()}
		if asked[of] {
			continue
		}
		asked[of] = true
		work, err := actions.Live(ctx, of.chain, of.taker)
		errs = append(errs, err)
		for _, w := range work {
			if w.Order == o.ID {
				c := call(o, w.Action)
				c.State, c.Why = string(w.State), string(w.Why)
				v.Work = append(v.Work, c)
			}
		}
	}
	return v, errors.Join(errs...)
}

// call writes an action as a transaction.
func call(o swap.Order, a swap.Action) callView {
	v := callView{Side: a.Side.String(), Call: a.Call.String(), Chain: a.ChainID, From: a.From.String(), Sender: a.Signer, To: a.Escrow}
	if a.Until != 0 {
		v.Until = a.Until.String()
	}
	if a.Hard != 0 {
		v.Deadline = a.Hard.String()
	}
	legs := append([]swap.LegRecord{o.Src}, o.Dsts...)
	i := slices.IndexFunc(legs, func(l swap.LegRecord) bool { return l.ChainID == a.ChainID && l.Escrow == a.Escrow })
	if i < 0 {
		v.Missing = "no leg of the order any more"
		return v
	}
	args := swap.CallArgs{Token: a.Token, Amount: a.Amount}
	if a.Call.TakesSecret() {
		if o.Secret == nil {
			v.Missing = "the secret is not public"
			return v
		}
		args.Secret = *o.Secret
	}
	data, err := swap.EncodeCall(legs[i].Leg, a.Call, args)
	if err != nil {
		v.Missing = err.Error()
		return v
	}
	if a.Path == swap.PathResolver {
		v.To, data = a.Taker, swap.EncodeArbitraryCalls([]common.Address{a.Escrow}, [][]byte{data})
	}
	v.Data = hexutil.Encode(data)
	return v
}

// tellOrder prints it for a person.
func (t tool) tellOrder(v orderView) error {
	secret := "the secret is not public"
	if v.Secret {
		secret = "the secret is public"
	}
	if v.Closed {
		secret += "; closed: nothing of it can hold funds any more"
	}
	errs := []error{t.say("order %s: %s\n", v.Order, secret)}
	rows := [][]string{{"SIDE", "CHAIN", "ESCROW", "FAMILY", "TAKER", "TOKEN", "AMOUNT"}}
	for _, l := range v.Legs {
		rows = append(rows, []string{l.Side, fmt.Sprint(l.Chain), l.Escrow.Hex(), l.Family, l.Taker.Hex(), l.Token.Hex(), l.Amount})
	}
	errs = append(errs, t.table(rows))
	if v.Unproven > 0 {
		errs = append(errs, t.say("%d more destination escrows are not proven to be of it", v.Unproven))
	}
	for _, e := range v.Events {
		errs = append(errs, t.say("%s", e))
	}
	if len(v.Work) == 0 {
		errs = append(errs, t.say("\nnothing is planned of it"))
	}
	for _, c := range v.Work {
		errs = append(errs, t.tellCall(c))
	}
	if len(v.All) > 0 {
		errs = append(errs, t.say("\nnot planned, and sent by the taker itself (a contract has to wrap it). Never cancel src once dst was withdrawn, nor dst once src was:"))
	}
	for _, c := range v.All {
		errs = append(errs, t.tellCall(c))
	}
	return errors.Join(errs...)
}

func (t tool) tellCall(c callView) error {
	line := fmt.Sprintf("\n%s %s on chain %d", c.Side, c.Call, c.Chain)
	if c.State != "" {
		line += ", " + c.State
	}
	if c.Why != "" {
		line += " (" + c.Why + ")"
	}
	line += ": legal from " + c.From
	if c.Until != "" {
		line += " until " + c.Until
	}
	if c.Deadline != "" {
		line += ", lost from " + c.Deadline + " on"
	}
	if c.Missing != "" {
		return t.say("%s\n  no transaction: %s", line, c.Missing)
	}
	return t.say("%s\n  from %s\n  to   %s\n  data %s", line, c.Sender, c.To, c.Data)
}
