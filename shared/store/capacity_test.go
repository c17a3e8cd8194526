package store

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot/snapshottest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// meter adds up what the server says its answers cost, in capacity units.
type meter struct {
	mu                      sync.Mutex
	requests, reads, writes float64
}

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests, m.reads, m.writes = 0, 0, 0
}

func (m *meter) add(read bool, costs ...types.ConsumedCapacity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests++
	for _, c := range costs {
		if c.CapacityUnits == nil {
			panic("an answer without its cost")
		}
		if read {
			m.reads += *c.CapacityUnits
		} else {
			m.writes += *c.CapacityUnits
		}
	}
}

// measure makes a client ask for and note the cost of every request.
func (m *meter) measure(o *dynamodb.Options) {
	const total = types.ReturnConsumedCapacityTotal
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("meter", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			switch p := in.Parameters.(type) {
			case *dynamodb.GetItemInput:
				p.ReturnConsumedCapacity = total
			case *dynamodb.BatchGetItemInput:
				p.ReturnConsumedCapacity = total
			case *dynamodb.QueryInput:
				p.ReturnConsumedCapacity = total
			case *dynamodb.PutItemInput:
				p.ReturnConsumedCapacity = total
			case *dynamodb.UpdateItemInput:
				p.ReturnConsumedCapacity = total
			case *dynamodb.DeleteItemInput:
				p.ReturnConsumedCapacity = total
			case *dynamodb.TransactWriteItemsInput:
				p.ReturnConsumedCapacity = total
			case *dynamodb.BatchWriteItemInput:
				p.ReturnConsumedCapacity = total
			default:
				return middleware.InitializeOutput{}, middleware.Metadata{}, fmt.Errorf("no meter for %T", p)
			}
			out, meta, err := next.HandleInitialize(ctx, in)
			if err != nil {
				return out, meta, err
			}
			switch r := out.Result.(type) {
			case *dynamodb.GetItemOutput:
				m.add(true, *r.ConsumedCapacity)
			case *dynamodb.BatchGetItemOutput:
				m.add(true, r.ConsumedCapacity...)
			case *dynamodb.QueryOutput:
				m.add(true, *r.ConsumedCapacity)
			case *dynamodb.PutItemOutput:
				m.add(false, *r.ConsumedCapacity)
			case *dynamodb.UpdateItemOutput:
				m.add(false, *r.ConsumedCapacity)
			case *dynamodb.DeleteItemOutput:
				m.add(false, *r.ConsumedCapacity)
			case *dynamodb.TransactWriteItemsOutput:
				m.add(false, r.ConsumedCapacity...)
			case *dynamodb.BatchWriteItemOutput:
				m.add(false, r.ConsumedCapacity...)
			}
			return out, meta, nil
		}), middleware.Before)
	})
}

// openOrders stores so many open orders between two new chains, of which the
// given number are due on src by the returned time, and none on dst.
func openOrders(t testing.TB, s *Store, open, due int) (src, dst uint64, now swap.ChainTime) {
	t.Helper()
	src, dst, now = watchtest.Chain(), watchtest.Chain(), 1_750_000_000
	o, _ := watchtest.Order(src, dst)
	build := func(wake swap.ChainTime) item {
		o.Src.Escrow = watchtest.Address()
		o.ID.Escrow = o.Src.Escrow
		o.Wakes = swap.Wakes{Src: wake, Dst: now + 1}
		it, _, err := s.Orders().orderItem(o)
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	var items []item
	for i := range due {
		items = append(items, build(now-swap.ChainTime(i)))
	}
	later := build(now + 1)
	for i := range open - due { // the same body will do: they are never read
		it := maps.Clone(later)
		id := swap.OrderID{ChainID: src, Escrow: watchtest.Address()}
		it[attrPK] = orderKey(id)[attrPK]
		for side, chain := range map[string]uint64{"src": src, "dst": dst} {
			it[side+"_shard"], it[side+"_wake"] = text(shardKey(chain, shardOf(id))), number(int(now)+1+i)
		}
		items = append(items, it)
	}
	load(t, s, testTables.Orders, items)
	return src, dst, now
}

// sweep reads what a sweep reads of the orders between two chains.
func sweep(t testing.TB, s *Store, src, dst uint64, now swap.ChainTime, want int) {
	t.Helper()
	ctx := context.Background()
	var ids []swap.OrderID
	for _, chain := range []uint64{src, dst} {
		for _, side := range []swap.Side{swap.Src, swap.Dst} {
			due, err := s.Orders().Due(ctx, chain, side, now)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, due...)
		}
	}
	got, err := s.Orders().Load(ctx, ids)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != want {
		t.Fatalf("%d orders due, want %d", len(got), want)
	}
}

