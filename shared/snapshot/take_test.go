package snapshot_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot/snapshottest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

func TestWhatIsTakenIsRestored(t *testing.T) {
	r := newRig(t, 5)
	got := r.take(t, epoch)
	want := snapshot.Counts{Chains: 2, Parked: 1, Orders: 5, Works: 5, Accounts: 2, Entries: 2, Controls: 1}
	if !got.Written || got.Counts != want {
		t.Errorf("written %t, %+v; want %+v", got.Written, got.Counts, want)
	}
	if got.Schema != snapshot.Schema || !got.Taken.Equal(epoch) || len(got.Chains) != 2 || got.Chains[0].Seen.Number != 110 || got.Size == 0 {
		t.Errorf("manifest %+v", got.Manifest)
	}
	// What a chain without a journal restores is that its next nonce is none.
	before := r.state.Content()
	after := r.restored(t)
	after.Next = slices.DeleteFunc(after.Next, func(a snapshot.Account) bool { return a.Next == 0 })
	same(t, "restored", before, after)
	if keys := keysOf(r); len(keys) != 3 || !slices.Contains(keys, snapshot.Latest) || !slices.Contains(keys, got.Key) || !slices.Contains(keys, got.Key+".json") {
		t.Errorf("objects %q", keys)
	}
}

// Marks move with each block: they are no change by themselves, until the next hour.
func TestWrittenOnChangeOnly(t *testing.T) {
	r := newRig(t, 3)
	r.take(t, epoch)
	move := func() {
		p := *r.sample.Records[0].Chain
		p.From.Number, p.To.Number, p.Sync.Revision, p.Sync.Trail.Number = p.From.Number+1, p.To.Number+1, p.Sync.Revision+1, p.Sync.Trail.Number+1
		*r.sample.Records[0].Chain = p
		r.state.Replace(r.sample.Records[0])
	}
	expect := func(what string, at time.Time, want bool) {
		t.Helper()
		before := r.writes()
		if got := r.take(t, at); got.Written != want || (r.writes() > before) != want {
			t.Errorf("%s: written %t with %d writes, want %t", what, got.Written, r.writes()-before, want)
		}
	}
	expect("nothing changed", epoch.Add(time.Minute), false)
	move()
	expect("marks moved", epoch.Add(2*time.Minute), false)
	expect("twice for one tick", epoch.Add(2*time.Minute), false)
	o := r.sample.Orders[0]
	o.Version++
	o.Wakes.Src++
	r.state.Replace(snapshot.Record{Order: &o})
	expect("an order changed", epoch.Add(3*time.Minute), true)
	move()
	expect("just before the next hour", epoch.Add(time.Hour-time.Millisecond), false)
	expect("in the next hour", epoch.Add(time.Hour), true)
	expect("later in it", epoch.Add(time.Hour+time.Millisecond), false)
	p := *r.sample.Records[1].Chain
	p.Legs = []swap.OrderID{{ChainID: p.ChainID, Escrow: watchtest.Address()}}
	r.state.Replace(snapshot.Record{Chain: &p})
	expect("a provisional fact", epoch.Add(64*time.Minute), true)
	if m := len(r.bucket.Keys("snapshots/data/")); m != 2*4 {
		t.Errorf("%d objects, want the data and manifests of four snapshots", m)
	}
}

