package snapshottest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// State is the tables in memory: snapshot.Chains, snapshot.Ledger,
// snapshot.Progress and snapshot.Tables. What goes in and out is copied. It is
// safe for concurrent use.
//
// Calls: "state.chain", "state.open", "state.load", "state.live",
// "state.journal", "state.control", "state.restored", "state.mark",
// "state.occupied", "state.put".
type State struct {
	*faulttest.Faults
	mu       sync.Mutex
	chains   map[uint64]swap.Provisional
	parked   map[swap.OrderID]swap.DstCreated
	orders   map[swap.OrderID]swap.Order
	tags     map[swap.OrderID]snapshot.Tag
	works    map[swap.ActionKey]swap.Work
	next     map[txn.Account]uint64
	entries  map[nonce]txn.Entry
	flags    map[string]snapshot.Item
	restored snapshot.Restore
}

type nonce struct {
	txn.Account
	n uint64
}

// NewState returns empty tables with the given faults; nil: their own.
func NewState(f *faulttest.Faults) *State {
	if f == nil {
		f = new(faulttest.Faults)
	}
	return &State{Faults: f, chains: map[uint64]swap.Provisional{}, parked: map[swap.OrderID]swap.DstCreated{}, orders: map[swap.OrderID]swap.Order{}, tags: map[swap.OrderID]snapshot.Tag{},
		works: map[swap.ActionKey]swap.Work{}, next: map[txn.Account]uint64{}, entries: map[nonce]txn.Entry{}, flags: map[string]snapshot.Item{}}
}

// Content is everything that a snapshot holds of the state, comparable by
// watchtest.Same.
type Content struct {
	Chains  []swap.Provisional
	Parked  []swap.DstCreated
	Orders  []swap.Order
	Works   []swap.Work
	Next    []snapshot.Account
	Entries []txn.Entry
	Flags   []snapshot.Item
}

// Content reads it, in a fixed order.
func (s *State) Content() (c Content) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range inOrder(s.chains) {
		c.Chains = append(c.Chains, watchtest.Copy(v))
	}
	for _, v := range inOrder(s.parked) {
		c.Parked = append(c.Parked, watchtest.Copy(v))
	}
	for _, v := range inOrder(s.orders) {
		c.Orders = append(c.Orders, watchtest.Copy(v))
	}
	for _, v := range inOrder(s.works) {
		c.Works = append(c.Works, watchtest.Copy(v))
	}
	for _, v := range inOrder(s.entries) {
		c.Entries = append(c.Entries, watchtest.Copy(v))
	}
	for _, v := range inOrder(s.flags) {
		c.Flags = append(c.Flags, watchtest.Copy(v))
	}
	for _, k := range sorted(s.next) {
		c.Next = append(c.Next, snapshot.Account{Account: k, Next: s.next[k]})
	}
	return c
}

