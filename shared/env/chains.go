package env

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/holiman/uint256"
)

// Limits of what a chains file may say, and what it says by saying nothing.
const (
	maxAddressChunk  = 1000 // geth refuses more addresses in one filter
	maxPoolCap       = 16   // transactions that nodes pool per sender by default
	maxName          = 100  // of an endpoint, in bytes
	defaultChunk     = 500
	defaultLogSpan   = 2000
	defaultRewind    = 64
	defaultInclusion = 30
	defaultOpen      = 1000
	// defaultActions is how many actions a signer should be able to pay beside
	// all that is open: a busy hour of the two legs of ten swaps.
	defaultActions = 20
)

// defaultWarn are the seconds left at which a deadline is announced: ten, five
// and one minute.
var defaultWarn = []int64{600, 300, 60}

// Chain describes one chain and our accounts on it.
type Chain struct {
	ID   uint64
	Name string
	// BlockTime is the usual time between blocks, MinBlockTime the least, both
	// in seconds; Regular says that block times are fixed, so that the next
	// block's time is known before it is built.
	BlockTime, MinBlockTime uint64
	Regular                 bool
	// Confirmations is the depth in blocks at which a block counts as final;
	// RewindDepth how many are read again if a final one was replaced.
	Confirmations, RewindDepth uint64
	// Inclusion is the time from broadcast to inclusion to reckon with (p99),
	// in seconds.
	Inclusion uint64
	Endpoints []Endpoint
	// SingleProvider: the operator accepts that finality and "no withdrawal
	// seen" rest on one provider.
	SingleProvider bool
	// LogSpan is the most blocks asked for in one eth_getLogs, AddressChunk the
	// most addresses, PoolCap the most transactions in flight per signer.
	LogSpan, AddressChunk, PoolCap uint64
	Factories                      []Factory
	// AccessToken is the token whose holders may make public calls, zero where
	// none is held.
	AccessToken common.Address
	// MinNative is the least that a signer should hold, in wei, and MinActions
	// how many actions it should be able to pay beside all that is open; the
	// tighter of the two counts.
	MinNative  uint256.Int
	MinActions uint64
	// MinBalance is the least that each taker should hold of a token, in base
	// units, by the token's address. TakerMin overrides it for a taker; the zero
	// address is the native coin. What is in neither has no threshold.
	MinBalance map[common.Address]uint256.Int
	TakerMin   map[common.Address]map[common.Address]uint256.Int
	swap.ChainPolicy
}

// Endpoint is a JSON-RPC endpoint. The URL may hold a token: show the name.
type Endpoint struct {
	Name string
	URL  string
}

// Factory is an escrow factory; what else there is to know of it is read from
// the chain and proven there.
type Factory struct {
	Address   common.Address
	Family    swap.Family
	FromBlock uint64 // no escrow of ours is older
}

// Signer is a key that signs for us.
type Signer struct {
	Name    string
	Address common.Address
	Key     string // KMS key id, ARN or alias
	Custody string // "exclusive", "contract" or "shared"
}

// Chains is a parsed chains file.
type Chains struct {
	Chains  []Chain
	Signers []Signer
	// WarnLevels are the seconds left at which a deadline is announced,
	// largest first.
	WarnLevels []int64
	// MaxOpenSwaps is how many open swaps the operator has planned for; nothing
	// is refused beyond it, and health says so.
	MaxOpenSwaps int
}

// Policy joins the chains' policies for swap.Plan. The cadence fills in the
// horizon, lag and overdue times.
func (c Chains) Policy() swap.Policy {
	p := swap.Policy{Chains: map[uint64]swap.ChainPolicy{}, WarnLevels: c.WarnLevels}
	for _, ch := range c.Chains {
		p.Chains[ch.ID] = ch.ChainPolicy
	}
	return p
}

// Lookup gives the value of a variable that the chains file names as ${NAME}, and
// whether it has one.
type Lookup func(name string) (value string, set bool)

// ParseChains reads a chains file. The error is a Problems with everything that
// is wrong.
func ParseChains(file []byte, lookup Lookup) (Chains, error) {
	c, all := parseChains(file, lookup)
	if len(all) > 0 {
		return Chains{}, all
	}
	return c, nil
}

// ParseAccounts is ParseChains for those who ask no chain: URLs stay empty, and
// nothing is looked up.
func ParseAccounts(file []byte) (Chains, error) { return ParseChains(file, nil) }

