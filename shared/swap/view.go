package swap

import (
	"math"
	"time"
)

// Block names a block of one chain. The zero value means "none known".
type Block struct {
	Number uint64    `json:"number"`
	Time   ChainTime `json:"time"`
	Hash   Word      `json:"hash"`
}

// ChainView is what one pass knows of one chain, pinned to one head.
//
// The three marks answer different questions and must not be mixed: Head says
// what time it is on the chain, SyncedTo says up to where "no such log" means
// "it did not happen", Final says up to where it can no longer be undone.
// A zero SyncedTo or Final means that nothing may be concluded from absence.
type ChainView struct {
	ChainID  uint64
	Head     Block
	HeadAge  time.Duration // wall clock minus Head.Time when the head was read, never negative
	SyncedTo Block         // logs of this block and all before it have been read
	Final    Block         // logs of this block and all before it have been read again once final
}

// Views holds one ChainView per chain id.
type Views map[uint64]ChainView

// Delay converts a block time of the chain into a wall-clock wait from the
// moment the head was read, clamped at zero. It is the only such conversion:
// the chain's clock stands HeadAge behind the wall, and is assumed to advance
// with it from there. A chain that stands still makes the wake-up early, which
// costs a look; it can never make it late.
// What lies beyond all durations is as far away as they reach.
func (v ChainView) Delay(at ChainTime) time.Duration {
	const farthest = int64(math.MaxInt64 / time.Second)
	return max(0, time.Duration(min(at.Sub(v.Head.Time), farthest))*time.Second-v.HeadAge)
}