func sorted[K comparable, V any](m map[K]V) []K {
	return slices.SortedFunc(maps.Keys(m), func(a, b K) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

func inOrder[K comparable, V any](m map[K]V) (out []V) {
	for _, k := range sorted(m) {
		out = append(out, m[k])
	}
	return out
}

// Drop forgets everything, as tables do that were deleted.
func (s *State) Drop() {
	fresh := NewState(s.Faults)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chains, s.parked, s.orders, s.tags, s.works = fresh.chains, fresh.parked, fresh.orders, fresh.tags, fresh.works
	s.next, s.entries, s.flags, s.restored = fresh.next, fresh.entries, fresh.flags, fresh.restored
}

// Replace puts a record in place of what is there, past all conditions: what any
// job may do meanwhile.
func (s *State) Replace(r snapshot.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(r)
}

// Forge replaces an order and leaves its tag as it is, as no writer may.
func (s *State) Forge(o swap.Order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders[o.ID] = watchtest.Copy(o)
}

// Untag makes the tag of an order unknown, as a former release leaves it.
func (s *State) Untag(id swap.OrderID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tags[id] = snapshot.Tag{}
}

func tagOf(o swap.Order) snapshot.Tag {
	tag, err := snapshot.TagOf(o)
	if err != nil {
		panic(err) // it has been encoded before
	}
	return tag
}

func (s *State) set(r snapshot.Record) {
	switch {
	case r.Chain != nil:
		s.chains[r.Chain.ChainID] = watchtest.Copy(*r.Chain)
	case r.Parked != nil:
		s.parked[swap.OrderID{ChainID: r.Parked.ChainID, Escrow: r.Parked.Escrow}] = watchtest.Copy(*r.Parked)
	case r.Order != nil:
		s.orders[r.Order.ID] = watchtest.Copy(*r.Order)
		s.tags[r.Order.ID] = tagOf(*r.Order)
	case r.Work != nil && !r.Work.State.Live():
		delete(s.works, r.Work.Key())
	case r.Work != nil:
		s.works[r.Work.Key()] = watchtest.Copy(*r.Work)
	case r.Account != nil:
		s.next[r.Account.Account] = r.Account.Next
	case r.Entry != nil:
		s.entries[nonce{r.Entry.Account, r.Entry.Nonce}] = watchtest.Copy(*r.Entry)
	case r.Control != nil:
		s.flags[r.Control.Key] = watchtest.Copy(*r.Control)
	}
}

// do is a call under the lock.
func (s *State) do(ctx context.Context, op, about string, apply func() error) error {
	return s.DoAbout(ctx, op, about, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return apply()
	})
}

// Chain implements snapshot.Chains.
func (s *State) Chain(ctx context.Context, chain uint64) (p swap.Provisional, parked []swap.DstCreated, err error) {
	err = s.do(ctx, "state.chain", fmt.Sprint(chain), func() error {
		p = watchtest.Copy(s.chains[chain])
		p.ChainID = chain
		for _, d := range s.parked {
			if d.ChainID == chain {
				parked = append(parked, watchtest.Copy(d))
			}
		}
		return nil
	})
	return p, parked, err
}

// Open implements snapshot.Chains.
func (s *State) Open(ctx context.Context, chain uint64) (list []snapshot.Listed, err error) {
	err = s.do(ctx, "state.open", fmt.Sprint(chain), func() error {
		for id, o := range s.orders {
			for _, e := range o.Escrows() {
				l := snapshot.Listed{ID: id}
				if e == id {
					l.Tag = s.tags[id]
				}
				if e.ChainID == chain && !o.Closed {
					list = append(list, l)
				}
			}
		}
		return nil
	})
	return list, err
}

// Load implements snapshot.Chains.
func (s *State) Load(ctx context.Context, ids []swap.OrderID) (out []swap.Order, err error) {
	err = s.do(ctx, "state.load", fmt.Sprint(ids), func() error {
		for _, id := range ids {
			if o, ok := s.orders[id]; ok {
				o := watchtest.Copy(o)
				o.Wakes = swap.Wakes{}
				out = append(out, o)
			}
		}
		return nil
	})
	return out, err
}

// Live implements snapshot.Ledger.
func (s *State) Live(ctx context.Context, chain uint64, taker common.Address) (out []swap.Work, err error) {
	err = s.do(ctx, "state.live", fmt.Sprint(chain, taker), func() error {
		for _, w := range s.works {
			if w.ChainID == chain && w.Taker == taker {
				out = append(out, watchtest.Copy(w))
			}
		}
		return nil
	})
	return out, err
}

// Journal implements snapshot.Ledger.
func (s *State) Journal(ctx context.Context, a txn.Account, settled uint64) (next uint64, out []txn.Entry, err error) {
	err = s.do(ctx, "state.journal", fmt.Sprint(a), func() error {
		next = s.next[a]
		for k, e := range s.entries {
			if k.Account == a && (e.State == txn.Open || e.Nonce+settled >= next) {
				out = append(out, watchtest.Copy(e))
			}
		}
		return nil
	})
	return next, out, err
}

// Control implements snapshot.Ledger.
func (s *State) Control(ctx context.Context) (out []snapshot.Item, err error) {
	err = s.do(ctx, "state.control", "", func() error {
		for _, f := range s.flags {
			out = append(out, watchtest.Copy(f))
		}
		return nil
	})
	return out, err
}

// Restored implements snapshot.Progress.
func (s *State) Restored(ctx context.Context) (r snapshot.Restore, err error) {
	err = s.do(ctx, "state.restored", "", func() error { r = s.restored; return nil })
	return r, err
}

// SetRestored implements snapshot.Progress.
func (s *State) SetRestored(ctx context.Context, r snapshot.Restore) error {
	return s.do(ctx, "state.mark", "", func() error { s.restored = r; return nil })
}

// Occupied implements snapshot.Tables.
func (s *State) Occupied(ctx context.Context) (what string, err error) {
	err = s.do(ctx, "state.occupied", "", func() error {
		if n := len(s.chains) + len(s.parked) + len(s.orders) + len(s.works) + len(s.next) + len(s.entries) + len(s.flags); n > 0 {
			what = fmt.Sprintf("%d items", n)
		}
		return nil
	})
	return what, err
}

// Put implements snapshot.Tables.
func (s *State) Put(ctx context.Context, r snapshot.Record) (wrote bool, err error) {
	err = s.do(ctx, "state.put", describe(r), func() error {
		wrote = s.wants(r)
		if wrote {
			s.set(r)
		}
		if r == (snapshot.Record{}) {
			return errors.New("a record without content")
		}
		return nil
	})
	return wrote && err == nil, err
}

func (s *State) wants(r snapshot.Record) bool {
	switch {
	case r.Chain != nil:
		there := s.chains[r.Chain.ChainID]
		return there.From == swap.Block{} || there.From.Number > r.Chain.From.Number
	case r.Parked != nil:
		return true
	case r.Order != nil:
		there, ok := s.orders[r.Order.ID]
		return !ok || there.Version < r.Order.Version
	case r.Work != nil:
		there, ok := s.works[r.Work.Key()]
		return !ok || there.Version < r.Work.Version
	case r.Account != nil:
		there, ok := s.next[r.Account.Account]
		return !ok || there < r.Account.Next
	case r.Entry != nil:
		there, ok := s.entries[nonce{r.Entry.Account, r.Entry.Nonce}]
		return !ok || (there.State == txn.Open) == (r.Entry.State == txn.Open) && there.Version < r.Entry.Version
	case r.Control != nil:
		_, ok := s.flags[r.Control.Key]
		return !ok
	}
	return false
}

// describe tells records apart, however goroutines are scheduled.
func describe(r snapshot.Record) string {
	switch {
	case r.Chain != nil:
		return fmt.Sprint("chain ", r.Chain.ChainID)
	case r.Parked != nil:
		return fmt.Sprint("parked ", r.Parked.Escrow)
	case r.Order != nil:
		return "order " + r.Order.ID.String()
	case r.Work != nil:
		return "work " + r.Work.Key().String()
	case r.Account != nil:
		return fmt.Sprint("account ", r.Account.Signer)
	case r.Entry != nil:
		return fmt.Sprint("entry ", r.Entry.Signer, r.Entry.Nonce)
	case r.Control != nil:
		return "control " + r.Control.Key
	}
	return ""
}
