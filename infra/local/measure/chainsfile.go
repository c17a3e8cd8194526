package measure

import (
	"crypto/ecdsa"
	"fmt"
	"strings"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

// Keys are what the local KMS holds for [ChainsFile].
func Keys() map[string]*ecdsa.PrivateKey {
	return map[string]*ecdsa.PrivateKey{key: scene.ContractKey.Key}
}

const key = "alias/resolver"

// ChainsFile is what a usual operator would write: two chains with two endpoints and all families each, one resolver
// contract on each of them, and one key for its gas. Both endpoints are the same node.
func ChainsFile(w *scene.World) []byte {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("signers: [{ name: resolver, address: %q, key: %s, custody: contract }]", scene.ContractKey.Address, key)
	p("chains:")
	for _, c := range w.Chains {
		p("  - id: %d", c.ID)
		p("    name: %s", c.Name)
		p("    blockTime: %d", blockTime)
		p("    minBlockTime: %d", blockTime)
		p("    regular: true")
		p("    confirmations: %d", scene.Confirmations)
		p("    inclusion: %d", 3*blockTime)
		p("    endpoints: [{ name: a, url: %q }, { name: b, url: %q }]", c.Dev.URL(), c.Dev.URL()+"/")
		p("    nativeDust: 1000000")
		p("    maxFee: { withdraw: 10000000000000000, cancel: 10000000000000000, rescueFunds: 10000000000000000 }")
		p("    factories:")
		for _, f := range contracts.Families() {
			p("      - { address: %q, family: %s, fromBlock: 1 }", c.Families[f].Factory, f)
		}
		p("    tokens:")
		p("      - { address: %q, symbol: USD, decimals: 6, weiPerUnit: 300000000000000, dust: 10000 }", c.USD)
		p("      - { address: %q, symbol: BLK, decimals: 6, weiPerUnit: 300000000000000, dust: 10000 }", c.Blocking)
		p("    takers: [{ address: %q, signer: resolver, path: resolver-contract }]", c.Resolver)
		p("    helpers: [%q, %q]", scene.Owner.Address, scene.Helper.Address)
	}
	return []byte(b.String())
}
