package chain

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

const invalidTime = "0x6f7eac26"

// nodeKind is how a node treats the block-time override.
type nodeKind string

const (
	obeying  nodeKind = "obeys"
	refusing nodeKind = "refuses"
	ignoring nodeKind = "ignores"
)

// opensAt makes the node's eth_call succeed at times from start on, and revert
// with InvalidTime before. Its head is at time 1000.
func opensAt(n *node, kind nodeKind, start uint64) {
	n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
		if m != "eth_call" {
			return nil, nil, false
		}
		now := uint64(1000)
		if len(p) > 3 {
			switch kind {
			case refusing:
				return nil, &rpcError{Code: -32602, Message: "too many arguments, want at most 3"}, true
			case obeying:
				var o struct{ Time hexutil.Uint64 }
				if err := json.Unmarshal(p[3], &o); err != nil {
					panic(err)
				}
				now = uint64(o.Time)
			}
		}
		var c struct{ To *common.Address }
		if err := json.Unmarshal(p[0], &c); err != nil {
			panic(err)
		}
		switch {
		case c.To == nil:
			return word(now), nil, true
		case now < start:
			return nil, &rpcError{Code: 3, Message: "execution reverted", Data: invalidTime}, true
		}
		return "0x", nil, true
	})
}

func TestRehearse(t *testing.T) {
	t.Parallel()
	call := txn.Call{ChainID: testChain, To: factory, Data: []byte{1, 2, 3, 4}, Gas: 100_000}
	for kind, want := range map[nodeKind][2]txn.Rehearsal{
		obeying:  {{Revert: swap.RevertInvalidTime}, {}},
		refusing: {{Revert: swap.RevertInvalidTime, AtHead: true}, {Revert: swap.RevertInvalidTime, AtHead: true}},
		ignoring: {{Revert: swap.RevertInvalidTime, AtHead: true}, {Revert: swap.RevertInvalidTime, AtHead: true}},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "one", 20, 0)
			opensAt(n, kind, 2000)
			client := newClient(t, nil, n)
			for i, at := range []swap.ChainTime{1999, 2000} {
				got, err := client.Rehearse(t.Context(), call, at)
				if err != nil || got != want[i] {
					t.Errorf("at %d: %+v, %v, want %+v", at, got, err, want[i])
				}
			}
			// The question is asked once: probe, timed and plain call, then one.
			if calls, _ := n.counts(); calls["eth_call"] != 4 {
				t.Errorf("%d calls", calls["eth_call"])
			}
		})
	}
}

func TestRehearseErrors(t *testing.T) {
	t.Parallel()
	call := txn.Call{ChainID: testChain, To: factory, Gas: 100_000}
	bad, good := newNode(t, "bad", 20, 0), newNode(t, "good", 20, 0)
	opensAt(good, obeying, 0)
	bad.refuse("eth_call", rpcError{Code: -32005, Message: "rate limit exceeded"})
	client := newClient(t, nil, bad, good)
	if got, err := client.Rehearse(t.Context(), call, 5); err != nil || got != (txn.Rehearsal{}) {
		t.Errorf("%+v, %v", got, err)
	}
	// A rate limit on the probe says nothing about overrides.
	if e := client.chains[testChain].endpoints[0]; e.feature(&e.override, unknown) != unknown {
		t.Error("learned from a failure")
	}
	if got := kinds(client); fmt.Sprint(got) != "[bad rate-limited]" {
		t.Errorf("troubles %v", got)
	}
	if _, err := client.Rehearse(t.Context(), call, -1); err == nil {
		t.Error("time before 1970 accepted")
	}
}

// A node may quote the call it refuses; the secret in it must not come out.
func TestRehearseErrorHidesCalldata(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	secret := common.HexToHash("0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a")
	n.refuse("eth_call", rpcError{Code: -32000, Message: "cannot run 0x23305703" + secret.Hex()[2:], Data: map[string]any{"request": secret}})
	_, err := newClient(t, nil, n).Rehearse(t.Context(), txn.Call{ChainID: testChain, To: factory, Data: secret[:]}, 5)
	noSecrets(t, err)
	if got := err.Error(); len(got) > 300 || contains(got, "5a5a5a5a5a5a5a5a5a5a5a5a") {
		t.Errorf("error shows calldata: %s", got)
	}
}
