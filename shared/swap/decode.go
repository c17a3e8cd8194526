package swap

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// EscrowCall is calldata of an escrow taken apart.
type EscrowCall struct {
	Call Call
	// Dynamic tells the shape with parameters from the eight-word one. Two
	// families share the former, so calldata does not name the family.
	Dynamic    bool
	Args       CallArgs // those that the call takes
	Immutables Immutables
	Signature  []byte // of signed calls
}

// selectors finds a call and its shape by selector.
var selectors = func() map[Selector]EscrowCall {
	m := make(map[Selector]EscrowCall)
	for _, c := range Calls() {
		if !c.Signed() {
			m[calls[c].plain] = EscrowCall{Call: c}
		}
		m[calls[c].dynamic] = EscrowCall{Call: c, Dynamic: true}
	}
	return m
}()

// DecodeCall reads calldata as a call of an escrow. It reports false when the
// selector is none of theirs, and an error that names the argument when the
// rest does not fit the selector. Like the contracts it ignores surplus bytes
// and odd offsets; whoever is about to sign compares with EncodeCall.
func DecodeCall(data []byte) (EscrowCall, bool, error) {
	if len(data) < len(Selector{}) {
		return EscrowCall{}, false, nil
	}
	e, ok := selectors[Selector(data)]
	if !ok {
		return EscrowCall{}, false, nil
	}
	if err := e.decode(data[len(Selector{}):]); err != nil {
		return EscrowCall{}, false, fmt.Errorf("decode %s: %w", e.Call, err)
	}
	return e, true, nil
}

func (e *EscrowCall) decode(b []byte) (err error) {
	static := 0 // words before the immutables
	switch {
	case e.Call == WithdrawTo, e.Call == RescueFunds:
		static = 2
	case e.Call.TakesSecret():
		static = 1
	}
	if need := (static + 1) * 32; len(b) < need {
		return fmt.Errorf("arguments: %d bytes, want %d", len(b), need)
	}
	if e.Call.TakesSecret() {
		e.Args.Secret = [32]byte(b[:32])
	}
	switch e.Call {
	case WithdrawTo:
		if e.Args.Target, err = addressAt(b, 1); err != nil {
			return fmt.Errorf("target: %w", err)
		}
	case RescueFunds:
		if e.Args.Token, err = addressAt(b, 0); err != nil {
			return fmt.Errorf("token: %w", err)
		}
		e.Args.Amount = intOf(Word(b[32:64]))
	}
	if !e.Dynamic {
		if have := len(b) - 32*static; have < words*32 {
			return fmt.Errorf("immutables: %d bytes, want %d", have, words*32)
		}
		e.Immutables = immutablesAt(b[32*static:])
		return nil
	}
	tuple, err := tupleAt(b, static, words)
	if err != nil {
		return fmt.Errorf("immutables: %w", err)
	}
	e.Immutables = immutablesAt(tuple)
	if e.Immutables.Parameters, err = bytesAt(tuple, words); err != nil {
		return fmt.Errorf("immutables.parameters: %w", err)
	}
	if e.Call.Signed() {
		if e.Signature, err = bytesAt(b, static+1); err != nil {
			return fmt.Errorf("signature: %w", err)
		}
	}
	return nil
}

// InnerCall is one call that a resolver contract makes for its owner.
type InnerCall struct {
	Target common.Address
	Data   []byte // part of the wrapper's calldata, not a copy
}

// Unwrap reads calldata as EncodeArbitraryCalls writes it. It reports false for
// any other selector, and an error that names the argument when the rest does
// not fit.
func Unwrap(data []byte) ([]InnerCall, bool, error) {
	if len(data) < len(Selector{}) || Selector(data) != selArbitraryCalls {
		return nil, false, nil
	}
	in, err := unwrap(data[len(Selector{}):])
	if err != nil {
		return nil, false, fmt.Errorf("decode arbitraryCalls: %w", err)
	}
	return in, true, nil
}

func unwrap(b []byte) ([]InnerCall, error) {
	targets, n, err := arrayAt(b, 0)
	if err != nil {
		return nil, fmt.Errorf("targets: %w", err)
	}
	datas, m, err := arrayAt(b, 1)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if n != m {
		return nil, fmt.Errorf("data: %d entries for %d targets", m, n)
	}
	in := make([]InnerCall, n)
	for i := range in {
		if in[i].Target, err = addressAt(targets, i); err != nil {
			return nil, fmt.Errorf("targets[%d]: %w", i, err)
		}
		if in[i].Data, err = sliceAt(datas, i); err != nil {
			return nil, fmt.Errorf("data[%d]: %w", i, err)
		}
	}
	return in, nil
}

// arrayAt follows the i-th word of b to an array and returns what follows its
// length, which is checked to hold that many words.
func arrayAt(b []byte, i int) ([]byte, int, error) {
	at, err := uintAt(b, i)
	if err != nil {
		return nil, 0, fmt.Errorf("offset: %w", err)
	}
	n, err := uintAt(b[at:], 0)
	if err != nil {
		return nil, 0, fmt.Errorf("length: %w", err)
	}
	rest := b[at+32:]
	if n > len(rest)/32 {
		return nil, 0, fmt.Errorf("length: %d entries in %d bytes", n, len(rest))
	}
	return rest, n, nil
}

// addressAt reads the i-th word of b, which is known to be there, as a clean
// address: Solidity refuses dirt in an address argument.
func addressAt(b []byte, i int) (common.Address, error) {
	w := Word(b[32*i : 32*i+32])
	return addressOf(w), cleanAddress(w)
}