// What a sweep costs depends on what is due, not on what is open.
func TestSweepCostsWhatIsDue(t *testing.T) {
	var m meter
	plain, metered := newStore(t), newStore(t, m.measure)
	cost := map[int]float64{}
	for _, open := range []int{100, 1_000} {
		src, dst, now := openOrders(t, plain, open, 50)
		m.reset()
		sweep(t, metered, src, dst, now, 50)
		cost[open] = m.reads
	}
	if cost[100] == 0 || cost[1_000] > 1.05*cost[100] {
		t.Errorf("50 due of 100: %.1f read units, of 1000: %.1f", cost[100], cost[1_000])
	}
}

// finishedOrders stores so many closed orders, of which the given number, with a
// history each, were closed by the returned time, and the others later. Calling it
// again for the same store adds those that are due.
func finishedOrders(t testing.TB, s *Store, stored, due int) (now time.Time) {
	t.Helper()
	now = time.Unix(1_750_000_000, 0)
	o, _ := watchtest.Order(8453, 10)
	o.Closed, o.Wakes = true, swap.Wakes{}
	var items []item
	add := func(it item, at int64) {
		id := swap.OrderID{ChainID: o.ID.ChainID, Escrow: watchtest.Address()}
		it = maps.Clone(it)
		it[attrPK], it[attrClosed] = orderKey(id)[attrPK], number(at)
		items = append(items, it, closedRow(id, at))
	}
	late, _, err := s.Orders().orderItem(o) // the same body will do: it is never read
	if err != nil {
		t.Fatal(err)
	}
	for i := range stored - due {
		add(late, now.Unix()+int64(i)+1)
	}
	w := watchtest.Work(o.ID.ChainID, watchtest.Address())
	_, packed, err := packItem(&w)
	if err != nil {
		t.Fatal(err)
	}
	for i := range due {
		o.Src.Escrow = watchtest.Address()
		o.ID.Escrow = o.Src.Escrow
		it, _, err := s.Orders().orderItem(o)
		if err != nil {
			t.Fatal(err)
		}
		at := now.Unix() - int64(i)
		it[attrClosed] = number(at)
		items = append(items, it, closedRow(o.ID, at))
		for n := range 2 {
			h := newItem(it.text(attrPK), fmt.Sprintf("%s%020d#live#x", historyPrefix, n))
			h[attrVersion], h[attrBody] = number(n+1), blob(packed)
			items = append(items, h)
		}
	}
	load(t, s, s.tables.Orders, items)
	return now
}

// clean archives what is due.
func clean(t testing.TB, s *Store, now time.Time, want int) {
	t.Helper()
	c := cleanup.Cleaner{Orders: s.Closed(), Batches: s.Closed(), Damages: s.Closed(), Bucket: snapshottest.NewBucket(nil)}
	got, err := c.Run(context.Background(), now)
	if err != nil || got.Removed != want {
		t.Fatalf("%+v, %v; want %d removed", got, err, want)
	}
}

// What a cleanup costs depends on what is due, not on what is stored.
func TestCleanupCostsWhatIsDue(t *testing.T) {
	var m meter
	cost := map[int]float64{}
	for _, stored := range []int{100, 2_000} {
		plain := ownTables(t)
		metered, err := New(newClient(t, m.measure), plain.tables, Live)
		if err != nil {
			t.Fatal(err)
		}
		now := finishedOrders(t, plain, stored, 20)
		m.reset()
		clean(t, metered, now, 20)
		cost[stored] = m.reads + m.writes
		m.reset()
		clean(t, metered, now, 0)
		if m.reads > 3 || m.writes > 0 || m.requests != 3 {
			t.Errorf("%d stored, nothing due: %.1f read units, %.1f write units, %.0f requests", stored, m.reads, m.writes, m.requests)
		}
	}
	if cost[100] == 0 || cost[2_000] > 1.05*cost[100] {
		t.Errorf("20 due of 100: %.1f units, of 2000: %.1f", cost[100], cost[2_000])
	}
}
