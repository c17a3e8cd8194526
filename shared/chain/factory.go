package chain

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// ErrFactoryProof marks a factory whose contracts were read and are not what
// they have to be: every withdrawal, cancellation and rescue there may revert.
var ErrFactoryProof = errors.New("factory proof failed")

// Factory reads a deployed factory and proves it: each implementation names
// this factory as its own, and its proxy hash is that of a proxy to itself.
// FromBlock is left zero. Nothing is cached: what was proven stays true, so
// callers may keep it.
//
// An error that is not ErrFactoryProof means that the factory could not be
// read; nothing is known then. That is also said when one endpoint answers
// wrongly and another fails in a way that passes: a node that is still syncing
// has no contract there either. One that refuses us for good has no say.
func (c *Client) Factory(ctx context.Context, id uint64, address common.Address, family swap.Family) (swap.Factory, error) {
	ch, err := c.chain(id)
	if err != nil {
		return swap.Factory{}, err
	}
	if !family.Known() {
		return swap.Factory{}, fmt.Errorf("prove factory %s on chain %d: family %s", address, id, family)
	}
	f := swap.Factory{ChainID: id, Address: address, Family: family}
	err = ch.try(ctx, func() []*endpoint { return ch.order(ch.newest()) }, func(ctx context.Context, e *endpoint) error {
		return e.prove(ctx, &f)
	})
	if err != nil && passing(err) {
		return swap.Factory{}, fmt.Errorf("read factory %s on chain %d: %s", address, id, err.Error())
	}
	if err != nil {
		return swap.Factory{}, fmt.Errorf("prove factory %s on chain %d: %w", address, id, err)
	}
	return f, nil
}

// getter is a call without arguments that returns one word.
func getter(to common.Address, name string) *call {
	return newCall("eth_call", map[string]any{"to": to, "data": hexutil.Bytes(selector(name + "()"))}, "latest")
}

func selector(signature string) []byte { return crypto.Keccak256([]byte(signature))[:4] }

func (e *endpoint) prove(ctx context.Context, f *swap.Factory) error {
	src, dst := getter(f.Address, "ESCROW_SRC_IMPLEMENTATION"), getter(f.Address, "ESCROW_DST_IMPLEMENTATION")
	if err := e.batch(ctx, src, dst); err != nil {
		return err
	}
	var err error
	if f.SrcImpl, err = e.implementation(src, "ESCROW_SRC_IMPLEMENTATION"); err != nil {
		return err
	}
	if f.DstImpl, err = e.implementation(dst, "ESCROW_DST_IMPLEMENTATION"); err != nil {
		return err
	}
	sides := []struct {
		side  swap.Side
		impl  common.Address
		delay *uint64
	}{{swap.Src, f.SrcImpl, &f.SrcRescueDelay}, {swap.Dst, f.DstImpl, &f.DstRescueDelay}}
	names := []string{"FACTORY", "PROXY_BYTECODE_HASH", "RESCUE_DELAY"}
	var calls []*call
	for _, s := range sides {
		for _, name := range names {
			calls = append(calls, getter(s.impl, name))
		}
	}
	if err := e.batch(ctx, calls...); err != nil {
		return err
	}
	for i, s := range sides {
		var words [3]common.Hash
		for j, name := range names {
			if words[j], err = e.word(calls[len(names)*i+j], name); err != nil {
				return fmt.Errorf("%s implementation %s: %w", s.side, s.impl, err)
			}
		}
		if owner, ok := asAddress(words[0]); !ok || owner != f.Address {
			return fmt.Errorf("%w: %s implementation %s: FACTORY is %s", ErrFactoryProof, s.side, s.impl, words[0])
		}
		if words[1] != swap.ProxyCodeHash(s.impl) {
			return fmt.Errorf("%w: %s implementation %s: PROXY_BYTECODE_HASH is %s", ErrFactoryProof, s.side, s.impl, words[1])
		}
		delay := new(uint256.Int).SetBytes(words[2][:])
		if !delay.IsUint64() {
			return fmt.Errorf("%w: %s implementation %s: RESCUE_DELAY is %s", ErrFactoryProof, s.side, s.impl, delay)
		}
		*s.delay = delay.Uint64()
	}
	return nil
}

func (e *endpoint) implementation(c *call, name string) (common.Address, error) {
	w, err := e.word(c, name)
	if err != nil {
		return common.Address{}, err
	}
	a, ok := asAddress(w)
	if !ok || a == (common.Address{}) {
		return common.Address{}, fmt.Errorf("%w: %s is %s", ErrFactoryProof, name, w)
	}
	return a, nil
}

// word reads a getter's answer. A contract that reverts or answers something
// else is not what the configuration says it is.
func (e *endpoint) word(c *call, name string) (common.Hash, error) {
	if c.failed != nil {
		if c.failed.class == classRevert {
			return common.Hash{}, fmt.Errorf("%w: %s reverts", ErrFactoryProof, name)
		}
		return common.Hash{}, c.failed
	}
	data, err := decode[hexutil.Bytes](e, c)
	if err != nil {
		return common.Hash{}, err
	}
	if len(data) != 32 {
		return common.Hash{}, fmt.Errorf("%w: %s answers %d bytes", ErrFactoryProof, name, len(data))
	}
	return common.Hash(data), nil
}

func asAddress(w common.Hash) (common.Address, bool) {
	return common.Address(w[12:]), [12]byte(w[:12]) == [12]byte{}
}
