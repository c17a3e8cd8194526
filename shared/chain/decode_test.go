package chain

import (
	"encoding/json"
	"testing"
)

func TestBadHeaders(t *testing.T) {
	t.Parallel()
	good := map[string]any{"number": "0x1", "hash": blockHash("main", 1), "timestamp": "0x5"}
	for name, change := range map[string]map[string]any{
		"no hash":       {"hash": nil},
		"zero hash":     {"hash": "0x0000000000000000000000000000000000000000000000000000000000000000"},
		"no number":     {"number": nil},
		"no time":       {"timestamp": nil},
		"decimal time":  {"timestamp": 5},
		"endless time":  {"timestamp": "0x8000000000000000"},
		"endless":       {"number": "0x10000000000000000"},
		"another block": {"number": "0x2"},
		"short hash":    {"hash": "0x12"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := map[string]any{}
			for k, v := range good {
				header[k] = v
			}
			n := newNode(t, "bad", 1, 0)
			n.answer("eth_getBlockByNumber", header)
			client := newClient(t, nil, n)
			if b, err := client.Block(t.Context(), testChain, 1); err != nil || b.Time != 5 {
				t.Fatalf("unchanged: %v, %v", b, err)
			}
			for k, v := range change {
				header[k] = v
			}
			if b, err := client.Block(t.Context(), testChain, 1); classOf(err) != classMalformed {
				t.Errorf("%v, %v", b, err)
			}
		})
	}
}

func TestQuantity(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"0x0"`: "0", `"0x10"`: "16", `"0x0010"`: "16", `"0xff"`: "255", `null`: "unset",
		`"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"`:   "115792089237316195423570985008687907853269984665640564039457584007913129639935",
		`"0x1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"`:  "error",
		`"0x000000000000000000000000000000000000000000000000000000000000000001"`: "error",
		`"0x0000000000000000000000000000000000000000000000000000000000000001"`:   "1",
		`"0x"`: "error", `"10"`: "error", `16`: "error", `"0xg"`: "error", `""`: "error", `"0x-1"`: "error", `{}`: "error",
	} {
		var q quantity
		got := "unset"
		if err := json.Unmarshal([]byte(in), &q); err != nil {
			got = "error"
		} else if q.set {
			got = q.n.Dec()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
