package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot/snapshottest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/tally/tallytest"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// keeper takes snapshots of a store into a bucket.
func keeper(s *Store, b snapshot.Bucket, scope snapshot.Scope) *snapshot.Keeper {
	v := s.Snapshots()
	return &snapshot.Keeper{Chains: v, Ledger: v, Progress: v, Bucket: b, Scope: scope, Mode: string(Live), Log: slog.New(slog.DiscardHandler)}
}

func restorer(s *Store, b snapshot.Bucket) *snapshot.Restorer {
	v := s.Snapshots()
	return &snapshot.Restorer{Bucket: b, Tables: v, Progress: v, Ledger: v, Mode: string(Live), Log: slog.New(slog.DiscardHandler)}
}

// populate writes a state with as many open orders as its jobs would, in
// situations of their own.
func populate(t *testing.T, s *Store, n int) snapshottest.Sample {
	t.Helper()
	sample := snapshottest.NewSample(n)
	for i := range sample.Orders {
		o := &sample.Orders[i]
		switch i % 4 {
		case 1: // paid, and src has to be claimed
			o.Dsts[0].Final = true
		case 2: // cancelled on dst
			o.Dsts[0].Final = true
			o.Events = []swap.EscrowEvent{{ChainID: o.Dsts[0].ChainID, Escrow: o.Dsts[0].Escrow, Kind: swap.Cancelled, At: watchtest.Position(12)}}
		case 3:
			o.Dsts = nil
		}
	}
	for _, r := range append(sample.Records, snapshottest.Flag()) {
		if ok, err := s.Snapshots().Put(t.Context(), r); err != nil || !ok {
			t.Fatalf("put: %t, %v", ok, err)
		}
	}
	return sample
}

// decisions are the plans of all open orders, as a sweep sees them.
func decisions(t *testing.T, s *Store, sample snapshottest.Sample, at swap.ChainTime) map[swap.OrderID]swap.Decision {
	t.Helper()
	facts, views := map[uint64]swap.Provisional{}, swap.Views{}
	policy := swap.Policy{Chains: map[uint64]swap.ChainPolicy{}, Horizon: 60, SyncLag: 1 << 40, Overdue: 60, WarnLevels: []int64{600}}
	caps := map[swap.Call]uint256.Int{swap.Withdraw: *uint256.NewInt(1e15), swap.Cancel: *uint256.NewInt(1e15), swap.RescueFunds: *uint256.NewInt(1e15)}
	ids := map[swap.OrderID]bool{}
	for _, chain := range sample.Scope.Chains {
		p, err := s.Facts().Provisional(t.Context(), chain)
		if err != nil {
			t.Fatal(err)
		}
		facts[chain] = p
		views[chain] = swap.ChainView{ChainID: chain, Head: swap.Block{Number: 120, Time: at}, SyncedTo: p.To, Final: p.From}
		policy.Chains[chain] = swap.ChainPolicy{MinBlockTime: 1, BlockTime: 2, Inclusion: 10, FeeCap: caps, Takers: map[common.Address]swap.TakerPolicy{}}
		rows, err := s.Orders().Watched(t.Context(), chain)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			ids[row.Order] = true
		}
	}
	var list []swap.OrderID
	for id := range ids {
		list = append(list, id)
	}
	orders, err := s.Orders().Load(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	out := map[swap.OrderID]swap.Decision{}
	for _, o := range orders {
		for _, chain := range sample.Scope.Chains {
			policy.Chains[chain].Takers[o.Src.Immutables.TakerAddress()] = swap.TakerPolicy{Signer: sample.Account.Signer, Path: swap.PathEOA}
		}
		d, err := swap.Plan(swap.Fold(o, facts), views, policy)
		if err != nil {
			t.Fatal(err)
		}
		out[o.ID] = d
	}
	return out
}

// due lists what each index has due.
func due(t *testing.T, s *Store, sample snapshottest.Sample, at swap.ChainTime) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, chain := range sample.Scope.Chains {
		for _, side := range []swap.Side{swap.Src, swap.Dst} {
			ids, err := s.Orders().Due(t.Context(), chain, side, at)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				out[side.String()] = append(out[side.String()], id.String())
			}
		}
		slices.Sort(out["src"])
		slices.Sort(out["dst"])
	}
	return out
}

