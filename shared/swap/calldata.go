package swap

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Bounds of FindImmutables. Calldata is written by strangers.
const (
	// searchBytes is how much calldata is looked at: a transaction pool takes
	// no transaction above 128 KiB.
	searchBytes = 128 << 10
	// searchWork is how many bytes may be hashed before the search gives up,
	// about a tenth of a second.
	searchWork = 16 << 20
)

// Unlocks reports whether keccak256(secret) is the hashlock.
func Unlocks(secret [32]byte, hashlock common.Hash) bool {
	return crypto.Keccak256Hash(secret[:]) == hashlock
}

// FindImmutables searches a transaction's calldata for the immutables of an
// escrow that it created and proves them by the address. The struct may lie at
// any byte: creation calls are nested in wrappers of every kind. A zero
// hashlock matches any; the hashlock of the creation event makes the search
// nearly free.
//
// Where the factory stamps deployedAt it is replaced by the given time of the
// creating block; otherwise the creator's word stands. For families with
// parameters, those that the struct's own offset leads to are tried, then each
// of params, then none; none longer than MaxParameters. Time is bounded whatever
// the calldata holds: it reports false when nothing fits or the bound is reached.
func (f Factory) FindImmutables(side Side, calldata []byte, escrow common.Address, hashlock common.Hash, deployedAt ChainTime, params [][]byte) (Immutables, bool) {
	if len(calldata) > searchBytes {
		calldata = calldata[:searchBytes]
	}
	codeHash := ProxyCodeHash(f.Impl(side))
	work := searchWork
	try := func(im Immutables) bool {
		work -= (words+2)*32 + len(im.Parameters)
		return work >= 0 && f.escrowAt(codeHash, f.Family.Hash(im)) == escrow
	}
	for at := 0; at+words*32 <= len(calldata) && work > 0; at++ {
		window := calldata[at:]
		if hashlock != (common.Hash{}) && Word(window[32:64]) != hashlock {
			continue
		}
		im := immutablesAt(window)
		if f.Family.FactoryStampsDst() {
			im = im.WithDeployedAt(deployedAt)
		}
		if f.Family.HasParameters() {
			if p, err := sliceAt(window, words); err == nil && len(p) > 0 && len(p) <= MaxParameters {
				im.Parameters = p
				if try(im) {
					im.Parameters = append([]byte(nil), p...)
					return im, true
				}
			}
			for _, p := range params {
				if len(p) == 0 || len(p) > MaxParameters {
					continue
				}
				im.Parameters = p
				if try(im) {
					im.Parameters = append([]byte(nil), p...)
					return im, true
				}
			}
			im.Parameters = nil
		}
		if try(im) {
			return im, true
		}
	}
	return Immutables{}, false
}
