package chain

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

var signer = txn.Account{ChainID: testChain, Signer: common.HexToAddress("0x519")}

// account makes the node answer: 9 nonces mined at the head (block 20), 6 five
// blocks below, 11 with the pool.
func account(n *node) {
	n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
		switch m {
		case "eth_getTransactionCount":
			switch plain(p[1]) {
			case "0x14":
				return "0x9", nil, true
			case "0xf":
				return "0x6", nil, true
			case "0x0":
				return "0x0", nil, true
			case "pending":
				return "0xb", nil, true
			}
			return nil, &rpcError{Code: -32602, Message: "unexpected block"}, true
		case "eth_getBalance":
			return "0xde0b6b3a7640000", nil, plain(p[1]) == "0x14"
		case "eth_maxPriorityFeePerGas":
			return "0x3", nil, true
		case "eth_gasPrice":
			return "0x3b9aca05", nil, true // base fee + 5
		}
		return nil, nil, false
	})
}

func TestAccount(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	account(n)
	client := newClient(t, nil, n)
	s, err := client.Account(t.Context(), signer, 5)
	if err != nil {
		t.Fatal(err)
	}
	if s.Head != n.blocks[20] || s.Latest != 9 || s.Settled != 6 || s.Pending != 11 || s.Balance.Dec() != "1000000000000000000" ||
		s.BaseFee.Dec() != "1000000000" || s.Tip.Dec() != "3" || s.Legacy {
		t.Errorf("%+v", s)
	}
	if s, err = client.Account(t.Context(), signer, 100); err != nil || s.Settled != 0 {
		t.Errorf("deeper than the chain: %+v, %v", s, err)
	}
}

func TestAccountVariants(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bend func(n *node)
		tip  string
		want func(txn.AccountState) bool
		kind string
	}{
		"no tip method": {func(n *node) {
			n.refuse("eth_maxPriorityFeePerGas", rpcError{Code: -32601, Message: "the method does not exist/is not available"})
		}, "5", nil, ""},
		"no tip method, price below base fee": {func(n *node) {
			n.refuse("eth_maxPriorityFeePerGas", rpcError{Code: -32601, Message: "method not found"})
			n.answer("eth_gasPrice", "0x1")
		}, "0", nil, ""},
		"legacy": {func(n *node) {
			b := n.blocks[20]
			n.answer("eth_getBlockByNumber", map[string]any{"number": "0x14", "hash": b.Hash, "timestamp": fmt.Sprintf("0x%x", int64(b.Time))})
			n.answer("eth_gasPrice", "0x77")
		}, "119", func(s txn.AccountState) bool { return s.Legacy && s.BaseFee.IsZero() }, ""},
		"no history": {func(n *node) {
			n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
				return nil, &rpcError{Code: -32000, Message: "missing trie node"}, m == "eth_getTransactionCount" && plain(p[1]) == "0xf"
			})
		}, "3", func(s txn.AccountState) bool { return s.Settled == 0 && s.Latest == 9 }, "one no-history"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "one", 20, 0)
			account(n)
			c.bend(n)
			client := newClient(t, nil, n)
			s, err := client.Account(t.Context(), signer, 5)
			if err != nil {
				t.Fatal(err)
			}
			if s.Tip.Dec() != c.tip || c.want != nil && !c.want(s) {
				t.Errorf("%+v", s)
			}
			if got := kinds(client); c.kind == "" && len(got) > 0 || c.kind != "" && fmt.Sprint(got) != "["+c.kind+"]" {
				t.Errorf("troubles %v", got)
			}
		})
	}
}

func TestAccountRefusesNonsense(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bend func(n *node)
		want class
	}{
		"nonce falls with height": {func(n *node) {
			n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
				return "0xa", nil, m == "eth_getTransactionCount" && plain(p[1]) == "0xf"
			})
		}, classMalformed},
		"endless nonce": {func(n *node) { n.answer("eth_getTransactionCount", "0x10000000000000000") }, classMalformed},
		"no balance":    {func(n *node) { n.answer("eth_getBalance", nil) }, classMalformed},
		"head replaced": {func(n *node) {
			headers := 0
			n.hook(func(m string, _ []json.RawMessage) (any, *rpcError, bool) {
				if m == "eth_getBlockByNumber" {
					if headers++; headers%2 == 0 {
						n.extend(fmt.Sprint("side", headers), 20, 20, time.Now())
					}
				}
				return nil, nil, false
			})
		}, classReorg},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "one", 20, 0)
			account(n)
			c.bend(n)
			s, err := newClient(t, nil, n).Account(t.Context(), signer, 5)
			if classOf(err) != c.want {
				t.Errorf("%+v, %v, want %q", s, err, c.want)
			}
		})
	}
}
