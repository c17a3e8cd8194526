package chain

import (
	"net/http"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/health"
)

// Each endpoint is asked by itself, whatever is thought of it, and nothing follows.
func TestPing(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", 20, 0), newNode(t, "b", 15, 0)
	b.chainID = 5
	client := newClient(t, nil, a, b)
	for name, want := range map[string]health.Ping{
		"a": {ChainID: testChain, Head: a.blocks[20]},
		"b": {ChainID: 5, Head: b.blocks[15]},
	} {
		got, err := client.Ping(t.Context(), testChain, name)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	for _, n := range []*node{a, b} {
		if calls, requests := n.counts(); requests != 1 || calls["eth_chainId"] != 1 || calls["eth_getBlockByNumber"] != 1 {
			t.Errorf("%s was asked %v in %d requests", n.name, calls, requests)
		}
	}
	if got, err := client.HashAt(t.Context(), testChain, "b", 12); err != nil || got != b.blocks[12].Hash {
		t.Errorf("hash %s, %v", got, err)
	}
	if _, err := client.HashAt(t.Context(), testChain, "b", 16); classOf(err) != classBehind {
		t.Errorf("a block it does not have: %v", err)
	}
	a.intercept(func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		http.Error(w, "gone", http.StatusBadGateway)
		return true
	})
	_, err := client.Ping(t.Context(), testChain, "a")
	noSecrets(t, err)
	_, err = client.HashAt(t.Context(), testChain, "a", 1)
	noSecrets(t, err)
	if got := kinds(client); len(got) != 0 {
		t.Errorf("a look speaks against %v", got)
	}
	for _, bad := range []struct {
		chain uint64
		name  string
	}{{1, "a"}, {testChain, "c"}} {
		if _, err := client.Ping(t.Context(), bad.chain, bad.name); err == nil {
			t.Errorf("chain %d has an endpoint %s", bad.chain, bad.name)
		}
		if _, err := client.HashAt(t.Context(), bad.chain, bad.name, 1); err == nil {
			t.Errorf("chain %d has an endpoint %s", bad.chain, bad.name)
		}
	}
	for _, answer := range []any{nil, "0x", "5", 5, "0x1ffffffffffffffff"} {
		n := newNode(t, "one", 20, 0)
		n.answer("eth_chainId", answer)
		if _, err := newClient(t, nil, n).Ping(t.Context(), testChain, "one"); classOf(err) != classMalformed {
			t.Errorf("chain id %v: %v", answer, err)
		}
	}
}
