package tallytest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// Fixture is a store with what fills it. Each is empty when it is opened.
type Fixture struct {
	Feed   tally.Feed
	Hours  tally.Hours
	Latest tally.Latest
	Since  tally.Since
	Save   func(context.Context, swap.Order) error // follow.Orders.Save
	Settle func(context.Context, txn.Entry) error  // records a mined entry and settles it
	Reopen func(context.Context, txn.Entry) error  // opens it again
	Record func(context.Context, job.Record) error // job.Recorder.Record
	SetNow func(time.Time)                         // the clock by which things expire
}

// Epoch is when the plays begin: the start of an hour.
var Epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Chains of the orders.
const (
	SrcChain = 8453
	DstChain = 10
)

// Order is a swap whose source leg was created at that time and is final. Its
// hard deadlines are an hour later.
func Order(at time.Time) (o swap.Order, secret [32]byte) {
	o, secret = watchtest.Order(SrcChain, DstChain)
	t := swap.ChainTime(at.Unix())
	locks := swap.Timelocks{DeployedAt: uint32(t)}
	for _, s := range swap.Stages() {
		locks.Offsets[s] = 3600
	}
	legs := []*swap.LegRecord{&o.Src, &o.Dsts[0]}
	for i, l := range legs {
		l.Family, l.Immutables.Timelocks = swap.OneInchV1, locks.Pack()
		token := common.HexToAddress("0x70")
		l.Immutables.Token = common.BytesToHash(append(token[:19], byte(i+1)))
		l.Created = Place(t)
		l.Final = true
		l.Balance = swap.Balance{Block: swap.Block{Number: l.Created.Block, Time: t}, Token: l.Immutables.AmountInt(), Native: l.Immutables.DepositInt()}
	}
	o.Expect.Token = o.Dsts[0].Immutables.Token
	return o, secret
}

// Place is a position at a time: a block for each second.
func Place(t swap.ChainTime) swap.Position {
	return swap.Position{Block: uint64(t), Time: t, BlockHash: watchtest.Word(), Tx: watchtest.Word(), Index: 1}
}

// End adds an event of a leg at a time.
func End(o *swap.Order, l *swap.LegRecord, kind swap.EventKind, at time.Time, secret [32]byte) {
	ev := swap.EscrowEvent{ChainID: l.ChainID, Escrow: l.Escrow, Kind: kind, At: Place(swap.ChainTime(at.Unix()))}
	switch kind {
	case swap.Withdrawn:
		ev.Secret = secret
	case swap.Rescued:
		ev.Token, ev.Amount = l.Immutables.TokenAddress(), l.Immutables.AmountInt()
	}
	o.AddEvent(ev)
}

// Test runs the guarantees of the interfaces against an implementation.
func Test(t *testing.T, open func(t *testing.T) Fixture) {
	t.Run("what an order has done is in the feed", func(t *testing.T) { testFeed(t, opened(t, open)) })
	t.Run("a mark has a name of its own", func(t *testing.T) { testMarks(t, opened(t, open)) })
	t.Run("a transaction is in the feed while it is settled", func(t *testing.T) { testTransactions(t, opened(t, open)) })
	t.Run("what is too old is not written", func(t *testing.T) { testOld(t, opened(t, open)) })
	t.Run("hours", func(t *testing.T) { testHours(t, opened(t, open)) })
	t.Run("sums", func(t *testing.T) { testSums(t, opened(t, open)) })
	t.Run("runs", func(t *testing.T) { testRuns(t, opened(t, open)) })
}

