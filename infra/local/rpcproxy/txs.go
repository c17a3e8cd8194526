package rpcproxy

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// WrongChainID lies about the chain in eth_chainId and net_version.
func WrongChainID(id uint64) Fault {
	return func(c *Call) Action {
		switch c.Method {
		case "eth_chainId":
			return Action{Reply: &Reply{Result: encode(hexutil.Uint64(id))}}
		case "net_version":
			return Action{Reply: &Reply{Result: encode(strconv.FormatUint(id, 10))}}
		}
		return Action{}
	}
}

// Transaction is what the call sends by eth_sendRawTransaction; false if it
// does not.
func (c *Call) Transaction() (*types.Transaction, bool) {
	var raw hexutil.Bytes
	tx := new(types.Transaction)
	if c.Method != "eth_sendRawTransaction" || !c.arg(0, &raw) || tx.UnmarshalBinary(raw) != nil {
		return nil, false
	}
	return tx, true
}

// ForgetTransactions accepts transactions like a node, with their hash, and
// forwards nothing.
func ForgetTransactions() Fault {
	return func(c *Call) Action {
		tx, ok := c.Transaction()
		if !ok {
			return Action{}
		}
		return Action{Reply: &Reply{Result: encode(tx.Hash())}}
	}
}

// AlreadyKnown forwards transactions and answers "already known" whatever the
// endpoint says. To answer so without forwarding, use Fail.
func AlreadyKnown() Fault {
	return func(c *Call) Action {
		if c.Method != "eth_sendRawTransaction" {
			return Action{}
		}
		return Action{After: func(r *Reply) {
			*r = Reply{Error: &Error{Code: CodeServer, Message: "already known"}}
		}}
	}
}

// Nonces lets lie change the answers to eth_getTransactionCount; block is the
// block parameter as JSON, for example "pending" in quotes.
func Nonces(lie func(account common.Address, block string, real uint64) uint64) Fault {
	return func(c *Call) Action {
		var account common.Address
		if c.Method != "eth_getTransactionCount" || !c.arg(0, &account) {
			return Action{}
		}
		block := `"latest"`
		if len(c.Params) > 1 {
			block = string(c.Params[1])
		}
		return Action{After: func(r *Reply) {
			var real hexutil.Uint64
			if r.Error == nil && json.Unmarshal(r.Result, &real) == nil {
				r.Result = encode(hexutil.Uint64(lie(account, block, uint64(real))))
			}
		}}
	}
}

// PoolCap refuses a transaction whose nonce would be the sender's (limit+1)th
// or later one above the mined ones. Replacements of pending nonces pass.
func PoolCap(limit uint64) Fault {
	return func(c *Call) Action {
		tx, ok := c.Transaction()
		if !ok {
			return Action{}
		}
		sender, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
		if err != nil {
			return Action{} // the endpoint refuses it
		}
		var mined hexutil.Uint64
		if err := c.Upstream(&mined, "eth_getTransactionCount", sender, "latest"); err != nil {
			return broken(err)
		}
		if tx.Nonce() < uint64(mined)+limit {
			return Action{}
		}
		return Fail(CodeServer, fmt.Sprintf("account limit exceeded: %d pending transactions", limit))(c)
	}
}

// ForeignReceipts answers eth_getTransactionReceipt with receipts whose block
// hash no block of this chain has.
func ForeignReceipts() Fault {
	return func(c *Call) Action {
		if c.Method != "eth_getTransactionReceipt" {
			return Action{}
		}
		return Action{After: func(r *Reply) {
			var receipt map[string]json.RawMessage
			var hash common.Hash
			if r.Error != nil || json.Unmarshal(r.Result, &receipt) != nil || json.Unmarshal(receipt["blockHash"], &hash) != nil {
				return // an error or no receipt yet
			}
			foreign := encode(crypto.Keccak256Hash(hash[:]))
			receipt["blockHash"] = foreign
			var logs []map[string]json.RawMessage
			if json.Unmarshal(receipt["logs"], &logs) == nil {
				for _, l := range logs {
					l["blockHash"] = foreign
				}
				receipt["logs"] = encode(logs)
			}
			r.Result = encode(receipt)
		}}
	}
}
