package chain

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// oracle gives the node code at the address of the fee oracle, and an answer to
// what is asked of it; it counts both kinds of questions.
func oracle(n *node, code string, answer any, failed *rpcError) (codes, asked *[]string) {
	codes, asked = new([]string), new([]string)
	n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
		switch m {
		case "eth_getCode":
			*codes = append(*codes, plain(p[0]))
			return code, nil, true
		case "eth_call":
			var c struct {
				To   common.Address
				Data string
			}
			if err := json.Unmarshal(p[0], &c); err != nil || c.To != feeOracle {
				return nil, nil, false
			}
			*asked = append(*asked, c.Data)
			return answer, failed, true
		}
		return nil, nil, false
	})
	return codes, asked
}

func TestDataFee(t *testing.T) {
	t.Parallel()
	unsigned := hexutil.MustDecode("0x02" + "aabbcc")
	// The head of getL1Fee(bytes): offset, length, the bytes filled up to a word.
	const want = "0x49948e0e" +
		"0000000000000000000000000000000000000000000000000000000000000020" +
		"0000000000000000000000000000000000000000000000000000000000000004" +
		"02aabbcc00000000000000000000000000000000000000000000000000000000"
	n := newNode(t, "one", 20, 0)
	codes, asked := oracle(n, "0x60", word(12345), nil)
	c := newClient(t, nil, n)
	for range 2 {
		fee, err := c.DataFee(t.Context(), testChain, unsigned)
		if err != nil || fee.Uint64() != 12345 {
			t.Fatalf("%s, %v", &fee, err)
		}
	}
	if !slices.Equal(*codes, []string{"0x420000000000000000000000000000000000000f"}) || !slices.Equal(*asked, []string{want, want}) {
		t.Errorf("code of %v, asked %v", *codes, *asked)
	}
}

// A chain without the oracle charges nothing, and is not asked again.
func TestNoDataFee(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	codes, asked := oracle(n, "0x", nil, nil)
	c := newClient(t, nil, n)
	for range 3 {
		if fee, err := c.DataFee(t.Context(), testChain, []byte{1}); err != nil || !fee.IsZero() {
			t.Fatalf("%s, %v", &fee, err)
		}
	}
	if len(*codes) != 1 || len(*asked) != 0 {
		t.Errorf("code of %v, asked %v", *codes, *asked)
	}
}

// What stands at the address and refuses the question is no fee oracle.
func TestNoFeeOracle(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	_, asked := oracle(n, "0x60", nil, &rpcError{Code: 3, Message: "execution reverted", Data: "0x"})
	c := newClient(t, nil, n)
	for range 2 {
		if fee, err := c.DataFee(t.Context(), testChain, []byte{1}); err != nil || !fee.IsZero() {
			t.Fatalf("%s, %v", &fee, err)
		}
	}
	if len(*asked) != 1 {
		t.Errorf("asked %d times", len(*asked))
	}
}

// A fee that is no number is an error, never a guess.
func TestDataFeeUnreadable(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	oracle(n, "0x60", "0x", nil)
	if _, err := newClient(t, nil, n).DataFee(t.Context(), testChain, []byte{1}); classOf(err) != classMalformed {
		t.Errorf("%v", err)
	}
}