func opened(t *testing.T, open func(t *testing.T) Fixture) Fixture {
	t.Helper()
	f := open(t)
	f.SetNow(Epoch.Add(3 * time.Hour))
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kinds are the events of an hour, in order.
func kinds(t *testing.T, f Fixture, h tally.Hour) (out []string) {
	t.Helper()
	events, err := f.Feed.Events(t.Context(), h)
	must(t, err)
	for i := range events {
		out = append(out, string(events[i].Kind)+events[i].Reason)
	}
	slices.Sort(out)
	return out
}

// taken reads the marks, clears them, and returns their hours.
func taken(t *testing.T, f Fixture) (hours []tally.Hour) {
	t.Helper()
	marks, err := f.Feed.Marks(t.Context(), 100)
	must(t, err)
	for _, m := range marks {
		hours = append(hours, m.Hours...)
	}
	must(t, f.Feed.Clear(t.Context(), marks))
	must(t, f.Feed.Clear(t.Context(), marks)) // again: they are gone
	left, err := f.Feed.Marks(t.Context(), 100)
	must(t, err)
	if len(left) > 0 {
		t.Fatalf("%d marks are left", len(left))
	}
	slices.Sort(hours)
	return slices.Compact(hours)
}

func testFeed(t *testing.T, f Fixture) {
	o, secret := Order(Epoch.Add(10 * time.Minute))
	h := tally.HourAt(Epoch)
	check := func(what string, marked []tally.Hour, want map[tally.Hour][]string) {
		t.Helper()
		watchtest.Equal(t, what+": hours marked", marked, taken(t, f))
		for h, k := range want {
			watchtest.Equal(t, what+": events of "+h.String(), k, kinds(t, f, h))
		}
	}
	save := func() {
		t.Helper()
		must(t, f.Save(t.Context(), o))
		must(t, f.Save(t.Context(), o)) // its answer was lost
		o.Version++
	}
	save()
	check("created", []tally.Hour{h}, map[tally.Hour][]string{h: {"created"}, h + 1: nil})
	events, err := f.Feed.Events(t.Context(), h)
	must(t, err)
	watchtest.Equal(t, "event", tally.OfOrder(o), events)

	save()
	check("saved as it is", nil, map[tally.Hour][]string{h: {"created"}})

	// The deadline stands in the feed from when the maker is paid on.
	End(&o, &o.Dsts[0], swap.Withdrawn, Epoch.Add(55*time.Minute), secret)
	save()
	check("paid", []tally.Hour{h + 1}, map[tally.Hour][]string{h: {"created"}, h + 1: {"lostdst-paid-src-expired"}})

	End(&o, &o.Src, swap.Withdrawn, Epoch.Add(59*time.Minute), secret)
	save()
	check("claimed", []tally.Hour{h, h + 1}, map[tally.Hour][]string{h: {"completed", "created"}, h + 1: nil})

	// What was final is not: both are gone, and come again an hour later.
	o.Rewind(SrcChain, 0)
	save()
	check("rewound", []tally.Hour{h, h + 1}, map[tally.Hour][]string{h: nil, h + 1: {"lostdst-paid-src-expired"}})
	at := Epoch.Add(62 * time.Minute)
	o.Confirm(SrcChain, o.Src.Escrow, Place(swap.ChainTime(at.Unix())), true)
	End(&o, &o.Src, swap.Withdrawn, at.Add(time.Minute), secret)
	save()
	check("read again", []tally.Hour{h + 1}, map[tally.Hour][]string{h: nil, h + 1: {"completed", "created"}})

	o.Closed, o.Wakes = true, swap.Wakes{}
	save()
	check("closed", nil, map[tally.Hour][]string{h: nil, h + 1: {"completed", "created"}})

	stale := o
	stale.Version -= 2
	stale.Rewind(SrcChain, 0)
	if err := f.Save(t.Context(), stale); !errors.Is(err, swap.ErrConflict) {
		t.Fatalf("a write on an old version: %v", err)
	}
	check("refused", nil, map[tally.Hour][]string{h + 1: {"completed", "created"}})
}

func testMarks(t *testing.T, f Fixture) {
	o, secret := Order(Epoch)
	must(t, f.Save(t.Context(), o))
	o.Version++
	first, err := f.Feed.Marks(t.Context(), 100)
	must(t, err)
	End(&o, &o.Src, swap.Withdrawn, Epoch.Add(time.Minute), secret)
	must(t, f.Save(t.Context(), o))
	must(t, f.Feed.Clear(t.Context(), first)) // read before the second one was written
	left, err := f.Feed.Marks(t.Context(), 100)
	must(t, err)
	if len(first) != 1 || len(left) != 1 || first[0].ID == left[0].ID {
		t.Fatalf("first %+v, left %+v", first, left)
	}
	for range 5 {
		o, _ := Order(Epoch)
		must(t, f.Save(t.Context(), o))
	}
	if some, err := f.Feed.Marks(t.Context(), 3); err != nil || len(some) != 3 {
		t.Errorf("%d marks, want 3 (%v)", len(some), err)
	}
}

// Entry is a mined entry of a signer.
func Entry(signer common.Address, nonce uint64, sent, mined time.Time, cost uint64, hard time.Duration) txn.Entry {
	e := txn.Entry{Account: txn.Account{ChainID: SrcChain, Signer: signer}, Nonce: nonce, State: txn.Mined,
		Txs: []txn.Tx{{Hash: watchtest.Word(), Raw: []byte{1}, SignedAt: sent, Head: swap.Block{Number: 1, Time: swap.ChainTime(sent.Unix())}}}}
	e.Result = txn.Result{Tx: e.Txs[0].Hash, Block: swap.Block{Number: 2, Time: swap.ChainTime(mined.Unix())}, GasUsed: 50_000, Cost: *uint256.NewInt(cost)}
	if hard != 0 {
		e.Result.Hard = swap.ChainTime(mined.Add(hard).Unix())
	}
	return e
}

func testTransactions(t *testing.T, f Fixture) {
	h := tally.HourAt(Epoch)
	e := Entry(watchtest.Address(), 7, Epoch.Add(time.Minute), Epoch.Add(2*time.Minute), 1e15, 30*time.Minute)
	must(t, f.Settle(t.Context(), e))
	watchtest.Equal(t, "hours marked", []tally.Hour{h}, taken(t, f))
	events, err := f.Feed.Events(t.Context(), h)
	must(t, err)
	if len(events) != 1 || events[0].Kind != tally.Sent || events[0].Seconds != 60 || events[0].Margin != 1800 || !events[0].Timed ||
		events[0].Cost != *uint256.NewInt(1e15) || events[0].Nonce != 7 || events[0].Account != e.Signer {
		t.Fatalf("events %+v", events)
	}
	must(t, f.Reopen(t.Context(), e))
	watchtest.Equal(t, "hours marked again", []tally.Hour{h}, taken(t, f))
	watchtest.Equal(t, "events", []string(nil), kinds(t, f, h))
}

func testOld(t *testing.T, f Fixture) {
	f.SetNow(Epoch.Add(tally.KeepEvents))
	o, _ := Order(Epoch)
	must(t, f.Save(t.Context(), o))
	watchtest.Equal(t, "hours marked", []tally.Hour(nil), taken(t, f))
	watchtest.Equal(t, "events", []string(nil), kinds(t, f, tally.HourAt(Epoch)))
	f.SetNow(Epoch.Add(tally.KeepEvents - time.Second))
	o, _ = Order(Epoch)
	must(t, f.Save(t.Context(), o))
	watchtest.Equal(t, "hours marked", []tally.Hour{tally.HourAt(Epoch)}, taken(t, f))
}

func testHours(t *testing.T, f Fixture) {
	h := tally.HourAt(Epoch)
	s, err := f.Hours.Hour(t.Context(), h)
	must(t, err)
	if s.Version != 0 || s.Hour != h || len(s.Swaps)+len(s.Tally.Runs) > 0 {
		t.Fatalf("an hour never written: %+v", s)
	}
	one := &tally.Counts{Created: 3, Lost: tally.Numbers{"x": 2}, Volume: tally.Amounts{{Token: tally.Token{ChainID: 5}, Units: *new(uint256.Int).SetAllOne()}}}
	one.Completion.Add(77)
	s.Swaps = map[int]*tally.Counts{11: one}
	s.Tally.Runs = map[int]*tally.Runs{0: {Done: 1, Errors: tally.Numbers{"rpc": 4}}}
	must(t, f.Hours.Put(t.Context(), s))
	must(t, f.Hours.Put(t.Context(), s)) // its answer was lost
	got, err := f.Hours.Hour(t.Context(), h)
	must(t, err)
	watchtest.Equal(t, "hour", s.Tally, got.Tally)
	if got.Version == 0 || got.Hour != h {
		t.Errorf("version %d of %s", got.Version, got.Hour)
	}
	other := s
	other.Swaps = map[int]*tally.Counts{2: {Created: 1}}
	if err := f.Hours.Put(t.Context(), other); !errors.Is(err, tally.ErrConflict) {
		t.Errorf("a write on an old version: %v", err)
	}
	for _, h := range []tally.Hour{h - 1, h + 1, h + 2} {
		must(t, f.Hours.Put(t.Context(), tally.Stored{Hour: h, Tally: s.Tally}))
	}
	in, err := f.Hours.Range(t.Context(), h, h+1)
	must(t, err)
	if len(in) != 2 || in[0].Hour != h || in[1].Hour != h+1 || in[0].Version != got.Version {
		t.Errorf("from %s to %s: %+v", h, h+1, in)
	}
	watchtest.Equal(t, "read among others", s.Tally, in[0].Tally)
	f.SetNow(h.Start().Add(tally.Keep))
	if in, err = f.Hours.Range(t.Context(), h, h+1); err != nil || len(in) != 1 || in[0].Hour != h+1 {
		t.Errorf("what has expired is read: %+v, %v", in, err)
	}
}

func testSums(t *testing.T, f Fixture) {
	s, err := f.Latest.Sums(t.Context())
	must(t, err)
	if s.Version != 0 || !s.Through.IsZero() {
		t.Fatalf("sums never written: %+v", s)
	}
	s.Through, s.Day.From, s.Day.Swaps.Created, s.Day.Runs.Done = Epoch, Epoch, 4, 5
	must(t, f.Latest.SetSums(t.Context(), s))
	must(t, f.Latest.SetSums(t.Context(), s)) // its answer was lost
	got, err := f.Latest.Sums(t.Context())
	must(t, err)
	if got.Version == 0 {
		t.Error("stored without a version")
	}
	watchtest.Equal(t, "sums", s, tally.Sums{Through: got.Through, Hour: got.Hour, Day: got.Day, Week: got.Week})
	s.Day.Swaps.Created = 9
	if err := f.Latest.SetSums(t.Context(), s); !errors.Is(err, tally.ErrConflict) {
		t.Errorf("a write on an old version: %v", err)
	}
	got.Day.Swaps.Created = 9
	must(t, f.Latest.SetSums(t.Context(), got))
}

func testRuns(t *testing.T, f Fixture) {
	h := tally.HourAt(Epoch)
	record := func(after, took time.Duration, s job.State) job.Record {
		at := Epoch.Add(after)
		r := job.Record{Job: "one", Scheduled: at, State: s, Token: at.String(), Started: at, Ended: at.Add(took), Attempts: 1}
		if s == job.Failed {
			r.Reason, r.Class = "why", job.ClassRPC
			r.RPC = job.RPC{Calls: 9, Failed: 4, TimedOut: 2, Throttled: 1, Busy: 350 * time.Millisecond, Slowest: 90 * time.Millisecond}
		}
		return r
	}
	want := []job.Record{record(time.Minute, time.Second, job.Done), record(2*time.Minute, time.Second, job.Failed), record(3*time.Minute, time.Hour, job.Abandoned)}
	for _, r := range want {
		must(t, f.Record(t.Context(), r))
	}
	must(t, f.Record(t.Context(), job.Record{Job: "one-more", Scheduled: Epoch, State: job.Done, Token: "x", Started: Epoch, Ended: Epoch}))
	got, err := f.Since(t.Context(), "one", Epoch)
	must(t, err)
	watchtest.Equal(t, "runs", want, got)
	got, err = f.Since(t.Context(), "one", Epoch.Add(2*time.Minute))
	must(t, err)
	watchtest.Equal(t, "later runs", want[2:], got)
	watchtest.Equal(t, "hours marked", []tally.Hour(nil), taken(t, f))

	late := record(4*time.Minute, time.Hour+1, job.Abandoned)
	must(t, f.Record(t.Context(), late))
	marks, err := f.Feed.Marks(t.Context(), 10)
	must(t, err)
	if len(marks) != 1 || !marks[0].Runs || !slices.Equal(marks[0].Hours, []tally.Hour{h}) {
		t.Fatalf("marks of a late record: %+v", marks)
	}
	taken(t, f)
	must(t, f.Record(t.Context(), late)) // its answer was lost
	watchtest.Equal(t, "hours marked", []tally.Hour(nil), taken(t, f))
}
