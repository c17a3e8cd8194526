package demo

import (
	"crypto/ecdsa"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/params"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

// signer is a key of the product, by the name of the chains file.
type signer struct {
	name, custody string
	account       scene.Account
	taker         bool            // it is one itself
	only          scene.TakerKind // where somebody trades with this kind; empty: everywhere
}

var signers = []signer{
	{"taker-v1", "exclusive", scene.TakerV1, true, ""},
	{"taker-v11", "exclusive", scene.TakerV11, true, ""},
	{"taker-bmn", "exclusive", scene.TakerBMN, true, ""},
	{"resolver", "contract", scene.ContractKey, false, ""},
	{"access", "exclusive", scene.AccessKey, false, ""},
	{"taker-busy", "exclusive", scene.TakerBusy, true, scene.Busy},
	{"taker-shared", "shared", scene.TakerShared, true, scene.Shared},
}

func alias(name string) string { return "alias/demo-" + name }

// Keys are what the local KMS holds.
func Keys() map[string]*ecdsa.PrivateKey {
	out := map[string]*ecdsa.PrivateKey{}
	for _, s := range signers {
		out[alias(s.name)] = s.account.Key
	}
	return out
}

// Terms are what a chains file says of the pace of chains, and of prices.
type Terms struct {
	BlockTime, Inclusion int   // seconds
	Regular              bool  // block times are fixed
	MaxFee               int64 // wei for each call
}

// maxFee is the cap of each call in wei.
const maxFee = 5 * params.Ether / 1000

// ChainsFile is the product's configuration for a world whose chains have a
// block each second.
func ChainsFile(w *scene.World) []byte {
	return ChainsFileOf(w, Terms{BlockTime: 1, Inclusion: 3, Regular: true, MaxFee: maxFee})
}

// ChainsFileOf is the product's configuration for a world: what an operator
// would write by hand. Both endpoints of a chain are the same node; the stack
// gives each a route of its own, so that one of them can be disturbed.
func ChainsFileOf(w *scene.World, t Terms) []byte {
	signers := slices.DeleteFunc(slices.Clone(signers), func(s signer) bool { return s.only != "" && !w.Has(s.only) })
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("warnLevels: [20, 5]")
	p("signers:")
	for _, s := range signers {
		p("  - { name: %s, address: %q, key: %s, custody: %s }", s.name, s.account.Address.Hex(), alias(s.name), s.custody)
	}
	p("chains:")
	for _, c := range w.Chains {
		p("  - id: %d", c.ID)
		p("    name: %s", c.Name)
		p("    blockTime: %d", t.BlockTime)
		p("    minBlockTime: 1")
		p("    regular: %t", t.Regular)
		p("    confirmations: %d", scene.Confirmations)
		p("    inclusion: %d", t.Inclusion)
		p("    endpoints:")
		for _, n := range []int{1, 2} {
			p("      - { name: %s-%d, url: %q }", c.Name, n, c.Dev.URL())
		}
		p("    nativeDust: 1000000")
		p("    maxFee:")
		for _, call := range []string{"withdraw", "cancel", "rescueFunds", "publicWithdraw", "publicCancel"} {
			p("      %s: %d", call, t.MaxFee)
		}
		p("    factories:")
		for _, f := range contracts.Families() {
			p("      - { address: %q, family: %s, fromBlock: 1 }", c.Families[f].Factory.Hex(), f)
		}
		p("    tokens:")
		p("      - { address: %q, symbol: USD, decimals: 6, weiPerUnit: 300000000000000, dust: 10000 }", c.USD.Hex())
		p("      - { address: %q, symbol: BLK, decimals: 6, weiPerUnit: 300000000000000, dust: 10000 }", c.Blocking.Hex())
		p("    takers:")
		for _, s := range signers {
			if s.taker {
				p("      - { address: %q, signer: %s, path: eoa }", s.account.Address.Hex(), s.name)
			}
		}
		p("      - { address: %q, signer: resolver, path: resolver-contract }", c.Resolver.Hex())
		p("      - { address: %q, path: none }", scene.WatchedTaker.Address.Hex())
		p("    helpers: [%q, %q]", scene.Owner.Address.Hex(), scene.Helper.Address.Hex())
		p("    accessToken: { address: %q, signer: access }", c.AccessToken.Hex())
	}
	return []byte(b.String())
}
