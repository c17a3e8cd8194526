package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
)

const (
	// savers bounds the order writes under way at once.
	savers = 16
	// saveTries is how often an order is read and written again when somebody
	// else was faster: mostly a sweep that set its wake times.
	saveTries = 5
)

// tracked is an order in memory, with what has to be done about it.
type tracked struct {
	swap.Order
	// edits made the order from what is stored. Each is true by itself and
	// changes nothing the second time, so they can be made again on what
	// somebody else has written.
	edits   []func(*swap.Order) bool
	touched bool // to be planned
	urgent  bool // to be due at once when it is saved
}

// edit changes the order, if f does, and makes it due at once.
func (o *tracked) edit(f func(*swap.Order) bool) bool {
	if !o.note(f) {
		return false
	}
	o.touched, o.urgent = true, true
	return true
}

// note changes the order, if f does, without making it due.
func (o *tracked) note(f func(*swap.Order) bool) bool {
	if !f(&o.Order) {
		return false
	}
	o.edits = append(o.edits, f)
	return true
}

// load brings orders into memory, consistently; those already there stay. With
// an error, those that are missing may be there all the same: whoever needs
// them to take in what was read ends the pass, so that the marks stay before
// it.
func (p *pass) load(ctx context.Context, ids map[swap.OrderID]bool) error {
	var missing []swap.OrderID
	for id := range ids {
		if p.orders[id] == nil {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	orders, err := p.Orders.Load(ctx, missing)
	for _, o := range orders {
		p.orders[o.ID] = &tracked{Order: o}
	}
	if err != nil {
		return fmt.Errorf("load %d orders: %w", len(missing), err)
	}
	return nil
}

// inOrder lists the orders in memory, always in the same order.
func (p *pass) inOrder() []*tracked {
	out := make([]*tracked, 0, len(p.orders))
	for _, o := range p.orders {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b *tracked) int { return compareIDs(a.ID, b.ID) })
	return out
}

func compareIDs(a, b swap.OrderID) int {
	if a.ChainID != b.ChainID {
		if a.ChainID < b.ChainID {
			return -1
		}
		return 1
	}
	return a.Escrow.Cmp(b.Escrow)
}

// save writes the orders that differ from what is stored.
func (p *pass) save(ctx context.Context) error {
	var dirty []*tracked
	for _, o := range p.inOrder() {
		if len(o.edits) > 0 {
			dirty = append(dirty, o)
		}
	}
	var g errgroup.Group
	g.SetLimit(savers)
	errs := make([]error, len(dirty))
	for i, o := range dirty {
		g.Go(func() error {
			errs[i] = p.saveOne(ctx, o)
			return nil
		})
	}
	errs = append(errs, g.Wait())
	p.res.Saved += len(dirty)
	return errors.Join(errs...)
}

func (p *pass) saveOne(ctx context.Context, o *tracked) error {
	for try := 1; ; try++ {
		if o.urgent {
			o.Touch()
		}
		if o.Held || o.Closed {
			o.Wakes = swap.Wakes{}
		}
		err := p.Orders.Save(ctx, o.Order)
		if err == nil {
			o.Version++
			o.edits, o.urgent = nil, false
			return nil
		}
		if !errors.Is(err, swap.ErrConflict) || try == saveTries {
			return fmt.Errorf("save order %s: %w", o.ID, err)
		}
		stored, errLoad := p.Orders.Load(ctx, []swap.OrderID{o.ID})
		if errLoad != nil {
			return fmt.Errorf("load order %s again: %w", o.ID, errLoad)
		}
		if len(stored) == 0 {
			return fmt.Errorf("save order %s: %w", o.ID, err)
		}
		if o.Closed && !sameFacts(o.Order, stored[0]) {
			return fmt.Errorf("close order %s: %w", o.ID, err) // what was decided is not what is there
		}
		o.Order = stored[0]
		for _, f := range o.edits {
			f(&o.Order)
		}
	}
}

// sameFacts reports whether two versions of an order say the same of the chains.
func sameFacts(a, b swap.Order) bool {
	return slices.Equal(a.Events, b.Events) && slices.Equal(a.Escrows(), b.Escrows())
}

// record finds the leg of an escrow in an order; nil if it has none there.
func record(o *swap.Order, chain uint64, escrow common.Address) *swap.LegRecord {
	if o.Src.ChainID == chain && o.Src.Escrow == escrow {
		return &o.Src
	}
	for i := range o.Dsts {
		if o.Dsts[i].ChainID == chain && o.Dsts[i].Escrow == escrow {
			return &o.Dsts[i]
		}
	}
	return nil
}

func orderIDs(rows []Watched) map[swap.OrderID]bool {
	out := make(map[swap.OrderID]bool, len(rows))
	for _, w := range rows {
		out[w.Order] = true
	}
	return out
}
