package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

// When the claims of many become due, in seconds after the beginning.
const (
	manyDue    = 30
	manyPool   = 16 // what nodes keep of an account
	manyQueued = 4 * manyPool
	manyShared = 40 // claims of the resolver contract: more than one transaction holds
)

// manyClaims are swaps whose secrets are known and whose claims are all due in
// one block, and an urgent one whose secret is shown when the others wait.
func manyClaims() (account, contract []*scene.Swap, urgent *scene.Swap, scenes []*scene.Scene) {
	claim := func(name string, taker scene.TakerKind, due, end uint32, reveal uint64) *scene.Swap {
		s := &scene.Swap{Name: name, Family: contracts.BMNv4, Taker: taker, From: 0, Tries: 1, Direct: true,
			Windows: contracts.Timelocks{SrcWithdrawal: due, SrcPublicWithdrawal: end, SrcCancellation: end, SrcPublicCancellation: end + 600,
				DstWithdrawal: 2, DstPublicWithdrawal: 3, DstCancellation: 500},
			Allowed: []judge.Ends{{Src: judge.Withdrawn, Dst: judge.Withdrawn}}}
		scenes = append(scenes, &scene.Scene{Name: name, Swaps: []*scene.Swap{s}, Steps: []scene.Step{s.Fill(0), s.Open(2), s.Reveal(reveal)}})
		return s
	}
	for i := range manyQueued {
		account = append(account, claim(fmt.Sprintf("account %d", i), scene.EOA, manyDue, 1000, 12))
	}
	for i := range manyShared {
		contract = append(contract, claim(fmt.Sprintf("contract %d", i), scene.Contract, manyDue, 1000, 12))
	}
	urgent = claim("urgent", scene.EOA, 10, manyDue+60, manyDue+1)
	return account, contract, urgent, scenes
}

// Very many claims become due in one block, with a signature that takes as long
// as a real one and nodes that keep 16 transactions of an account. Those of a
// contract are all in that block, in two transactions. The account's window is
// full in every block until all is done, without a gap; what is urgent and comes
// last waits for the window in front of it and no longer.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	account, contract, urgent, scenes := manyClaims()
	r := newRig(t, setup{scenes: scenes})
	r.KMS.SetSignDelay(30 * time.Millisecond)
	r.RPC.Inject(rpcproxy.PoolCap(manyPool))
	d := r.drive(scenes, func(d *driver) { d.every[stateSync] = 2 })
	for _, f := range d.failures {
		t.Error(f)
	}

	moves := func(swaps []*scene.Swap) (txs map[common.Hash]int, blocks map[uint64]int, first uint64) {
		txs, blocks = map[common.Hash]int{}, map[uint64]int{}
		for _, s := range swaps {
			v, err := r.ledger.Judge(t.Context(), s.Case(), rules, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(v.Moves) != 1 {
				t.Fatalf("%s: %d calls of ours", s, len(v.Moves))
			}
			m := v.Moves[0]
			txs[m.Tx.Hash]++
			blocks[m.Time]++
			if first == 0 || m.Time < first {
				first = m.Time
			}
		}
		return txs, blocks, first
	}
	due := func(s *scene.Swap) uint64 { return deployed(s.Src) + uint64(s.Windows.SrcWithdrawal) }

	txs, blocks, first := moves(contract)
	if len(txs) != 2 || len(blocks) != 1 || first != due(contract[0]) {
		t.Errorf("the contract's claims are in %d transactions and in blocks %v; want 2, all at %d", len(txs), blocks, due(contract[0]))
	}

	txs, blocks, first = moves(append(account, urgent))
	if len(txs) != manyQueued+1 || first != due(account[0]) {
		t.Errorf("%d transactions of the account, the first at %d; want %d and %d", len(txs), first, manyQueued+1, due(account[0]))
	}
	last := first + manyQueued/manyPool // and the urgent one
	for at := first; at <= last; at++ {
		want := manyPool
		if at == last {
			want = 1
		}
		if blocks[at] != want {
			t.Errorf("block at %d has %d claims of the account, want %d: %v", at, blocks[at], want, blocks)
		}
	}
	v, err := r.ledger.Judge(t.Context(), urgent.Case(), rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Known by the pass that follows the block which shows the secret, it would be
	// in the next block; one window is in front of it, and one block is allowed.
	public := r.begin + manyDue + 1
	known := public + public%2
	if at := v.Moves[0].Time; at > known+3 {
		t.Errorf("the urgent claim is included at %d, known at %d", at, known)
	}
	r.inARow(scene.TakerBMN)
	r.inARow(scene.ContractKey)
}

// inARow checks that an account has used every nonce up to its last, which a
// chain enforces, and that nothing of it waits behind a nonce that is free.
func (r *rig) inARow(a scene.Account) {
	r.t.Helper()
	for _, c := range r.world.Chains {
		var pool struct {
			Queued map[string]any `json:"queued"`
		}
		if err := c.Client.Client().CallContext(r.t.Context(), &pool, "txpool_contentFrom", a.Address); err != nil {
			r.t.Fatal(err)
		}
		if len(pool.Queued) > 0 {
			r.t.Errorf("%s on %s: %d transactions wait behind a nonce that is free", a.Name, c.Name, len(pool.Queued))
		}
	}
}
