package judge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// Ledger is everything that happened on some chains, block by block, with the
// transactions of ours put aside. It follows reorganisations: only what is on
// the chain now counts. It is not safe for concurrent use.
type Ledger struct {
	// Theirs tells the transactions that somebody else made with a key of ours,
	// which are not ours; nil: there are none.
	Theirs func(tx common.Hash) bool

	clients map[uint64]*ethclient.Client
	ours    map[common.Address]bool
	chains  map[uint64][]*Block // by number, from 0
	update  int
}

// Block is a block as the ledger keeps it.
type Block struct {
	Chain        uint64
	Number, Time uint64
	Hash         common.Hash
	Arrived      time.Time // when the ledger first saw it
	// Tick counts the moments at which the ledger looked. Blocks of a chain that
	// came together share one: nothing could be done between them.
	Tick int
	Logs []*types.Log
	Ours []*Tx
}

// Tx is a mined transaction of one of our signers.
type Tx struct {
	Hash  common.Hash
	From  common.Address
	To    *common.Address
	Data  []byte
	Block *Block
	Gas   uint64   // used
	Price *big.Int // paid, wei per gas
	OK    bool
	Early bool // reverted with InvalidTime
	Logs  []*types.Log

	trace *call // once it was asked for
}

// invalidTime is the selector of InvalidTime().
var invalidTime = common.FromHex("0x6f7eac26")

// NewLedger returns an empty ledger of the chains, by chain id.
func NewLedger(clients map[uint64]*ethclient.Client, signers []common.Address) *Ledger {
	l := &Ledger{clients: clients, ours: map[common.Address]bool{}, chains: map[uint64][]*Block{}}
	for _, s := range signers {
		l.ours[s] = true
	}
	return l
}

// Update reads what is new on every chain. To have true arrival times call it
// at least once per block.
func (l *Ledger) Update(ctx context.Context) error {
	l.update++
	for id, client := range l.clients {
		if err := l.follow(ctx, id, client); err != nil {
			return fmt.Errorf("read chain %d: %w", id, err)
		}
	}
	return nil
}

func (l *Ledger) follow(ctx context.Context, id uint64, client *ethclient.Client) error {
	head, err := client.HeaderByNumber(ctx, nil)
	if err != nil {
		return err
	}
	have := l.chains[id]
	if len(have) > 0 && have[len(have)-1].Hash == head.Hash() {
		return nil
	}
	// Drop what is no longer on the chain.
	for len(have) > 0 {
		last := have[len(have)-1]
		h, err := client.HeaderByNumber(ctx, new(big.Int).SetUint64(last.Number))
		if err == nil && h.Hash() == last.Hash {
			break
		}
		if err != nil && !errors.Is(err, ethereum.NotFound) {
			return err
		}
		have = have[:len(have)-1]
	}
	now := time.Now()
	for n := uint64(len(have)); n <= head.Number.Uint64(); n++ {
		b, err := l.read(ctx, id, client, n)
		if err != nil {
			return err
		}
		b.Arrived, b.Tick = now, l.update
		have = append(have, b)
	}
	l.chains[id] = have
	return nil
}

func (l *Ledger) read(ctx context.Context, id uint64, client *ethclient.Client, n uint64) (*Block, error) {
	raw, err := client.BlockByNumber(ctx, new(big.Int).SetUint64(n))
	if err != nil {
		return nil, err
	}
	b := &Block{Chain: id, Number: n, Time: raw.Time(), Hash: raw.Hash()}
	if len(raw.Transactions()) == 0 {
		return b, nil
	}
	receipts, err := client.BlockReceipts(ctx, rpc.BlockNumberOrHashWithHash(b.Hash, true))
	if err != nil {
		return nil, err
	}
	if len(receipts) != len(raw.Transactions()) {
		return nil, fmt.Errorf("block %d: %d receipts for %d transactions", n, len(receipts), len(raw.Transactions()))
	}
	signer := types.LatestSignerForChainID(new(big.Int).SetUint64(id))
	for i, tx := range raw.Transactions() {
		b.Logs = append(b.Logs, receipts[i].Logs...)
		from, err := types.Sender(signer, tx)
		if err != nil {
			return nil, fmt.Errorf("sender of %s: %w", tx.Hash(), err)
		}
		if !l.ours[from] || l.Theirs != nil && l.Theirs(tx.Hash()) {
			continue
		}
		t := &Tx{Hash: tx.Hash(), From: from, To: tx.To(), Data: tx.Data(), Block: b, Gas: receipts[i].GasUsed, Price: receipts[i].EffectiveGasPrice,
			OK: receipts[i].Status == types.ReceiptStatusSuccessful, Logs: receipts[i].Logs}
		if !t.OK {
			call, err := trace(ctx, client, t.Hash)
			if err != nil {
				return nil, err
			}
			t.Early = bytes.HasPrefix(call.Output, invalidTime)
		}
		b.Ours = append(b.Ours, t)
	}
	return b, nil
}

// call is a node of a call trace.
type call struct {
	From   common.Address `json:"from"`
	To     common.Address `json:"to"`
	Value  *hexutil.Big   `json:"value"`
	Output hexutil.Bytes  `json:"output"`
	Error  string         `json:"error"`
	Type   string         `json:"type"`
	Calls  []call         `json:"calls"`
}

func trace(ctx context.Context, client *ethclient.Client, tx common.Hash) (call, error) {
	var c call
	err := client.Client().CallContext(ctx, &c, "debug_traceTransaction", tx, json.RawMessage(`{"tracer":"callTracer"}`))
	if err != nil {
		return call{}, fmt.Errorf("trace %s: %w", tx, err)
	}
	return c, nil
}

// Head is the newest block read of a chain; nil before the first Update.
func (l *Ledger) Head(chain uint64) *Block {
	blocks := l.chains[chain]
	if len(blocks) == 0 {
		return nil
	}
	return blocks[len(blocks)-1]
}

// Ours lists all mined transactions of our signers.
func (l *Ledger) Ours() []*Tx {
	var out []*Tx
	for _, id := range slices.Sorted(maps.Keys(l.chains)) {
		for _, b := range l.chains[id] {
			out = append(out, b.Ours...)
		}
	}
	return out
}

// first is the first block of a chain that fits.
func (l *Ledger) first(chain uint64, fits func(*Block) bool) *Block {
	for _, b := range l.chains[chain] {
		if fits(b) {
			return b
		}
	}
	return nil
}

// logs lists what an address emitted, in order.
func (l *Ledger) logs(chain uint64, from common.Address) []*types.Log {
	var out []*types.Log
	for _, b := range l.chains[chain] {
		for _, e := range b.Logs {
			if e.Address == from {
				out = append(out, e)
			}
		}
	}
	return out
}

func (l *Ledger) block(chain, number uint64) *Block { return l.chains[chain][number] }
