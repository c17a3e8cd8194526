package chain

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
)

var (
	coin   = common.HexToAddress("0xc01")
	payee  = common.HexToAddress("0xbee")
	nobody = common.HexToAddress("0x0b0d")
)

// moved is a Transfer log, with some of its fields changed.
func moved(block common.Hash, index int, change map[string]any) map[string]any {
	out := map[string]any{"address": coin, "topics": []common.Hash{topicTransfer, common.BytesToHash(escrow[:]), common.BytesToHash(payee[:])},
		"data": common.BigToHash(uint256.NewInt(512).ToBig()), "blockNumber": "0xc", "blockHash": block, "transactionHash": mined, "logIndex": fmt.Sprintf("0x%x", index)}
	for k, v := range change {
		out[k] = v
	}
	return out
}

// Only the token's own transfers out of the escrow count, in the block asked for.
func TestPayouts(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	block := n.blocks[12].Hash
	topics := func(a, b, c common.Hash) map[string]any { return map[string]any{"topics": []common.Hash{a, b, c}} }
	from, to := common.BytesToHash(escrow[:]), common.BytesToHash(payee[:])
	receipts(n, receipt(n, map[string]any{"logs": []any{
		moved(block, 0, nil),
		moved(block, 1, map[string]any{"address": nobody}),
		moved(block, 2, topics(topicTransfer, to, from)),
		moved(block, 3, topics(common.Hash{1}, from, to)),
		moved(block, 4, map[string]any{"data": "0x01"}),
		moved(block, 5, map[string]any{"topics": []common.Hash{topicTransfer, from}}),
		moved(block, 6, map[string]any{"topics": []common.Hash{topicTransfer, from, common.BytesToHash(nobody[:])}, "data": common.Hash{31: 7}}),
	}}), nil)
	asked := follow.Payout{Tx: mined, Block: block, Escrow: escrow, Token: coin}
	elsewhere := asked
	elsewhere.Block = common.Hash{1}
	unknown := asked
	unknown.Tx = common.Hash{1}
	got, err := newClient(t, nil, n).Payouts(t.Context(), testChain, []follow.Payout{unknown, asked, elsewhere})
	want := []follow.Paid{{}, {Known: true, Transfers: []follow.Transfer{{To: payee, Amount: *uint256.NewInt(512)}, {To: nobody, Amount: *uint256.NewInt(7)}}}, {}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

// What one endpoint does not have another one may, and one that lies is put
// aside.
func TestPayoutsAskOthers(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]map[string]any{
		"unknown":              nil,
		"of another block":     {"blockHash": blockHash("side", 12), "logs": []any{}},
		"another transaction":  {"transactionHash": common.Hash{1}},
		"without logs":         {"logs": nil},
		"a log of another one": {"logs": []any{moved(common.Hash{1}, 0, nil)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := newNode(t, "a", 20, 0), newNode(t, "b", 20, 0)
			block := b.blocks[12].Hash
			var bad map[string]any
			if first != nil {
				bad = receipt(a, first)
			}
			receipts(a, bad, nil)
			receipts(b, receipt(b, map[string]any{"logs": []any{moved(block, 0, nil)}}), nil)
			got, err := newClient(t, nil, a, b).Payouts(t.Context(), testChain, []follow.Payout{{Tx: mined, Block: block, Escrow: escrow, Token: coin}})
			if err != nil || !got[0].Known || len(got[0].Transfers) != 1 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	n := newNode(t, "one", 20, 0)
	n.intercept(text(500, ""))
	_, err := newClient(t, nil, n).Payouts(t.Context(), testChain, []follow.Payout{{Tx: mined}})
	noSecrets(t, err)
}