// A restored system wants to do exactly what the lost one did, and goes on from
// there: nothing that its jobs write next finds another version, and no nonce
// that was used is free.
func TestARestoredSystemPlansTheSameAndGoesOn(t *testing.T) {
	before, after, bucket := ownTables(t), ownTables(t), snapshottest.NewBucket(nil)
	sample := populate(t, before, 24)
	if _, err := keeper(before, bucket, sample.Scope).Take(t.Context(), epoch); err != nil {
		t.Fatal(err)
	}
	if _, err := restorer(after, bucket).Restore(t.Context(), snapshot.Options{}, epoch); err != nil {
		t.Fatal(err)
	}
	actions := 0
	for _, at := range []swap.ChainTime{1_750_000_240, 1_750_000_700, 1_750_002_500, 1_750_004_300, 1_750_800_000} {
		want, got := decisions(t, before, sample, at), decisions(t, after, sample, at)
		if len(want) != 24 {
			t.Fatalf("%d plans", len(want))
		}
		for id, d := range want {
			watchtest.Equal(t, "the plan of "+id.String(), d, got[id])
			actions += len(d.Actions)
		}
	}
	// All are due at once: when they have to be looked at is found anew.
	late := due(t, after, sample, sample.Orders[0].Src.Created.Time+1)
	if len(late["src"]) != 24 || len(late["dst"]) != 0 {
		t.Errorf("due on their source chains: %d of 24; on the others %d", len(late["src"]), len(late["dst"]))
	}
	if actions == 0 {
		t.Fatal("the plans want nothing")
	}

	// state-sync goes on from the restored marks.
	for _, chain := range sample.Scope.Chains {
		prev, err := after.Facts().Provisional(t.Context(), chain)
		if err != nil {
			t.Fatal(err)
		}
		next := prev
		next.From, next.To = swap.Block{Number: prev.From.Number + 50, Hash: watchtest.Word()}, swap.Block{Number: prev.To.Number + 50, Hash: watchtest.Word()}
		next.Sync.Revision++
		if err := after.Facts().Replace(t.Context(), prev, next); err != nil {
			t.Errorf("move the marks of chain %d: %v", chain, err)
		}
	}
	o := sample.Orders[3]
	if err := after.Orders().SetWakes(t.Context(), o, swap.Wakes{Src: 5}); err != nil {
		t.Errorf("set wake times: %v", err)
	}
	o.Version++
	o.Closed = true
	if err := after.Orders().Save(t.Context(), o); err != nil {
		t.Errorf("close an order: %v", err)
	}
	// The executor goes on from the restored journal.
	fence := after.grant(t, "signer#"+sample.Account.Signer.Hex(), "a")
	next, steps := txntest.Entry(sample.Account, 8, sample.Works[2])
	if err := after.Journal().Record(t.Context(), fence, next, steps); err != nil {
		t.Errorf("record the next nonce: %v", err)
	}
	done := sample.Works[0]
	done.State = swap.WorkConfirmed
	e := sample.Entries[1]
	e.State = txn.Mined
	if err := after.Journal().Settle(t.Context(), e, []swap.Work{done}); err != nil {
		t.Errorf("settle a restored entry: %v", err)
	}
}