// ParseUsable is ParseChains for a file that was right when it was taken up. An
// endpoint that has no usable URL any more, for its parameter was deleted or
// mistyped since, is left out, and what is wrong with it returned as left, as long
// as its chain has another.
func ParseUsable(file []byte, lookup Lookup) (c Chains, left Problems, err error) {
	c, all := parseChains(file, lookup)
	for _, p := range all {
		var i, e int
		if n, _ := fmt.Sscanf(p.Path, "chains[%d].endpoints[%d]", &i, &e); n < 2 || i >= len(c.Chains) || len(c.Chains[i].Endpoints) == 0 {
			return Chains{}, nil, all
		}
	}
	return c, all, nil
}

// Variables lists the names that a chains file has values looked up for, each
// once, in their order. A file that cannot be read names none.
func Variables(file []byte) (names []string) {
	_, _ = parseChains(file, func(name string) (string, bool) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		return "", false
	})
	return names
}

func parseChains(file []byte, lookup Lookup) (Chains, Problems) {
	parsed, err := parser.ParseBytes(file, 0)
	if err != nil {
		what, _, _ := strings.Cut(err.Error(), "\n") // below it stand lines of the file
		return Chains{}, Problems{{"chains file", what}}
	}
	var root ast.Node
	if len(parsed.Docs) > 0 {
		root = parsed.Docs[0].Body
	}
	var all Problems
	if n := len(parsed.Docs); n > 1 {
		all = append(all, Problem{"chains file", fmt.Sprintf("%d documents, want one: only the first would be read", n)})
	}
	var c Chains
	r := reader{lookup: lookup}
	node{path: "", ast: root, all: &all}.object(func(o node) {
		o.field("signers").list(func(e node) { c.Signers = append(c.Signers, r.signer(e, c.Signers)) })
		r.signers = c.Signers
		o.field("chains").list(func(e node) { c.Chains = append(c.Chains, r.chain(e, c.Chains)) })
		c.WarnLevels = r.levels(o.field("warnLevels"))
		c.MaxOpenSwaps = int(o.field("maxOpenSwaps").number(1, 1_000_000, defaultOpen))
		if len(c.Chains) == 0 {
			o.at("chains").problem("missing")
		}
	})
	return c, all
}

type reader struct {
	lookup  Lookup // nil: values are left as they are written, and URLs empty
	signers []Signer
}

func (r reader) signer(n node, before []Signer) (s Signer) {
	n.object(func(o node) {
		s.Name = o.field("name").required()
		s.Address = o.field("address").requiredAddress()
		s.Key, _ = r.expand(o.field("key"), false)
		s.Custody = choice(o.field("custody"), "exclusive", "contract", "shared")
		for _, b := range before {
			if b.Name == s.Name {
				o.at("name").problem("%q is used twice", s.Name)
			}
			if b.Address == s.Address {
				o.at("address").problem("%s is used twice: one key has one nonce", s.Address)
			}
		}
	})
	return s
}

