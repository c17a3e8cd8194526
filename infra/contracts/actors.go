package contracts

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// Mint gives tokens to an account.
func Mint(token, account common.Address, amount *big.Int) Tx {
	return to(token, call("Token", "mint", address(account), number(amount)))
}

// Approve lets spender move the sender's tokens.
func Approve(token, spender common.Address, amount *big.Int) Tx {
	return to(token, call("Token", "approve", address(spender), number(amount)))
}

// Transfer moves the sender's tokens.
func Transfer(token, account common.Address, amount *big.Int) Tx {
	return to(token, call("Token", "transfer", address(account), number(amount)))
}

// BalanceOf asks a token, or the access token, for a balance. It is a question,
// to be sent by eth_call.
func BalanceOf(token, account common.Address) Tx {
	return to(token, call("Token", "balanceOf", address(account)))
}

// SetBlocked bars a receiver from a blocking token, or lets it in again.
func SetBlocked(token, receiver common.Address, blocked bool) Tx {
	return to(token, call("BlockingToken", "setBlocked", address(receiver), flag(blocked)))
}

// MintAccess gives an access token to an account.
func MintAccess(token, account common.Address) Tx {
	return to(token, call("AccessToken", "mint", address(account)))
}

// SetOperator lets an account make ArbitraryCalls beside the owner, or stops it
// (owner only).
func SetOperator(resolver, account common.Address, operator bool) Tx {
	return to(resolver, call("Resolver", "setOperator", address(account), flag(operator)))
}

// ArbitraryCalls sends calls through a resolver contract, all or none. Their
// values are not sent on. The sender must be its owner or an operator.
func ArbitraryCalls(resolver common.Address, txs ...Tx) Tx {
	targets, data := make([]argument, len(txs)), make([]argument, len(txs))
	for i, tx := range txs {
		targets[i], data[i] = address(*tx.To), byteString(tx.Data)
	}
	return to(resolver, call("Resolver", "arbitraryCalls", list(targets), list(data)))
}

// Exec sends one call with its value through a resolver contract. The sender
// must be its owner and pays the value.
func Exec(resolver common.Address, tx Tx) Tx {
	value := tx.Value
	if value == nil {
		value = new(big.Int)
	}
	out := to(resolver, call("Resolver", "exec", address(*tx.To), number(value), byteString(tx.Data)))
	out.Value = tx.Value
	return out
}
