package scene

import (
	"crypto/ecdsa"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Account is a key pair. All keys are derived from names, so that runs are
// alike and nothing secret is needed; they hold play money on local chains.
type Account struct {
	Name    string
	Key     *ecdsa.PrivateKey
	Address common.Address
}

// NewAccount derives the account of a name.
func NewAccount(name string) Account {
	key := crypto.ToECDSAUnsafe(crypto.Keccak256([]byte("scene account " + name)))
	return Account{Name: name, Key: key, Address: crypto.PubkeyToAddress(key.PublicKey)}
}

// The cast. Ours are those that the chains file names.
var (
	deployer = NewAccount("deployer")

	// Owner is the resolver's own process: it owns the resolver contract, fills
	// orders through it and makes dst legs. Helper makes those of EOA takers.
	// Both are ours, and neither is a key of the product.
	Owner  = NewAccount("owner")
	Helper = NewAccount("helper")

	// Keys that the product signs with. Nobody else uses them, but for filling
	// the orders of EOA takers, which happens in the opening; with TakerShared's
	// another program signs at any time.
	TakerV1       = NewAccount("taker 1inch-v1")
	TakerV11      = NewAccount("taker 1inch-v1.1")
	TakerBMN      = NewAccount("taker bmn-v4")
	ContractKey   = NewAccount("resolver contract signer")
	AccessKey     = NewAccount("access token signer")
	TakerBusy     = NewAccount("busy taker")
	TakerShared   = NewAccount("taker whose key is shared") // with its own process
	Keys          = []Account{TakerV1, TakerV11, TakerBMN, ContractKey, AccessKey, TakerBusy, TakerShared}
	WatchedTaker  = NewAccount("taker without a key") // ours, but the product cannot sign for it
	OtherResolver = NewAccount("another resolver")

	// Strangers.
	Unknown  = NewAccount("unknown helper")      // pays dst legs for us, and nobody told us
	Attacker = NewAccount("attacker")            // decoys, dust, look-alikes
	Holder   = NewAccount("access token holder") // makes public calls in the 1inch families
	Listed   = NewAccount("listed bmn resolver") // signs permits for public calls in bmn-v4
)
