package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// quantity is a hexadecimal number of up to 256 bits. Unlike go-ethereum's own
// type it takes leading zeros, which some nodes write. The zero value is one
// that was missing or null.
type quantity struct {
	n   uint256.Int
	set bool
}

var errQuantity = errors.New("not a hexadecimal quantity")

func (q *quantity) UnmarshalJSON(raw []byte) error {
	if isNull(raw) {
		*q = quantity{}
		return nil
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) < 4 || len(raw) > 2+66 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return errQuantity
	}
	digits, ok := strings.CutPrefix(string(raw[1:len(raw)-1]), "0x")
	if !ok || digits == "" {
		return errQuantity
	}
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		digits = "0"
	}
	n, err := uint256.FromHex("0x" + digits)
	if err != nil {
		return errQuantity
	}
	q.n, q.set = *n, true
	return nil
}

// u64 is the value if there is one that fits.
func (q quantity) u64() (uint64, bool) { return q.n.Uint64(), q.set && q.n.IsUint64() }

// header is the part of a block that is read. Further fields, which differ
// between chains, are skipped.
type header struct {
	Number  quantity     `json:"number"`
	Hash    *common.Hash `json:"hash"`
	Time    quantity     `json:"timestamp"`
	BaseFee quantity     `json:"baseFeePerGas"`
}

func (h header) block() (swap.Block, bool) {
	n, okN := h.Number.u64()
	t, okT := chainTime(h.Time)
	if !okN || !okT || h.Hash == nil || *h.Hash == (common.Hash{}) {
		return swap.Block{}, false
	}
	return swap.Block{Number: n, Time: t, Hash: *h.Hash}, true
}

func chainTime(q quantity) (swap.ChainTime, bool) {
	t, ok := q.u64()
	return swap.ChainTime(t), ok && t <= math.MaxInt64
}

// decode reads a call's result, which must not be null.
func decode[T any](e *endpoint, c *call) (T, error) {
	var v T
	if c.failed != nil {
		return v, c.failed
	}
	if isNull(c.result) {
		return v, e.fault(classMalformed, c.method, "null")
	}
	if err := json.Unmarshal(c.result, &v); err != nil {
		return v, e.fault(classMalformed, c.method, "result does not decode")
	}
	return v, nil
}

// decodeHeader reads a block; null means that the endpoint does not have it.
func decodeHeader(e *endpoint, c *call) (header, swap.Block, error) {
	if c.failed == nil && isNull(c.result) {
		return header{}, swap.Block{}, e.fault(classBehind, c.method, "")
	}
	h, err := decode[header](e, c)
	if err != nil {
		return h, swap.Block{}, err
	}
	b, ok := h.block()
	if !ok {
		return h, swap.Block{}, e.fault(classMalformed, c.method, "block without number, hash or time")
	}
	return h, b, nil
}

func blockCall(number uint64) *call {
	return newCall("eth_getBlockByNumber", hexutil.EncodeUint64(number), false)
}

func latestCall() *call { return newCall("eth_getBlockByNumber", "latest", false) }

// decodeBlock reads the block of a number.
func decodeBlock(e *endpoint, c *call, number uint64) (swap.Block, error) {
	_, b, err := decodeHeader(e, c)
	if err == nil && b.Number != number {
		err = e.fault(classMalformed, c.method, "another block than asked for")
	}
	return b, err
}

// decodeLatest reads the head and remembers how far the endpoint is.
func decodeLatest(e *endpoint, c *call) (header, swap.Block, error) {
	h, b, err := decodeHeader(e, c)
	if err == nil {
		e.setHead(b.Number)
	}
	return h, b, err
}
