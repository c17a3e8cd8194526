package chain

import (
	"encoding/json"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

var mined = common.Hash{0xaa}

func receipt(n *node, more map[string]any) map[string]any {
	out := map[string]any{
		"transactionHash": mined, "blockHash": n.blocks[12].Hash, "blockNumber": "0xc", "status": "0x1", "gasUsed": "0xc350", "effectiveGasPrice": "0x3b9aca00", "logs": []any{},
	}
	maps.Copy(out, more)
	return out
}

// receipts makes the node know one receipt and its transaction.
func receipts(n *node, r map[string]any, t map[string]any) {
	n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
		switch {
		case m == "eth_getTransactionReceipt" && plain(p[0]) == mined.Hex() && r != nil:
			return r, nil, true
		case m == "eth_getTransactionByHash" && plain(p[0]) == mined.Hex() && t != nil:
			return t, nil, true
		}
		return nil, nil, m == "eth_getTransactionReceipt" || m == "eth_getTransactionByHash"
	})
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	wei := func(s string) uint256.Int { return *uint256.MustFromDecimal(s) }
	for name, c := range map[string]struct {
		receipt map[string]any // changes; nil: no receipt
		tx      map[string]any
		want    txn.Outcome // without its block
	}{
		"success":          {map[string]any{}, map[string]any{}, txn.Outcome{Known: true, Mined: true, Success: true, GasUsed: 50_000, Cost: wei("50000000000000")}},
		"reverted":         {map[string]any{"status": "0x0"}, map[string]any{}, txn.Outcome{Known: true, Mined: true, GasUsed: 50_000, Cost: wei("50000000000000")}},
		"OP stack":         {map[string]any{"l1Fee": "0x64"}, map[string]any{}, txn.Outcome{Known: true, Mined: true, Success: true, GasUsed: 50_000, Cost: wei("50000000000100")}},
		"old node":         {map[string]any{"effectiveGasPrice": nil}, map[string]any{}, txn.Outcome{Known: true, Mined: true, Success: true, GasUsed: 50_000, Cost: wei("100000")}},
		"only the receipt": {map[string]any{}, nil, txn.Outcome{Known: true, Mined: true, Success: true, GasUsed: 50_000, Cost: wei("50000000000000")}},
		"pending":          {nil, map[string]any{}, txn.Outcome{Known: true}},
		"unknown":          {nil, nil, txn.Outcome{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "one", 20, 0)
			var r, known map[string]any
			if c.receipt != nil {
				r = receipt(n, c.receipt)
			}
			if c.tx != nil {
				known = tx(mined, c.tx)
			}
			receipts(n, r, known)
			got, err := newClient(t, nil, n).Outcomes(t.Context(), testChain, []common.Hash{{1}, mined})
			if err != nil {
				t.Fatal(err)
			}
			if c.want.Mined {
				c.want.Block = n.blocks[12]
			}
			if !reflect.DeepEqual(got, []txn.Outcome{{}, c.want}) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// Being unknown to one endpoint proves nothing while another is there to ask.
func TestOutcomesAskOthersForWhatIsNotMined(t *testing.T) {
	t.Parallel()
	for name, lag := range map[string]map[string]any{"pending here": tx(mined, nil), "unknown here": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := newNode(t, "a", 20, 0), newNode(t, "b", 20, 0)
			receipts(a, nil, lag)
			receipts(b, receipt(b, nil), tx(mined, nil))
			got, err := newClient(t, nil, a, b).Outcomes(t.Context(), testChain, []common.Hash{mined})
			if err != nil || !got[0].Mined {
				t.Errorf("%+v, %v", got, err)
			}
			// The other way round, what one knows is not forgotten.
			got, err = newClient(t, nil, b, a).Outcomes(t.Context(), testChain, []common.Hash{mined})
			if err != nil || !got[0].Mined {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	a, b := newNode(t, "a", 20, 0), newNode(t, "b", 20, 0)
	receipts(a, nil, tx(mined, nil))
	receipts(b, nil, nil)
	got, err := newClient(t, nil, a, b).Outcomes(t.Context(), testChain, []common.Hash{mined})
	if err != nil || !got[0].Known || got[0].Mined {
		t.Errorf("known to the first only: %+v, %v", got, err)
	}
	b.intercept(text(500, ""))
	got, err = newClient(t, nil, a, b).Outcomes(t.Context(), testChain, []common.Hash{mined})
	if err != nil || !got[0].Known {
		t.Errorf("second is down: %+v, %v", got, err)
	}
}

func TestOutcomesThatLie(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		receipt, tx map[string]any
		want        class
	}{
		"another transaction":    {map[string]any{"transactionHash": common.Hash{1}}, nil, classMalformed},
		"no status":              {map[string]any{"status": nil}, nil, classMalformed},
		"status 2":               {map[string]any{"status": "0x2"}, nil, classMalformed},
		"no block":               {map[string]any{"blockHash": nil}, nil, classMalformed},
		"endless gas":            {map[string]any{"gasUsed": "0x10000000000000000"}, nil, classMalformed},
		"cost out of bounds":     {map[string]any{"effectiveGasPrice": "0xf000000000000000000000000000000000000000000000000000000000000000"}, nil, classMalformed},
		"another chain":          {map[string]any{}, map[string]any{"chainId": "0x1"}, classMalformed},
		"block of another fork":  {map[string]any{"blockHash": blockHash("side", 12)}, nil, classReorg},
		"no logs":                {map[string]any{"logs": nil}, nil, classMalformed},
		"log of another one":     {map[string]any{"logs": []any{logOf(common.Hash{1}, blockHash("main", 12))}}, nil, classMalformed},
		"log of another block":   {map[string]any{"logs": []any{logOf(mined, common.Hash{1})}}, nil, classMalformed},
		"two blocks":             {map[string]any{}, map[string]any{"blockHash": blockHash("side", 12)}, classReorg},
		"block beyond the chain": {map[string]any{"blockNumber": "0xff"}, nil, classBehind},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "one", 20, 0)
			receipts(n, receipt(n, c.receipt), tx(mined, c.tx))
			got, err := newClient(t, nil, n).Outcomes(t.Context(), testChain, []common.Hash{mined})
			if classOf(err) != c.want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// logOf is a cancellation in a receipt.
func logOf(tx, block common.Hash) map[string]any {
	return map[string]any{"address": escrow, "topics": []common.Hash{swap.EscrowTopics()[1]}, "data": "0x", "blockNumber": "0xc",
		"blockHash": block, "transactionHash": tx, "logIndex": "0x3"}
}

var escrow = common.HexToAddress("0xe5c0")

// What escrows say in the logs of a receipt is read, with the time of its
// block; look-alikes of another shape are passed over.
func TestOutcomeEvents(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	block := n.blocks[12]
	odd := logOf(mined, block.Hash)
	odd["data"] = "0x01"
	receipts(n, receipt(n, map[string]any{"logs": []any{odd, logOf(mined, block.Hash)}}), nil)
	got, err := newClient(t, nil, n).Outcomes(t.Context(), testChain, []common.Hash{mined})
	if err != nil {
		t.Fatal(err)
	}
	want := []swap.EscrowEvent{{ChainID: testChain, Escrow: escrow, Kind: swap.Cancelled,
		At: swap.Position{Block: 12, BlockHash: block.Hash, Time: block.Time, Tx: mined, Index: 3}}}
	if !reflect.DeepEqual(got[0].Events, want) {
		t.Errorf("%+v, want %+v", got[0].Events, want)
	}
}

func TestOutcomesSurviveAReorg(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	r := receipt(n, nil)
	receipts(n, r, nil)
	rounds := 0
	n.hook(func(m string, _ []json.RawMessage) (any, *rpcError, bool) {
		if m == "eth_getBlockByNumber" {
			if rounds++; rounds == 1 { // between the receipt and its header
				n.extend("side", 12, 20, time.Now())
				n.mu.Lock()
				r["blockHash"] = blockHash("side", 12)
				n.mu.Unlock()
			}
		}
		return nil, nil, false
	})
	got, err := newClient(t, nil, n).Outcomes(t.Context(), testChain, []common.Hash{mined})
	if err != nil || got[0].Block != n.blocks[12] || got[0].Block.Hash != blockHash("side", 12) {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzReceipt: whatever a node answers, a mined outcome belongs to the hash
// and its cost is no smaller than its parts.
func FuzzReceipt(f *testing.F) {
	seed := func(v any) {
		raw, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	seed(map[string]any{"transactionHash": mined, "blockHash": common.Hash{2}, "blockNumber": "0xc", "status": "0x1", "gasUsed": "0xc350", "effectiveGasPrice": "0x3b9aca00", "l1Fee": "0x1", "logs": []any{}})
	seed(nil)
	seed(map[string]any{})
	f.Add([]byte(`{"transactionHash":"0x"}`))
	client, err := New([]Config{{ID: testChain, Endpoints: []Endpoint{{Name: "a", URL: "http://node.example.org"}}}})
	if err != nil {
		f.Fatal(err)
	}
	e := client.chains[testChain].endpoints[0]
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := decodeReceipt(e, &call{method: "eth_getTransactionReceipt", result: raw}, mined, nil)
		if err != nil || !o.Mined {
			return
		}
		var r wireReceipt
		if err := json.Unmarshal(raw, &r); err != nil || *r.Tx != mined {
			t.Fatalf("accepted %s: %v", raw, err)
		}
		if !o.Known || o.GasUsed > 0 && o.Cost.Lt(&r.Price.n) || o.Cost.Lt(&r.L1Fee.n) {
			t.Errorf("%+v of %s", o, raw)
		}
	})
}

// FuzzAnswer: whatever an endpoint answers to a batch, each call ends with a
// result or a failure, or the batch fails as a whole.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`[{"id":1,"result":"0x1"},{"id":2,"error":{"code":-32000,"message":"x"}}]`))
	f.Add([]byte(`{"id":null,"error":{"code":"-32005","message":5,"data":{"data":"0x"}}}`))
	f.Add([]byte(`[{"id":2,"result":null},{"id":"1","result":[]}]`))
	f.Add([]byte(`[1,2,3]`))
	client, err := New([]Config{{ID: testChain, Endpoints: []Endpoint{{Name: "a", URL: "http://node.example.org/" + testToken}}}})
	if err != nil {
		f.Fatal(err)
	}
	e := client.chains[testChain].endpoints[0]
	f.Fuzz(func(t *testing.T, raw []byte) {
		answers, ok := parseAnswers(raw)
		if !ok {
			return
		}
		calls := []*call{newCall("eth_call"), newCall("eth_getLogs")}
		if err := e.match(calls, answers, "eth_call"); err != nil {
			_ = faults(err)[0].revert()
			return
		}
		for _, c := range calls {
			if (c.result == nil) == (c.failed == nil) {
				t.Errorf("%s: result %s and failure %v", c.method, c.result, c.failed)
			}
			if c.failed != nil {
				_ = c.failed.revert()
				if contains(c.failed.Error(), testToken) || len(c.failed.Error()) > 4*maxText+100 {
					t.Errorf("unclean: %v", c.failed)
				}
			}
		}
	})
}
