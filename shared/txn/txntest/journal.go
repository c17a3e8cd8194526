package txntest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// Journal is txn.Journal in memory, together with the work it moves and the
// leases it checks. What goes in and out is copied. It is safe for concurrent
// use, and panics when a caller does what no caller may.
//
// Calls: "journal.entries", "journal.record", "journal.settle", "journal.done",
// "journal.reopen".
type Journal struct {
	*faulttest.Faults
	work    *watchtest.Actions
	mu      sync.Mutex
	leases  map[string]txn.Fence
	entries map[nonce]txn.Entry
	written map[nonce][]swap.Work // with the latest write of the entry
	next    map[txn.Account]uint64
}

type nonce struct {
	txn.Account
	n uint64
}

// NewJournal returns an empty journal over the work, with the work's faults.
func NewJournal(work *watchtest.Actions) *Journal {
	return &Journal{Faults: work.Faults, work: work, leases: map[string]txn.Fence{}, entries: map[nonce]txn.Entry{},
		written: map[nonce][]swap.Work{}, next: map[txn.Account]uint64{}}
}

// Grant gives the lease to the owner in the next generation, whoever has it.
func (j *Journal) Grant(lease, owner string) txn.Fence {
	j.mu.Lock()
	defer j.mu.Unlock()
	f := txn.Fence{Lease: lease, Owner: owner, Generation: j.leases[lease].Generation + 1}
	j.leases[lease] = f
	return f
}

// Release ends whatever lease there is.
func (j *Journal) Release(lease string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f := j.leases[lease]
	f.Owner = ""
	j.leases[lease] = f
}

// Knows reports whether the signed bytes stand in the journal: nothing else
// may ever be broadcast.
func (j *Journal) Knows(raw []byte) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.entries {
		for _, tx := range e.Txs {
			if bytes.Equal(tx.Raw, raw) {
				return true
			}
		}
	}
	return false
}

// All lists every entry of an account, settled ones too, by nonce.
func (j *Journal) All(a txn.Account) []txn.Entry {
	return j.list(a, func(txn.Entry) bool { return true })
}

func (j *Journal) list(a txn.Account, want func(txn.Entry) bool) (out []txn.Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for k, e := range j.entries {
		if k.Account == a && want(e) {
			out = append(out, clone(e))
		}
	}
	slices.SortFunc(out, func(a, b txn.Entry) int { return cmp.Compare(a.Nonce, b.Nonce) })
	return out
}

// Entries implements txn.Journal.
func (j *Journal) Entries(ctx context.Context, a txn.Account) (open []txn.Entry, next uint64, err error) {
	err = j.Do(ctx, "journal.entries", func() error {
		open = j.list(a, func(e txn.Entry) bool { return e.State == txn.Open })
		j.mu.Lock()
		defer j.mu.Unlock()
		next = j.next[a]
		return nil
	})
	return open, next, err
}

// Record implements txn.Journal.
func (j *Journal) Record(ctx context.Context, f txn.Fence, e txn.Entry, works []swap.Work) error {
	return j.Do(ctx, "journal.record", func() error {
		j.policeRecord(e, works)
		if j.repeated(e, works) {
			return nil
		}
		return j.work.Together(works, func() error { return j.record(f, e, works) })
	})
}

func (j *Journal) record(f txn.Fence, e txn.Entry, works []swap.Work) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	k := nonce{e.Account, e.Nonce}
	if f.Owner == "" || j.leases[f.Lease] != f || j.entries[k].Version != e.Version || j.entries[k].State != "" && j.entries[k].State != txn.Open {
		return swap.ErrConflict
	}
	j.put(k, e, works)
	j.next[e.Account] = max(j.next[e.Account], e.Nonce+1)
	return nil
}

func (j *Journal) put(k nonce, e txn.Entry, works []swap.Work) {
	e = clone(e)
	e.Version++
	j.entries[k], j.written[k] = e, slices.Clone(works) // they hold no pointers
}

// clone copies an entry with all that it points to.
func clone(e txn.Entry) txn.Entry {
	e.Acts, e.Txs = slices.Clone(e.Acts), slices.Clone(e.Txs)
	for i := range e.Txs {
		e.Txs[i].Raw, e.Txs[i].Acts = bytes.Clone(e.Txs[i].Raw), slices.Clone(e.Txs[i].Acts)
	}
	return e
}

// policeRecord panics at what no caller of Record may ask for.
func (j *Journal) policeRecord(e txn.Entry, works []swap.Work) {
	j.mu.Lock()
	defer j.mu.Unlock()
	old, exists := j.entries[nonce{e.Account, e.Nonce}]
	bad := ""
	switch {
	case e.ChainID == 0 || slices.ContainsFunc(e.Acts, func(a txn.Act) bool { return a.Order.ChainID == 0 || a.Action.Call == 0 }):
		bad = "of nothing"
	case len(e.Acts) > txn.MaxActs:
		bad = "of too many actions"
	case !distinct(e):
		bad = "of one action twice, or of actions of several takers"
	case e.State != txn.Open:
		bad = "recorded as " + string(e.State)
	case len(e.Txs) == 0:
		bad = "without a transaction"
	case e.Version == 0 && len(e.Txs) != 1:
		bad = "new with a bump"
	case e.Version == 0 && !submits(e, works):
		bad = "new without its work being submitted"
	case e.Version != 0 && len(works) > 0:
		bad = "bumped together with work"
	case exists && old.Version == e.Version && !slices.Equal(old.Acts, e.Acts):
		bad = "of another action than before"
	case exists && old.Version == e.Version && !extends(e.Txs, old.Txs):
		bad = "bumped without its earlier transactions"
	}
	for _, tx := range e.Txs {
		if len(tx.Raw) == 0 || tx.SignedAt.IsZero() {
			bad = "with a transaction that was not signed"
		}
		if slices.ContainsFunc(tx.Acts, func(i int) bool { return i < 0 || i >= len(e.Acts) }) {
			bad = "with a transaction of actions that are not its own"
		}
	}
	if bad != "" {
		panic(fmt.Sprintf("journal entry %d of %s on chain %d: %s", e.Nonce, e.Signer, e.ChainID, bad))
	}
}

