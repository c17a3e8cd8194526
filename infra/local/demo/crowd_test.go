package demo

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

var (
	claimed = judge.Ends{Src: judge.Withdrawn, Dst: judge.Withdrawn}
	backed  = judge.Ends{Src: judge.Cancelled, Dst: judge.Cancelled}
)

// one is a swap of a crowd.
func one(k scene.TakerKind, f contracts.Family, want judge.Ends, moves ...judge.Move) Row {
	return Row{&scene.Swap{Name: "x", Situation: "s", Crowd: "rush", Family: f, Taker: k, Allowed: []judge.Ends{want}},
		judge.Verdict{Ends: want, Safe: true, Moves: moves}}
}

func tx(n byte, gas uint64, gwei int64) *judge.Tx {
	return &judge.Tx{Hash: common.Hash{n}, Gas: gas, Price: new(big.Int).Mul(big.NewInt(gwei), big.NewInt(params.GWei))}
}

func claim(t *judge.Tx, legal, pass int) judge.Move {
	return judge.Move{Side: contracts.Src, Call: "withdraw", Tx: t, BehindLegal: legal, BehindPass: pass}
}

// A crowd has a row for each kind of call: what its calls cost together, and how
// far behind the last of them came.
func TestCrowdIsOneTable(t *testing.T) {
	batch, single := tx(1, 90_001, 1), tx(2, 50_000, 5)
	late := claim(tx(3, 70_000, 0), 40, -1)
	late.Late = true
	back := judge.Move{Side: contracts.Dst, Call: "cancel", Tx: batch, BehindLegal: 2, BehindPass: 2}
	rows := []Row{
		one(scene.Contract, contracts.OneInchV1, claimed, claim(batch, 0, 0)),
		one(scene.Contract, contracts.BMNv4, claimed, claim(batch, 1, 1)),
		one(scene.Contract, contracts.BMNv4, backed, back),
		one(scene.Shared, contracts.BMNv4, claimed, claim(single, 3, 3)),
		one(scene.Shared, contracts.BMNv4, claimed, late),
	}
	rows[4].Safe, rows[4].Why = false, "gone"
	var out bytes.Buffer
	r := Report{Rows: rows, Lifted: 7, Taken: 1}
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	lines := map[string]int{}
	for l := range strings.Lines(out.String()) {
		lines[strings.Join(strings.Fields(l), " ")]++
	}
	for _, want := range []string{
		"rush: 5 swaps, 4 safe, 0 lost, 1 late",
		"contract s 2 2 src withdraw 2 0 1 30000 1 1, worst 1 1, worst 1",
		"contract s 1 1 dst cancel 1 0 1 30000 1 2, worst 2 2, worst 2",
		"shared key s 1 2 src withdraw 1 1 2 60000 <1-5 40, worst 40 3, worst 3",
		"replaced at a higher price for what is urgent behind them: 7 transactions; nonces that another program took from ours: 1",
		"blocks behind the first legal one with its cause published: no transaction",
		"not safe: x: gone",
		"demo: 5 swaps, 4 safe, 0 lost, 1 late",
	} {
		if n := lines[want]; n != 1 {
			t.Errorf("%d lines %q in\n%s", n, want, out.String())
		}
	}
	if strings.Contains(out.String(), "expected end") || r.OK() {
		t.Errorf("rows of a crowd are shown alone, or it counts as well:\n%s", out.String())
	}
}

// Figures of the others are theirs alone.
func TestCrowdKeepsToItself(t *testing.T) {
	alone := one(scene.EOA, contracts.BMNv4, claimed, claim(tx(9, 1, 1), 2, 1))
	alone.Swap.Crowd = ""
	r := Report{Rows: []Row{one(scene.Busy, contracts.BMNv4, claimed, claim(tx(8, 1, 1), 30, 30)), alone}}
	var out bytes.Buffer
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"published: median 2, worst 2, of 1\n", "saw the cause: median 1, worst 1, of 1\n", "demo: 2 swaps, 2 safe, 0 lost, 0 late\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

// The progress of a crowd is a line by the takers' legs, once there is any.
func TestCrowdProgress(t *testing.T) {
	var c crowds
	c.add(one(scene.Contract, contracts.BMNv4, backed))
	c.add(one(scene.Shared, contracts.BMNv4, claimed))
	if c.String() != "" {
		t.Errorf("%q before anything has happened", c)
	}
	c.add(one(scene.Contract, contracts.BMNv4, claimed, claim(tx(1, 1, 1), 0, 0)))
	if want := "rush, legs ended by us: contract 1/3, shared key 0/1"; c.String() != want {
		t.Errorf("%q, want %q", c, want)
	}
}