// Whoever writes orders, whatever they do: what is taken with the help of the newest
// snapshot is, byte for byte, what is taken without.
func TestTakenOverFromTheTables(t *testing.T) {
	archived := 0
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 7))
		s, bucket := ownTables(t), snapshottest.NewBucket(nil)
		sample := populate(t, s, 6)
		short := keeper(s, bucket, sample.Scope)
		short.Compared = func(_ context.Context, wrong []swap.OrderID) error {
			if len(wrong) > 0 {
				t.Errorf("seed %d: %v would have been taken over wrongly", seed, wrong)
			}
			return nil
		}
		for _, w := range sample.Works {
			if w.Order != sample.Orders[0].ID { // whose other orders may thus be archived
				w.State = swap.WorkObsolete
				must(t, s.Actions().Save(t.Context(), w))
			}
		}
		at, read, kept := epoch, 0, 0
		for step := range 90 {
			first := sample.Orders[random.IntN(len(sample.Orders))]
			there, err := s.Orders().Load(t.Context(), []swap.OrderID{first.ID})
			must(t, err)
			var o swap.Order // Version 0: it is not there
			if len(there) > 0 {
				o = there[0]
			}
			switch what := random.IntN(10); {
			case o.Version == 0: // here again, or restored
				if what < 5 {
					first.Version = 0
					must(t, s.Orders().Save(t.Context(), first))
				} else {
					first.Version = uint64(1 + random.IntN(4))
					_, err := s.Snapshots().Put(t.Context(), snapshot.Record{Order: &first})
					must(t, err)
				}
			case what < 3: // a sweep
				if !o.Closed {
					must(t, s.Orders().SetWakes(t.Context(), o, swap.Wakes{Src: swap.ChainTime(1 + step), Dst: swap.ChainTime(random.IntN(3))}))
				}
			case what == 3: // news that are written to their row alone: the writer died, or was too late
				o.Src.Balance.Token.SetUint64(uint64(step))
				saved := o
				saved.Version++
				tag, err := snapshot.TagOf(saved)
				must(t, err)
				if rows := tagged(indexRows(o, 0), tag, saved.Version); len(rows) > 0 && rows[0][attrTag] != nil { // a closed one has none
					_, err := s.tagFirst(t.Context(), rows[0])
					must(t, err)
				}
			case what < 6: // news, which may have been known
				o.Src.Balance.Native.SetUint64(uint64(random.IntN(2)))
				o.Touch()
				must(t, s.Orders().Save(t.Context(), o))
			case what == 6:
				o.Closed, o.Wakes = !o.Closed, swap.Wakes{}
				must(t, s.Orders().Save(t.Context(), o))
			case what == 7: // archived
				if !o.Closed {
					break
				}
				due, err := s.Closed().Due(t.Context(), time.Now().Add(time.Hour), 100)
				must(t, err)
				// One that the tables have lost since has left its place among the closed ones.
				due = slices.DeleteFunc(due, func(d cleanup.Due) bool { return d.Order != o.ID })
				f, ok, err := s.Closed().Read(t.Context(), due[len(due)-1])
				if errors.Is(err, cleanup.ErrUnsettled) {
					break
				}
				if err != nil || !ok {
					t.Fatalf("%t, %v", ok, err)
				}
				_, err = s.Closed().Remove(t.Context(), f)
				must(t, err)
				archived++
			case what == 8: // the tables lost it, and get it back
				o.Closed = false
				must(t, s.write(t.Context(), erase(s.tables.Orders, orderKey(o.ID)), erase(s.tables.Orders, orderKey(swap.OrderID{ChainID: 1}))))
				o.Version = uint64(1 + random.IntN(4))
				_, err := s.Snapshots().Put(t.Context(), snapshot.Record{Order: &o})
				must(t, err)
			default: // a former release wrote it
				it, err := s.get(t.Context(), s.tables.Orders, orderKey(o.ID))
				must(t, err)
				delete(it, attrSaved)
				load(t, s, s.tables.Orders, append(rowsOf(o), it))
			}
			if random.IntN(2) == 0 {
				continue
			}
			at = at.Add(time.Duration(random.IntN(8)) * time.Minute)
			full, err := keeper(s, snapshottest.NewBucket(nil), sample.Scope).Take(t.Context(), at)
			must(t, err)
			got, err := short.Take(t.Context(), at)
			must(t, err)
			if got.SHA256 != full.SHA256 || full.Read != full.Counts.Orders {
				t.Fatalf("seed %d, step %d: %d orders read, and %d in full: they differ", seed, step, got.Read, full.Read)
			}
			read, kept = read+got.Read, kept+got.Counts.Orders-got.Read
		}
		if kept < read/2 || read == 0 {
			t.Errorf("seed %d: %d orders read and %d taken over", seed, read, kept)
		}
	}
	if archived == 0 {
		t.Error("none was archived")
	}
}

