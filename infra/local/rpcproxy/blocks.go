package rpcproxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// blockParam is the position of the block parameter (a number, a tag or an
// object of EIP-1898) of the methods that have one.
var blockParam = map[string]int{
	"eth_call":                                1,
	"eth_createAccessList":                    1,
	"eth_estimateGas":                         1,
	"eth_feeHistory":                          1,
	"eth_getBalance":                          1,
	"eth_getBlockByNumber":                    0,
	"eth_getBlockReceipts":                    0,
	"eth_getBlockTransactionCountByNumber":    0,
	"eth_getCode":                             1,
	"eth_getHeaderByNumber":                   0,
	"eth_getProof":                            2,
	"eth_getStorageAt":                        2,
	"eth_getTransactionByBlockNumberAndIndex": 0,
	"eth_getTransactionCount":                 1,
}

// answersNull are the methods that answer null, not an error, about a block
// that the node does not have.
var answersNull = map[string]bool{
	"eth_getBlockByHash":                      true,
	"eth_getBlockByNumber":                    true,
	"eth_getBlockReceipts":                    true,
	"eth_getBlockTransactionCountByNumber":    true,
	"eth_getHeaderByHash":                     true,
	"eth_getHeaderByNumber":                   true,
	"eth_getTransactionByBlockNumberAndIndex": true,
}

// broken answers with the reason why a fault could not do its work, so that it
// is seen and never taken for an answer of the endpoint.
func broken(err error) Action {
	return Action{Reply: &Reply{Error: &Error{Code: CodeServer, Message: "proxy: " + err.Error()}}}
}

// noBlock is the endpoint's answer about a block that it does not have.
func noBlock(method string) Action {
	switch {
	case answersNull[method]:
		return Action{Reply: &Reply{}}
	case method == "eth_getLogs":
		return Action{Reply: &Reply{Error: &Error{Code: CodeServer, Message: "unknown block"}}}
	}
	return Action{Reply: &Reply{Error: &Error{Code: CodeServer, Message: "header not found"}}}
}

// headNumber asks the endpoint for its head.
func headNumber(c *Call) (uint64, error) {
	var n hexutil.Uint64
	err := c.Upstream(&n, "eth_blockNumber")
	return uint64(n), err
}

// blockRef is a block parameter: a number, a tag or a hash.
type blockRef struct {
	tag  string // "latest", "pending", "safe", "finalized", "earliest"; empty: see the others
	hash *common.Hash
	num  uint64
}

// readRef understands a block parameter; missing and null mean latest. It
// reports false for what is none.
func readRef(raw json.RawMessage) (blockRef, bool) {
	if isNull(raw) {
		return blockRef{tag: "latest"}, true
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return readRefString(s)
	}
	var object struct {
		BlockNumber *string      `json:"blockNumber"`
		BlockHash   *common.Hash `json:"blockHash"`
	}
	switch err := json.Unmarshal(raw, &object); {
	case err != nil:
		return blockRef{}, false
	case object.BlockHash != nil:
		return blockRef{hash: object.BlockHash}, true
	case object.BlockNumber != nil:
		return readRefString(*object.BlockNumber)
	}
	return blockRef{}, false
}

func readRefString(s string) (blockRef, bool) {
	switch s {
	case "latest", "pending", "safe", "finalized", "earliest":
		return blockRef{tag: s}, true
	}
	if len(s) == 2+2*common.HashLength {
		hash := common.HexToHash(s)
		return blockRef{hash: &hash}, true
	}
	n, err := hexutil.DecodeUint64(s)
	return blockRef{num: n}, err == nil
}

// resolve finds the number behind a reference; false if there is no such block.
func (r blockRef) resolve(c *Call) (number uint64, ok bool, err error) {
	var block *struct {
		Number hexutil.Uint64 `json:"number"`
	}
	switch {
	case r.hash != nil:
		err = c.Upstream(&block, "eth_getBlockByHash", r.hash, false)
	case r.tag == "":
		return r.num, true, nil
	case r.tag == "earliest":
		return 0, true, nil
	case r.tag == "latest", r.tag == "pending":
		number, err = headNumber(c)
		return number, err == nil, err
	default:
		err = c.Upstream(&block, "eth_getBlockByNumber", r.tag, false)
	}
	if err != nil || block == nil {
		return 0, false, err
	}
	return uint64(block.Number), true, nil
}

// withHash is a block parameter with another hash, in either of its forms.
func withHash(raw json.RawMessage, hash common.Hash) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return encode(hash)
	}
	object["blockHash"] = encode(hash)
	return encode(object)
}

// logFilter is the parameter of eth_getLogs.
type logFilter map[string]json.RawMessage

func readLogFilter(c *Call) (logFilter, bool) {
	var f logFilter
	ok := c.Method == "eth_getLogs" && c.arg(0, &f)
	return f, ok
}

// blockHash is the one block that the filter names by hash, if it does.
func (f logFilter) blockHash() (common.Hash, bool) {
	var hash common.Hash
	ok := !isNull(f["blockHash"]) && json.Unmarshal(f["blockHash"], &hash) == nil
	return hash, ok
}

// bound is one end of a filter's block range.
type bound struct {
	number uint64
	tag    bool // named by a tag, or not at all
}

// bounds resolves the block range of a filter without block hash.
func (f logFilter) bounds(c *Call) (from, to bound, err error) {
	for field, end := range map[string]*bound{"fromBlock": &from, "toBlock": &to} {
		ref, ok := readRef(f[field])
		if !ok {
			return from, to, fmt.Errorf("%s: %s is no block", field, f[field])
		}
		if end.number, ok, err = ref.resolve(c); err == nil && !ok {
			err = fmt.Errorf("%s: no such block", field)
		}
		if err != nil {
			return from, to, err
		}
		end.tag = ref.tag != ""
	}
	return from, to, nil
}

// with returns the call's parameters with some fields of the filter set anew.
func (f logFilter) with(c *Call, fields map[string]any) []json.RawMessage {
	out := maps.Clone(f)
	for name, v := range fields {
		out[name] = encode(v)
	}
	params := slices.Clone(c.Params)
	params[0] = encode(out)
	return params
}
