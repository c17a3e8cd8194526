package store

import (
	"slices"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// The tables that the code needs are those that the template declares.
func TestTemplateDeclaresTheTables(t *testing.T) {
	tables := map[string]template.Table{}
	for _, table := range declared(t) {
		tables[table.Name] = table
	}
	for _, name := range []string{testTables.Orders, testTables.Actions, testTables.Journal, testTables.Jobs} {
		table := tables[name]
		if table.Hash != attrPK || table.Range != attrSK || table.TTL != attrExpires || table.Attributes[attrPK] != "S" || table.Attributes[attrSK] != "S" {
			t.Errorf("%s: keys %+v, TTL %q", name, table.KeySchema, table.TTL)
		}
	}
	for _, side := range []swap.Side{swap.Src, swap.Dst} {
		i := slices.IndexFunc(tables[testTables.Orders].Indexes, func(i template.Index) bool { return i.Name == side.String() })
		if i < 0 {
			t.Fatalf("no index %s", side)
		}
		if got := tables[testTables.Orders].Indexes[i]; got.Hash != side.String()+"_shard" || got.Range != side.String()+"_wake" || got.Projection != "KEYS_ONLY" {
			t.Errorf("index %s: %+v", side, got)
		}
	}
}

// An order is in an index with both keys or with neither, so the indexes hold
// nothing but what will be due.
func TestIndexesAreSparse(t *testing.T) {
	s := newStore(t)
	o, _ := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	keys := func() string {
		t.Helper()
		it, err := s.get(t.Context(), testTables.Orders, orderKey(o.ID))
		if err != nil {
			t.Fatal(err)
		}
		var in []string
		for _, side := range []string{"src", "dst"} {
			if it[side+"_shard"] != nil && it[side+"_wake"] != nil {
				in = append(in, side)
			}
		}
		return strings.Join(in, " ")
	}
	expect := func(what, want string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		o.Version++
		if got := keys(); got != want {
			t.Errorf("%s: in %q, want %q", what, got, want)
		}
	}
	expect("both", "src dst", s.Orders().Save(t.Context(), o))
	expect("src only", "src", s.Orders().SetWakes(t.Context(), o, swap.Wakes{Src: 5}))
	expect("dst only", "dst", s.Orders().SetWakes(t.Context(), o, swap.Wakes{Dst: 5}))
	expect("none", "", s.Orders().SetWakes(t.Context(), o, swap.Wakes{}))
	o.Wakes, o.Closed = swap.Wakes{Src: 5, Dst: 6}, true
	expect("closed", "", s.Orders().Save(t.Context(), o))
	expect("wake times of a closed one", "", s.Orders().SetWakes(t.Context(), o, swap.Wakes{Src: 7, Dst: 8}))
}

func TestShardsAreEvenAndAllAsked(t *testing.T) {
	counts := make([]int, shards)
	for range 4_000 {
		counts[shardOf(swap.OrderID{ChainID: 1, Escrow: watchtest.Address()})]++
	}
	for i, n := range counts {
		if n < 4_000/shards*8/10 || n > 4_000/shards*12/10 {
			t.Errorf("shard %d has %d of 4000", i, n)
		}
	}
}

func TestOrdersRefuseNonsense(t *testing.T) {
	s := offline(&transport{})
	o, _ := watchtest.Order(1, 2)
	bad := o
	bad.ID.ChainID = 9
	if err := s.Orders().Save(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "source leg") {
		t.Errorf("foreign id: %v", err)
	}
	if err := s.Orders().SetWakes(t.Context(), o, swap.Wakes{Src: -1}); err == nil || !strings.Contains(err.Error(), "epoch") {
		t.Errorf("negative wake: %v", err)
	}
	if _, err := s.Orders().Due(t.Context(), 1, 0, 5); err == nil {
		t.Error("due on no side: no error")
	}
	o.Dsts[0].Immutables.Parameters = noise(maxBody + 1000)
	if err := s.Orders().Save(t.Context(), o); err == nil || !strings.Contains(err.Error(), "an item holds") {
		t.Errorf("too large: %v", err)
	}
}

// noise is what does not compress.
func noise(n int) []byte {
	var b []byte
	for len(b) < n {
		w := watchtest.Word()
		b = append(b, w[:]...)
	}
	return b
}

// An order item that holds another order is an error: nothing is done about a
// swap under another's name. It does not hide the others.
func TestOrderUnderAForeignKey(t *testing.T) {
	s := newStore(t)
	a, _ := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	b, _ := watchtest.Order(a.ID.ChainID, a.DstChainID())
	it, _, err := s.Orders().orderItem(a)
	if err != nil {
		t.Fatal(err)
	}
	it[attrPK] = orderKey(b.ID)[attrPK]
	load(t, s, testTables.Orders, []item{it})
	if got, err := s.Orders().Load(t.Context(), []swap.OrderID{b.ID}); err == nil || len(got) != 0 {
		t.Errorf("got %d orders, %v", len(got), err)
	}
	good, _ := watchtest.Order(a.ID.ChainID, a.DstChainID())
	if err := s.Orders().Save(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Orders().Load(t.Context(), []swap.OrderID{b.ID, good.ID}); err == nil || len(got) != 1 || got[0].ID != good.ID {
		t.Errorf("got %d orders, %v; want the one that can be read, and an error", len(got), err)
	}
}

// Stacks that only decide keep their work and journal apart from those that
// send, and share orders and facts with them.
func TestModesAreApart(t *testing.T) {
	live := newStore(t)
	shadow, err := New(live.db, testTables, Shadow)
	if err != nil {
		t.Fatal(err)
	}
	w := watchtest.Work(watchtest.Chain(), watchtest.Address())
	if err := shadow.Actions().Save(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		s    *Store
		want int
	}{"live": {live, 0}, "shadow": {shadow, 1}} {
		got, err := c.s.Actions().Live(t.Context(), w.ChainID, w.Taker)
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %d work items, %v; want %d", name, len(got), err, c.want)
		}
	}
	o, _ := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	if err := shadow.Orders().Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if got, err := live.Orders().Load(t.Context(), []swap.OrderID{o.ID}); err != nil || len(got) != 1 {
		t.Errorf("%d orders, %v", len(got), err)
	}
}