// Each part is older than those read after it; see the package's comment.
func TestOrderOfReading(t *testing.T) {
	r := newRig(t, 3)
	r.take(t, epoch)
	want := []string{"state.restored", "bucket.get", "state.chain", "state.open", "state.load", "state.chain", "state.live", "state.journal", "state.control", "bucket.create"}
	got := slices.Compact(r.Log()) // each for every chain or account
	if got = got[:min(len(got), len(want))]; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An order that closes while the state is read is left out, and one that is gone.
func TestClosedMeanwhile(t *testing.T) {
	r := newRig(t, 3)
	r.Fail(func(op string) faulttest.Fault {
		if op == "state.load" {
			return faulttest.Lost
		}
		return faulttest.OK
	})
	if _, err := r.keeper.Take(t.Context(), epoch); !errors.Is(err, faulttest.ErrInjected) || r.writes() != 0 {
		t.Errorf("unread orders: %v, %d writes; want an error and none", err, r.writes())
	}
	r.Fail(nil)
	closing := &closer{State: r.state, order: r.sample.Orders[1]}
	r.keeper.Chains = closing
	// Its work has not been ended yet, nor that of an order that is gone. That of one
	// which came since it was listed is taken: a transaction may be under way for it.
	gone, fresh := r.sample.Works[0], r.sample.Works[2]
	gone.Order.Escrow, gone.Escrow = watchtest.Address(), watchtest.Address()
	o, _ := watchtest.Order(r.sample.Src, r.sample.Dst)
	fresh.Order, fresh.Escrow = o.ID, o.ID.Escrow
	closing.after = []snapshot.Record{{Work: &gone}, {Work: &fresh}, {Order: &o}}
	for _, w := range r.sample.Works {
		r.keeper.Scope.Takers = append(r.keeper.Scope.Takers, snapshot.Taker{ChainID: w.ChainID, Address: w.Taker})
	}
	if got := r.take(t, epoch); got.Counts.Orders != 2 || got.Counts.Works != 3 {
		t.Errorf("%+v, want 2 orders without the closed one, and 3 works", got.Counts)
	}
	content := r.restored(t)
	if n := len(content.Orders); n != 2 {
		t.Errorf("%d orders restored, want 2", n)
	}
	for _, w := range content.Works {
		if w.Order == closing.order.ID || w.Order == gone.Order {
			t.Errorf("restored work %s of order %s, which nobody plans", w.Key(), w.Order)
		}
	}
}

// closer closes an order after it was listed.
type closer struct {
	*snapshottest.State
	order swap.Order
	after []snapshot.Record
}

func (c *closer) Load(ctx context.Context, ids []swap.OrderID) ([]swap.Order, error) {
	c.order.Closed = true
	c.Replace(snapshot.Record{Order: &c.order})
	orders, err := c.State.Load(ctx, ids)
	for _, r := range c.after {
		c.Replace(r)
	}
	return orders, err
}

// Killed at any effect and run again: the newest snapshot is a whole one at every
// moment, and in the end that of the present state.
func TestTakeKilledAtAnyEffect(t *testing.T) {
	for _, how := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
		for n := 1; ; n++ {
			r := newRig(t, 3)
			r.take(t, epoch)
			old := r.restored(t)
			o := r.sample.Orders[0]
			o.Version += 10
			r.state.Replace(snapshot.Record{Order: &o})
			before := len(r.Log())
			ran := r.failAt(n, how)
			_, err := r.keeper.Take(t.Context(), epoch.Add(time.Minute))
			if !ran() {
				if err != nil {
					t.Fatal(err)
				}
				if n < 15 {
					t.Fatalf("only %d effects", n)
				}
				break
			}
			// Without the newest snapshot all orders are read: that is no failure.
			if op := r.Log()[before+n-1]; !errors.Is(err, faulttest.ErrInjected) && (err != nil || n != 3 || op != "bucket.get") {
				t.Fatalf("effect %d, %s: %v, want the failure", n, op, err)
			}
			now := r.restored(t) // verifies all of it
			if !watchtest.Same(now, old) && now.Orders[indexOf(now.Orders, o.ID)].Version != o.Version {
				t.Fatalf("effect %d: the newest is neither the former nor the present one", n)
			}
			r.take(t, epoch.Add(2*time.Minute))
			if end := r.restored(t); end.Orders[indexOf(end.Orders, o.ID)].Version != o.Version {
				t.Fatalf("effect %d: the newest has not the present state", n)
			}
		}
	}
}

func indexOf(orders []swap.Order, id swap.OrderID) int {
	return slices.IndexFunc(orders, func(o swap.Order) bool { return o.ID == id })
}

