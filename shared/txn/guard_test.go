package txn_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// guarded is an action that is to be signed, with all that the guard looks at.
type guarded struct {
	policy swap.Policy
	swap.Case
	action swap.Action
	call   txn.Call
}

var guardSecret = [32]byte{7}

// newGuarded makes a case of which one action is wanted, and its call.
func newGuarded(t testing.TB, family swap.Family, side swap.Side, call swap.Call, path swap.Path) guarded {
	t.Helper()
	w := newWorld(t, 1)
	taker, signer := w.signer, w.signer
	if path != swap.PathEOA {
		taker = w.resolver
	}
	o := w.swapOf(taker, family, guardSecret, false)
	o.Learn(guardSecret)
	if path == swap.PathPublic {
		for id, c := range w.policy.Chains {
			c.Takers = map[common.Address]swap.TakerPolicy{taker: {}}
			c.AccessTokenSigner = signer
			w.policy.Chains[id] = c
		}
	}
	leg := o.Src.Leg
	if side == swap.Dst {
		leg = o.Dsts[0].Leg
	}
	a := swap.Action{Order: o.ID, ChainID: leg.ChainID, Escrow: leg.Escrow, Side: side, Call: call, Path: path, Taker: taker, Signer: signer, FeeCap: *uint256.NewInt(1)}
	if call == swap.RescueFunds {
		a.Token, a.Amount = named("token"), *uint256.NewInt(77)
	}
	g := guarded{w.policy, swap.Case{State: swap.Fold(*o, nil), Decision: swap.Decision{Actions: []swap.Action{a}}}, a, txn.Call{}}
	var err error
	if g.call, err = txn.Build(g.Case, a); err != nil {
		t.Fatalf("build: %v", err)
	}
	return g
}

func (g guarded) check() error { return txn.Guard(g.policy, g.Case, g.action, g.call) }

// want makes the plan agree with the action, so that another rule has to speak.
func (g *guarded) want() { g.Decision.Actions = []swap.Action{g.action} }

// rebuild makes the call agree with the action too.
func (g *guarded) rebuild() {
	g.want()
	if c, err := txn.Build(g.Case, g.action); err == nil {
		g.call = c
	}
}

// forSigned runs a test for every action that may be signed.
func forSigned(t *testing.T, run func(t *testing.T, make func(*testing.T) guarded)) {
	for _, family := range swap.Families() {
		for _, side := range []swap.Side{swap.Src, swap.Dst} {
			for _, path := range []swap.Path{swap.PathEOA, swap.PathResolver, swap.PathPublic} {
				calls := []swap.Call{swap.Withdraw, swap.Cancel, swap.RescueFunds}
				if path == swap.PathPublic {
					calls = []swap.Call{swap.PublicWithdraw, swap.PublicCancel}
				}
				for _, call := range calls {
					if call.ExistsOn(family, side) {
						t.Run(fmt.Sprint(family, "/", side, "/", path, "/", call), func(t *testing.T) {
							run(t, func(t *testing.T) guarded { return newGuarded(t, family, side, call, path) })
						})
					}
				}
			}
		}
	}
}

