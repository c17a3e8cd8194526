package chain

import (
	"bytes"
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// timestampCode is creation code that returns TIMESTAMP as its result:
//
//	TIMESTAMP PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN
//
// It asks a node whether it obeys a block-time override, which some refuse and
// some ignore without a word.
var timestampCode = hexutil.Bytes{0x42, 0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3}

// Rehearse runs the call on the state of the head in a block of the given time.
// Whether an endpoint obeys the time is asked once per process, in the same
// batch as the first rehearsal there; one that does not runs the call at its
// head's time. Nothing is paid for, so the sender's balance plays no part.
func (c *Client) Rehearse(ctx context.Context, call txn.Call, at swap.ChainTime) (txn.Rehearsal, error) {
	ch, err := c.chain(call.ChainID)
	if err != nil {
		return txn.Rehearsal{}, err
	}
	if at < 0 {
		return txn.Rehearsal{}, fmt.Errorf("rehearse on chain %d: time %d is before 1970", call.ChainID, int64(at))
	}
	var r txn.Rehearsal
	err = ch.try(ctx, func() []*endpoint { return ch.order(ch.newest()) }, func(ctx context.Context, e *endpoint) error {
		var err error
		r, err = e.rehearse(ctx, call, at)
		return err
	})
	if err != nil {
		return txn.Rehearsal{}, fmt.Errorf("rehearse call to %s on chain %d: %w", call.To, call.ChainID, err)
	}
	return r, nil
}

func (e *endpoint) rehearse(ctx context.Context, c txn.Call, at swap.ChainTime) (txn.Rehearsal, error) {
	tx := map[string]any{"from": c.From, "to": c.To, "data": hexutil.Bytes(c.Data), "gas": hexutil.EncodeUint64(c.Gas)}
	block := map[string]any{"time": hexutil.EncodeUint64(uint64(at))}
	timed := newCall("eth_call", tx, "latest", struct{}{}, block)
	plain := newCall("eth_call", tx, "latest")
	switch e.feature(&e.override, unknown) {
	case supported:
		if err := e.batch(ctx, timed); err != nil {
			return txn.Rehearsal{}, err
		}
		return e.rehearsal(timed, false)
	case unsupported:
		if err := e.batch(ctx, plain); err != nil {
			return txn.Rehearsal{}, err
		}
		return e.rehearsal(plain, true)
	}
	probe := newCall("eth_call", map[string]any{"data": timestampCode}, "latest", struct{}{}, block)
	if err := e.batch(ctx, probe, timed, plain); err != nil {
		return txn.Rehearsal{}, err
	}
	obeys, err := e.obeys(probe, at)
	if err != nil {
		return txn.Rehearsal{}, err
	}
	if obeys {
		e.feature(&e.override, supported)
		return e.rehearsal(timed, false)
	}
	e.feature(&e.override, unsupported)
	return e.rehearsal(plain, true)
}

// obeys judges the probe: only the time asked for, returned, is a yes.
func (e *endpoint) obeys(probe *call, at swap.ChainTime) (bool, error) {
	if probe.failed != nil {
		switch probe.failed.class {
		case classRequest, classUnsupported, classRevert, classOther:
			return false, nil
		}
		return false, probe.failed
	}
	data, err := decode[hexutil.Bytes](e, probe)
	if err != nil {
		return false, err
	}
	want := uint256.NewInt(uint64(at)).Bytes32()
	return bytes.Equal(data, want[:]), nil
}

// rehearsal reads the outcome of the call.
func (e *endpoint) rehearsal(c *call, atHead bool) (txn.Rehearsal, error) {
	if c.failed != nil {
		if c.failed.class == classRevert {
			return txn.Rehearsal{Revert: c.failed.revert(), AtHead: atHead}, nil
		}
		return txn.Rehearsal{}, c.failed
	}
	if _, err := decode[hexutil.Bytes](e, c); err != nil {
		return txn.Rehearsal{}, err
	}
	return txn.Rehearsal{AtHead: atHead}, nil
}
