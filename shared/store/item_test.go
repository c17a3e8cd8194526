package store

import (
	"bytes"
	"compress/flate"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/report"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

func TestNew(t *testing.T) {
	db := offline(&transport{}).db
	if _, err := New(db, testTables, Shadow); err != nil {
		t.Errorf("good arguments: %v", err)
	}
	_, err := New(nil, Tables{Orders: "o", Jobs: "j"}, "off")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"no name for the actions table", "no name for the journal table", `mode "off"`, "no client"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

// Items of a schema that this program does not know are refused by every
// reader, with the key and both versions; those beside them are still read.
func TestUnknownSchemaIsRefused(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	alter := func(table string, k item, version int64) {
		t.Helper()
		it, err := s.get(ctx, table, k)
		if err != nil || it == nil {
			t.Fatalf("read %v: %v, %v", k, it, err)
		}
		it[attrSchema] = number(version)
		load(t, s, table, []item{it})
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	o, _ := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	good, _ := watchtest.Order(o.ID.ChainID, o.DstChainID())
	must(s.Orders().Save(ctx, o))
	must(s.Orders().Save(ctx, good))
	a := txntest.Account()
	f := s.grant(t, "signer#"+a.Signer.Hex(), "a")
	w := watchtest.Work(a.ChainID, watchtest.Address())
	must(s.Actions().Save(ctx, w))
	live, err := s.Actions().Live(ctx, w.ChainID, w.Taker)
	must(err)
	e, step := txntest.Entry(a, 4, live[0])
	must(s.Journal().Record(ctx, f, e, step))
	chain := watchtest.Chain()
	must(s.Facts().Replace(ctx, swap.Provisional{ChainID: chain}, swap.Provisional{ChainID: chain, To: swap.Block{Number: 1}}))
	d := swap.DstCreated{ChainID: chain, Escrow: watchtest.Address(), Hashlock: watchtest.Word()}
	_, err = s.Parked().Park(ctx, d)
	must(err)
	r := job.Record{Job: watchtest.Word().Hex(), Scheduled: epoch, State: job.Done, Token: "a", Started: epoch, Ended: epoch, Attempts: 1}
	must(s.Runs().Record(ctx, r))
	b, err := s.Runs().Book(ctx)
	must(err)
	must(s.Runs().SaveBook(ctx, b))
	must(s.Reports(report.NoteTTL).Note(ctx, r.Job, epoch))

	parked := key(parkedKey(chain), parkedPrefix(d.Hashlock)+strings.ToLower(d.Escrow.Hex()))
	for name, c := range map[string]struct {
		table string
		key   item
		read  func() error
	}{
		"order":  {testTables.Orders, orderKey(o.ID), func() error { _, err := s.Orders().Load(ctx, []swap.OrderID{o.ID}); return err }},
		"work":   {testTables.Actions, key(s.accountKey(w.ChainID, w.Taker), w.Key().String()), func() error { _, err := s.Actions().Live(ctx, w.ChainID, w.Taker); return err }},
		"entry":  {testTables.Journal, key(s.accountKey(a.ChainID, a.Signer), nonceSK(openPrefix, 4)), func() error { _, _, err := s.Journal().Entries(ctx, a); return err }},
		"nonce":  {testTables.Journal, key(s.accountKey(a.ChainID, a.Signer), nextSK), func() error { _, _, err := s.Journal().Entries(ctx, a); return err }},
		"facts":  {testTables.Orders, key(chainKey(chain), factsSK), func() error { _, err := s.Facts().Provisional(ctx, chain); return err }},
		"parked": {testTables.Orders, parked, func() error { _, err := s.Parked().Parked(ctx, chain, d.Hashlock); return err }},
		"room": {testTables.Orders, key(parkedKey(chain), roomSK), func() error {
			_, err := s.Parked().Park(ctx, swap.DstCreated{ChainID: chain, Escrow: watchtest.Address()})
			return err
		}},
		"watch row":               {testTables.Orders, rowsOf(good)[1], func() error { _, err := s.Orders().Watched(ctx, o.DstChainID()); return err }},
		"run":                     {testTables.Jobs, runKey(r.Job, epoch), func() error { _, err := s.Runs().Finished(ctx, r.Job, epoch); return err }},
		"run of a list":           {testTables.Jobs, runKey(r.Job, epoch), func() error { _, err := s.Runs().Since(ctx, r.Job, epoch.Add(-1)); return err }},
		"lease that is looked at": {testTables.Jobs, key(f.Lease, leaseSK), func() error { _, err := s.Runs().Holding(ctx, f.Lease); return err }},
		"book":                    {testTables.Jobs, key(watchdogPK, bookSK), func() error { _, _, err := s.Runs().JobHealth(ctx); return err }},
		"report":                  {testTables.Jobs, reportKey(r.Job), func() error { _, err := s.Reports(report.NoteTTL).Told(ctx, r.Job, epoch); return err }},
		"lease": {testTables.Jobs, key(f.Lease, leaseSK), func() error {
			_, err := s.Leases().Acquire(ctx, job.Claim{Key: f.Lease, Token: "b", Now: epoch, Until: epoch.Add(time.Second)})
			return err
		}},
	} {
		newest := int64(schema)
		if name == "entry" {
			newest = entrySchema
		}
		for _, version := range []int64{newest + 1, 0} {
			k := key(c.key.text(attrPK), c.key.text(attrSK))
			alter(c.table, k, version)
			err := c.read()
			if err == nil || !strings.Contains(err.Error(), "schema version") || !strings.Contains(err.Error(), c.key.text(attrPK)) {
				t.Errorf("%s of schema %d: %v, want an error that names it", name, version, err)
			}
			alter(c.table, k, newest)
			if err := c.read(); err != nil && strings.Contains(err.Error(), "schema") {
				t.Errorf("%s of the present schema: %v", name, err)
			}
		}
	}

	alter(testTables.Orders, orderKey(o.ID), schema+1)
	got, err := s.Orders().Load(ctx, []swap.OrderID{o.ID, good.ID})
	if err == nil || len(got) != 1 || got[0].ID != good.ID {
		t.Errorf("beside an unknown order: %d orders, %v; want the good one and an error", len(got), err)
	}

	beside := watchtest.Work(w.ChainID, w.Taker)
	must(s.Actions().Save(ctx, beside))
	alter(testTables.Actions, key(s.accountKey(w.ChainID, w.Taker), w.Key().String()), schema+1)
	live, err = s.Actions().Live(ctx, w.ChainID, w.Taker)
	if err == nil || len(live) != 1 || live[0].Key() != beside.Key() {
		t.Errorf("beside unknown work: %d items, %v; want the good one and an error", len(live), err)
	}
}

func TestUnpack(t *testing.T) {
	deflated := func(content []byte) []byte {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	good := deflated([]byte(`{"src":3}`))
	for name, c := range map[string]struct {
		packed []byte
		want   string // in the error; empty: none
	}{
		"good":       {good, ""},
		"empty":      {nil, "no content"},
		"truncated":  {good[:len(good)-3], "unpack"},
		"no deflate": {[]byte("{}"), "unpack"},
		"no JSON":    {deflated([]byte("{")), "decode"},
		"a bomb":     {deflated(make([]byte, maxContent+1)), "more than"},
	} {
		var w swap.Wakes
		err := unpack(c.packed, &w)
		switch {
		case c.want == "" && (err != nil || w.Src != 3):
			t.Errorf("%s: %+v, %v", name, w, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestItemReadsOnlyWhatIsThere(t *testing.T) {
	it := item{"s": text("x"), "n": number(7), "b": blob([]byte{1}), "f": flag(true)}
	for name, ok := range map[string]bool{
		"text": it.text("s") == "x" && it.text("n") == "" && it.text("none") == "",
		"int":  it.int("n") == 7 && it.int("s") == 0 && it.int("none") == 0,
		"blob": len(it.blob("b")) == 1 && it.blob("s") == nil,
		"flag": it.flag("f") && !it.flag("s"),
		"nil":  item(nil).text("s") == "" && item(nil).int("n") == 0,
	} {
		if !ok {
			t.Errorf("%s reads wrongly", name)
		}
	}
	if it.wrote(nil) || (item{}).wrote([]byte{}) || !(item{attrWrite: blob([]byte{5})}).wrote([]byte{5}) {
		t.Error("a write without a token is nobody's")
	}
}

func FuzzUnpack(f *testing.F) {
	o, _ := watchtest.Order(1, 2)
	w := watchtest.Work(1, o.ID.Escrow)
	for _, v := range []any{&o, &w} {
		_, packed, err := pack(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		it := newItem(orderPrefix+"1:0x00", orderSK)
		it[attrBody], it[attrVersion] = blob(b), number(1)
		_, _ = readOrder(it) // an error or an order, never a panic
		_, _ = readWork(it)
		var e txn.Entry
		_ = it.body(&e)
	})
}

func FuzzRow(f *testing.F) {
	f.Add("0x03a25b3215a0e5c15cf23ac4d2e5cf86c0ff7efa#1:0x03a25b3215a0e5c15cf23ac4d2e5cf86c0ff7efa", bytes.Repeat([]byte{1}, 32))
	f.Add("#", []byte{})
	f.Add("0x#:", bytes.Repeat([]byte{1}, 33))
	f.Fuzz(func(t *testing.T, sk string, hashlock []byte) {
		it := newItem(bookKey(1), sk)
		it[attrHashlock] = blob(hashlock)
		row, err := readRow(it, 1)
		if err != nil {
			return
		}
		o := swap.Order{ID: row.Order}
		o.Src.ChainID, o.Src.Escrow, o.Src.Immutables.Hashlock = row.Order.ChainID, row.Order.Escrow, row.Hashlock
		if row.Side == swap.Dst {
			o.Dsts = []swap.LegRecord{{Leg: swap.Leg{ChainID: 1, Escrow: row.Escrow}}}
		}
		for _, again := range rowsOf(o) {
			if back, err := readRow(again, 1); err != nil || back.Escrow == row.Escrow && back != row {
				t.Errorf("%q reads as %+v, written again as %+v, %v", sk, row, back, err)
			}
		}
	})
}