// The guard accepts what may be signed, and nothing that differs from it.
func TestGuard(t *testing.T) {
	elsewhere := named("elsewhere")
	mutations := map[string]func(*guarded){
		// The call.
		"to another address":   func(g *guarded) { g.call.To = elsewhere },
		"to the token":         func(g *guarded) { g.call.To = named("token") },
		"to the signer":        func(g *guarded) { g.call.To = g.action.Signer },
		"to the other leg":     func(g *guarded) { g.call.To = other(*g).Escrow },
		"from another account": func(g *guarded) { g.call.From = elsewhere },
		"on another chain":     func(g *guarded) { g.call.ChainID = srcChain + dstChain - g.call.ChainID },
		"on an unknown chain":  func(g *guarded) { g.call.ChainID = 99 },
		"no data":              func(g *guarded) { g.call.Data = nil },
		"a byte more":          func(g *guarded) { g.call.Data = append(slices.Clone(g.call.Data), 0) },
		"a byte less":          func(g *guarded) { g.call.Data = g.call.Data[:len(g.call.Data)-1] },
		"no gas":               func(g *guarded) { g.call.Gas = 0 },
		"gas of nothing":       func(g *guarded) { g.call.Gas = 100_000 },
		"boundless gas":        func(g *guarded) { g.call.Gas = 30_000_000 },
		// The action, the plan agreeing.
		"action on another chain":     func(g *guarded) { g.action.ChainID = srcChain + dstChain - g.action.ChainID; g.want() },
		"action of another escrow":    func(g *guarded) { g.action.Escrow = elsewhere; g.want() },
		"action of the other leg":     func(g *guarded) { o := other(*g); g.action.Escrow, g.action.ChainID = o.Escrow, o.ChainID; g.want() },
		"action of another taker":     func(g *guarded) { g.action.Taker = elsewhere; g.rebuild() },
		"action by another signer":    func(g *guarded) { g.action.Signer = elsewhere; g.rebuild() },
		"action without a signer":     func(g *guarded) { g.action.Signer = common.Address{}; g.rebuild() },
		"action without a path":       func(g *guarded) { g.action.Path = swap.PathNone; g.rebuild() },
		"action on an unknown path":   func(g *guarded) { g.action.Path = 9; g.rebuild() },
		"action of no call":           func(g *guarded) { g.action.Call = 0; g.rebuild() },
		"action withdrawTo":           func(g *guarded) { g.action.Call = swap.WithdrawTo; g.rebuild() },
		"action publicWithdrawSigned": func(g *guarded) { g.action.Call = swap.PublicWithdrawSigned; g.rebuild() },
		"action publicCancelSigned":   func(g *guarded) { g.action.Call = swap.PublicCancelSigned; g.rebuild() },
		"action by token or not":      func(g *guarded) { g.action.Call = counterpart(g.action.Call); g.rebuild() },
		"action of another order":     func(g *guarded) { g.action.Order.Escrow = elsewhere; g.want() },
		"rescue of more":              func(g *guarded) { g.action.Amount.AddUint64(&g.action.Amount, 1) },
		"rescue of another token":     func(g *guarded) { g.action.Token = elsewhere },
		"action with another price":   func(g *guarded) { g.action.FeeCap.SetUint64(2) },
		"action that is refused":      func(g *guarded) { g.action.Refused = swap.DstPaid; g.want() },
		"refused by the plan":         func(g *guarded) { g.Decision.Actions[0].Refused = swap.DstPaid },
		"not in the plan":             func(g *guarded) { g.Decision.Actions = nil },
		// The case.
		"immutables of another escrow": func(g *guarded) { g.State.Src.Immutables.Amount[31]++; g.State.Dsts[0].Immutables.Amount[31]++ },
		"leg of another taker": func(g *guarded) {
			g.State.Src.Immutables.Taker, g.State.Dsts[0].Immutables.Taker = wordOf(elsewhere), wordOf(elsewhere)
			g.rebuild()
		},
		// The configuration.
		"chain not configured": func(g *guarded) { g.policy.Chains = map[uint64]swap.ChainPolicy{} },
		"taker not ours":       func(g *guarded) { g.takers(map[common.Address]swap.TakerPolicy{}) },
		"signer of nobody": func(g *guarded) {
			g.takers(map[common.Address]swap.TakerPolicy{g.action.Taker: {Signer: elsewhere, Path: g.action.Path}})
			g.token(elsewhere)
		},
		"nobody signs": func(g *guarded) {
			g.takers(map[common.Address]swap.TakerPolicy{g.action.Taker: {Path: g.action.Path}})
			g.token(common.Address{})
			g.action.Signer = common.Address{}
			g.rebuild()
			g.call.From = common.Address{}
		},
		"an unknown path, configured": func(g *guarded) {
			g.takers(map[common.Address]swap.TakerPolicy{g.action.Taker: {Signer: g.action.Signer, Path: 9}})
			g.action.Path = 9
			g.want()
		},
		"taker on another path": func(g *guarded) {
			g.takers(map[common.Address]swap.TakerPolicy{g.action.Taker: {Signer: g.action.Signer, Path: swap.PathNone}})
			g.token(common.Address{})
		},
	}
	forSigned(t, func(t *testing.T, make func(*testing.T) guarded) {
		g := make(t)
		if err := g.check(); err != nil {
			t.Fatalf("refused: %v", err)
		}
		for name, mutate := range mutations {
			g := make(t)
			mutate(&g)
			if err := g.check(); err == nil {
				t.Errorf("accepted: %s", name)
			}
		}
		// Every single byte of the call counts.
		for i := range g.call.Data {
			g.call.Data[i] ^= 1
			if g.check() == nil {
				t.Fatalf("accepted with byte %d changed", i)
			}
			g.call.Data[i] ^= 1
		}
	})
}

