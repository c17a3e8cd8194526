package snapshot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

const (
	// Latest is the key of the newest manifest of a live stack. Those of other modes
	// have a key of their own: see latest.
	Latest = "snapshots/latest.json"
	// prefix begins the keys of data and manifests; those beneath it expire.
	prefix = "snapshots/data/"
	// refresh are the spans, by the clock, in each of which the first run reads all orders
	// and writes a snapshot although nothing but marks may have changed. That is what a
	// restored system reads again at most, some 1,800 blocks of a chain with one every
	// two seconds, which is a few requests; and how long an order may have been taken
	// over wrongly, which none should be.
	refresh = time.Hour
	// chunk is how many orders are in memory at once.
	chunk = 1000
	// SettledKept is how many of an account's last nonces come along settled: as
	// many as the executor looks at when a chain shows an older nonce.
	SettledKept = 64
)

// latest is the key of the newest manifest of a mode. A stack that is in shadow for a
// while must not put a snapshot without the live journal in the place of one with it.
func latest(mode string) string {
	if mode == "live" {
		return Latest
	}
	return "snapshots/latest-" + mode + ".json"
}

// Chains reads what is kept of a chain and the open orders. Every reading is
// consistent.
type Chains interface {
	// Chain reads a chain's marks and facts, and what is parked on it and has not
	// expired. One that was never read has zero marks.
	Chain(ctx context.Context, chain uint64) (swap.Provisional, []swap.DstCreated, error)
	// Open lists the open orders that have an escrow on the chain. If it is that of
	// the source, an order comes with its tag, where that is known: whatever writes
	// the order, so that Load returns something else, has changed the tag by then, and
	// maybe to one that the order never has.
	Open(ctx context.Context, chain uint64) ([]Listed, error)
	// Load reads orders; ids without an item are left out. An order that cannot be
	// read is an error. The version is that with which the order last became what it
	// is, and there are no wake times: sweeps, which move these, change nothing of
	// what Load returns.
	Load(ctx context.Context, ids []swap.OrderID) ([]swap.Order, error)
}

// Listed is an open order in a list.
type Listed struct {
	ID  swap.OrderID
	Tag Tag
}

// Ledger reads what is done with the orders, consistently.
type Ledger interface {
	// Live reads all live work of a taker on a chain. Work that cannot be read is
	// an error.
	Live(ctx context.Context, chain uint64, taker common.Address) ([]swap.Work, error)
	// Journal reads the next nonce of an account, all its open entries and those
	// settled of the last nonces, as many as settled says.
	Journal(ctx context.Context, a txn.Account, settled uint64) (next uint64, entries []txn.Entry, err error)
	// Control reads the control flags.
	Control(ctx context.Context) ([]Item, error)
}

// Progress keeps how far a restore has come, with the tables it was made into.
type Progress interface {
	// Restored reads the latest restore; the zero value if there was none.
	Restored(ctx context.Context) (Restore, error)
	// SetRestored replaces it.
	SetRestored(ctx context.Context, r Restore) error
}

// Restore is one restore.
type Restore struct {
	Key      string    `json:"key"`    // of the data
	SHA256   string    `json:"sha256"` // of the data
	Begun    time.Time `json:"begun"`
	Finished time.Time `json:"finished,omitzero"` // zero: it is under way, or was cut short
}

func (r Restore) unfinished() bool { return !r.Begun.IsZero() && r.Finished.IsZero() }

// Bucket keeps the objects. What is missing is fs.ErrNotExist, and what is there
// in place of what was expected fs.ErrExist.
type Bucket interface {
	// Create stores an object, whole or not at all, under a key that is free.
	// Repeating a write whose response was lost succeeds.
	Create(ctx context.Context, key string, body []byte) error
	// Replace stores an object in place of the one with that tag; without a tag
	// the key must be free. Repeating succeeds.
	Replace(ctx context.Context, key, tag string, body []byte) error
	// Get reads an object of at most so many bytes, and its tag.
	Get(ctx context.Context, key string, most int64) (body []byte, tag string, err error)
}