// Two runs at once, of which one is late: the younger snapshot stays the newest.
func TestALateRunDoesNotReplaceAYoungerSnapshot(t *testing.T) {
	r := newRig(t, 2)
	r.take(t, epoch)
	o := r.sample.Orders[0]
	o.Version += 10
	r.state.Replace(snapshot.Record{Order: &o})
	r.keeper.Bucket = &overtaken{Bucket: r.bucket, meanwhile: func() {
		other := r.keeper
		other.Bucket = r.bucket
		o.Version++
		r.state.Replace(snapshot.Record{Order: &o})
		if _, err := other.Take(t.Context(), epoch.Add(2*time.Minute)); err != nil {
			t.Error(err)
		}
	}}
	if _, err := r.keeper.Take(t.Context(), epoch.Add(time.Minute)); err == nil {
		t.Error("the late one became the newest")
	}
	if got := r.restored(t); got.Orders[indexOf(got.Orders, o.ID)].Version != o.Version {
		t.Error("the younger one is not the newest")
	}
}

type overtaken struct {
	*snapshottest.Bucket
	meanwhile func()
}

func (b *overtaken) Replace(ctx context.Context, key, tag string, body []byte) error {
	b.meanwhile()
	return b.Bucket.Replace(ctx, key, tag, body)
}

// What the bucket holds in the end is not what was sent: the pointer stays.
func TestReadBackAndCompared(t *testing.T) {
	r := newRig(t, 2)
	r.take(t, epoch)
	old := r.restored(t)
	o := r.sample.Orders[0]
	o.Version += 10
	r.state.Replace(snapshot.Record{Order: &o})
	for name, spoil := range map[string]func([]byte) []byte{
		"truncated": func(b []byte) []byte { return b[:len(b)/2] },
		"a bit":     func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"empty":     func([]byte) []byte { return nil },
	} {
		r.keeper.Bucket = &spoiler{r.bucket, spoil}
		if _, err := r.keeper.Take(t.Context(), epoch.Add(time.Minute)); err == nil || !strings.Contains(err.Error(), "read the snapshot back") {
			t.Errorf("%s: %v", name, err)
		}
		same(t, name, old, r.restored(t))
		for _, key := range r.bucket.Keys("snapshots/data/2026/03/01/1201") {
			r.bucket.Plant(key+".spoilt", r.bucket.Object(key)) // out of the way of the next
		}
	}
}

type spoiler struct {
	*snapshottest.Bucket
	spoil func([]byte) []byte
}

func (b *spoiler) Create(_ context.Context, key string, body []byte) error {
	b.Plant(key, b.spoil(slices.Clone(body)))
	return nil
}

// Tables that were lost do not become the newest snapshot.
func TestLostTablesAreNotTaken(t *testing.T) {
	for name, lose := range map[string]func(r *rig){
		"everything": func(r *rig) { r.state.Drop() },
		"the marks of a chain": func(r *rig) {
			r.state.Replace(snapshot.Record{Chain: &swap.Provisional{ChainID: r.sample.Dst}})
		},
		"the journal": func(r *rig) {
			r.state.Replace(snapshot.Record{Account: &snapshot.Account{Account: r.sample.Account, Next: 7}})
		},
	} {
		r := newRig(t, 2)
		r.take(t, epoch)
		old := r.restored(t)
		lose(r)
		_, err := r.keeper.Take(t.Context(), epoch.Add(2*time.Hour))
		if err == nil || !strings.Contains(err.Error(), "have lost") {
			t.Errorf("%s: %v", name, err)
		}
		same(t, name, old, r.restored(t))
	}
}

// state-sync sets marks again at once where the orders table was lost, at the head
// of the chain, and reads the history behind them for a while. Until it has, there
// is less in the table than in the newest snapshot.
func TestAHistoryThatIsReadAnewIsNotTaken(t *testing.T) {
	r := newRig(t, 2)
	r.take(t, epoch)
	old := r.restored(t)
	o := r.sample.Orders[0]
	o.Version++
	r.state.Replace(snapshot.Record{Order: &o})
	anew := *r.sample.Records[0].Chain
	anew.From.Number, anew.To.Number = 500, 510
	anew.Sync = swap.Sync{Revision: 1, Trail: swap.Block{Number: 3}}
	r.state.Replace(snapshot.Record{Chain: &anew})
	if _, err := r.keeper.Take(t.Context(), epoch.Add(2*time.Hour)); err == nil || !strings.Contains(err.Error(), "have lost") {
		t.Errorf("got %v", err)
	}
	same(t, "the newest", old, r.restored(t))
	anew.Sync.Done, anew.Sync.Trail = true, swap.Block{}
	r.state.Replace(snapshot.Record{Chain: &anew})
	if got := r.take(t, epoch.Add(3*time.Hour)); !got.Written {
		t.Error("not taken once the history was read")
	}
}

