package e2e

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

// few are scenes in which everything is done by the product: claims, both kinds
// of cancellation, a reorganised claim, decoys, native coin, and fees.
func few() []*scene.Scene {
	return scene.Select("dst withdrawn, src unclaimed", "dst unclaimed", "src without dst", "reorg removes our own claim",
		"decoy dst", "native dst", "parameters with fees", "dst withdrawn before src is known")
}

// The first of two endpoints of each chain is out of order in some way: every
// swap still comes to its right end, and a person hears of it.
func TestBadEndpoint(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		// north and south are what happens to the first endpoint of each chain.
		north, south rpcproxy.Fault
		alert        string
	}{
		{name: "stalls, serves an old head", north: rpcproxy.Latency(20 * time.Second), south: rpcproxy.StaleHead(40), alert: "endpoint-trouble"},
		{name: "another chain, too many requests", north: rpcproxy.WrongChainID(1), south: rpcproxy.Status(429), alert: "endpoint-trouble"},
		{name: "server errors, small ranges", north: rpcproxy.Status(503), south: rpcproxy.LimitLogs(rpcproxy.LogLimits{Span: 3, Addresses: 5}), alert: "endpoint-trouble"},
		{name: "hides logs, index lags", north: rpcproxy.DropLogs(func(types.Log) bool { return true }), south: rpcproxy.LagLogs(2), alert: "finality-mismatch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			scenes := few()
			r := newRig(t, setup{scenes: scenes})
			r.RPC.Inject(rpcproxy.When(tt.north, rpcproxy.Endpoint("c0e0")))
			r.RPC.Inject(rpcproxy.When(tt.south, rpcproxy.Endpoint("c1e0")))
			r.drive(scenes, func(d *driver) { d.patience = time.Second }) // then an endpoint that stalls costs blocks
			if !r.alerted(tt.alert) {
				t.Errorf("no alert %s: nobody was told", tt.alert)
			}
		})
	}
}

// The first of two endpoints of each chain lies about transactions: every swap
// comes to its right end, each by one transaction that succeeds.
func TestLyingEndpoint(t *testing.T) {
	t.Parallel()
	ahead := rpcproxy.Nonces(func(_ common.Address, block string, real uint64) uint64 {
		if block == `"pending"` {
			return real + 40
		}
		return real
	})
	known := rpcproxy.When(rpcproxy.Fail(rpcproxy.CodeServer, "already known"), rpcproxy.Method("eth_sendRawTransaction"))
	for _, tt := range []struct {
		name         string
		north, south rpcproxy.Fault
	}{
		{"accepts and forgets, knows already what it does not", rpcproxy.ForgetTransactions(), known},
		{"tells of too many transactions, shows receipts of another chain", ahead, rpcproxy.ForeignReceipts()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			scenes := scene.Select("dst withdrawn, src unclaimed", "src without dst")
			r := newRig(t, setup{scenes: scenes})
			r.RPC.Inject(rpcproxy.When(tt.north, rpcproxy.Endpoint("c0e0")))
			r.RPC.Inject(rpcproxy.When(tt.south, rpcproxy.Endpoint("c1e0")))
			d := r.drive(scenes)
			for _, f := range d.failures {
				t.Error(f)
			}
			if bad := r.reverted(); len(bad) > 0 {
				t.Errorf("reverted: %v", bad)
			}
		})
	}
}
