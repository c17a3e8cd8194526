package txn_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// Traces of sending and of settling a batch are found by each of its orders, by
// the transaction and by the chain.
func TestTraceOfATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		type part struct {
			name  string
			about map[string]string
		}
		var mu sync.Mutex
		var parts []part
		w.traced = func(ctx context.Context, name string, about map[string]string, step func(context.Context) error) error {
			mu.Lock()
			parts = append(parts, part{name, about})
			mu.Unlock()
			return step(ctx)
		}
		made := w.resolverClaims(3)
		w.expect("drain", w.sent(), txn.Drained{Sent: 3})
		tx := w.entries()[0].Txs[0].Hash.Hex()
		w.heal()
		for _, step := range []string{"send", "settle"} {
			at := slices.IndexFunc(parts, func(p part) bool { return p.name == step })
			if at < 0 || len(parts) < at+1+len(made) {
				t.Fatalf("%s: %v", step, parts)
			}
			if about := parts[at].about; about["tx"] != tx || about["chain"] == "" || about["nonce"] != "0" || about["signer"] != w.signer.Hex() {
				t.Errorf("%s is about %v", step, about)
			}
			for _, o := range made {
				if !slices.ContainsFunc(parts[at+1:at+1+len(made)], func(p part) bool {
					return p.name == "action" && p.about["order"] == o.ID.String() && p.about["escrow"] == o.Src.Escrow.Hex() && p.about["action"] != ""
				}) {
					t.Errorf("%s: order %s is not found", step, o.ID)
				}
			}
		}
	})
}
