package txntest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// Journal is txn.Journal in memory, together with the work it moves and the
// leases it checks. What goes in and out is copied. It is safe for concurrent
// use, and panics when a caller does what no caller may.
//
// Calls: "journal.entries", "journal.record", "journal.settle".
type Journal struct {
	*watchtest.Faults
	work    *watchtest.Actions
	mu      sync.Mutex
	leases  map[string]txn.Fence
	entries map[nonce]txn.Entry
	written map[nonce]*swap.Work // with the latest write of the entry
	next    map[txn.Account]uint64
}

type nonce struct {
	txn.Account
	n uint64
}

// NewJournal returns an empty journal over the work, with the work's faults.
func NewJournal(work *watchtest.Actions) *Journal {
	return &Journal{Faults: work.Faults, work: work, leases: map[string]txn.Fence{}, entries: map[nonce]txn.Entry{},
		written: map[nonce]*swap.Work{}, next: map[txn.Account]uint64{}}
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
func (j *Journal) Record(ctx context.Context, f txn.Fence, e txn.Entry, w *swap.Work) error {
	return j.Do(ctx, "journal.record", func() error {
		j.policeRecord(e, w)
		if j.repeated(e, w) {
			return nil
		}
		return j.work.Together(w, func() error { return j.record(f, e, w) })
	})
}

func (j *Journal) record(f txn.Fence, e txn.Entry, w *swap.Work) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	k := nonce{e.Account, e.Nonce}
	if f.Owner == "" || j.leases[f.Lease] != f || j.entries[k].Version != e.Version || j.entries[k].State != "" && j.entries[k].State != txn.Open {
		return swap.ErrConflict
	}
	j.put(k, e, w)
	j.next[e.Account] = max(j.next[e.Account], e.Nonce+1)
	return nil
}

func (j *Journal) put(k nonce, e txn.Entry, w *swap.Work) {
	e = clone(e)
	e.Version++
	if w != nil {
		c := *w // holds no pointers
		w = &c
	}
	j.entries[k], j.written[k] = e, w
}

// clone copies an entry with all that it points to.
func clone(e txn.Entry) txn.Entry {
	e.Txs = slices.Clone(e.Txs)
	for i := range e.Txs {
		e.Txs[i].Raw = bytes.Clone(e.Txs[i].Raw)
	}
	return e
}

// policeRecord panics at what no caller of Record may ask for.
func (j *Journal) policeRecord(e txn.Entry, w *swap.Work) {
	j.mu.Lock()
	defer j.mu.Unlock()
	old, exists := j.entries[nonce{e.Account, e.Nonce}]
	bad := ""
	switch {
	case e.ChainID == 0 || e.Order.ChainID == 0 || e.Action.Call == 0:
		bad = "of nothing"
	case e.State != txn.Open:
		bad = "recorded as " + string(e.State)
	case len(e.Txs) == 0:
		bad = "without a transaction"
	case e.Version == 0 && len(e.Txs) != 1:
		bad = "new with a bump"
	case e.Version == 0 && (w == nil || w.State != swap.WorkSubmitted || w.Key() != e.Action || w.Order != e.Order):
		bad = "new without its work being submitted"
	case e.Version != 0 && w != nil:
		bad = "bumped together with work"
	case exists && old.Version == e.Version && (old.Action != e.Action || old.Order != e.Order):
		bad = "of another action than before"
	case exists && old.Version == e.Version && !extends(e.Txs, old.Txs):
		bad = "bumped without its earlier transactions"
	}
	for _, tx := range e.Txs {
		if len(tx.Raw) == 0 || tx.SignedAt.IsZero() {
			bad = "with a transaction that was not signed"
		}
	}
	if bad != "" {
		panic(fmt.Sprintf("journal entry %d of %s on chain %d: %s", e.Nonce, e.Signer, e.ChainID, bad))
	}
}

func extends(next, old []txn.Tx) bool {
	return len(next) > len(old) && watchtest.Same(next[:len(old)], old)
}

// Settle implements txn.Journal.
func (j *Journal) Settle(ctx context.Context, e txn.Entry, w *swap.Work) error {
	return j.Do(ctx, "journal.settle", func() error {
		j.policeSettle(e, w)
		if j.repeated(e, w) {
			return nil
		}
		return j.work.Together(w, func() error { return j.settle(e, w) })
	})
}

func (j *Journal) settle(e txn.Entry, w *swap.Work) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	k := nonce{e.Account, e.Nonce}
	if old, ok := j.entries[k]; !ok || old.State != txn.Open || old.Version != e.Version {
		return swap.ErrConflict
	}
	j.put(k, e, w)
	return nil
}

// policeSettle panics at what no caller of Settle may ask for.
func (j *Journal) policeSettle(e txn.Entry, w *swap.Work) {
	j.mu.Lock()
	defer j.mu.Unlock()
	old, ok := j.entries[nonce{e.Account, e.Nonce}]
	bad := ""
	switch {
	case e.State != txn.Mined && e.State != txn.Foreign:
		bad = "settled as " + string(e.State)
	case w != nil && (w.Key() != e.Action || w.Order != e.Order):
		bad = "settled with the work of another action"
	case w != nil && w.State == swap.WorkSubmitted:
		bad = "settled with its work submitted"
	case ok && old.Version == e.Version && !watchtest.Same(e.Txs, old.Txs):
		bad = "settled with other transactions"
	}
	if bad != "" {
		panic(fmt.Sprintf("journal entry %d of %s on chain %d: %s", e.Nonce, e.Signer, e.ChainID, bad))
	}
}

// repeated reports whether this has just been written: its answer was lost.
func (j *Journal) repeated(e txn.Entry, w *swap.Work) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	k := nonce{e.Account, e.Nonce}
	stored, ok := j.entries[k]
	e.Version++
	return ok && watchtest.Same(stored, e) && watchtest.Same(j.written[k], w)
}