// Taker is an account that orders name, on one chain.
type Taker struct {
	ChainID uint64
	Address common.Address
}

// Scope is what the configuration knows of. Takers and signers that only orders
// and work name are found there.
type Scope struct {
	Chains  []uint64
	Takers  []Taker
	Signers []txn.Account
}

// Keeper takes snapshots.
type Keeper struct {
	Chains   Chains
	Ledger   Ledger
	Progress Progress
	Bucket   Bucket
	Scope    Scope
	Mode     string // of the work and the journal: live or shadow
	// Compared is told each time that all orders have been read, before anything is
	// written: which of them would have been taken over from the newest snapshot
	// though they are not what it says. There should be none, ever. Its error is that
	// of the run; nothing is written if there was something to tell. nil: nobody is told.
	Compared func(ctx context.Context, wrong []swap.OrderID) error
	Log      *slog.Logger
}

// Taken is what a look came to.
type Taken struct {
	Manifest
	Written bool // false: nothing has changed, and the newest one is young enough
	Read    int  // orders that were read; the others were taken over
}

// Take takes a snapshot if something has changed. It may be repeated at any
// time: what it leaves half done is named by nothing.
func (k *Keeper) Take(ctx context.Context, now time.Time) (Taken, error) {
	now = now.UTC().Truncate(time.Millisecond)
	restored, err := k.Progress.Restored(ctx)
	if err != nil {
		return Taken{}, fmt.Errorf("look for a restore under way: %w", err)
	}
	if restored.unfinished() {
		return Taken{}, fmt.Errorf("the restore of %s, begun at %s, is not finished: no snapshot is taken of a part", restored.Key, restored.Begun)
	}
	prev, tag, err := k.newest(ctx)
	if err != nil {
		return Taken{}, err
	}
	age := now.Sub(prev.Taken) // below zero by a clock that was ahead
	fresh := prev.Mode == k.Mode && age >= 0 && prev.Taken.Truncate(refresh).Equal(now.Truncate(refresh))
	former, err := k.former(ctx, prev)
	if err != nil {
		return Taken{}, err
	}
	defer former.close()
	begin := Begin{Schema: Schema, Mode: k.Mode, Taken: now}
	w := newWriter()
	if err := k.read(ctx, begin, former, fresh, w); err != nil {
		return Taken{}, fmt.Errorf("read the state: %w", err)
	}
	m, err := w.close(begin, func(sum string) string {
		return prefix + now.Format("2006/01/02/150405.000Z-") + sum[:12] + ".jsonl.gz"
	})
	if err != nil {
		return Taken{}, fmt.Errorf("write the state: %w", err)
	}
	if err := m.follows(prev); err != nil {
		return Taken{}, err
	}
	if fresh && m.Content == prev.Content {
		return Taken{m, false, w.read}, w.untold
	}
	former.close() // what it holds has to fit beside what is read back
	if err := k.store(ctx, m, w.data.Bytes(), tag); err != nil {
		return Taken{}, err
	}
	return Taken{m, true, w.read}, w.untold
}

// newest reads the manifest of the newest snapshot, and the pointer's tag. One
// that does not read is replaced like any other; one of a later release is not.
func (k *Keeper) newest(ctx context.Context) (m Manifest, tag string, err error) {
	body, tag, err := k.Bucket.Get(ctx, latest(k.Mode), maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, "", nil
	}
	if err != nil {
		return Manifest{}, "", fmt.Errorf("read the newest manifest: %w", err)
	}
	m, err = readManifest(body)
	if errors.Is(err, errDamaged) {
		k.Log.WarnContext(ctx, "the newest manifest is replaced unread", "key", latest(k.Mode), "error", err)
		return Manifest{}, tag, nil
	}
	if err != nil {
		return Manifest{}, "", fmt.Errorf("read the newest manifest: %s: %w", latest(k.Mode), err)
	}
	return m, tag, nil
}

