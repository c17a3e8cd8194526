package rpcproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// forkExtra is the extra data of forked blocks.
const forkExtra = "forked"

// ForkedHead serves the blocks above a number as another fork does: same
// numbers, times and transactions, but other hashes, in all methods alike. The
// hashes are true ones: parents link and each header hashes to its own. The
// real hashes above that number are unknown here. For a fork of other contents
// add DropLogs inside (after) it.
//
// It understands headers as go-ethereum does; use it in front of such nodes.
func ForkedHead(above uint64) Fault {
	f := &fork{above: above, forked: make(map[common.Hash]common.Hash), real: make(map[common.Hash]common.Hash)}
	return f.fault
}

type fork struct {
	above uint64

	mu     sync.Mutex
	forked map[common.Hash]common.Hash // real hash to forked
	real   map[common.Hash]common.Hash // and back
}

func (f *fork) fault(c *Call) Action {
	action, stop := f.ask(c)
	if stop {
		return action
	}
	switch c.Method {
	case "eth_getBlockByNumber", "eth_getBlockByHash", "eth_getHeaderByNumber", "eth_getHeaderByHash",
		"eth_getLogs", "eth_getTransactionReceipt", "eth_getTransactionByHash", "eth_getBlockReceipts":
		action.After = func(r *Reply) {
			if err := f.rewrite(c, r); err != nil {
				*r = *broken(err).Reply
			}
		}
	}
	return action
}

// ask translates a block hash in the parameters; stop means that the action
// is complete.
func (f *fork) ask(c *Call) (action Action, stop bool) {
	index, ok := blockParam[c.Method]
	switch {
	case c.Method == "eth_getBlockByHash", c.Method == "eth_getHeaderByHash":
		index = 0
	case c.Method == "eth_getLogs":
		filter, isFilter := readLogFilter(c)
		hash, single := filter.blockHash()
		if !isFilter || !single {
			return Action{}, false
		}
		real, known, err := f.realHash(c, hash)
		if err != nil {
			return broken(err), true
		}
		if !known {
			return noBlock(c.Method), true
		}
		return Action{Params: filter.with(c, map[string]any{"blockHash": real})}, false
	case !ok:
		return Action{}, false
	}
	if index >= len(c.Params) {
		return Action{}, false
	}
	ref, ok := readRef(c.Params[index])
	if !ok || ref.hash == nil {
		return Action{}, false
	}
	real, known, err := f.realHash(c, *ref.hash)
	if err != nil {
		return broken(err), true
	}
	if !known {
		return noBlock(c.Method), true
	}
	params := slices.Clone(c.Params)
	params[index] = withHash(params[index], real)
	return Action{Params: params}, false
}

// realHash is the endpoint's hash of a block that the fork calls hash; false
// if the fork has no such block.
func (f *fork) realHash(c *Call, hash common.Hash) (common.Hash, bool, error) {
	f.mu.Lock()
	real, ok := f.real[hash]
	f.mu.Unlock()
	if ok {
		return real, true, nil
	}
	number, ok, err := blockRef{hash: &hash}.resolve(c)
	return hash, ok && number <= f.above, err
}

// forkedHash is the fork's hash of a block that the endpoint calls hash.
func (f *fork) forkedHash(c *Call, hash common.Hash) (common.Hash, error) {
	// Down to a block that is known or not forked, then up again.
	var todo []*types.Header
	var real []common.Hash
	parent := hash
	for {
		f.mu.Lock()
		known, ok := f.forked[parent]
		f.mu.Unlock()
		if ok {
			parent = known
			break
		}
		var header *types.Header
		if err := c.Upstream(&header, "eth_getBlockByHash", parent, false); err != nil {
			return common.Hash{}, err
		}
		if header == nil {
			return common.Hash{}, fmt.Errorf("fork: endpoint lacks block %s", parent)
		}
		if header.Number.Uint64() <= f.above {
			break
		}
		todo, real = append(todo, header), append(real, parent)
		parent = header.ParentHash
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, header := range slices.Backward(todo) {
		header.ParentHash, header.Extra = parent, []byte(forkExtra)
		parent = header.Hash()
		f.forked[real[i]], f.real[parent] = parent, real[i]
	}
	return parent, nil
}

// rewrite replaces the block hashes in a reply.
func (f *fork) rewrite(c *Call, r *Reply) error {
	if r.Error != nil || isNull(r.Result) {
		return nil //nolint:nilerr // an error answer holds no block hashes
	}
	var result any
	decoder := json.NewDecoder(bytes.NewReader(r.Result))
	decoder.UseNumber()
	if err := decoder.Decode(&result); err != nil {
		return fmt.Errorf("fork: read reply: %w", err)
	}
	if block, ok := result.(map[string]any); ok && block["parentHash"] != nil {
		if above(block["number"], f.above) {
			block["extraData"] = hexutil.Encode([]byte(forkExtra))
		}
		if err := f.replace(c, block, "hash", "number"); err != nil {
			return err
		}
		// The parent of the first forked block stays: forkedHash sees that.
		if err := f.replace(c, block, "parentHash", "number"); err != nil {
			return err
		}
	}
	if err := f.walk(c, result); err != nil {
		return err
	}
	r.Result = encode(result)
	return nil
}

// walk replaces each blockHash that stands beside a blockNumber.
func (f *fork) walk(c *Call, v any) error {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if err := f.walk(c, item); err != nil {
				return err
			}
		}
	case map[string]any:
		if err := f.replace(c, v, "blockHash", "blockNumber"); err != nil {
			return err
		}
		for _, item := range v {
			if err := f.walk(c, item); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fork) replace(c *Call, object map[string]any, field, number string) error {
	hash, ok := object[field].(string)
	if !ok || !above(object[number], f.above) {
		return nil
	}
	forked, err := f.forkedHash(c, common.HexToHash(hash))
	if err != nil {
		return err
	}
	object[field] = forked.Hex()
	return nil
}

func above(number any, limit uint64) bool {
	s, ok := number.(string)
	n, err := hexutil.DecodeUint64(s)
	return ok && err == nil && n > limit
}
