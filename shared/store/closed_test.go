package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup/cleanuptest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// finish stores a closed order as its jobs do: created open, closed at the time
// that it says, with its history beside it.
func (s *Store) finish(t *testing.T, f cleanup.Finished) cleanup.Finished {
	t.Helper()
	s.now = func() time.Time { return f.ClosedAt }
	f.Order.Version, f.Order.Closed = 0, false
	for range 2 {
		if err := s.Orders().Save(t.Context(), f.Order); err != nil {
			t.Fatal(err)
		}
		f.Order.Version++
		f.Order.Closed = true
	}
	var items []item
	for _, h := range f.History {
		it := newItem(orderPrefix+f.Order.ID.String(), h.Key)
		_, packed, err := pack(&h.Body)
		if err != nil {
			t.Fatal(err)
		}
		it[attrVersion], it[attrBody] = number(h.Version), blob(packed)
		items = append(items, it)
	}
	load(t, s, s.tables.Orders, items)
	return f
}

func (s *Store) rewrite(t *testing.T, f cleanup.Finished, closed bool) cleanup.Finished {
	t.Helper()
	s.now = func() time.Time { return f.ClosedAt.Add(time.Hour) } // which is not the time of its closing
	f.Order.Closed = closed
	if err := s.Orders().Save(t.Context(), f.Order); err != nil {
		t.Fatal(err)
	}
	f.Order.Version++
	return f
}

// closedRows lists the rows of the closed orders.
func (s *Store) closedRows(t *testing.T) (rows []string) {
	t.Helper()
	for it, err := range s.query(t.Context(), partition(s.tables.Orders, closedPK, "")) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, it.text(attrSK))
	}
	return rows
}

// A closed order has one row for as long as it is closed, and the watch book has
// none of it.
func TestPlaceAmongTheClosedOnes(t *testing.T) {
	s := ownTables(t)
	o, _ := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	at := func(seconds int64) { s.now = func() time.Time { return time.Unix(seconds, 999) } }
	save := func(what string, closed bool, want ...string) {
		t.Helper()
		o.Closed = closed
		if err := s.Orders().Save(t.Context(), o); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		o.Version++
		for i := range want {
			want[i] = fmt.Sprintf("%020s#%s", want[i], o.ID)
		}
		if got := s.closedRows(t); !slices.Equal(got, want) {
			t.Errorf("%s: rows %q, want %q", what, got, want)
		}
		watched, err := s.Orders().Watched(t.Context(), o.ID.ChainID)
		if err != nil || (len(watched) == 0) != closed {
			t.Errorf("%s: %d rows in the watch book, %v", what, len(watched), err)
		}
	}
	at(100)
	save("created", false)
	save("closed", true, "100")
	at(200)
	save("closed as before", true, "100")
	if err := s.Orders().SetWakes(t.Context(), o, swap.Wakes{}); err != nil {
		t.Fatal(err)
	}
	o.Version++
	save("after its wake times", true, "100")
	save("open again", false)
	save("closed again", true, "200")
}

// What real jobs leave in an order's history is archived as it is.
func TestHistoryIsArchivedAsItIs(t *testing.T) {
	s := ownTables(t)
	w := watchtest.Work(watchtest.Chain(), watchtest.Address())
	f := cleanuptest.Finished(time.Unix(1_750_000_000, 0), 0)
	w.Order = f.Order.ID
	if err := s.Actions().Save(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	live, err := s.Actions().Live(t.Context(), w.ChainID, w.Taker)
	if err != nil {
		t.Fatal(err)
	}
	live[0].State = swap.WorkByOther
	if err := s.Actions().Save(t.Context(), live[0]); err != nil {
		t.Fatal(err)
	}
	f = s.finish(t, f)
	got, ok, err := s.Closed().Read(t.Context(), cleanup.Due{Order: f.Order.ID, ClosedAt: f.ClosedAt})
	if err != nil || !ok || len(got.History) != 1 || !strings.HasPrefix(got.History[0].Key, historyPrefix) {
		t.Fatalf("read %t, %v, history %+v", ok, err, got.History)
	}
	var back swap.Work
	if err := json.Unmarshal(got.History[0].Body, &back); err != nil {
		t.Fatal(err)
	}
	want := live[0]
	want.Version = 0
	watchtest.Equal(t, "work", want, back)
	if ok, err := s.Closed().Remove(t.Context(), got); err != nil || !ok {
		t.Fatalf("removed %t, %v", ok, err)
	}
	if n := len(s.history(t, f.Order.ID)); n != 0 {
		t.Errorf("%d items of history are left", n)
	}
}

// Damaged items are errors that name them; nothing is archived in part.
func TestDamagedHistory(t *testing.T) {
	for name, spoil := range map[string]func(item){
		"no body":      func(it item) { delete(it, attrBody) },
		"no deflate":   func(it item) { it[attrBody] = blob([]byte("hello")) },
		"another sort": func(it item) { it[attrSK] = text("notes#1") },
	} {
		s := ownTables(t)
		f := s.finish(t, cleanuptest.Finished(time.Unix(1_750_000_000, 0), 0))
		it := newItem(orderPrefix+f.Order.ID.String(), "hist#work#1")
		_, packed, err := pack(&f)
		if err != nil {
			t.Fatal(err)
		}
		it[attrBody] = blob(packed)
		spoil(it)
		load(t, s, s.tables.Orders, []item{it})
		_, _, err = s.Closed().Read(t.Context(), cleanup.Due{Order: f.Order.ID, ClosedAt: f.ClosedAt})
		if err == nil || !strings.Contains(err.Error(), it.text(attrSK)) {
			t.Errorf("%s: %v, want an error that names %s", name, err, it.text(attrSK))
		}
	}
}

func TestMalformedClosedRows(t *testing.T) {
	for _, sk := range []string{"x", "00000000000000000005", "00000000000000000005#", "5#1:0x1111111111111111111111111111111111111111", "00000000000000000005#1:0x11"} {
		if _, err := readClosedRow(newItem(closedPK, sk)); err == nil || !strings.Contains(err.Error(), "malformed") {
			t.Errorf("%q: %v", sk, err)
		}
	}
	later := newItem(closedPK, "00000000000000000005#1:0x1111111111111111111111111111111111111111")
	later[attrSchema] = number(9)
	if _, err := readClosedRow(later); err == nil {
		t.Error("a row of a later release was read")
	}
}

// work stores live work of an order's source leg, or ends it.
func (s *Store) work(t *testing.T, o swap.Order, live bool) {
	t.Helper()
	w := watchtest.Work(o.Src.ChainID, o.Src.Immutables.TakerAddress())
	w.Order, w.Escrow = o.ID, o.Src.Escrow
	if !live {
		all, err := s.Actions().Live(t.Context(), w.ChainID, w.Taker)
		if err != nil || len(all) != 1 {
			t.Fatalf("%d works, %v", len(all), err)
		}
		w = all[0]
		w.State = swap.WorkObsolete
	}
	if err := s.Actions().Save(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}
