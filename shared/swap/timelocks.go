package swap

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Stage names one of the seven offsets in a timelocks word.
type Stage uint8

const (
	SrcWithdrawal Stage = iota
	SrcPublicWithdrawal
	SrcCancellation
	SrcPublicCancellation
	DstWithdrawal
	DstPublicWithdrawal
	DstCancellation
	stages // number of stages
)

var stageNames = [...]string{"SrcWithdrawal", "SrcPublicWithdrawal", "SrcCancellation", "SrcPublicCancellation", "DstWithdrawal", "DstPublicWithdrawal", "DstCancellation"}

// Stages returns all seven in the order of their bits.
func Stages() []Stage {
	return []Stage{SrcWithdrawal, SrcPublicWithdrawal, SrcCancellation, SrcPublicCancellation, DstWithdrawal, DstPublicWithdrawal, DstCancellation}
}

func (s Stage) String() string {
	if s < stages {
		return stageNames[s]
	}
	return fmt.Sprintf("stage(%d)", uint8(s))
}

// Timelocks is a timelocks word taken apart. Every value is 32 bits wide on
// chain, so any word unpacks and packs again without loss.
type Timelocks struct {
	DeployedAt uint32         // Unix seconds of the escrow's creation; each leg has its own
	Offsets    [stages]uint32 // seconds after DeployedAt, by Stage
}

// UnpackTimelocks takes a raw word apart: stage n at bit 32n, deployedAt on top.
func UnpackTimelocks(w Word) Timelocks {
	t := Timelocks{DeployedAt: binary.BigEndian.Uint32(w[:4])}
	for s := range t.Offsets {
		t.Offsets[s] = offsetOf(w, Stage(s))
	}
	return t
}

// Pack returns the word that UnpackTimelocks reads.
func (t Timelocks) Pack() Word {
	var w Word
	binary.BigEndian.PutUint32(w[:4], t.DeployedAt)
	for s, v := range t.Offsets {
		binary.BigEndian.PutUint32(w[28-4*s:], v)
	}
	return w
}

// At returns the absolute start of a stage: at most 2^33, so nothing wraps.
// An unknown stage has no time.
func (t Timelocks) At(s Stage) ChainTime {
	if s >= stages {
		return 0
	}
	return ChainTime(t.DeployedAt) + ChainTime(t.Offsets[s])
}

func offsetOf(w Word, s Stage) uint32 { return binary.BigEndian.Uint32(w[28-4*int(s):]) }

// rescueStart adds a rescue delay in seconds to a creation time and stays at
// the end of time where the sum does not fit.
func rescueStart(deployedAt ChainTime, delay uint64) ChainTime {
	if delay > uint64(math.MaxInt64-deployedAt) {
		return math.MaxInt64
	}
	return deployedAt + ChainTime(delay)
}
