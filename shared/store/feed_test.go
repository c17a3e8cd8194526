package store

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/tally/tallytest"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// clock is a store's clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) set(now time.Time) { c.mu.Lock(); defer c.mu.Unlock(); c.now = now }
func (c *clock) get() time.Time    { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

// aside is a store with a clock and tables of its own: marks and tallies are of
// a whole table.
type aside struct {
	*Store
	clock *clock
}

func apart(t testing.TB, options ...func(*dynamodb.Options)) aside {
	t.Helper()
	db := newClient(t, options...)
	names := map[string]string{}
	for _, table := range declared(t) {
		was := table.Name
		table.Name = servicetest.Name(t)
		names[was] = table.Name
		create(t, db, table)
	}
	s, err := New(db, Tables{Orders: names[testTables.Orders], Actions: names[testTables.Actions], Journal: names[testTables.Journal], Jobs: names[testTables.Jobs]}, Live)
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{now: tallytest.Epoch}
	s.now = c.get
	return aside{s, c}
}

// tally shows the store to the suite of package tally.
func (s aside) tally(t *testing.T) tallytest.Fixture {
	return tallytest.Fixture{Feed: s.Feed(), Hours: s.Tallies(), Latest: s.Tallies(), Since: s.Runs().Since, Save: s.Orders().Save,
		Record: s.Runs().Record, SetNow: s.clock.set,
		Settle: func(ctx context.Context, e txn.Entry) error {
			open := e
			open.State, open.Result = txn.Open, txn.Result{}
			f := s.grant(t, "signer#"+e.Signer.Hex(), "a")
			if err := s.Journal().Record(ctx, f, open, nil); err != nil {
				return err
			}
			e.Version = 1
			return s.Journal().Settle(ctx, e, nil)
		},
		Reopen: func(ctx context.Context, e txn.Entry) error {
			done, err := s.Journal().Done(ctx, e.Account, e.Nonce, 1)
			if err != nil {
				return err
			}
			e = done[0]
			e.State, e.UndoneAt = txn.Open, swap.Block{Number: 9}
			return s.Journal().Reopen(ctx, s.grant(t, "signer#"+e.Signer.Hex(), "b"), e)
		}}
}

// The play of package tally on the real server, with passes and writers at once.
func TestTallyAgainstANaiveCount(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := apart(t)
			p := tallytest.NewPlay(s.tally(t), seed)
			for round := range 12 {
				for range 8 {
					if err := p.Write(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				p.Tick()
				if round%3 == 1 {
					continue
				}
				now := p.Now
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						if _, err := p.Aggregator().Pass(context.WithoutCancel(t.Context()), now); err != nil {
							t.Error(err)
						}
					})
				}
				for range 4 {
					if err := p.Write(t.Context()); err != nil {
						t.Error(err)
					}
				}
				wg.Wait()
			}
			res, now := p.Finish(t)
			p.Check(t, res, now)
		})
	}
}

