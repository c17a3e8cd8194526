package contracts

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

//go:embed artefacts.json
var artefactsJSON []byte

// Artefact is one compiled contract.
type Artefact struct {
	Source   string        `json:"source"` // file in src/
	ABI      abi.ABI       `json:"abi"`
	Bytecode hexutil.Bytes `json:"bytecode"` // creation code, without constructor arguments
	// Runtime is the deployed code with zeros where immutables stand, and
	// ImmutableOffsets says where: 32 bytes each.
	Runtime          hexutil.Bytes `json:"deployedBytecode"`
	ImmutableOffsets []int         `json:"immutableOffsets"`
}

type artefacts struct {
	Compiler  string              `json:"compiler"`
	Settings  json.RawMessage     `json:"settings"`
	Contracts map[string]Artefact `json:"contracts"`
}

var load = sync.OnceValue(func() artefacts {
	var a artefacts
	dec := json.NewDecoder(bytes.NewReader(artefactsJSON))
	if err := dec.Decode(&a); err != nil {
		panic(fmt.Sprintf("contracts: embedded artefacts: %v", err)) // a broken build, not an input
	}
	return a
})

// Names returns the names of all compiled contracts, sorted.
func Names() []string { return slices.Sorted(maps.Keys(load().Contracts)) }

// Get returns a compiled contract. It panics on a name that is not in Names:
// names are constants of the calling code.
func Get(name string) Artefact {
	a, ok := load().Contracts[name]
	if !ok {
		panic(fmt.Sprintf("contracts: no contract %q; known: %v", name, Names()))
	}
	return a
}

// ABI returns the interface of a contract; it panics as Get does.
func ABI(name string) abi.ABI { return Get(name).ABI }

// Bytecode returns a copy of the creation code of a contract, to which
// constructor arguments are appended; it panics as Get does.
func Bytecode(name string) []byte { return bytes.Clone(Get(name).Bytecode) }

// Compiler returns the version of the compiler that made the artefacts.
func Compiler() string { return load().Compiler }
