package chain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
)

var (
	coin   = common.HexToAddress("0xc01")
	payee  = common.HexToAddress("0xbee")
	nobody = common.HexToAddress("0x0b0d")

	topicCancelled  = crypto.Keccak256Hash([]byte("EscrowCancelled()"))
	topicWithdrawal = crypto.Keccak256Hash([]byte("EscrowWithdrawal(bytes32)"))
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

// ended is the log of the escrow's cancellation, with some of its fields changed.
func ended(block common.Hash, index int, change map[string]any) map[string]any {
	out := moved(block, index, map[string]any{"address": escrow, "topics": []common.Hash{topicCancelled}, "data": "0x"})
	maps.Copy(out, change)
	return out
}

// blockLogs makes the node have logs of one block, and of no other.
func blockLogs(t *testing.T, n *node, block common.Hash, logs ...any) {
	n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
		if m != "eth_getLogs" {
			return nil, nil, false
		}
		f := readFilter(p[0])
		if !slices.Equal(f.Address, []common.Address{escrow, coin}) || len(f.Topics) != 1 || !slices.Contains(f.Topics[0], topicTransfer) || !slices.Contains(f.Topics[0], topicCancelled) {
			t.Errorf("filter %s", p[0])
		}
		if f.Block != block {
			return nil, &rpcError{Code: -32000, Message: "unknown block"}, true
		}
		return logs, nil, true
	})
}

// Only the token's own transfers out of the escrow count, of the transaction and
// in the block asked for.
func TestPayouts(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	block := n.blocks[12].Hash
	topics := func(a, b, c common.Hash) map[string]any { return map[string]any{"topics": []common.Hash{a, b, c}} }
	from, to := common.BytesToHash(escrow[:]), common.BytesToHash(payee[:])
	blockLogs(t, n, block,
		moved(block, 0, nil),
		moved(block, 1, map[string]any{"address": nobody}),
		moved(block, 2, topics(topicTransfer, to, from)),
		moved(block, 3, topics(common.Hash{1}, from, to)),
		moved(block, 4, map[string]any{"data": "0x01"}),
		moved(block, 5, map[string]any{"topics": []common.Hash{topicTransfer, from}}),
		moved(block, 6, map[string]any{"topics": []common.Hash{topicTransfer, from, common.BytesToHash(nobody[:])}, "data": common.Hash{31: 7}}),
		moved(block, 7, map[string]any{"transactionHash": common.Hash{2}}),
		moved(block, 8, map[string]any{"removed": true}),
		ended(block, 9, nil),
	)
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

// What one endpoint does not show another one may, and one that lies is put
// aside.
func TestPayoutsAskOthers(t *testing.T) {
	t.Parallel()
	block := blockHash("main", 12)
	for name, first := range map[string][]any{
		"unknown block":                  nil,
		"no logs":                        {},
		"no cancellation":                {moved(block, 0, nil)},
		"cancelled by another":           {ended(block, 0, map[string]any{"transactionHash": common.Hash{1}})},
		"cancellation of another escrow": {ended(block, 0, map[string]any{"address": coin})},
		"withdrawn":                      {ended(block, 0, map[string]any{"topics": []common.Hash{topicWithdrawal}, "data": common.Hash{1}})},
		"malformed cancellation":         {ended(block, 0, map[string]any{"data": "0x01"})},
		"a log of another block":         {moved(common.Hash{1}, 0, nil), ended(block, 1, nil)},
		"told twice":                     {moved(block, 0, nil), moved(block, 0, nil), ended(block, 1, nil)},
		"without its transaction":        {moved(block, 0, map[string]any{"transactionHash": nil}), ended(block, 1, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := newNode(t, "a", 20, 0), newNode(t, "b", 20, 0)
			has := block
			if first == nil {
				has = common.Hash{}
			}
			blockLogs(t, a, has, first...)
			blockLogs(t, b, block, moved(block, 0, nil), ended(block, 1, nil))
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

// Whoever empties an escrow may fill the block with transfers beyond what is read:
// that is an error, and hides no other payout.
func TestPayoutsTooRich(t *testing.T) {
	t.Parallel()
	block := func(i int) common.Hash { return blockHash("main", uint64(i)) }
	for name, endpoints := range map[string]int{"one endpoint": 1, "two": 2} {
		for _, whole := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, whole request %t", name, whole), func(t *testing.T) {
				t.Parallel()
				rich := func(body []byte) bool { return bytes.Contains(body, []byte(block(13).Hex())) }
				var nodes []*node
				for i := range endpoints {
					n := newNode(t, fmt.Sprint(i), 20, 0)
					n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
						if m != "eth_getLogs" {
							return nil, nil, false
						}
						if rich(p[0]) {
							return nil, &rpcError{Code: -32005, Message: "query returned more than 10000 results"}, true
						}
						f := readFilter(p[0])
						return []any{moved(f.Block, 0, nil), ended(f.Block, 1, nil)}, nil, true
					})
					if whole {
						n.intercept(func(w http.ResponseWriter, _ *http.Request, body []byte) bool {
							if !rich(body) {
								return false
							}
							_, _ = w.Write(bytes.Repeat([]byte{' '}, maxAnswer+1))
							return true
						})
					}
					nodes = append(nodes, n)
				}
				var asked []follow.Payout
				for i := range 5 {
					asked = append(asked, follow.Payout{Tx: mined, Block: block(10 + i), Escrow: escrow, Token: coin})
				}
				got, err := newClient(t, nil, nodes...).Payouts(t.Context(), testChain, asked)
				if classOf(err) != classMany || len(got) != len(asked) {
					t.Fatalf("%+v, %v", got, err)
				}
				for i, p := range got {
					if p.Known == (i == 3) {
						t.Errorf("payout %d: %+v", i, p)
					}
				}
			})
		}
	}
}
