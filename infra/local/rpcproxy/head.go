package rpcproxy

import (
	"encoding/json"
	"slices"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// StaleHead serves the endpoint as it was lag blocks ago, in all methods alike:
// tags mean the older head, newer blocks, receipts and logs are not there,
// newer transactions are pending. The pool is the real one.
func StaleHead(lag uint64) Fault {
	return staleAt(func(real uint64) uint64 { return real - min(real, lag) })
}

// FrozenHead serves the endpoint as it was at this block number: it stands still.
func FrozenHead(number uint64) Fault {
	return staleAt(func(real uint64) uint64 { return min(real, number) })
}

func staleAt(served func(real uint64) uint64) Fault {
	return func(c *Call) Action {
		index, hasBlock := blockParam[c.Method]
		switch c.Method {
		case "eth_blockNumber", "eth_getLogs", "eth_getBlockByHash", "eth_getHeaderByHash",
			"eth_getTransactionByHash", "eth_getTransactionReceipt":
		default:
			if !hasBlock {
				return Action{}
			}
		}
		real, err := headNumber(c)
		if err != nil {
			return broken(err)
		}
		head := served(real)
		switch c.Method {
		case "eth_blockNumber":
			return Action{Reply: &Reply{Result: encode(hexutil.Uint64(head))}}
		case "eth_getLogs":
			return staleLogs(c, head)
		case "eth_getBlockByHash", "eth_getHeaderByHash", "eth_getTransactionReceipt", "eth_getTransactionByHash":
			return Action{After: func(r *Reply) { hideAbove(c.Method, r, head) }}
		}
		return staleBlock(c, index, head)
	}
}

// staleBlock rewrites the block parameter at index.
func staleBlock(c *Call, index int, head uint64) Action {
	if index > len(c.Params) {
		return Action{}
	}
	params := slices.Clone(c.Params)
	if index == len(params) {
		params = append(params, nil)
	}
	ref, ok := readRef(params[index])
	if !ok || (ref.tag == "pending" && c.Method == "eth_getTransactionCount") {
		return Action{} // nonsense is the endpoint's affair, the pool is not stale
	}
	number, ok, err := ref.resolve(c)
	switch {
	case err != nil:
		return broken(err)
	case !ok:
		return Action{}
	case ref.tag != "":
		params[index] = encode(hexutil.Uint64(min(number, head)))
		return Action{Params: params}
	case number > head:
		return noBlock(c.Method)
	}
	return Action{}
}

func staleLogs(c *Call, head uint64) Action {
	filter, ok := readLogFilter(c)
	if !ok {
		return Action{}
	}
	if hash, single := filter.blockHash(); single {
		number, ok, err := blockRef{hash: &hash}.resolve(c)
		switch {
		case err != nil:
			return broken(err)
		case ok && number > head:
			return noBlock(c.Method)
		}
		return Action{}
	}
	from, to, err := filter.bounds(c)
	if err != nil {
		return broken(err)
	}
	for _, end := range []*bound{&from, &to} {
		if end.tag {
			end.number = min(end.number, head)
		}
	}
	if from.number > head {
		return Action{Reply: &Reply{Result: json.RawMessage("[]")}}
	}
	return Action{Params: filter.with(c, map[string]any{
		"fromBlock": hexutil.Uint64(from.number),
		"toBlock":   hexutil.Uint64(min(to.number, head)),
	})}
}

// hideAbove makes an answer found by hash fit the older head.
func hideAbove(method string, r *Reply, head uint64) {
	var object map[string]json.RawMessage
	if r.Error != nil || json.Unmarshal(r.Result, &object) != nil {
		return
	}
	field := "blockNumber"
	if method == "eth_getBlockByHash" || method == "eth_getHeaderByHash" {
		field = "number"
	}
	var number hexutil.Uint64
	if json.Unmarshal(object[field], &number) != nil || uint64(number) <= head {
		return
	}
	if method != "eth_getTransactionByHash" {
		r.Result = nil
		return
	}
	for _, field := range []string{"blockHash", "blockNumber", "transactionIndex"} {
		object[field] = json.RawMessage("null")
	}
	delete(object, "blockTimestamp")
	r.Result = encode(object)
}