// The row of a source goes before its order, but never back, and not where there is none:
// then it is written with the order.
func TestTheTagIsWrittenFirst(t *testing.T) {
	s := newStore(t)
	o, _ := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	row := func() item {
		t.Helper()
		it, err := s.get(t.Context(), s.tables.Orders, key(bookKey(o.ID.ChainID), rowPrefix(o.ID.Escrow)+o.ID.String()))
		must(t, err)
		return it
	}
	save := func() {
		t.Helper()
		o.Src.Ours = !o.Src.Ours
		must(t, s.Orders().Save(t.Context(), o))
		o.Version++
		want, err := snapshot.TagOf(o)
		must(t, err)
		if it := row(); !o.Closed && (!bytes.Equal(it.blob(attrTag), want[:]) || it.uint(attrVersion) != o.Version) {
			t.Errorf("version %d: row %x of version %d, want %x", o.Version, it.blob(attrTag), it.uint(attrVersion), want)
		}
	}
	refused := func(what string, late item, want int) {
		t.Helper()
		before := row()
		if done, err := s.tagFirst(t.Context(), late); done || err != nil {
			t.Errorf("%s: written %t, %v", what, done, err)
		}
		if after := row(); !bytes.Equal(after.blob(attrTag), before.blob(attrTag)) || len(after) != want {
			t.Errorf("%s: row %v was %v", what, after, before)
		}
	}
	save()
	late := row()
	save()
	refused("late", late, len(late))
	must(t, s.write(t.Context(), erase(s.tables.Orders, key(late.text(attrPK), late.text(attrSK))), erase(s.tables.Orders, key("x", "y"))))
	save() // without its row
	o.Closed = true
	late = row()
	save()
	refused("closed", late, 0)
	o.Closed = false
	save()
	save()
}

// An order that somebody else has stored first is refused, and leaves its row as it is.
func TestAnOrderThatIsStoredAlreadyLeavesItsRow(t *testing.T) {
	s := newStore(t)
	o, _ := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	o.Dsts, o.Candidates, o.Events = nil, nil, nil // nothing but its own row goes with it
	must(t, s.Orders().Save(t.Context(), o))
	at := key(bookKey(o.ID.ChainID), rowPrefix(o.ID.Escrow)+o.ID.String())
	before, err := s.get(t.Context(), s.tables.Orders, at)
	must(t, err)
	o.Src.Ours = !o.Src.Ours
	if err := s.Orders().Save(t.Context(), o); !errors.Is(err, swap.ErrConflict) {
		t.Errorf("%v", err)
	}
	if after, err := s.get(t.Context(), s.tables.Orders, at); err != nil || !bytes.Equal(after.blob(attrTag), before.blob(attrTag)) {
		t.Errorf("row %v was %v, %v", after, before, err)
	}
}

// An order whose row is not written with it is told of.
func TestAnOrderWithoutItsRowIsFound(t *testing.T) {
	s, bucket := ownTables(t), snapshottest.NewBucket(nil)
	sample := populate(t, s, 4)
	k := keeper(s, bucket, sample.Scope)
	_, err := k.Take(t.Context(), epoch)
	must(t, err)
	loaded, err := s.Orders().Load(t.Context(), []swap.OrderID{sample.Orders[1].ID})
	must(t, err)
	o := loaded[0]
	o.Src.Ours = !o.Src.Ours
	it, _, err := s.Orders().orderItem(o)
	must(t, err)
	load(t, s, s.tables.Orders, []item{it})
	var told []swap.OrderID
	k.Compared = func(_ context.Context, wrong []swap.OrderID) error { told = wrong; return nil }
	if got, err := k.Take(t.Context(), epoch.Add(time.Minute)); err != nil || got.Read != 0 {
		t.Fatalf("%d read, %v", got.Read, err)
	}
	if _, err := k.Take(t.Context(), epoch.Add(time.Hour)); err != nil || !slices.Equal(told, []swap.OrderID{o.ID}) {
		t.Errorf("told of %v, %v; want %s", told, err, o.ID)
	}
}

