package chains

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/chain"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// settler ends the open alerts whose cause is proven gone and that nobody else
// ends: those about orders by what is final of them, those about endpoints and
// accounts when who would find them again has looked and has not.
type settler struct {
	alerts alert.List
	// load reads orders; see watch.Orders.
	load func(context.Context, []swap.OrderID) ([]swap.Order, error)
	// runs reads how the runs of a job ended whose tick is after the given time.
	runs      func(ctx context.Context, job string, after time.Time) ([]job.Record, error)
	endpoints []chain.Answer // all there are
	answered  []chain.Answer // by this run's endpoints
	period    time.Duration  // of the executor
}

// silence is how long a trouble must not have been seen again before it is over:
// one that comes and goes is one trouble. When it was last seen is noted to within
// a quarter of an hour, so that half of this is sure.
const (
	silence  = 30 * time.Minute
	notAgain = "not found again for a quarter of an hour"
)

// settle resolves what it can prove. What cannot be read proves nothing, and is
// an error.
func (s settler) settle(ctx context.Context, desk *alert.Desk, now time.Time) error {
	open, err := s.alerts.Open(ctx, now)
	if err != nil {
		return err
	}
	states, whole, err := s.orders(ctx, open)
	errs := []error{err}
	looked, err := s.executorLooks(ctx, open, now)
	errs = append(errs, err)
	type sort struct {
		kind  alert.Kind
		chain uint64
	}
	listed := map[sort]bool{} // one by one
	for _, e := range open {
		if !e.Rest() {
			listed[sort{e.Kind, e.Chain}] = true
		}
	}
	for _, e := range open {
		proof, over := "", false
		switch {
		case e.Order != "":
			proof, over = orderOver(e, states, whole)
		case now.Sub(e.LastSeen()) < silence:
		case e.Rest():
			proof, over = "no other of the kind is open there", !listed[sort{e.Kind, e.Chain}]
		case e.Kind == alert.EndpointTrouble:
			proof, over = s.endpointOver(e)
		case byExecutor[e.Kind] && looked:
			proof, over = "the executor runs, and it was "+notAgain, true
		}
		if over {
			errs = append(errs, desk.Resolve(ctx, e.Key(), proof, now))
		}
	}
	return errors.Join(errs...)
}

// byExecutor are the kinds that the executor finds in every run as long as they
// last, where they are about an account.
var byExecutor = map[alert.Kind]bool{alert.AccountStuck: true, alert.FeeCapLow: true, alert.SignerDry: true}

// orders reads the orders that alerts are about, by their final facts. whole:
// what is not among them is not kept any more.
func (s settler) orders(ctx context.Context, open []alert.Entry) (states map[swap.OrderID]swap.State, whole bool, err error) {
	ids := map[swap.OrderID]bool{}
	for _, e := range open {
		if id, err := swap.ParseOrderID(e.Order); err == nil {
			ids[id] = true
		}
	}
	if len(ids) == 0 {
		return nil, true, nil
	}
	list := make([]swap.OrderID, 0, len(ids))
	for id := range ids {
		list = append(list, id)
	}
	orders, err := s.load(ctx, list)
	states = make(map[swap.OrderID]swap.State, len(orders))
	for _, o := range orders {
		states[o.ID] = swap.Fold(o, nil)
	}
	if err != nil {
		return states, false, fmt.Errorf("read the orders of open alerts: %w", err)
	}
	return states, true, nil
}

// orderOver judges an alert about an order. An order is dropped only when
// nothing of it can hold funds any more.
func orderOver(e alert.Entry, states map[swap.OrderID]swap.State, whole bool) (proof string, over bool) {
	id, err := swap.ParseOrderID(e.Order)
	if err != nil {
		return "", false // not by this program
	}
	s, ok := states[id]
	switch {
	case ok:
	case whole:
		s = swap.State{Order: swap.Order{ID: id, Closed: true}}
	default:
		return "", false
	}
	at := swap.OrderID{ChainID: e.Chain}
	if common.IsHexAddress(e.Escrow) {
		at.Escrow = common.HexToAddress(e.Escrow)
	}
	return swap.Over(swap.FindingCode(e.Kind), at, s)
}

// executorLooks reports whether the executor has looked at all accounts lately, if
// an alert hangs on that: its scheduled runs do, what doorbells start does not.
func (s settler) executorLooks(ctx context.Context, open []alert.Entry, now time.Time) (bool, error) {
	for _, e := range open {
		if e.Order != "" || !byExecutor[e.Kind] || now.Sub(e.LastSeen()) < silence {
			continue
		}
		const lately = 5 // periods
		runs, err := s.runs(ctx, job.ActionExecutor, now.Add(-lately*s.period))
		return slices.ContainsFunc(runs, func(r job.Record) bool { return r.State == job.Done && !r.Cause.Queued }), err
	}
	return false, nil
}

// endpointOver judges an alert about an endpoint, whatever its trouble; see
// troubled.
func (s settler) endpointOver(e alert.Entry) (proof string, over bool) {
	of := chain.Answer{ChainID: e.Chain}
	if i := strings.LastIndex(e.Account, " "); i >= 0 { // names may have spaces, kinds of trouble have none
		of.Endpoint = e.Account[:i]
	}
	switch {
	case slices.Contains(s.answered, of):
		return "the endpoint answers, and the trouble was " + notAgain, true
	case !slices.Contains(s.endpoints, of):
		return "the endpoint is not in the chains file any more", true
	}
	return "", false
}
