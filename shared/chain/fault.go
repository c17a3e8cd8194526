package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// class is what kind of failure an endpoint answered with. It decides what
// happens next and is found out in one place: classify.
type class uint8

const (
	classOther       class = iota // an error nobody foresaw
	classTimeout                  // no answer in time
	classTransport                // no connection, or cut off
	classServer                   // the provider's own failure
	classMalformed                // an answer that is not what the protocol says
	classRate                     // asked too often, or the plan is used up
	classAuth                     // key refused
	classWrongChain               // answers for another chain
	classBehind                   // does not have the block yet
	classReorg                    // the chain changed while it was read
	classState                    // has the block but no longer its state
	classWide                     // block range too wide
	classMany                     // too many results, or an answer too large, or too slow to find
	classAddresses                // too many addresses in one filter
	classBatch                    // batch too large, or no batches at all
	classRequest                  // parameters refused
	classUnsupported              // no such method, or not with these arguments
	classRevert                   // the EVM refused the call
	classKnown                    // transaction is in the pool already
	classNonceLow                 // nonce already used
	classReplacement              // replacement pays too little
	classUnderpriced              // pays less than the node takes
	classFunds                    // sender cannot pay
)

// conduct is what follows from a class.
type conduct struct {
	name  string
	aside time.Duration // how long the endpoint is left alone
	again bool          // worth another round after a wait
	kind  TroubleKind   // what is told, if anything
}

// How long an endpoint is left alone. Short ones end a series of waits, long
// ones are for what does not mend itself in a minute.
const (
	asideShort = 10 * time.Second
	asideLong  = 5 * time.Minute
	// asideFork is above the time in which an honest node follows a
	// reorganisation, and short enough to try it again soon.
	asideFork = time.Minute
)

var conducts = [...]conduct{
	classOther:       {name: "refused"},
	classTimeout:     {name: "timeout", aside: asideShort, again: true, kind: Unreachable},
	classTransport:   {name: "unreachable", aside: asideShort, again: true, kind: Unreachable},
	classServer:      {name: "server error", aside: asideShort, again: true, kind: Unreachable},
	classMalformed:   {name: "malformed answer", aside: asideShort, again: true, kind: Malformed},
	classRate:        {name: "rate limited", aside: asideShort, again: true, kind: RateLimited},
	classAuth:        {name: "access refused", aside: asideLong, kind: Refused},
	classWrongChain:  {name: "wrong chain", aside: asideLong, kind: WrongChain},
	classBehind:      {name: "block unknown", again: true},
	classReorg:       {name: "chain changed while reading", again: true},
	classState:       {name: "state unavailable"},
	classWide:        {name: "block range too wide"},
	classMany:        {name: "too many results"},
	classAddresses:   {name: "too many addresses"},
	classBatch:       {name: "batch too large"},
	classRequest:     {name: "parameters refused"},
	classUnsupported: {name: "not supported"},
	classRevert:      {name: "reverted"},
	classKnown:       {name: "already known"},
	classNonceLow:    {name: "nonce too low"},
	classReplacement: {name: "replacement underpriced"},
	classUnderpriced: {name: "underpriced"},
	classFunds:       {name: "insufficient funds"},
}

func (c class) String() string { return conducts[c].name }

// fault is an endpoint's failure.
type fault struct {
	chain    uint64
	endpoint string
	method   string // empty for a request as a whole
	class    class
	text     string          // the endpoint's words, cleaned; may be empty
	data     json.RawMessage // of a revert
	after    time.Duration   // the endpoint's own wish for a pause
	mild     bool            // no reason to put the endpoint aside
}

func (f *fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "endpoint %s: ", f.endpoint)
	if f.method != "" {
		b.WriteString(f.method + ": ")
	}
	b.WriteString(f.class.String())
	if f.text != "" {
		b.WriteString(": " + f.text)
	}
	return b.String()
}

