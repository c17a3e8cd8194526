package contracts

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// The few shapes of arguments that the contracts take, encoded by hand because
// words have to arrive as they are, dirt included. A test holds this against
// go-ethereum's encoder.

// argument is an ABI-encoded value: in place if static, behind an offset else.
type argument struct {
	data    []byte
	dynamic bool
}

func static(data []byte) argument { return argument{data: data} }

func word(h common.Hash) argument { return static(h[:]) }

func address(a common.Address) argument { return word(AddressWord(a)) }

func number(n *big.Int) argument { return word(common.BigToHash(n)) }

// byteString is an argument of type bytes.
func byteString(b []byte) argument {
	n := UintWord(uint64(len(b)))
	data := append(n[:], b...)
	return argument{data: append(data, make([]byte, -len(b)&31)...), dynamic: true}
}

// withBytes is a struct of words that ends in one bytes field.
func withBytes(words, tail []byte) argument {
	return argument{data: encode(static(words), byteString(tail)), dynamic: true}
}

// list is an argument of an array type.
func list(elements []argument) argument {
	n := UintWord(uint64(len(elements)))
	return argument{data: append(n[:], encode(elements...)...), dynamic: true}
}

// encode puts arguments side by side: heads first, dynamic tails behind them.
func encode(args ...argument) []byte {
	size := 0
	for _, a := range args {
		if a.dynamic {
			size += 32
		} else {
			size += len(a.data)
		}
	}
	head := make([]byte, 0, size+len(args)*64)
	var tail []byte
	for _, a := range args {
		if !a.dynamic {
			head = append(head, a.data...)
			continue
		}
		offset := UintWord(uint64(size + len(tail)))
		head = append(head, offset[:]...)
		tail = append(tail, a.data...)
	}
	return append(head, tail...)
}

// call returns calldata for a function of a compiled contract.
func call(contract, function string, args ...argument) []byte {
	method, ok := Get(contract).ABI.Methods[function]
	if !ok {
		panic("contracts: " + contract + " has no function " + function)
	}
	return append(append([]byte(nil), method.ID...), encode(args...)...)
}