// follows refuses a state that has forgotten what its predecessor knew.
func (m Manifest) follows(prev Manifest) error {
	if prev.Mode != m.Mode {
		return nil // another journal
	}
	var errs []error
	for _, was := range prev.Chains {
		i := slices.IndexFunc(m.Chains, func(c Marks) bool { return c.ChainID == was.ChainID })
		switch {
		case i < 0:
		case was.Seen.Number > 0 && m.Chains[i].Seen.Number == 0:
			errs = append(errs, fmt.Errorf("chain %d had been read to block %d, and has no marks now", was.ChainID, was.Seen.Number))
		case was.Done && !m.Chains[i].Done: // state-sync sets new marks at once, at the head
			errs = append(errs, fmt.Errorf("chain %d had been read to block %d, and its history is being read anew", was.ChainID, was.Seen.Number))
		}
	}
	for _, was := range prev.Nonces {
		i := slices.IndexFunc(m.Nonces, func(a Account) bool { return a.Account == was.Account })
		if i >= 0 && m.Nonces[i].Next < was.Next {
			errs = append(errs, fmt.Errorf("the next nonce of %s on chain %d was %d, and is %d now", was.Signer, was.ChainID, was.Next, m.Nonces[i].Next))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("the tables have lost what the snapshot of %s holds, which stays the newest (restore it, or delete %s if this was meant): %w",
			prev.Taken.Format(time.RFC3339), latest(m.Mode), err)
	}
	return nil
}

// store makes a snapshot the newest.
func (k *Keeper) store(ctx context.Context, m Manifest, data []byte, tag string) error {
	manifest, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the manifest: %w", err)
	}
	// A crash from here on leaves objects that nothing names.
	if err := k.Bucket.Create(ctx, m.Key, data); err != nil {
		return fmt.Errorf("store the snapshot: %w", err)
	}
	there, _, err := k.Bucket.Get(ctx, m.Key, m.Size)
	if err != nil {
		return fmt.Errorf("read the snapshot back: %w", err)
	}
	if err := m.verify(there); err != nil {
		return fmt.Errorf("read the snapshot back: %w", err)
	}
	if err := k.Bucket.Create(ctx, m.Key+".json", manifest); err != nil {
		return fmt.Errorf("store the manifest: %w", err)
	}
	// From here on it is the newest. Whoever has replaced the pointer since it was
	// read has a younger one.
	if err := k.Bucket.Replace(ctx, latest(k.Mode), tag, manifest); err != nil {
		return fmt.Errorf("make the snapshot the newest: %w", err)
	}
	return nil
}