// What happened by the restored orders is counted again: their events, and what is
// to be counted anew, are those of the lost tables. Put twice it is the same.
func TestRestoredOrdersAreCounted(t *testing.T) {
	before, after := apart(t), apart(t)
	o, secret := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	created := tallytest.Epoch.Add(-30 * time.Minute)
	o.Src.Final, o.Src.Created.Time = true, swap.ChainTime(created.Unix())
	must(t, before.Orders().Save(t.Context(), o))
	o.Version++
	events := func(s aside) (out []tally.Event, hours []tally.Hour) {
		t.Helper()
		out, err := s.Feed().Events(t.Context(), tally.HourAt(created))
		must(t, err)
		marks, err := s.Feed().Marks(t.Context(), 10)
		must(t, err)
		for _, m := range marks {
			hours = append(hours, m.Hours...)
		}
		slices.Sort(hours)
		return out, slices.Compact(hours)
	}
	want, hours := events(before)
	if len(want) != 1 || len(hours) != 1 {
		t.Fatalf("%d events in %d hours", len(want), len(hours))
	}
	for range 2 {
		_, err := after.Snapshots().Put(t.Context(), snapshot.Record{Order: &o})
		must(t, err)
		got, fresh := events(after)
		watchtest.Equal(t, "events", want, got)
		watchtest.Equal(t, "hours to be counted anew", hours, fresh)
	}
	// A later version takes the place of what an earlier one told.
	o.Version++
	o.Src.Created.Time++
	o.Learn(secret)
	_, err := after.Snapshots().Put(t.Context(), snapshot.Record{Order: &o})
	must(t, err)
	if got, _ := events(after); len(got) != 1 || got[0].At != o.Src.Created.Time {
		t.Errorf("events %+v, want one a second later", got)
	}
}

// In tables that hold something there may be no room for more parked escrows. That is
// told, and keeps nothing else from being restored: without the marks, which come
// last, nothing would ever be followed again.
func TestRestoredWhereNoRoomIsToPark(t *testing.T) {
	before, after, bucket := ownTables(t), ownTables(t), snapshottest.NewBucket(nil)
	sample := populate(t, before, 2)
	_, err := keeper(before, bucket, sample.Scope).Take(t.Context(), epoch)
	must(t, err)
	after.parked.room = 0
	var log bytes.Buffer
	r := restorer(after, bucket)
	r.Log = slog.New(slog.NewTextHandler(&log, nil))
	got, err := r.Restore(t.Context(), snapshot.Options{}, epoch)
	if err != nil || got.Kept != 1 || !strings.Contains(log.String(), "no room") {
		t.Errorf("%+v, %v; log %s", got, err, log.String())
	}
	facts, err := after.Facts().Provisional(t.Context(), sample.Src)
	if err != nil || facts.From.Number == 0 {
		t.Errorf("marks %+v, %v", facts.From, err)
	}
}

// Used nonces stay used, each by itself.
func TestRestoredNoncesAreNotFree(t *testing.T) {
	s := ownTables(t)
	sample := populate(t, s, 2)
	fence := s.grant(t, "signer#"+sample.Account.Signer.Hex(), "a")
	for _, e := range sample.Entries {
		e.Version, e.State = 0, txn.Open
		step := sample.Works[1]
		step.State = swap.WorkSubmitted
		e.Acts = []txn.Act{{Order: step.Order, Action: step.Key()}}
		if err := s.Journal().Record(t.Context(), fence, e, []swap.Work{step}); !errors.Is(err, swap.ErrConflict) {
			t.Errorf("nonce %d was recorded again: %v", e.Nonce, err)
		}
	}
}