// meddling has something done between the chains and the orders.
type meddling struct {
	*snapshottest.State
	meanwhile func()
}

func (m *meddling) Open(ctx context.Context, chain uint64) ([]snapshot.Listed, error) {
	m.meanwhile()
	return m.State.Open(ctx, chain)
}

// The dst escrow of an order that vanished is parked as the order is closed: it is
// in the one or among the others.
func TestParkedMeanwhile(t *testing.T) {
	r := newRig(t, 2)
	d := *r.sample.Records[len(r.sample.Records)-1].Parked
	d.Escrow = watchtest.Address()
	r.keeper.Chains = &meddling{r.state, func() {
		o := r.sample.Orders[1]
		o.Closed = true
		r.state.Replace(snapshot.Record{Order: &o})
		r.state.Replace(snapshot.Record{Parked: &d})
	}}
	got := r.take(t, epoch)
	content := r.restored(t)
	if got.Counts.Parked != 2 || len(content.Parked) != 2 || len(content.Orders) != 1 {
		t.Errorf("%+v, %d parked and %d orders restored; want two and one", got.Counts, len(content.Parked), len(content.Orders))
	}
}

// A clock that was ahead once does not keep the newest snapshot young for ever.
func TestAClockThatGoesBackwards(t *testing.T) {
	r := newRig(t, 2)
	r.take(t, epoch.Add(365*24*time.Hour))
	if got := r.take(t, epoch); !got.Written {
		t.Error("the newest is from the future, and stays")
	}
	if got := r.take(t, epoch.Add(time.Minute)); got.Written {
		t.Error("written although nothing has changed")
	}
}