// read writes all parts, each older than the next; see the package's comment.
func (k *Keeper) read(ctx context.Context, begin Begin, former *former, fresh bool, w *writer) error {
	if err := w.write(Record{Begin: &begin}); err != nil {
		return err
	}
	chains := distinct(k.Scope.Chains, cmp.Compare)
	for _, id := range chains {
		if err := k.readChain(ctx, id, w); err != nil {
			return fmt.Errorf("chain %d: %w", id, err)
		}
	}
	takers, err := k.readOrders(ctx, former, fresh, w)
	if err != nil {
		return err
	}
	for _, id := range chains {
		if err := k.readParked(ctx, id, w); err != nil {
			return fmt.Errorf("chain %d: %w", id, err)
		}
	}
	signers, err := k.readWork(ctx, takers, w)
	if err != nil {
		return err
	}
	for _, a := range signers {
		if err := k.readJournal(ctx, a, w); err != nil {
			return err
		}
	}
	flags, err := k.Ledger.Control(ctx)
	if err != nil {
		return fmt.Errorf("read the control flags: %w", err)
	}
	slices.SortFunc(flags, func(a, b Item) int { return cmp.Compare(a.Key, b.Key) })
	for i := range flags {
		if err := w.write(Record{Control: &flags[i]}); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) readChain(ctx context.Context, id uint64, w *writer) error {
	facts, _, err := k.Chains.Chain(ctx, id)
	if err != nil {
		return err
	}
	w.chains = append(w.chains, Marks{id, facts.From, facts.To, facts.Sync.Done})
	for _, ev := range facts.Events {
		if ev.Kind == swap.Withdrawn {
			w.public[ev.Secret] = true
		}
	}
	return w.write(Record{Chain: &facts})
}

// readParked writes what is parked on a chain. It is read after the orders: an order
// whose source vanished leaves its dst leg there before it is closed, and nothing is
// taken from there.
func (k *Keeper) readParked(ctx context.Context, id uint64, w *writer) error {
	_, parked, err := k.Chains.Chain(ctx, id)
	if err != nil {
		return err
	}
	slices.SortFunc(parked, func(a, b swap.DstCreated) int { return cmp.Or(a.Hashlock.Cmp(b.Hashlock), a.Escrow.Cmp(b.Escrow)) })
	for i := range parked {
		if err := w.write(Record{Parked: &parked[i]}); err != nil {
			return err
		}
	}
	return nil
}

// readOrders writes the open orders, notes them, and returns the takers to look for.
// What the newest snapshot has of an order is taken over if its tag is the one listed,
// and the snapshot is fresh. If it is not, all are read, and compared with what would
// have been taken over.
func (k *Keeper) readOrders(ctx context.Context, former *former, fresh bool, w *writer) ([]Taker, error) {
	open, err := k.open(ctx)
	if err != nil {
		return nil, err
	}
	takers := map[Taker]bool{}
	for _, t := range k.Scope.Takers {
		takers[t] = true
	}
	var others []Listed
	for some := range slices.Chunk(open, chunk) {
		orders, differ, err := k.load(ctx, some, former.among(some), fresh, w)
		if err != nil {
			return nil, err
		}
		others = append(others, differ...)
		slices.SortFunc(orders, func(a, b swap.Order) int { return compareOrders(a.ID, b.ID) })
		for i := range orders {
			o := &orders[i]
			if o.Closed {
				continue // since it was listed
			}
			if o.Secret != nil {
				w.public[*o.Secret] = true
			}
			for _, e := range o.Escrows() {
				takers[Taker{e.ChainID, o.Src.Immutables.TakerAddress()}] = true
			}
			if err := w.write(Record{Order: o}); err != nil {
				return nil, fmt.Errorf("order %s: %w", o.ID, err)
			}
			w.orders[o.ID] = true
		}
	}
	if !fresh && former != nil {
		if err := k.compared(ctx, others, w); err != nil {
			return nil, err
		}
	}
	return distinct(slices.Collect(maps.Keys(takers)), func(a, b Taker) int {
		return cmp.Or(cmp.Compare(a.ChainID, b.ChainID), a.Address.Cmp(b.Address))
	}), nil
}

// open lists the open orders of all chains, sorted.
func (k *Keeper) open(ctx context.Context) ([]Listed, error) {
	tags := map[swap.OrderID]Tag{}
	for _, chain := range distinct(k.Scope.Chains, cmp.Compare) {
		open, err := k.Chains.Open(ctx, chain)
		if err != nil {
			return nil, fmt.Errorf("list the open orders of chain %d: %w", chain, err)
		}
		for _, l := range open {
			if tags[l.ID] == (Tag{}) {
				tags[l.ID] = l.Tag
			}
		}
	}
	list := make([]Listed, 0, len(tags))
	for id, tag := range tags {
		list = append(list, Listed{id, tag})
	}
	slices.SortFunc(list, func(a, b Listed) int { return compareOrders(a.ID, b.ID) })
	return list, nil
}

// load returns the orders of a list, kept ones if the newest snapshot is fresh. If it is
// not, differ are those that the tables have otherwise than it.
func (k *Keeper) load(ctx context.Context, list []Listed, kept map[swap.OrderID]swap.Order, fresh bool, w *writer) (orders []swap.Order, differ []Listed, err error) {
	var ids []swap.OrderID
	for _, l := range list {
		if _, ok := kept[l.ID]; !ok || !fresh {
			ids = append(ids, l.ID)
		}
	}
	if len(ids) > 0 {
		if orders, err = k.Chains.Load(ctx, ids); err != nil {
			return nil, nil, fmt.Errorf("read orders: %w", err)
		}
		w.read += len(ids)
	}
	if fresh {
		return slices.AppendSeq(orders, maps.Values(kept)), nil, nil
	}
	there := map[swap.OrderID]Tag{}
	for i := range orders {
		if there[orders[i].ID], err = TagOf(orders[i]); err != nil {
			return nil, nil, err
		}
	}
	for _, l := range list {
		if _, ok := kept[l.ID]; ok && there[l.ID] != l.Tag {
			differ = append(differ, l)
		}
	}
	return orders, differ, nil
}

// compared finds those orders whose tag is the old one still: since the others were
// listed they have been written, or closed.
func (k *Keeper) compared(ctx context.Context, others []Listed, w *writer) error {
	var wrong []swap.OrderID
	if len(others) > 0 {
		now, err := k.open(ctx)
		if err != nil {
			return err
		}
		still := map[Listed]bool{}
		for _, l := range now {
			still[l] = true
		}
		for _, l := range others {
			if still[l] {
				wrong = append(wrong, l.ID)
				k.Log.ErrorContext(ctx, "an order would have been taken over that is another by now", "order", l.ID.String())
			}
		}
	}
	if k.Compared == nil {
		return nil
	}
	err := k.Compared(ctx, wrong)
	if err != nil {
		err = fmt.Errorf("tell that %d orders would have been taken over wrongly: %w", len(wrong), err)
	}
	if len(wrong) > 0 { // once a snapshot of this hour is written, nobody compares
		return err
	}
	w.untold = err
	return nil
}

// readWork writes the live work and returns the accounts to look for.
func (k *Keeper) readWork(ctx context.Context, takers []Taker, w *writer) ([]txn.Account, error) {
	signers := map[txn.Account]bool{}
	for _, a := range k.Scope.Signers {
		signers[a] = true
	}
	for _, t := range takers {
		work, err := k.Ledger.Live(ctx, t.ChainID, t.Address)
		if err != nil {
			return nil, fmt.Errorf("read the work of %s on chain %d: %w", t.Address, t.ChainID, err)
		}
		slices.SortFunc(work, func(a, b swap.Work) int { return cmp.Compare(a.Key().String(), b.Key().String()) })
		over, err := k.over(ctx, work, w)
		if err != nil {
			return nil, err
		}
		for i := range work {
			if over[work[i].Order] {
				continue
			}
			if work[i].Signer != (common.Address{}) {
				signers[txn.Account{ChainID: work[i].ChainID, Signer: work[i].Signer}] = true
			}
			if err := w.write(Record{Work: &work[i]}); err != nil {
				return nil, fmt.Errorf("work %s: %w", work[i].Key(), err)
			}
		}
	}
	return distinct(slices.Collect(maps.Keys(signers)), func(a, b txn.Account) int {
		return cmp.Or(cmp.Compare(a.ChainID, b.ChainID), a.Signer.Cmp(b.Signer))
	}), nil
}

// over are the orders of some work that are closed, or gone, and thus not in the
// snapshot: their work has only not been ended yet, and of restored work nobody
// would ever plan the order again.
func (k *Keeper) over(ctx context.Context, work []swap.Work, w *writer) (map[swap.OrderID]bool, error) {
	over := map[swap.OrderID]bool{}
	for i := range work {
		if id := work[i].Order; !w.orders[id] {
			over[id] = true
		}
	}
	if len(over) == 0 {
		return over, nil
	}
	orders, err := k.Chains.Load(ctx, slices.SortedFunc(maps.Keys(over), compareOrders))
	if err != nil {
		return nil, fmt.Errorf("read orders of work: %w", err)
	}
	for i := range orders {
		if !orders[i].Closed {
			delete(over, orders[i].ID) // it came since they were listed
		}
	}
	return over, nil
}

func (k *Keeper) readJournal(ctx context.Context, a txn.Account, w *writer) error {
	next, entries, err := k.Ledger.Journal(ctx, a, SettledKept)
	if err != nil {
		return fmt.Errorf("read the journal of %s on chain %d: %w", a.Signer, a.ChainID, err)
	}
	account := Account{a, next}
	w.nonces = append(w.nonces, account)
	if err := w.write(Record{Account: &account}); err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b txn.Entry) int { return cmp.Compare(a.Nonce, b.Nonce) })
	for i := range entries {
		withheld := w.withholds(entries[i])
		if withheld {
			if err := k.learnClosed(ctx, entries[i], w); err != nil {
				return err
			}
			withheld = w.withholds(entries[i])
		}
		if withheld {
			w.counts.Withheld++
			continue
		}
		if err := w.write(Record{Entry: &entries[i]}); err != nil {
			return fmt.Errorf("nonce %d of %s on chain %d: %w", entries[i].Nonce, a.Signer, a.ChainID, err)
		}
	}
	return nil
}