// An order that a former release wrote has no rows, or has them where nobody looks: it
// gets them with its next write, as if all of it had just happened.
func TestOrdersOfTheFormerReleaseAreFed(t *testing.T) {
	for rules, fed := range map[string]types.AttributeValue{"none": nil, "by hours": number(1)} {
		t.Run(rules, func(t *testing.T) {
			s := apart(t)
			o, _ := tallytest.Order(tallytest.Epoch)
			it, _, err := s.Orders().orderItem(o)
			if err != nil {
				t.Fatal(err)
			}
			if delete(it, attrFed); fed != nil {
				it[attrFed] = fed
			}
			load(t, s.Store, s.tables.Orders, []item{it})
			o.Version = 1
			if err := s.Orders().Save(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			events, err := s.Feed().Events(t.Context(), tally.HourAt(tallytest.Epoch))
			if err != nil || len(events) != 1 || events[0].Kind != tally.Created {
				t.Errorf("events %+v, %v", events, err)
			}
		})
	}
}

// A change of wake times writes nothing to the feed, and keeps the order's rows.
func TestWakesAreNoNews(t *testing.T) {
	s := apart(t)
	o, _ := tallytest.Order(tallytest.Epoch)
	if err := s.Orders().Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.Version = 1
	marks, err := s.Feed().Marks(t.Context(), 10)
	if err != nil || len(marks) != 1 || s.Feed().Clear(t.Context(), marks) != nil {
		t.Fatal(len(marks), err)
	}
	if err := s.Orders().SetWakes(t.Context(), o, swap.Wakes{Src: 5, Dst: 6}); err != nil {
		t.Fatal(err)
	}
	o.Version = 2
	if err := s.Orders().Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if marks, err := s.Feed().Marks(t.Context(), 10); err != nil || len(marks) > 0 {
		t.Errorf("%d marks, %v", len(marks), err)
	}
}

// What the tracker found of a transaction survives in its entry, and a settlement
// with as much work as there can be fits a transaction with its event.
func TestSettlementsAreFed(t *testing.T) {
	s := apart(t)
	a := txntest.Account()
	f := s.grant(t, "signer#"+a.Signer.Hex(), "a")
	taker := watchtest.Address()
	var works []swap.Work
	for range txn.MaxActs {
		w := watchtest.Work(a.ChainID, taker)
		if err := s.Actions().Save(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	works, err := s.Actions().Live(t.Context(), a.ChainID, taker)
	if err != nil {
		t.Fatal(err)
	}
	e, submitted := txntest.Entry(a, 3, works...)
	if err := s.Journal().Record(t.Context(), f, e, submitted); err != nil {
		t.Fatal(err)
	}
	e.Version, e.State = 1, txn.Mined
	e.Result = txn.Result{Tx: e.Txs[0].Hash, Block: swap.Block{Number: 5, Time: swap.ChainTime(tallytest.Epoch.Unix())}, GasUsed: 6, Hard: 7}
	for i := range submitted {
		submitted[i].Version++
		submitted[i].State = swap.WorkConfirmed
	}
	if err := s.Journal().Settle(t.Context(), e, submitted); err != nil {
		t.Fatal(err)
	}
	got, ok := s.settled(t, a, 3)
	if !ok || !reflect.DeepEqual(got.Result, e.Result) {
		t.Errorf("result %+v, want %+v", got.Result, e.Result)
	}
	events, err := s.Feed().Events(t.Context(), tally.HourAt(tallytest.Epoch))
	if err != nil || len(events) != 1 || events[0].Order != e.Acts[0].Order {
		t.Errorf("events %+v, %v", events, err)
	}
}

// The nonce of a stranger's transaction has no cost of ours, and an entry that a
// former release settled has none that is known.
func TestNoEventWithoutAResult(t *testing.T) {
	e := tallytest.Entry(watchtest.Address(), 1, tallytest.Epoch, tallytest.Epoch.Add(time.Minute), 5, 0)
	if got := sent(e); len(got) != 1 || !reflect.DeepEqual(got[0], tallytest.EventOf(e)) {
		t.Errorf("%+v", got)
	}
	foreign, former := e, e
	foreign.State, former.Result = txn.Foreign, txn.Result{}
	for _, e := range []txn.Entry{foreign, former} {
		if got := sent(e); got != nil {
			t.Errorf("%+v", got)
		}
	}
}

// An hour is read in many pages.
func TestManyEvents(t *testing.T) {
	s := apart(t)
	o, _ := tallytest.Order(tallytest.Epoch)
	var rows []item
	const events = 5_000
	for range events {
		o.Src.Escrow = watchtest.Address()
		o.ID.Escrow = o.Src.Escrow
		rows = append(rows, feedItems(t, s.Store, o)...)
	}
	load(t, s.Store, s.tables.Orders, rows)
	got, err := s.Feed().Events(t.Context(), tally.HourAt(tallytest.Epoch))
	if err != nil || len(got) != events {
		t.Errorf("%d events, want %d (%v)", len(got), events, err)
	}
}

// feedItems are the items that saving a new order puts into the feed.
func feedItems(t testing.TB, s *Store, o swap.Order) (items []item) {
	t.Helper()
	t.Helper()
	for _, op := range s.fed(shardOf(o.ID), o.ID.String(), nil, tally.OfOrder(o)) {
		items = append(items, op.Put.Item)
	}
	return items
}

// A damaged row or mark is an error that names it, and nothing is counted
// without it.
func TestDamagedFeed(t *testing.T) {
	h := tally.HourAt(tallytest.Epoch)
	for name, damage := range map[string]func(row, mark item){
		"another hour's":    func(row, _ item) { row[attrSK] = text(fmt.Sprintf("%011d#x", (h + 1).Start().Unix())) },
		"another key":       func(row, _ item) { row[attrSK] = text(row.text(attrSK) + "x") },
		"no content":        func(row, _ item) { delete(row, attrBody) },
		"a later schema":    func(row, _ item) { row[attrSchema] = number(schema + 1) },
		"no hour":           func(_, mark item) { mark[attrHours] = text("yesterday") },
		"mark of later":     func(_, mark item) { mark[attrSchema] = number(schema + 1) },
		"a row without one": func(row, _ item) { delete(row, attrSchema) },
	} {
		t.Run(name, func(t *testing.T) {
			s := apart(t)
			o, _ := tallytest.Order(tallytest.Epoch)
			items := feedItems(t, s.Store, o)
			damage(items[0], items[1])
			load(t, s.Store, s.tables.Orders, items)
			_, errMarks := s.Feed().Marks(t.Context(), 10)
			_, errHour := s.Feed().Events(t.Context(), h)
			_, errNext := s.Feed().Events(t.Context(), h+1)
			if errMarks == nil && errHour == nil && errNext == nil {
				t.Error("no error")
			}
		})
	}
}

// A mark that cannot be read does not hide the others.
func TestADamagedMarkIsTold(t *testing.T) {
	s := apart(t)
	for i := range 9 {
		o, _ := tallytest.Order(tallytest.Epoch)
		items := feedItems(t, s.Store, o)
		if i == 4 {
			items[1][attrHours] = text("yesterday")
		}
		load(t, s.Store, s.tables.Orders, items)
	}
	marks, err := s.Feed().Marks(t.Context(), 100)
	if len(marks) != 8 || err == nil || !strings.Contains(err.Error(), "yesterday") {
		t.Errorf("%d marks, %v", len(marks), err)
	}
	res, err := s.aggregator().Pass(t.Context(), tallytest.Epoch.Add(10*time.Minute))
	if err == nil || res.Marks != 8 || res.Sums.Hour.Swaps.Created != 9 {
		t.Errorf("%d marks, %d created, %v", res.Marks, res.Sums.Hour.Swaps.Created, err)
	}
}

// What one order can have in the feed at most fits into a transaction beside all
// else that its save can write.
func TestLargestSaveFits(t *testing.T) {
	const escrows = 1 + swap.MaxDstLegs + swap.MaxCandidates
	if most := 1 + 2*escrows + 2*tally.MaxEvents + 1; most > 100 {
		t.Errorf("%d items, and DynamoDB allows 100", most)
	}
	s := apart(t)
	build := func(at time.Time) swap.Order {
		o, _ := tallytest.Order(at)
		o.Dsts = nil
		for range swap.MaxDstLegs {
			l := swap.LegRecord{Leg: watchtest.Dst(o), Final: true, Ours: true}
			l.Family = swap.BMNv4
			o.Dsts = append(o.Dsts, l)
		}
		for range swap.MaxCandidates {
			o.AddCandidate(swap.DstCreated{ChainID: tallytest.DstChain, Escrow: watchtest.Address()})
		}
		for i := range o.Dsts {
			tallytest.End(&o, &o.Dsts[i], swap.Cancelled, at.Add(time.Minute), [32]byte{})
			o.Dsts[i].Traces = []swap.Trace{{Tx: watchtest.Word(), Astray: o.Dsts[i].Immutables.AmountInt()}}
		}
		tallytest.End(&o, &o.Src, swap.Cancelled, at.Add(2*time.Hour), [32]byte{})
		return o
	}
	o := build(tallytest.Epoch)
	if got := len(tally.OfOrder(o)); got != 2+swap.MaxDstLegs {
		t.Fatalf("%d events", got)
	}
	if err := s.Orders().Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	next := build(tallytest.Epoch.Add(30 * time.Minute)) // everything is other than before
	next.ID, next.Src.Escrow, next.Version = o.ID, o.Src.Escrow, 1
	if err := s.Orders().Save(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	var events []tally.Event
	for _, h := range []tally.Hour{0, 1, 2} {
		got, err := s.Feed().Events(t.Context(), tally.HourAt(tallytest.Epoch)+h)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, got...)
	}
	want := tally.OfOrder(next)
	for _, list := range [][]tally.Event{events, want} {
		slices.SortFunc(list, func(a, b tally.Event) int {
			if a.Key() < b.Key() {
				return -1
			}
			return 1
		})
	}
	watchtest.Equal(t, "events", want, events)
}

// A pass is cut off at each of its requests, before and after the server applied
// it, and nothing gets through after that. The next one counts everything.
func TestPassCutOff(t *testing.T) {
	s := apart(t)
	p := tallytest.NewPlay(s.tally(t), 11)
	for _, applied := range []bool{true, false} {
		for cut := 1; ; cut++ {
			for range 3 {
				if err := p.Write(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			tr := &transport{}
			broken, err := New(newClient(t, tr.through(1)), s.tables, Live)
			if err != nil {
				t.Fatal(err)
			}
			broken.now = s.clock.get
			var reached atomic.Bool // requests come from many goroutines
			tr.reset(func(n int, _ string, forward func() (*http.Response, error)) (*http.Response, error) {
				switch {
				case n < cut:
					return forward()
				case n == cut && applied:
					reached.Store(true)
					return lose(forward)
				}
				reached.Store(true)
				return nil, errCut
			})
			_, err = aside{broken, s.clock}.aggregator().Pass(t.Context(), p.Now)
			if reached.Load() == (err == nil) {
				t.Fatalf("cut off at request %d: %v, %v", cut, reached.Load(), err)
			}
			res, now := p.Finish(t)
			if p.Check(t, res, now); t.Failed() {
				t.Fatalf("cut off at request %d, applied %v", cut, applied)
			}
			if !reached.Load() {
				break
			}
			if cut > 200 {
				t.Fatal("it never ends")
			}
		}
	}
}

// The fullest hour and the fullest sums fit their items.
func TestLargestTallies(t *testing.T) {
	s := apart(t)
	counts := func(tokens int) *tally.Counts {
		c := &tally.Counts{}
		for _, list := range []*tally.Amounts{&c.Offered, &c.Volume, &c.RescuedBy, &c.LostBy} {
			for range tokens {
				word := watchtest.Word()
				*list = append(*list, tally.Amount{Token: tally.Token{ChainID: watchtest.Chain(), Address: watchtest.Address()},
					Units: *new(uint256.Int).SetBytes32(word[:])})
			}
		}
		for _, h := range []*tally.Histogram{&c.Completion, &c.Margin, &c.Inclusion, &c.SentMargin} {
			for v := int64(1); v < 1<<34; v += v/40 + 1 {
				h.Add(v)
			}
		}
		return c
	}
	hour := tally.Stored{Hour: tally.HourAt(tallytest.Epoch)}
	hour.Swaps = map[int]*tally.Counts{}
	for slot := range tally.Slots {
		hour.Swaps[slot] = counts(tally.MaxTokens)
	}
	if err := s.Tallies().Put(t.Context(), hour); err != nil {
		t.Error(err)
	}
	var sums tally.Sums
	for _, p := range []*tally.Period{&sums.Hour, &sums.Day, &sums.Week} {
		p.Swaps = *counts(tally.MaxSummed)
	}
	if err := s.Tallies().SetSums(t.Context(), sums); err != nil {
		t.Error(err)
	}
}

// Events of many days are read in a range, whatever their hours and shards, and cost
// a few reads for each day.
func TestEventsBetween(t *testing.T) {
	s := apart(t)
	first := tally.HourAt(tallytest.Epoch) - 24*20
	var rows []item
	want := map[string]bool{}
	for i := range 300 { // some outside, one at each edge
		o, _ := tallytest.Order(tallytest.Epoch)
		at := first.Start().Add(time.Duration(i-10) * 90 * time.Minute)
		if i == 0 {
			at = first.Start()
		}
		o.Src.Created.Time = swap.ChainTime(at.Unix())
		rows = append(rows, feedItems(t, s.Store, o)[0])
		if e := tally.OfOrder(o)[0]; e.Hour() >= first && e.Hour() <= first+24*10+5 {
			want[e.Key()] = true
		}
	}
	load(t, s.Store, s.tables.Orders, rows)
	var m meter
	got, err := s.metered(t, &m).Feed().Between(t.Context(), first, first+24*10+5)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d events, want %d; %v", len(got), len(want), err)
	}
	for _, e := range got {
		if !want[e.Key()] {
			t.Errorf("event of %s", e.Hour())
		}
	}
	if days := 11.0; m.requests > days*shards+shards || m.reads > 1.5*m.requests {
		t.Errorf("%.0f requests, %.1f read units for %.0f days", m.requests, m.reads, days)
	}
	if none, err := s.Feed().Between(t.Context(), first, first-1); err != nil || len(none) > 0 {
		t.Errorf("%d events of no time, %v", len(none), err)
	}
}
