package store

import (
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// formerEntry is an entry as the first release wrote it.
type formerEntry struct {
	txn.Account
	Nonce   uint64
	Order   swap.OrderID
	Action  swap.ActionKey
	State   txn.EntryState
	Txs     []txn.Tx
	Version txn.Version
}

// Two releases run side by side for a while: an entry of one action is written
// so that the former one reads it, and what the former one wrote is read, may be
// bumped and is settled.
func TestEntriesOfTheFormerRelease(t *testing.T) {
	s := newStore(t)
	a := txntest.Account()
	f := s.grant(t, "signer#"+a.Signer.Hex(), "a")
	w := watchtest.Work(a.ChainID, watchtest.Address())
	e, _ := txntest.Entry(a, 4, w)
	former := formerEntry{a, 4, w.Order, w.Key(), txn.Open, e.Txs, 0}
	_, packed, err := packItem(&former)
	if err != nil {
		t.Fatal(err)
	}
	it := newItem(s.accountKey(a.ChainID, a.Signer), nonceSK(openPrefix, 4))
	it[attrSchema], it[attrVersion], it[attrWrite], it[attrBody] = number(1), number(1), blob([]byte{1}), blob(packed)
	load(t, s, testTables.Journal, []item{it})

	open, _, err := s.Journal().Entries(t.Context(), a)
	e.Version = 1
	if err != nil {
		t.Fatal(err)
	}
	watchtest.Equal(t, "entry", []txn.Entry{e}, open)
	open[0].Txs = append(open[0].Txs, txntest.Tx())
	if err := s.Journal().Record(t.Context(), f, open[0], nil); err != nil {
		t.Fatal(err)
	}
	open, _, err = s.Journal().Entries(t.Context(), a)
	if err != nil || len(open) != 1 || len(open[0].Txs) != 2 {
		t.Fatalf("%+v, %v", open, err)
	}

	// The other way round.
	back, err := s.get(t.Context(), testTables.Journal, key(it.text(attrPK), it.text(attrSK)))
	if err != nil {
		t.Fatal(err)
	}
	var read formerEntry
	if err := unpack(back.blob(attrBody), &read); err != nil || back.int(attrSchema) != 1 {
		t.Fatalf("schema %d, %v", back.int(attrSchema), err)
	}
	former.Txs = open[0].Txs
	watchtest.Equal(t, "entry as the former release reads it", former, read)

	open[0].State = txn.Mined
	if err := s.Journal().Settle(t.Context(), open[0], nil); err != nil {
		t.Fatal(err)
	}
}

// What the former release cannot know is marked, so that it refuses to read it
// instead of reading half.
func TestBatchesAreMarked(t *testing.T) {
	for n, want := range map[int]int{0: 2, 1: 1, 2: 2} {
		if _, version := shape(txn.Entry{Acts: make([]txn.Act, n)}); version != want {
			t.Errorf("%d actions: schema %d, want %d", n, version, want)
		}
	}
}

// TestItemsNameTheirRun: work, an entry and an alert say which run wrote them.
func TestItemsNameTheirRun(t *testing.T) {
	s := newStore(t)
	a := txntest.Account()
	f := s.grant(t, "signer#"+a.Signer.Hex(), "a")
	w := watchtest.Work(a.ChainID, watchtest.Address())
	ran := func(table string, k item) string {
		t.Helper()
		it, err := s.get(t.Context(), table, k)
		if err != nil {
			t.Fatal(err)
		}
		return it.text(attrRun)
	}
	for _, run := range []string{"PLANNED", "PLANNED AGAIN"} {
		if err := s.Actions().Save(metrics.WithRun(t.Context(), "timelock-monitor", run), w); err != nil {
			t.Fatal(err)
		}
		works, err := s.Actions().Live(t.Context(), a.ChainID, w.Taker)
		if err != nil || len(works) != 1 {
			t.Fatal(works, err)
		}
		w = works[0]
		if got := ran(testTables.Actions, key(s.accountKey(w.ChainID, w.Taker), w.Key().String())); got != run {
			t.Errorf("work by %q, want %q", got, run)
		}
	}
	e, works := txntest.Entry(a, 4, w)
	if err := s.Journal().Record(metrics.WithRun(t.Context(), "action-executor", "SENT"), f, e, works); err != nil {
		t.Fatal(err)
	}
	if got := ran(testTables.Journal, key(s.accountKey(a.ChainID, a.Signer), nonceSK(openPrefix, 4))); got != "SENT" {
		t.Errorf("entry by %q", got)
	}
	if got := ran(testTables.Actions, key(s.accountKey(w.ChainID, w.Taker), w.Key().String())); got != "SENT" {
		t.Errorf("work sent by %q", got)
	}
	told := alert.Entry{Alert: alert.Alert{Kind: alert.ChainBehind, Chain: 10}, State: alert.Open, RaisedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), Write: "w"}
	if err := s.Alerts().Save(metrics.WithRun(t.Context(), "state-sync", "TOLD"), told); err != nil {
		t.Fatal(err)
	}
	if got := ran(testTables.Jobs, alertKey(told.Key())); got != "TOLD" {
		t.Errorf("alert by %q", got)
	}
}