// classOf finds the class of an error; classOther for one that is no fault.
func classOf(err error) class {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.class
	}
	return classOther
}

// classify decides what kind of failure an answer is, from the HTTP status
// (200 for an error inside a good answer), the JSON-RPC code, the words, and
// the method asked. Providers agree on little: the words are those seen from
// go-ethereum, Erigon, Nethermind, Besu, reth, Arbitrum, Avalanche, Alchemy,
// Infura, QuickNode, Ankr, dRPC, Tenderly, Chainstack and public nodes.
//
// A revert comes first: its text is written by a contract and may say anything.
func classify(status, code int, text, method string) class {
	t := strings.ToLower(text)
	switch method {
	case "eth_call":
		if code == 3 || anyOf(t, revertWords) {
			return classRevert
		}
	case "eth_sendRawTransaction":
		// "unknown transaction type" is a refusal, and holds the words of a success.
		sent := strings.ReplaceAll(t, "unknown transaction", "")
		for _, w := range sendWords {
			if anyOf(sent, w.words) {
				return w.class
			}
		}
	case "eth_getLogs":
		for _, w := range logWords {
			if anyOf(t, w.words) {
				return w.class
			}
		}
	}
	for _, w := range words {
		if anyOf(t, w.words) {
			return w.class
		}
	}
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusPaymentRequired, code == 429:
		return classRate
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return classAuth
	case status == http.StatusRequestEntityTooLarge:
		return classBatch
	case status == http.StatusRequestTimeout, status >= 500:
		return classServer
	case code == -32601:
		return classUnsupported
	case code == -32602, code == -32600:
		return classRequest
	case code == -32603, code == -32002:
		return classServer
	case code == -32005 && method == "eth_getLogs":
		return classMany
	case code == -32005, code == -32016, code == -32029, code == -32097:
		return classRate
	case status != http.StatusOK:
		return classServer
	}
	return classOther
}

type wordList struct {
	class class
	words []string
}

var revertWords = []string{
	"revert", "vm execution error", "out of gas", "invalid opcode", "invalid jump", "stack underflow", "stack overflow",
	"stack limit reached", "opcodenotfound", "undefined instruction", "bad instruction", "badinstruction", "write protection",
	"gas uint64 overflow", "return data out of bounds", "evm error", "invalidfeopcode", "outofgas",
}

// Before the ranges: a head that the node does not have is no width.
var logWords = []wordList{
	{classBehind, []string{
		"beyond current head", "after last accepted block", "unknown block", "header not found", "block not found",
		"could not get header", "invalid block range", "block range invalid", "greater than latest", "begin block greater",
	}},
	{classAddresses, []string{"max addresses", "too many addresses", "addresses or topics", "address limit", "number of addresses"}},
	{classMany, []string{
		"returned more than", "0 results", "too many results", "too many logs", "max results", "response size", "response is too big",
		"response too large", "response too big", "logs matched", "result set too large", "query timeout", "query duration",
		"timed out", "execution timeout", "backend response too large", "too_many_results",
	}},
	{classWide, []string{
		"block range", "blocks range", "range limit", "range over", "ranges over", "range is too", "range too", "range_too_large",
		"too wide", "too many blocks", "max range", "maximum range", "limited to a", "limited to 0", "exceeds limit of", "exceeds the limit",
		"block span", "blocks distance", "max block", "maximum block",
	}},
}

var sendWords = []wordList{
	{classKnown, []string{
		"already known", "alreadyknown", "known transaction", "already imported", "alreadyimported", "already exists",
		"already in mempool", "already in the mempool", "already in pool", "already in the pool", "ownnoncealreadyused",
	}},
	{classNonceLow, []string{"nonce too low", "nonce is too low", "oldnonce", "nonce has already been used", "pool(stale)", "already finalized", "already mined", "invalid transaction nonce"}},
	{classReplacement, []string{"replacement", "same nonce", "could not replace"}},
	{classFunds, []string{"insufficient funds", "insufficient balance", "insufficientfunds", "not enough funds", "exceeds account balance", "overdraft"}},
	{classUnderpriced, []string{
		"underpriced", "fee too low", "feetoolow", "gas price too low", "gas price is too low", "less than block base fee", "below configured minimum",
		"gas price below", "max fee per gas less",
	}},
}

