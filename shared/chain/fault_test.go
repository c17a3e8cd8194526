package chain

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// The words are those that the named clients and providers were seen to use.
func TestClassify(t *testing.T) {
	t.Parallel()
	const logs, call, send, block = "eth_getLogs", "eth_call", "eth_sendRawTransaction", "eth_getBlockByNumber"
	for _, c := range []struct {
		from   string
		status int
		code   int
		text   string
		method string
		want   class
	}{
		{"geth", 200, -32602, "exceed max addresses or topics per search position", logs, classAddresses},
		{"geth", 200, -32602, "block range extends beyond current head block", logs, classBehind},
		{"geth", 200, -32602, "invalid block range params", logs, classBehind},
		{"geth", 200, -32003, "response too large", logs, classMany},
		{"geth", 200, -32002, "request timed out", logs, classMany},
		{"geth", 200, -32002, "request timed out", block, classServer},
		{"geth", 200, -32000, "missing trie node 12ab (path ) state 0x34cd is not available", call, classState},
		{"geth", 200, -32000, "header not found", call, classBehind},
		{"geth", 200, -32000, "hash is not currently canonical", "eth_getBalance", classReorg},
		{"geth", 200, -32000, "batch too large", "", classBatch},
		{"erigon", 200, -32000, "batch limit 100 exceeded: 142 requests given", "", classBatch},
		{"besu", 200, -32602, "Number of requests in batch exceeds --rpc-max-batch-size.", "", classBatch},
		{"reth", 200, -32602, "query exceeds max block range 5000", logs, classWide},
		{"reth", 200, -32602, "query exceeds max results 20000, retry with the range 24383075-24383096", logs, classMany},
		{"nethermind", 200, -32602, "Invalid params Incorrect parameters count, expected: 3, actual: 4", call, classUnsupported},
		{"avalanche", 200, -32000, "requested from block 16 to block 32 after last accepted block 20", logs, classBehind},
		{"avalanche", 200, -32000, "requested too many blocks from 0 to 16777216, maximum is set to 2048", logs, classWide},
		{"frontier", 200, -32603, "block range is too wide (maximum 1024)", logs, classWide},
		{"scroll", 200, -32000, "block range is bigger than maxBlockRange", logs, classWide},
		{"morph", 200, -32000, "block range is larger than max block range, block range = 5120, max block range = 5000", logs, classWide},
		{"bsc", 200, -32000, "exceed maximum block range: 5000", logs, classWide},
		{"candle", 200, -32600, "block range too high", logs, classWide},
		{"base", 200, -32000, "block range too large", logs, classWide},
		{"base", 429, -32016, "over rate limit", block, classRate},
		{"ankr", 200, -32600, "block range is too wide", logs, classWide},
		{"ankr", 200, -32000, "Unauthorized: You must authenticate your request with an API key.", block, classAuth},
		{"alchemy", 200, -32600, "You can make eth_getLogs requests with up to a 500 block range. Based on your parameters, this block range should work: [0x123c9b2, 0x123cba5]", logs, classWide},
		{"alchemy", 200, -32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size", logs, classMany},
		{"alchemy", 429, 429, "Your app has exceeded its compute units per second capacity.", logs, classRate},
		{"infura", 200, -32005, "query returned more than 10000 results. Try with this block range [0xCB3D, 0x7B737].", logs, classMany},
		{"infura", 200, -32005, "query timeout exceeded", logs, classMany},
		{"infura", 200, -32602, "range 1000000 exceeds limit of 10000", logs, classWide},
		{"infura", 200, -32005, "daily request count exceeded, request rate limited", logs, classRate},
		{"infura", 200, -32005, "daily request count exceeded, request rate limited", block, classRate},
		{"quicknode", 413, -32614, "eth_getLogs is limited to a 10,000 range", logs, classWide},
		{"drpc", 200, 35, "ranges over 10000 blocks are not supported on free plan", logs, classWide},
		{"drpc", 200, 30, "Request timeout on the free tier, please upgrade your tier to the paid one", block, classRate},
		{"drpc", 200, -32601, "Error: -32602, expect 1 required and 3 optional params for eth_call", call, classUnsupported},
		{"tenderly", 200, -32602, `invalid params {"error_id":"4ed9","payload":"range 9009594 is bigger than range limit 2000"}`, logs, classWide},
		{"tenderly", 200, -32005, "rate limit exceeded", block, classRate},
		{"publicnode", 200, -32602, "Archive requests require a personal token.", "eth_getBalance", classState},
		{"anybody", 402, 0, "", logs, classRate},
		{"anybody", 403, 0, "", block, classAuth},
		{"anybody", 503, 0, "", logs, classServer},
		{"anybody", 200, -32603, "Internal error", block, classServer},
		{"anybody", 200, -32601, "Method not found", block, classUnsupported},
		{"anybody", 200, -32602, "Invalid params", call, classRequest},
		{"anybody", 200, -32000, "something new", call, classOther},
		{"anybody", 200, -32000, "something new", logs, classOther},

		{"geth", 200, 3, "execution reverted: rate limit exceeded", call, classRevert},
		{"geth", 200, -32000, "execution reverted", call, classRevert},
		{"geth", 200, -32000, "out of gas", call, classRevert},
		{"geth", 200, -32000, "invalid opcode: INVALID", call, classRevert},
		{"openethereum", 200, -32015, "VM execution error.", call, classRevert},
		{"hardhat", 200, -32603, "Error: VM Exception while processing transaction: reverted with custom error", call, classRevert},

		{"geth", 200, -32000, "already known", send, classKnown},
		{"geth", 200, -32000, "known transaction: 0x7f65", send, classKnown},
		{"nethermind", 200, -32010, "AlreadyKnown", send, classKnown},
		{"nethermind", 200, -32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 4", send, classNonceLow},
		{"openethereum", 200, -32010, "Transaction with the same hash was already imported.", send, classKnown},
		{"openethereum", 200, -32010, "Transaction nonce is too low. Try incrementing the nonce.", send, classNonceLow},
		{"openethereum", 200, -32010, "Transaction gas price 100wei is too low. There is another transaction with same nonce in the queue.", send, classReplacement},
		{"geth", 200, -32000, "nonce too low: next nonce 5, tx nonce 3", send, classNonceLow},
		{"geth", 200, -32000, "replacement transaction underpriced", send, classReplacement},
		{"geth", 200, -32000, "transaction underpriced: tip needed 1, tip permitted 0", send, classUnderpriced},
		{"geth", 200, -32000, "insufficient funds for gas * price + value: balance 0", send, classFunds},
		{"besu", 200, -32004, "Upfront cost exceeds account balance", send, classFunds},
		{"arbitrum", 200, -32000, "max fee per gas less than block base fee", send, classUnderpriced},
		{"geth", 200, -32000, "invalid sender", send, classOther},
		{"proxy", 200, -32000, "unknown transaction type: 2", send, classOther},
	} {
		if got := classify(c.status, c.code, c.text, c.method); got != c.want {
			t.Errorf("%s: classify(%d, %d, %q, %s) = %q, want %q", c.from, c.status, c.code, c.text, c.method, got, c.want)
		}
	}
}

func TestEveryClassHasItsConduct(t *testing.T) {
	t.Parallel()
	if len(conducts) != int(classFunds)+1 {
		t.Fatalf("%d conducts for %d classes", len(conducts), classFunds+1)
	}
	for c, conduct := range conducts {
		if conduct.name == "" {
			t.Errorf("class %d has no name", c)
		}
		if (conduct.aside > 0) != (conduct.kind != "") {
			t.Errorf("class %s: an endpoint is put aside if and only if it is told", conduct.name)
		}
	}
}

func TestRevertOfFault(t *testing.T) {
	t.Parallel()
	const invalidTime = "0x6f7eac26"
	for name, c := range map[string]struct {
		data string
		text string
		want swap.Revert
	}{
		"hex":                 {`"0x6f7eac26"`, "execution reverted", swap.RevertInvalidTime},
		"empty hex":           {`"0x"`, "execution reverted", swap.RevertEmpty},
		"null":                {`null`, "execution reverted", swap.RevertEmpty},
		"none":                {``, "execution reverted", swap.RevertEmpty},
		"text only":           {``, "execution reverted: not yet", swap.RevertError},
		"behind a word":       {`"Reverted 0x6f7eac26"`, "VM execution error.", swap.RevertInvalidTime},
		"in an object":        {`{"message":"reverted","data":"0x6f7eac26"}`, "Error: VM Exception", swap.RevertInvalidTime},
		"twice nested":        {`{"data":{"data":"0x6f7eac26"}}`, "", swap.RevertInvalidTime},
		"under the hash":      {`{"0xabc":{"error":"revert","return":"0x6f7eac26"},"name":"x"}`, "", swap.RevertInvalidTime},
		"too deep":            {`{"data":{"data":{"data":{"data":"0x6f7eac26"}}}}`, "", swap.RevertEmpty},
		"not hex":             {`"0xzz"`, "", swap.RevertEmpty},
		"unknown error":       {`"0xdeadbeef00"`, "", swap.Revert("0xdeadbeef")},
		"Error(string)":       {`"0x08c379a0` + strings.Repeat("00", 64) + `"`, "", swap.RevertError},
		"data before message": {`"` + invalidTime + `"`, "execution reverted: rubbish", swap.RevertInvalidTime},
	} {
		f := &fault{class: classRevert, text: c.text, data: json.RawMessage(c.data)}
		if got := f.revert(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTextsAreClean(t *testing.T) {
	t.Parallel()
	const raw = "https://user:passw0rd@node.example.org/v2/abcdef0123456789/eth?key=query-secret"
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	e := newEndpoint(&chain{}, 0, Endpoint{Name: "one", URL: raw}, u, nil)
	secret := strings.Repeat("5a", 32)
	for in, want := range map[string]string{
		"Post \"" + raw + "\": refused":          `Post "…": refused`,
		"no host node.example.org":               "no host …",
		"key abcdef0123456789 is over":           "key … is over",
		"bad query-secret, passw0rd":             "bad …, …",
		"v2 and eth are words":                   "v2 and eth are words",
		"args 0x23305703" + secret + " invalid":  "args … invalid",
		"address 0x" + secret[:40] + " has none": "address 0x" + secret[:40] + " has none",
		"two\nlines\x00":                         "two lines",
		strings.Repeat("x", 500):                 strings.Repeat("x", maxText) + "…",
	} {
		if got := e.clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}
