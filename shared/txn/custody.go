package txn

import (
	"cmp"

	"github.com/ethereum/go-ethereum/common"
)

// Custody says who else uses a signer's key.
type Custody string

const (
	// Exclusive: nobody else. A transaction of this signer that is not in the
	// journal is critical.
	Exclusive Custody = "exclusive"
	// Contract: the taker is a resolver contract and the key holds gas only.
	// Nonces are treated as for Exclusive.
	Contract Custody = "contract"
	// Shared: another process, such as the resolver itself, signs with the same
	// key. One transaction is in flight at a time, its nonce is read right before
	// it is signed, a nonce is never used up for nothing, and nothing is replaced
	// that is not ours. That somebody else was faster is no news.
	Shared Custody = "shared"
)

// Keys says the custody of each signer; one that is not listed is Exclusive.
type Keys map[common.Address]Custody

// Of is the custody of a signer.
func (k Keys) Of(signer common.Address) Custody { return cmp.Or(k[signer], Exclusive) }

// sharedQueue is the most transactions of others that may wait in a pool before
// ours under custody Shared. Nodes keep no more than 64 of one account; who
// tells more is not believed, because a transaction behind a gap is never mined.
const sharedQueue = 64