// distinct reports whether the acts differ and, if there are several, are calls
// of one taker.
func distinct(e txn.Entry) bool {
	seen := map[swap.ActionKey]bool{}
	for _, a := range e.Acts {
		if seen[a.Action] || a.Action.Taker != e.Acts[0].Action.Taker {
			return false
		}
		seen[a.Action] = true
	}
	return true
}

// submits reports whether the works are those of the acts, submitted.
func submits(e txn.Entry, works []swap.Work) bool {
	return slices.EqualFunc(e.Acts, works, func(a txn.Act, w swap.Work) bool {
		return w.State == swap.WorkSubmitted && w.Key() == a.Action && w.Order == a.Order
	})
}

func extends(next, old []txn.Tx) bool {
	return len(next) > len(old) && watchtest.Same(next[:len(old)], old)
}

// Settle implements txn.Journal.
func (j *Journal) Settle(ctx context.Context, e txn.Entry, works []swap.Work) error {
	return j.Do(ctx, "journal.settle", func() error {
		j.policeSettle(e, works)
		if j.repeated(e, works) {
			return nil
		}
		return j.work.Together(works, func() error { return j.settle(e, works) })
	})
}

func (j *Journal) settle(e txn.Entry, works []swap.Work) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	k := nonce{e.Account, e.Nonce}
	if old, ok := j.entries[k]; !ok || old.State != txn.Open || old.Version != e.Version {
		return swap.ErrConflict
	}
	j.put(k, e, works)
	return nil
}

// policeSettle panics at what no caller of Settle may ask for.
func (j *Journal) policeSettle(e txn.Entry, works []swap.Work) {
	j.mu.Lock()
	defer j.mu.Unlock()
	old, ok := j.entries[nonce{e.Account, e.Nonce}]
	bad := ""
	switch {
	case e.State != txn.Mined && e.State != txn.Foreign:
		bad = "settled as " + string(e.State)
	case slices.ContainsFunc(works, func(w swap.Work) bool { return !slices.Contains(e.Acts, txn.Act{Order: w.Order, Action: w.Key()}) }):
		bad = "settled with the work of another action"
	case slices.ContainsFunc(works, func(w swap.Work) bool { return w.State == swap.WorkSubmitted }):
		bad = "settled with its work submitted"
	case ok && old.Version == e.Version && !watchtest.Same(e.Txs, old.Txs):
		bad = "settled with other transactions"
	}
	if bad != "" {
		panic(fmt.Sprintf("journal entry %d of %s on chain %d: %s", e.Nonce, e.Signer, e.ChainID, bad))
	}
}

// Done implements txn.Journal.
func (j *Journal) Done(ctx context.Context, a txn.Account, from uint64, limit int) (out []txn.Entry, err error) {
	err = j.Do(ctx, "journal.done", func() error {
		out = j.list(a, func(e txn.Entry) bool { return e.State != txn.Open && e.Nonce >= from })
		out = out[:min(limit, len(out))]
		return nil
	})
	return out, err
}

// Reopen implements txn.Journal.
func (j *Journal) Reopen(ctx context.Context, f txn.Fence, e txn.Entry) error {
	return j.Do(ctx, "journal.reopen", func() error {
		j.policeReopen(e)
		if j.repeated(e, nil) {
			return nil
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		k := nonce{e.Account, e.Nonce}
		old, ok := j.entries[k]
		if f.Owner == "" || j.leases[f.Lease] != f || !ok || old.State == txn.Open || old.Version != e.Version {
			return swap.ErrConflict
		}
		j.put(k, e, nil)
		return nil
	})
}

// policeReopen panics at what no caller of Reopen may ask for.
func (j *Journal) policeReopen(e txn.Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	old, ok := j.entries[nonce{e.Account, e.Nonce}]
	bad := ""
	switch {
	case e.State != txn.Open || e.UndoneAt == (swap.Block{}):
		bad = "opened again as " + string(e.State)
	case ok && old.Version == e.Version && (!slices.Equal(e.Acts, old.Acts) || !watchtest.Same(e.Txs, old.Txs)):
		bad = "opened again with other transactions"
	}
	if bad != "" {
		panic(fmt.Sprintf("journal entry %d of %s on chain %d: %s", e.Nonce, e.Signer, e.ChainID, bad))
	}
}

// repeated reports whether this has just been written: its answer was lost.
func (j *Journal) repeated(e txn.Entry, works []swap.Work) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	k := nonce{e.Account, e.Nonce}
	stored, ok := j.entries[k]
	e.Version++
	return ok && watchtest.Same(stored, e) && watchtest.Same(j.written[k], works)
}
