package chain

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// contract makes the node answer getters: of the factory both implementations
// (0x1111…), of those whatever words says.
func contract(n *node, words map[string]string) {
	impl := common.HexToAddress("0x1111")
	all := map[string]string{
		"ESCROW_SRC_IMPLEMENTATION": asWord(impl), "ESCROW_DST_IMPLEMENTATION": asWord(impl),
		"FACTORY": asWord(factory), "PROXY_BYTECODE_HASH": swap.ProxyCodeHash(impl).Hex(), "RESCUE_DELAY": word(604_800),
	}
	for name, w := range words {
		all[name] = w
	}
	n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
		if m != "eth_call" {
			return nil, nil, false
		}
		var c struct{ Data hexutil.Bytes }
		if err := json.Unmarshal(p[0], &c); err != nil {
			panic(err)
		}
		for name, w := range all {
			if hexutil.Encode(selector(name+"()")) == c.Data.String() {
				if w == "revert" {
					return nil, &rpcError{Code: 3, Message: "execution reverted", Data: "0x"}, true
				}
				return w, nil, true
			}
		}
		return nil, nil, false
	})
}

func asWord(a common.Address) string { return common.BytesToHash(a[:]).Hex() }

func TestFactoryProofFails(t *testing.T) {
	t.Parallel()
	dirty := "0x01" + asWord(factory)[4:]
	for name, words := range map[string]map[string]string{
		"no contract":           {"ESCROW_SRC_IMPLEMENTATION": "0x"},
		"no implementation":     {"ESCROW_DST_IMPLEMENTATION": word(0)},
		"no address":            {"ESCROW_SRC_IMPLEMENTATION": dirty},
		"another factory":       {"FACTORY": asWord(common.HexToAddress("0x2222"))},
		"dirty factory":         {"FACTORY": dirty},
		"another proxy":         {"PROXY_BYTECODE_HASH": word(1)},
		"endless delay":         {"RESCUE_DELAY": "0x" + dirty[2:4] + word(0)[4:]},
		"getter reverts":        {"RESCUE_DELAY": "revert"},
		"getter answers little": {"RESCUE_DELAY": "0x12"},
		"getter answers much":   {"RESCUE_DELAY": word(5) + "00"},
	} {
		n := newNode(t, "one", 20, 0)
		contract(n, words)
		client := newClient(t, nil, n)
		f, err := client.Factory(t.Context(), testChain, factory, swap.OneInchV1)
		if !errors.Is(err, ErrFactoryProof) || f != (swap.Factory{}) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
		if len(client.Trouble()) != 0 {
			t.Errorf("%s: the endpoint is blamed: %v", name, client.Trouble())
		}
	}
}

// A proof fails only if every endpoint that may be asked says so: what follows
// from it is that the factory's escrows are left alone.
func TestFactoryProofNeedsEverybody(t *testing.T) {
	t.Parallel()
	lying, good := newNode(t, "lying", 20, 0), newNode(t, "good", 20, 0)
	contract(lying, map[string]string{"ESCROW_SRC_IMPLEMENTATION": "0x"})
	contract(good, nil)
	client := newClient(t, nil, lying, good)
	f, err := client.Factory(t.Context(), testChain, factory, swap.BMNv4)
	if err != nil || f.SrcImpl != common.HexToAddress("0x1111") || f.DstRescueDelay != 604_800 || f.Family != swap.BMNv4 {
		t.Errorf("%+v, %v", f, err)
	}
	good.intercept(text(500, ""))
	_, err = newClient(t, nil, lying, good).Factory(t.Context(), testChain, factory, swap.BMNv4)
	if noSecrets(t, err); errors.Is(err, ErrFactoryProof) {
		t.Errorf("one endpoint is down: %v", err)
	}
	good.intercept(text(401, "")) // it will not come back by itself
	_, err = newClient(t, nil, lying, good).Factory(t.Context(), testChain, factory, swap.BMNv4)
	if !errors.Is(err, ErrFactoryProof) {
		t.Errorf("the other endpoint refuses us: %v", err)
	}
}
