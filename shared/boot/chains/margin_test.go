package chains

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/metrics"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// node is a chain and a store on which one entry after another is settled: the
// part of a backend and journal that the tracker uses.
type node struct {
	txn.Backend
	txn.Journal
	entries []txn.Entry
	works   []swap.Work
	block   swap.Block // of the transactions
	success bool
	err     error // of Settle
	settled int
}

const tip = 1000

func (n *node) Account(context.Context, txn.Account, uint64) (txn.AccountState, error) {
	return txn.AccountState{Head: swap.Block{Number: tip, Time: 100_000}, Latest: 99, Settled: 99}, nil
}

func (n *node) Outcomes(_ context.Context, _ uint64, hashes []common.Hash) ([]txn.Outcome, error) {
	out := make([]txn.Outcome, len(hashes))
	for i, h := range hashes {
		if h != (common.Hash{31: 1}) { // a first try that never was mined
			out[i] = txn.Outcome{Known: true, Mined: true, Success: n.success, Block: n.block}
		}
	}
	return out, nil
}

func (n *node) Entries(context.Context, txn.Account) ([]txn.Entry, uint64, error) {
	return n.entries, 9, nil
}

func (n *node) Settle(context.Context, txn.Entry, *swap.Work) error {
	n.settled++
	return n.err
}

func (n *node) Live(context.Context, uint64, common.Address) ([]swap.Work, error) {
	return n.works, nil
}

func (n *node) Save(context.Context, swap.Work) error { return nil }

func (n *node) Provisional(context.Context, uint64) (swap.Provisional, error) {
	return swap.Provisional{ChainID: 10, From: swap.Block{Number: tip}, To: swap.Block{Number: tip}}, nil
}

// The time left is noted when a transaction is settled for good: the metric by
// the least of the hard deadlines, the log by both.
func TestMarginOfWhatIsSettled(t *testing.T) {
	const included = 5000
	action := func(nonce uint64, hard, soft swap.ChainTime) (txn.Entry, swap.Work) {
		w := swap.Work{Action: swap.Action{ChainID: 10, Escrow: common.Address{byte(nonce)}, Call: swap.Withdraw, Hard: hard, Soft: soft}, State: swap.WorkSubmitted, Attempt: 1}
		return txn.Entry{Account: txn.Account{ChainID: 10}, Nonce: nonce, Action: w.Key(), State: txn.Open,
			Txs: []txn.Tx{{Hash: common.Hash{31: 1}}, {Hash: common.Hash{30: byte(nonce), 31: 2}}}}, w
	}
	hash := func(nonce byte) string { return common.Hash{30: nonce, 31: 2}.Hex() }
	for _, c := range []struct {
		name   string
		hard   []swap.ChainTime
		soft   []swap.ChainTime
		failed bool
		err    error
		margin string           // the metric; "" for none
		lines  []map[string]any // in the log
	}{
		{name: "in time", hard: []swap.ChainTime{5300}, soft: []swap.ChainTime{5200}, margin: "300",
			lines: []map[string]any{{"tx": hash(1), "hard_left_s": 300.0, "soft_left_s": 200.0}}},
		{name: "the least counts", hard: []swap.ChainTime{5300, 5001, 5100}, soft: []swap.ChainTime{0, 0, 0}, margin: "1",
			lines: []map[string]any{{"hard_left_s": 300.0}, {"hard_left_s": 1.0}, {"hard_left_s": 100.0}}},
		{name: "too late", hard: []swap.ChainTime{4990}, soft: []swap.ChainTime{4900}, margin: "-10",
			lines: []map[string]any{{"hard_left_s": -10.0, "soft_left_s": -100.0}}},
		{name: "no principal at risk", hard: []swap.ChainTime{0}, soft: []swap.ChainTime{5050}, lines: []map[string]any{{"soft_left_s": 50.0}}},
		{name: "no deadline", hard: []swap.ChainTime{0}, soft: []swap.ChainTime{0}, lines: []map[string]any{{"action": "withdraw"}}},
		{name: "reverted", hard: []swap.ChainTime{5300}, soft: []swap.ChainTime{0}, failed: true},
		{name: "not settled", hard: []swap.ChainTime{5300}, soft: []swap.ChainTime{0}, err: errors.New("throttled")},
	} {
		n := &node{block: swap.Block{Number: 900, Time: included}, success: !c.failed, err: c.err}
		for i := range c.hard {
			e, w := action(uint64(i+1), c.hard[i], c.soft[i])
			n.entries, n.works = append(n.entries, e), append(n.works, w)
		}
		var out bytes.Buffer
		set := &metrics.Set{}
		m := newMargins(n, n, set, slog.New(slog.NewJSONHandler(&out, nil)))
		tracker := &txn.Tracker{Backend: m, Journal: m, Works: n, Facts: n, Log: slog.New(slog.DiscardHandler),
			Ring:   func(context.Context, txn.Account) error { return nil },
			Report: func(context.Context, []swap.Finding) error { return nil },
			Chains: map[uint64]txn.ChainConfig{10: {Confirmations: 5}}}
		if _, err := tracker.Track(t.Context(), txn.Account{ChainID: 10}); (err != nil) != (c.err != nil) || n.settled != len(c.hard) {
			t.Fatalf("%s: settled %d, %v", c.name, n.settled, err)
		}
		got := ""
		for _, a := range set.Attrs(time.Unix(0, 0), "job", true) {
			if a.Key == metrics.MarginLeft.Name() {
				got = a.Value.String()
			}
		}
		if got != c.margin {
			t.Errorf("%s: metric %q, want %q", c.name, got, c.margin)
		}
		var lines []map[string]any
		for dec := json.NewDecoder(&out); dec.More(); {
			var line map[string]any
			if err := dec.Decode(&line); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, line)
		}
		if len(lines) != len(c.lines) {
			t.Fatalf("%s: %v, want %d lines", c.name, lines, len(c.lines))
		}
		for i, want := range c.lines {
			want["included"] = swap.ChainTime(included).String()
			for k, v := range want {
				if lines[i][k] != v {
					t.Errorf("%s: line %d has %s %v, want %v", c.name, i, k, lines[i][k], v)
				}
			}
			for _, k := range []string{"hard_left_s", "soft_left_s"} {
				if _, has := lines[i][k]; has != (want[k] != nil) && len(c.lines) == 1 {
					t.Errorf("%s: line %d: %v", c.name, i, lines[i])
				}
			}
		}
	}
}