// A secret in an attribute or a field that this program does not know is left
// out: what is written is what the types have.
func TestWhatIsNotKnownIsNotTaken(t *testing.T) {
	s, bucket := ownTables(t), snapshottest.NewBucket(nil)
	sample := populate(t, s, 3)
	secret := watchtest.Word()
	plant := func(table string, k item) {
		t.Helper()
		it, err := s.get(t.Context(), table, k)
		if err != nil || it == nil {
			t.Fatalf("%v, %v", it, err)
		}
		var body map[string]any
		if err := it.body(&body); err != nil {
			t.Fatal(err)
		}
		body["preimage"], body["Preimage"] = hex.EncodeToString(secret[:]), secret[:]
		_, packed, err := pack(&body)
		if err != nil {
			t.Fatal(err)
		}
		it[attrBody], it["preimage"] = blob(packed), blob(secret[:])
		load(t, s, table, []item{it})
	}
	o, w, e := sample.Orders[0], sample.Works[1], sample.Entries[1]
	plant(s.tables.Orders, orderKey(o.ID))
	plant(s.tables.Orders, key(chainKey(sample.Src), factsSK))
	plant(s.tables.Actions, key(s.accountKey(w.ChainID, w.Taker), w.Key().String()))
	plant(s.tables.Journal, key(s.accountKey(e.ChainID, e.Signer), nonceSK(openPrefix, e.Nonce)))
	// Items of other sorts, beside those that are read.
	for table, k := range map[string]item{s.tables.Orders: key(orderPrefix+o.ID.String(), "secret"), s.tables.Actions: key("secret", "x"),
		s.tables.Journal: key("secret", "x"), s.tables.Jobs: key("secret", "x")} {
		it := newItem(k.text(attrPK), k.text(attrSK))
		it["preimage"] = blob(secret[:])
		load(t, s, table, []item{it})
	}
	got, err := keeper(s, bucket, sample.Scope).Take(t.Context(), epoch)
	if err != nil || got.Counts.Orders != 3 || got.Counts.Works != 3 || got.Counts.Entries != 2 {
		t.Fatalf("%+v, %v", got.Counts, err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(bucket.Object(got.Key)))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	for _, trace := range []string{hex.EncodeToString(secret[:]), "reimage"} {
		if strings.Contains(string(all), trace) {
			t.Errorf("the snapshot has %q", trace)
		}
	}
}

// A snapshot of tables with something unreadable would be one without it: the
// last good one stays.
func TestDamagedItemsAreNotLeftOut(t *testing.T) {
	for name, damage := range map[string]func(s *Store, sample snapshottest.Sample) (string, item){
		"an order": func(s *Store, sample snapshottest.Sample) (string, item) {
			return s.tables.Orders, orderKey(sample.Orders[0].ID)
		},
		"a work": func(s *Store, sample snapshottest.Sample) (string, item) {
			w := sample.Works[0]
			return s.tables.Actions, key(s.accountKey(w.ChainID, w.Taker), w.Key().String())
		},
		"an entry": func(s *Store, sample snapshottest.Sample) (string, item) {
			return s.tables.Journal, key(s.accountKey(sample.Account.ChainID, sample.Account.Signer), nonceSK(openPrefix, 7))
		},
		"facts": func(s *Store, sample snapshottest.Sample) (string, item) {
			return s.tables.Orders, key(chainKey(sample.Dst), factsSK)
		},
	} {
		s, bucket := ownTables(t), snapshottest.NewBucket(nil)
		sample := populate(t, s, 2)
		table, k := damage(s, sample)
		it, err := s.get(t.Context(), table, k)
		if err != nil || it == nil {
			t.Fatalf("%s: %v", name, err)
		}
		it[attrBody] = blob([]byte("hello"))
		load(t, s, table, []item{it})
		if _, err := keeper(s, bucket, sample.Scope).Take(t.Context(), epoch); err == nil || len(bucket.Keys("")) != 0 {
			t.Errorf("%s: %v, objects %q", name, err, bucket.Keys(""))
		}
	}
}

// A control flag is copied as it is, whatever its attributes are, and one whose
// type is not known is refused when it is restored, not garbled.
func TestFlagsAreCopiedAsTheyAre(t *testing.T) {
	for _, raw := range []string{`{"pk":{"S":"control"},"sk":{"S":"k"},"x":{}}`, `{"pk":{"S":"other"},"sk":{"S":"k"}}`, `{"pk":{"S":"control"},"sk":{"S":"other"}}`, `{"x":{"B":"%"}}`, `[]`} {
		r := snapshot.Record{Control: &snapshot.Item{Key: "k", Item: []byte(raw)}}
		if _, err := offline(&transport{}).Snapshots().Put(t.Context(), r); err == nil || !strings.Contains(err.Error(), `"k"`) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// Snapshots of shadow stacks are of their own work and journal.
func TestSnapshotsOfShadow(t *testing.T) {
	live := ownTables(t)
	sample := populate(t, live, 2)
	shadow, err := New(live.db, live.tables, Shadow)
	if err != nil {
		t.Fatal(err)
	}
	got, err := keeper(shadow, snapshottest.NewBucket(nil), sample.Scope).Take(context.Background(), epoch.Add(time.Minute))
	if err != nil || got.Counts.Orders != 2 || got.Counts.Works != 0 || got.Counts.Entries != 0 {
		t.Errorf("%+v, %v; want the orders, and no work of the live stack", got.Counts, err)
	}
}
