package chain

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"
)

// feeOracle is the GasPriceOracle of OP-stack rollups: the same predeployed
// address on each of them, and no contract on any other chain.
var feeOracle = common.HexToAddress("0x420000000000000000000000000000000000000F")

// getL1Fee is the selector of getL1Fee(bytes): the fee in wei for publishing an
// unsigned transaction on L1 at the present prices; the contract adds what the
// signature takes. It answers the same question after each upgrade of the rollup,
// which getL1FeeUpperBound, of a later one, does not.
var getL1Fee = []byte{0x49, 0x94, 0x8e, 0x0e}

// DataFee asks the chain's fee oracle. Whether there is one is asked once per
// process and endpoint; where there is none, or something else that refuses the
// question, the fee is zero and nothing is asked any more.
func (c *Client) DataFee(ctx context.Context, id uint64, unsigned []byte) (uint256.Int, error) {
	ch, err := c.chain(id)
	if err != nil {
		return uint256.Int{}, err
	}
	var fee uint256.Int
	err = ch.try(ctx, func() []*endpoint { return ch.order(ch.newest()) }, func(ctx context.Context, e *endpoint) error {
		var err error
		fee, err = e.dataFee(ctx, unsigned)
		return err
	})
	if err != nil {
		return uint256.Int{}, fmt.Errorf("read data fee of chain %d: %w", id, err)
	}
	return fee, nil
}

func (e *endpoint) dataFee(ctx context.Context, unsigned []byte) (fee uint256.Int, err error) {
	if e.feature(&e.oracle, unknown) == unknown {
		code := newCall("eth_getCode", feeOracle, "latest")
		if err := e.batch(ctx, code); err != nil {
			return fee, err
		}
		data, err := decode[hexutil.Bytes](e, code)
		if err != nil {
			return fee, err
		}
		has := supported
		if len(data) == 0 {
			has = unsupported
		}
		e.feature(&e.oracle, has)
	}
	if e.feature(&e.oracle, unknown) == unsupported {
		return fee, nil
	}
	ask := newCall("eth_call", map[string]any{"to": feeOracle, "data": hexutil.Bytes(bytesArgument(getL1Fee, unsigned))}, "latest")
	if err := e.batch(ctx, ask); err != nil {
		return fee, err
	}
	if ask.failed != nil && ask.failed.class == classRevert { // some other contract
		e.feature(&e.oracle, unsupported)
		return fee, nil
	}
	out, err := decode[hexutil.Bytes](e, ask)
	if err != nil {
		return fee, err
	}
	if len(out) != 32 {
		return fee, e.fault(classMalformed, ask.method, "fee that is no number")
	}
	return *fee.SetBytes32(out), nil
}

// bytesArgument encodes the call of a function with one argument of type bytes.
func bytesArgument(selector, arg []byte) []byte {
	const word = 32
	out := append([]byte(nil), selector...)
	for _, n := range []uint64{word, uint64(len(arg))} {
		v := uint256.NewInt(n).Bytes32()
		out = append(out, v[:]...)
	}
	out = append(out, arg...)
	return append(out, make([]byte, (word-len(arg)%word)%word)...)
}