func (g *guarded) takers(t map[common.Address]swap.TakerPolicy) {
	c := g.policy.Chains[g.action.ChainID]
	c.Takers = t
	g.policy.Chains[g.action.ChainID] = c
}

func (g *guarded) token(signer common.Address) {
	c := g.policy.Chains[g.action.ChainID]
	c.AccessTokenSigner = signer
	g.policy.Chains[g.action.ChainID] = c
}

func other(g guarded) swap.Leg {
	if g.action.Side == swap.Src {
		return g.State.Dsts[0].Leg
	}
	return g.State.Src.Leg
}

func counterpart(c swap.Call) swap.Call {
	switch c {
	case swap.Withdraw:
		return swap.PublicWithdraw
	case swap.PublicWithdraw:
		return swap.Withdraw
	case swap.PublicCancel:
		return swap.Cancel
	}
	return swap.PublicCancel
}

// The secret is shown only where it fits.
func TestGuardSecret(t *testing.T) {
	for name, secret := range map[string]*[32]byte{"none": nil, "another": {8}} {
		t.Run(name, func(t *testing.T) {
			g := newGuarded(t, swap.OneInchV1, swap.Src, swap.Withdraw, swap.PathEOA)
			g.State.Secret = secret
			if g.check() == nil {
				t.Error("accepted")
			}
			if _, err := txn.Build(g.Case, g.action); err == nil {
				t.Error("built")
			}
		})
	}
}

// A path that does not lead from the signer to the taker is refused, whatever
// the configuration says.
func TestGuardPathOfTaker(t *testing.T) {
	eoa := newGuarded(t, swap.OneInchV1, swap.Src, swap.Cancel, swap.PathEOA)
	eoa.action.Path = swap.PathResolver
	eoa.takers(map[common.Address]swap.TakerPolicy{eoa.action.Taker: {Signer: eoa.action.Signer, Path: swap.PathResolver}})
	eoa.rebuild()
	if eoa.check() == nil {
		t.Error("accepted an account as resolver contract")
	}
	contract := newGuarded(t, swap.OneInchV1, swap.Src, swap.Cancel, swap.PathResolver)
	contract.action.Path = swap.PathEOA
	contract.takers(map[common.Address]swap.TakerPolicy{contract.action.Taker: {Signer: contract.action.Signer, Path: swap.PathEOA}})
	contract.rebuild()
	if contract.check() == nil {
		t.Error("accepted a contract as account")
	}
}

// What Build makes calls the escrow itself, or wraps it for the resolver
// contract; its gas is enough for what was measured, with as much to spare.
func TestBuild(t *testing.T) {
	forSigned(t, func(t *testing.T, make func(*testing.T) guarded) {
		g := make(t)
		data, measured := g.call.Data, uint64(55_000+30_000)
		if g.action.Path == swap.PathResolver {
			inner, ok, err := swap.Unwrap(data)
			if !ok || err != nil || len(inner) != 1 || inner[0].Target != g.action.Escrow || g.call.To != g.action.Taker {
				t.Fatalf("to %s, %v, %v", g.call.To, inner, err)
			}
			data, measured = inner[0].Data, measured+7_000
		} else if g.call.To != g.action.Escrow {
			t.Fatalf("to %s", g.call.To)
		}
		in, ok, err := swap.DecodeCall(data)
		if !ok || err != nil || in.Call != g.action.Call || in.Args.Token != g.action.Token || in.Args.Amount != g.action.Amount {
			t.Errorf("%+v, %v, %v", in, ok, err)
		}
		if g.action.Call.TakesSecret() && in.Args.Secret != guardSecret {
			t.Errorf("secret %x", in.Args.Secret)
		}
		if g.action.Call.TakesSecret() && len(in.Immutables.Parameters) > 0 {
			measured += 64_000 // two new fee receivers
		}
		if g.call.Gas < 2*measured {
			t.Errorf("gas %d, measured %d", g.call.Gas, measured)
		}
	})
	g := newGuarded(t, swap.OneInchV1, swap.Src, swap.Cancel, swap.PathEOA)
	g.action.Escrow = named("elsewhere")
	if _, err := txn.Build(g.Case, g.action); err == nil {
		t.Error("built for an escrow that is no leg")
	}
}