// learnClosed learns the public secrets of the orders that an entry is about: one
// may have been closed while a transaction for it was still under way.
func (k *Keeper) learnClosed(ctx context.Context, e txn.Entry, w *writer) error {
	var ids []swap.OrderID
	for _, a := range e.Acts {
		ids = append(ids, a.Order)
	}
	orders, err := k.Chains.Load(ctx, distinct(ids, compareOrders))
	if err != nil {
		return fmt.Errorf("read the orders of nonce %d of %s on chain %d: %w", e.Nonce, e.Signer, e.ChainID, err)
	}
	for i := range orders {
		if s := orders[i].Secret; s != nil {
			w.public[*s] = true
		}
	}
	return nil
}

// withholds reports whether an entry's bytes hold a secret that may not be
// public. What was mined is.
func (w *writer) withholds(e txn.Entry) bool {
	if e.State == txn.Mined {
		return false
	}
	for _, tx := range e.Txs {
		for _, s := range secretsIn(tx.Raw) {
			if !w.public[s] {
				return true
			}
		}
	}
	return false
}

// secretsIn finds the preimages of 32-byte words among those of the same bytes:
// a withdrawal carries its secret and, in the immutables, its hashlock, however
// deep it is wrapped.
func secretsIn(raw []byte) (found [][32]byte) {
	words := make(map[common.Hash]bool, len(raw))
	for i := 0; i+32 <= len(raw); i++ {
		words[common.Hash(raw[i:i+32])] = true
	}
	for w := range words {
		if words[crypto.Keccak256Hash(w[:])] {
			found = append(found, w)
		}
	}
	return found
}

func compareOrders(a, b swap.OrderID) int {
	return cmp.Or(cmp.Compare(a.ChainID, b.ChainID), a.Escrow.Cmp(b.Escrow))
}

// distinct sorts a copy and leaves out what stands twice.
func distinct[T comparable](all []T, compare func(a, b T) int) []T {
	all = slices.Clone(all)
	slices.SortFunc(all, compare)
	return slices.Compact(all)
}

// ScopeOf is what the operator's policy knows of.
func ScopeOf(p swap.Policy) (s Scope) {
	for id, c := range p.Chains {
		s.Chains = append(s.Chains, id)
		signers := map[common.Address]bool{c.AccessTokenSigner: true}
		for address, t := range c.Takers {
			s.Takers = append(s.Takers, Taker{id, address})
			signers[t.Signer] = true
		}
		delete(signers, common.Address{})
		for signer := range signers {
			s.Signers = append(s.Signers, txn.Account{ChainID: id, Signer: signer})
		}
	}
	return s
}