func (r reader) chain(n node, before []Chain) (c Chain) {
	n.object(func(o node) {
		c.ID = o.field("id").number(1, 1<<53, 0)
		if c.ID == 0 {
			o.at("id").problem("missing")
		}
		c.Name = o.field("name").required()
		for _, b := range before {
			if b.ID == c.ID {
				o.at("id").problem("chain %d is listed twice", c.ID)
			}
		}
		c.BlockTime = o.field("blockTime").number(1, 3600, 12)
		c.MinBlockTime = o.field("minBlockTime").number(0, c.BlockTime, 1)
		c.Regular = o.field("regular").flag()
		c.Confirmations = o.field("confirmations").number(0, 10_000, 12)
		c.RewindDepth = o.field("rewindDepth").number(1, 100_000, defaultRewind)
		c.Inclusion = o.field("inclusion").number(0, 3600, defaultInclusion)
		c.LogSpan = o.field("logSpan").number(1, 1_000_000, defaultLogSpan)
		c.AddressChunk = o.field("addressChunk").number(1, maxAddressChunk, defaultChunk)
		c.PoolCap = o.field("poolCap").number(1, maxPoolCap, maxPoolCap)
		c.SingleProvider = o.field("singleProvider").flag()
		o.field("endpoints").list(func(e node) {
			if ep, ok := r.endpoint(e, c.Endpoints); ok {
				c.Endpoints = append(c.Endpoints, ep)
			}
		})
		if len(c.Endpoints) == 0 {
			o.at("endpoints").problem("no endpoint with a URL")
		}
		o.field("factories").list(func(e node) { c.Factories = append(c.Factories, r.factory(e, c.Factories)) })
		if len(c.Factories) == 0 {
			o.at("factories").problem("missing")
		}
		c.ChainPolicy = swap.ChainPolicy{MinBlockTime: int64(c.MinBlockTime), Inclusion: int64(c.Inclusion),
			BlockTime: int64(c.BlockTime), Confirmations: c.Confirmations,
			Tokens: map[common.Address]swap.TokenPolicy{}, Takers: map[common.Address]swap.TakerPolicy{},
			Helpers: map[common.Address]bool{}, NativeDust: o.field("nativeDust").amount()}
		fees := o.field("maxFee")
		c.FeeCap = r.feeCaps(fees)
		c.MinNative = o.field("minNative").amount()
		c.MinActions = o.field("minActions").number(0, 1_000_000, defaultActions)
		c.MinBalance, c.TakerMin = map[common.Address]uint256.Int{}, map[common.Address]map[common.Address]uint256.Int{}
		o.field("tokens").list(func(e node) { r.token(e, &c) })
		o.field("takers").list(func(e node) { r.taker(e, &c) })
		if len(c.Takers) == 0 {
			o.at("takers").problem("missing")
		}
		o.field("helpers").list(func(e node) { c.Helpers[e.requiredAddress()] = true })
		if t := o.field("accessToken"); t.present() {
			t.object(func(o node) {
				c.AccessToken = o.field("address").requiredAddress()
				if signer := o.field("signer"); signer.required() != "" {
					c.AccessTokenSigner = r.known(signer)
				}
			})
			if fees.present() {
				needCaps(fees, c.FeeCap, swap.PublicWithdraw, swap.PublicCancel)
			}
		}
	})
	return c
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand reads a value that may name variables. empty: one of them has no value,
// which is a problem unless the value is optional.
func (r reader) expand(n node, optional bool) (value string, empty bool) {
	if r.lookup == nil {
		return n.required(), false
	}
	value = variable.ReplaceAllStringFunc(n.required(), func(v string) string {
		name := v[2 : len(v)-1]
		text, set := r.lookup(name)
		if text = strings.TrimSpace(text); text == "" { // a value that was written from a file ends with a line end
			empty = true
			if !optional {
				n.problem("${%s} %s", name, map[bool]string{true: "is empty", false: "has no value: there is neither a parameter nor an environment variable of that name"}[set])
			}
		}
		return text
	})
	return value, empty
}

// endpoint reads one endpoint; false for an optional one whose variable is
// empty.
func (r reader) endpoint(n node, before []Endpoint) (e Endpoint, ok bool) {
	n.object(func(o node) {
		e.Name = o.field("name").required()
		if len(e.Name) > maxName || strings.ContainsAny(e.Name, "|\n") { // alerts are keyed by it
			o.at("name").problem("want at most %d characters without \"|\" and line ends, have %q", maxName, e.Name)
		}
		optional := o.field("optional").flag()
		at := o.at("url")
		var empty bool
		e.URL, empty = r.expand(o.field("url"), optional)
		if empty || e.URL == "" {
			return
		}
		if r.lookup == nil {
			e.URL, ok = "", true
			return
		}
		if u, err := url.Parse(e.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			at.problem("not an http or https URL")
			return
		}
		for _, b := range before {
			if b.Name == e.Name {
				o.at("name").problem("%q is used twice", e.Name)
				return
			}
			if b.URL == e.URL {
				at.problem("same endpoint as %q: a second opinion needs a second source", b.Name)
				return
			}
		}
		ok = true
	})
	return e, ok
}

func (r reader) factory(n node, before []Factory) (f Factory) {
	n.object(func(o node) {
		f.Address = o.field("address").requiredAddress()
		f.FromBlock = o.field("fromBlock").number(0, 1<<53, 0)
		family := o.field("family")
		if text := family.required(); text != "" {
			if err := f.Family.UnmarshalText([]byte(text)); err != nil {
				var known []string
				for _, k := range swap.Families() {
					known = append(known, k.String())
				}
				family.problem("unknown %q; known: %s", text, strings.Join(known, ", "))
			}
		}
		for _, b := range before {
			if b.Address == f.Address {
				o.at("address").problem("%s is listed twice", f.Address)
			}
		}
	})
	return f
}

// feeCaps reads the most that each call may cost. Only calls that we make are
// known here.
func (r reader) feeCaps(n node) map[swap.Call]uint256.Int {
	caps := map[swap.Call]uint256.Int{}
	n.object(func(o node) {
		for _, c := range []swap.Call{swap.Withdraw, swap.Cancel, swap.PublicWithdraw, swap.PublicCancel, swap.RescueFunds} {
			if f := o.field(c.String()); f.present() {
				limit := f.amount()
				caps[c] = limit
				if limit.IsZero() {
					f.problem("must be more than 0 wei")
				}
			}
		}
		needCaps(o, caps, swap.Withdraw, swap.Cancel, swap.RescueFunds)
	})
	return caps
}

func needCaps(fees node, caps map[swap.Call]uint256.Int, calls ...swap.Call) {
	for _, c := range calls {
		if _, ok := caps[c]; !ok {
			fees.at(c.String()).problem("missing: without a cap this call is never made")
		}
	}
}

func (r reader) token(n node, c *Chain) {
	n.object(func(o node) {
		a := o.field("address").requiredAddress()
		t := swap.TokenPolicy{
			Symbol:     o.field("symbol").required(),
			Decimals:   uint8(o.field("decimals").number(0, 77, 18)),
			WeiPerUnit: o.field("weiPerUnit").amount(),
			Dust:       o.field("dust").amount(),
		}
		if least := o.field("minBalance").amount(); !least.IsZero() {
			c.MinBalance[a] = least
		}
		if _, dup := c.Tokens[a]; dup {
			o.at("address").problem("%s is listed twice", a)
		}
		c.Tokens[a] = t
	})
}

func (r reader) taker(n node, c *Chain) {
	n.object(func(o node) {
		a := o.field("address").requiredAddress()
		t := swap.TakerPolicy{Signer: r.known(o.field("signer"))}
		switch path := choice(o.field("path"), "eoa", "resolver-contract", "none"); path {
		case "eoa":
			t.Path = swap.PathEOA
			if t.Signer != a && t.Signer != (common.Address{}) {
				o.at("signer").problem("path eoa needs the taker's own key: signer %s is not taker %s", t.Signer, a)
			}
		case "resolver-contract":
			t.Path = swap.PathResolver
			if t.Signer == a {
				o.at("path").problem("taker %s is a signer's account, not a contract", a)
			}
		}
		if t.Path == swap.PathNone {
			t.Signer = common.Address{}
		} else if t.Signer == (common.Address{}) {
			o.at("signer").problem("missing; path: none watches a taker without acting for it")
		}
		if least := o.field("minBalance"); least.present() {
			c.TakerMin[a] = leasts(least, c.Tokens)
		}
		if _, dup := c.Takers[a]; dup {
			o.at("address").problem("%s is listed twice", a)
		}
		c.Takers[a] = t
	})
}

// native names the native coin where a token's address is expected.
const native = "native"

// leasts reads amounts by token: its address, or native.
func leasts(n node, tokens map[common.Address]swap.TokenPolicy) map[common.Address]uint256.Int {
	out := map[common.Address]uint256.Int{}
	n.entries(func(key string, value node) {
		token := common.Address{}
		if key != native {
			if token = value.addressOf(key); token == (common.Address{}) {
				value.problem("want the address of a token, or %s", native)
				return
			}
			if _, listed := tokens[token]; !listed {
				value.problem("token %s is not listed on this chain", token)
			}
		}
		if _, dup := out[token]; dup {
			value.problem("the same token twice")
		}
		out[token] = value.amount()
	})
	return out
}

// known resolves a signer's name to its address; absent gives zero.
func (r reader) known(n node) common.Address {
	name := n.text()
	if name == "" {
		return common.Address{}
	}
	var names []string
	for _, s := range r.signers {
		if s.Name == name {
			return s.Address
		}
		names = append(names, s.Name)
	}
	n.problem("unknown signer %q; known: %s", name, strings.Join(names, ", "))
	return common.Address{}
}

func (r reader) levels(n node) []int64 {
	if !n.present() {
		return defaultWarn
	}
	var out []int64
	n.list(func(e node) {
		v := int64(e.number(1, 7*86400, 1))
		if len(out) > 0 && v >= out[len(out)-1] {
			e.problem("levels go from large to small: %d after %d", v, out[len(out)-1])
		}
		out = append(out, v)
	})
	if len(out) == 0 {
		n.problem("missing: no deadline would be announced")
	}
	return out
}

// CheckLive returns what a live stack needs beyond a valid file: somebody to act
// for, and a second provider per chain, or the express word that one is enough.
func (c Chains) CheckLive() error {
	var all Problems
	acts := false
	for _, ch := range c.Chains {
		for _, t := range ch.Takers {
			acts = acts || t.Path != swap.PathNone
		}
	}
	if !acts {
		all = append(all, Problem{"chains", "live needs a taker with a signer: a stack that only watches is deployed in mode shadow"})
	}
	for i, ch := range c.Chains {
		if len(ch.Endpoints) < 2 && !ch.SingleProvider {
			all = append(all, Problem{fmt.Sprintf("chains[%d].endpoints", i),
				"live needs two providers, or singleProvider: true where one is to be trusted alone"})
		}
	}
	if len(all) > 0 {
		return all
	}
	return nil
}