// While a restore is under way, or was cut short, there is nothing to be taken.
func TestNoSnapshotOfAPartOfARestore(t *testing.T) {
	r := newRig(t, 2)
	if err := r.state.SetRestored(t.Context(), snapshot.Restore{Key: "some", Begun: epoch}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.keeper.Take(t.Context(), epoch); err == nil || !strings.Contains(err.Error(), "some") || r.writes() != 0 {
		t.Errorf("%v with %d writes", err, r.writes())
	}
	if err := r.state.SetRestored(t.Context(), snapshot.Restore{Key: "some", Begun: epoch, Finished: epoch}); err != nil {
		t.Fatal(err)
	}
	r.take(t, epoch)
}

// A stack that is in shadow for a while has snapshots of its own: they take the place
// of none of the live ones, which have the journal.
func TestShadowReplacesNoLiveSnapshot(t *testing.T) {
	r := newRig(t, 2)
	r.take(t, epoch)
	old := r.restored(t)
	shadow := r.keeper
	shadow.Mode = "shadow"
	for i := range 2 {
		got, err := shadow.Take(t.Context(), epoch.Add(time.Duration(1+i)*time.Minute))
		if err != nil || got.Written != (i == 0) {
			t.Errorf("run %d: written %t, %v", i, got.Written, err)
		}
	}
	same(t, "the newest live one", old, r.restored(t))
	into := snapshottest.NewState(nil)
	other := r.restorer(into)
	other.Mode = "shadow"
	if got, err := other.Restore(t.Context(), snapshot.Options{}, epoch); err != nil || got.Mode != "shadow" {
		t.Errorf("restored %+v, %v", got.Manifest, err)
	}
}

// A pointer that does not read is replaced; one of a later release is not.
func TestUnreadablePointer(t *testing.T) {
	r := newRig(t, 2)
	for _, damaged := range []string{"", "{", `{"schema":1}`, `{"schema":1,"key":"k","taken":"2026-03-01T12:00:00Z","sha256":"zz","size":5}`} {
		r.bucket.Plant(snapshot.Latest, []byte(damaged))
		if got := r.take(t, epoch); !got.Written {
			t.Errorf("%q was not replaced", damaged)
		}
		r.restored(t)
	}
	newer := fmt.Sprintf(`{"schema":%d}`, snapshot.Schema+1)
	r.bucket.Plant(snapshot.Latest, []byte(newer))
	if _, err := r.keeper.Take(t.Context(), epoch.Add(2*time.Hour)); err == nil || !strings.Contains(err.Error(), "use the release that wrote it") {
		t.Errorf("newer pointer: %v", err)
	}
	if got := r.bucket.Object(snapshot.Latest); string(got) != newer {
		t.Errorf("the newer pointer was replaced by %q", got)
	}
}

// unpacked is all that the newest snapshot says.
func unpacked(t *testing.T, r *rig) string {
	t.Helper()
	var all bytes.Buffer
	for _, key := range r.bucket.Keys("") {
		body := r.bucket.Object(key)
		if strings.HasSuffix(key, ".gz") {
			zip, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(zip); err != nil {
				t.Fatal(err)
			}
		}
		all.Write(body)
	}
	return all.String()
}

// A secret that is not public is in no snapshot: also where a transaction that
// has been signed and perhaps never sent holds it. Its nonce stays used.
func TestNoUnpublishedSecretIsTaken(t *testing.T) {
	r := newRig(t, 3)
	secret, hashlock := watchtest.Secret()
	w := r.sample.Works[1]
	e, _ := txntest.Entry(r.sample.Account, 8, w)
	e.Version = 1
	wrapped := append(bytes.Repeat([]byte{7}, 37), secret[:]...) // at any offset
	wrapped = append(wrapped, bytes.Repeat([]byte{9}, 64)...)
	e.Txs[0].Raw = append(append(wrapped, hashlock[:]...), 1, 2, 3)
	r.state.Replace(snapshot.Record{Entry: &e})
	r.state.Replace(snapshot.Record{Account: &snapshot.Account{Account: r.sample.Account, Next: 9}})
	got := r.take(t, epoch)
	if got.Counts.Withheld != 1 || got.Counts.Entries != 2 {
		t.Errorf("%+v, want one withheld", got.Counts)
	}
	if strings.Contains(unpacked(t, r), hex.EncodeToString(secret[:])) {
		t.Error("the secret is there")
	}
	if raw, err := json.Marshal(e.Txs[0].Raw); err != nil || strings.Contains(unpacked(t, r), string(raw)) {
		t.Errorf("the transaction is there (%v)", err)
	}
	content := r.restored(t)
	if i := slices.IndexFunc(content.Next, func(a snapshot.Account) bool { return a.Account == r.sample.Account }); i < 0 || content.Next[i].Next != 9 {
		t.Errorf("next nonces %+v, want 9", content.Next)
	}
	// Public now, by the order itself, an event not final yet, or because it was mined.
	for name, reveal := range map[string]func(r *rig, e *txn.Entry){
		"by an order": func(r *rig, _ *txn.Entry) {
			o := r.sample.Orders[1]
			o.Secret = &secret
			o.Version++
			r.state.Replace(snapshot.Record{Order: &o})
		},
		"by an event": func(r *rig, _ *txn.Entry) {
			p := *r.sample.Records[1].Chain
			p.Events = []swap.EscrowEvent{watchtest.Withdrawn(r.sample.Orders[1].Dsts[0].Leg, secret)}
			r.state.Replace(snapshot.Record{Chain: &p})
		},
		"by an order that has been closed": func(r *rig, e *txn.Entry) {
			o := r.sample.Orders[1]
			o.Secret, o.Closed = &secret, true
			o.Version++
			r.state.Replace(snapshot.Record{Order: &o})
			e.Acts[0].Order = o.ID
		},
		"mined": func(_ *rig, e *txn.Entry) { e.State = txn.Mined },
	} {
		r := newRig(t, 3)
		e := e
		e.Account = r.sample.Account
		reveal(r, &e)
		r.state.Replace(snapshot.Record{Entry: &e})
		r.state.Replace(snapshot.Record{Account: &snapshot.Account{Account: r.sample.Account, Next: 9}})
		if got := r.take(t, epoch); got.Counts.Withheld != 0 || got.Counts.Entries != 3 {
			t.Errorf("%s: %+v, want none withheld", name, got.Counts)
		}
	}
}