var words = []wordList{
	{classBatch, []string{"batch"}},
	{classRate, []string{
		"rate limit", "rate-limit", "ratelimit", "too many requests", "request count exceeded", "compute units", "capacity",
		"requests per second", "request limit", "throttl", "quota", "exceeded the allowed", "payment required", "daily limit", "usage limit", "plan limit", "credits",
		"request timeout on the free tier",
	}},
	{classAuth, []string{"unauthorized", "api key", "apikey", "authenticate", "forbidden", "access denied", "project id", "tenant disabled", "invalid token"}},
	{classReorg, []string{"not currently canonical"}},
	{classBehind, []string{"header not found", "header for hash not found", "unknown block", "block not found", "cannot query unfinalized", "beyond current head", "could not find block"}},
	{classState, []string{"missing trie node", "historical state", "state unavailable", "state not available", "state is not available", "pruned", "archive", "state histories"}},
	{classMany, []string{"response too large", "response size", "response is too big"}},
	{classUnsupported, []string{
		"method not found", "not supported", "unsupported", "not available", "does not exist", "not whitelisted", "too many arguments",
		"parameters count", "optional params", "expected between",
	}},
	{classServer, []string{"internal error", "service unavailable", "bad gateway", "timeout", "timed out", "try again", "backend", "indexing is in progress"}},
}

func anyOf(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// maxText bounds the words of an endpoint inside our errors.
const maxText = 200

// longHex is longer than an address: a hash, a key, calldata. A node that
// quotes a rehearsed call would print a secret that is not public yet.
var longHex = regexp.MustCompile(`(?i)(0x)?[0-9a-f]{41,}`)

// clean makes an endpoint's words fit to be shown: bounded, printable, without
// its address and without anything that could be a secret.
func (e *endpoint) clean(text string) string {
	const room = 4 * maxText
	if len(text) > room {
		text = text[:room]
	}
	text = e.hide.Replace(text)
	text = longHex.ReplaceAllString(text, "…")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, text)
	if r := []rune(text); len(r) > maxText {
		text = string(r[:maxText]) + "…"
	}
	return strings.TrimSpace(text)
}

// revert names the error that a contract answered with.
func (f *fault) revert() swap.Revert {
	if data, ok := revertData(f.data, 0); ok && len(data) > 0 {
		return swap.RevertOf(data)
	}
	// Without data, go-ethereum and its kin still print the text of an Error(string).
	if _, reason, ok := strings.Cut(f.text, "execution reverted: "); ok && reason != "" {
		return swap.RevertError
	}
	return swap.RevertEmpty
}

// revertData finds the return data in an error's data field: plain hex, hex
// behind a word ("Reverted 0x…"), or hex inside an object, which some nodes
// nest under the transaction's hash.
func revertData(raw json.RawMessage, depth int) ([]byte, bool) {
	const maxDepth = 3
	var s string
	if json.Unmarshal(raw, &s) == nil {
		s = strings.TrimSpace(strings.TrimPrefix(s, "Reverted"))
		b, err := hexutil.Decode(s)
		return b, err == nil
	}
	var fields map[string]json.RawMessage
	if depth == maxDepth || json.Unmarshal(raw, &fields) != nil {
		return nil, false
	}
	for _, key := range []string{"data", "result", "return", "output"} {
		if b, ok := revertData(fields[key], depth+1); ok {
			return b, true
		}
	}
	for key, v := range fields {
		// One transaction was asked for, so there is one such field.
		if strings.HasPrefix(key, "0x") {
			if b, ok := revertData(v, depth+1); ok {
				return b, true
			}
		}
	}
	return nil, false
}
