package scene

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
)

// Fill makes the src leg: an order is filled, or a BMN leg created directly.
func (s *Swap) Fill(after uint64) Step {
	if s.Direct {
		return s.create(after, s.Maker())
	}
	return Step{
		Name: "fill", Chain: s.From, After: after,
		Send: func(w *World, now uint64) ([]Sending, error) {
			c := w.Chains[s.From]
			s.agreed = s.order(w, now)
			tx := c.Families[s.Family].Fill(s.agreed, s.deposit())
			if s.Taker == Contract {
				tx = contracts.Exec(c.Resolver, tx)
			}
			return []Sending{{s.takerAccount(), tx}}, nil
		},
		Done: func(w *World, time uint64) error {
			c := w.Chains[s.From]
			s.Src = s.leg(c, contracts.Src, c.Families[s.Family].Filled(s.agreed, s.taker(w), time))
			return nil
		},
	}
}

// create makes a BMN src leg without an order, by somebody who has the tokens
// and whose consent the factory has.
func (s *Swap) create(after uint64, by Account) Step {
	var im contracts.Immutables
	return Step{
		Name: "create src", Chain: s.From, After: after,
		Send: func(w *World, now uint64) ([]Sending, error) {
			c := w.Chains[s.From]
			d := c.Families[s.Family]
			im = s.directSrc(w, now)
			out := []Sending{{by, d.FundDeposit(contracts.Src, im)}, {by, d.CreateSrc(im, s.complement(w))}}
			if s.Unfunded {
				out = out[1:]
			}
			return out, nil
		},
		Done: func(w *World, _ uint64) error {
			s.Src = s.leg(w.Chains[s.From], contracts.Src, im)
			return nil
		},
	}
}

// payer is who makes the dst legs of a taker.
func (s *Swap) payer() Account {
	switch s.Taker {
	case Contract:
		return Owner
	case Foreign:
		return OtherResolver
	}
	return Helper
}

// Open makes the dst leg by whoever usually does.
func (s *Swap) Open(after uint64) Step { return s.OpenBy(after, s.payer()) }

// OpenBy makes the dst leg by somebody. The owner of the resolver contract
// does so through it.
func (s *Swap) OpenBy(after uint64, by Account) Step {
	var im contracts.Immutables
	return Step{
		Name: "open dst", Chain: s.To(), After: after,
		Send: func(w *World, now uint64) ([]Sending, error) {
			im = s.dstTerms(w).WithDeployedAt(now)
			return []Sending{s.makeDst(w, im, by)}, nil
		},
		Done: func(w *World, time uint64) error {
			c := w.Chains[s.To()]
			s.Dst = s.leg(c, contracts.Dst, c.Families[s.Family].Created(im, time))
			return nil
		},
	}
}

// noSrcCancellation is what the creator of a dst leg may claim and nobody checks.
const noSrcCancellation = 1 << 40

func (s *Swap) makeDst(w *World, im contracts.Immutables, by Account) Sending {
	c := w.Chains[s.To()]
	tx := c.Families[s.Family].CreateDst(im, noSrcCancellation)
	if by.Address == Owner.Address {
		tx = contracts.Exec(c.Resolver, tx)
	}
	return Sending{by, tx}
}

// Decoy makes a dst leg that names our taker and is not what the maker
// expects, by the attacker.
func (s *Swap) Decoy(after uint64, spoil func(*contracts.Immutables)) Step {
	var im contracts.Immutables
	return Step{
		Name: "open decoy", Chain: s.To(), After: after,
		Send: func(w *World, now uint64) ([]Sending, error) {
			im = s.dstTerms(w)
			spoil(&im)
			im = im.WithDeployedAt(now)
			return []Sending{s.makeDst(w, im, Attacker)}, nil
		},
		Done: func(w *World, time uint64) error {
			c := w.Chains[s.To()]
			s.Others = append(s.Others, s.leg(c, contracts.Dst, c.Families[s.Family].Created(im, time)))
			return nil
		},
	}
}

// Reveal withdraws dst for the maker without the product: the resolver's owner
// does it himself, or, for an EOA, whose key is the product's, a public call.
func (s *Swap) Reveal(after uint64) Step { return s.RevealBy(after, s.other()) }

// RevealBy is Reveal by a certain account: an operator of the resolver
// contract, or whoever makes the public call.
func (s *Swap) RevealBy(after uint64, by Account) Step {
	return s.release("reveal", after, s.To(), func() judge.Leg { return s.Dst }, by)
}

// Claim withdraws src without the product.
func (s *Swap) Claim(after uint64) Step {
	return s.release("claim", after, s.From, func() judge.Leg { return s.Src }, s.other())
}

// other is who withdraws where the product does not.
func (s *Swap) other() Account {
	switch s.Taker {
	case Contract:
		return Owner
	case Foreign:
		return OtherResolver
	}
	return Holder
}

func (s *Swap) release(name string, after uint64, chain int, leg func() judge.Leg, by Account) Step {
	return Step{
		Name: name, Chain: chain, After: after,
		Send: func(w *World, _ uint64) ([]Sending, error) {
			e := leg().Escrow
			s.show()
			switch {
			case s.Taker == Contract:
				return []Sending{{by, contracts.ArbitraryCalls(w.Chains[chain].Resolver, e.Withdraw(s.Secret()))}}, nil
			case s.Taker == Foreign:
				return []Sending{{by, e.Withdraw(s.Secret())}}, nil
			case s.Family != contracts.BMNv4:
				return []Sending{{by, e.PublicWithdraw(s.Secret())}}, nil
			}
			permit, err := crypto.Sign(e.Permit(w.Chains[chain].ID, by.Address, true).Bytes(), Listed.Key)
			if err != nil {
				return nil, err
			}
			permit[64] += 27
			return []Sending{{by, e.PublicWithdrawSigned(s.Secret(), permit)}}, nil
		},
	}
}

// Bar lets the issuer of the src token bar the maker, so that src cannot be
// given back to him, or lets him in again.
func (s *Swap) Bar(after uint64, barred bool) Step {
	return Step{
		Name: "bar the maker", Chain: s.From, After: after,
		Send: func(w *World, _ uint64) ([]Sending, error) {
			c := w.Chains[s.From]
			return []Sending{{Attacker, contracts.SetBlocked(s.srcToken(c), s.Maker().Address, barred)}}, nil
		},
	}
}

// ended waits until a leg has an end, as the chain shows it.
func ended(leg func() judge.Leg) func(context.Context, *World) (bool, error) {
	return func(ctx context.Context, w *World) (bool, error) {
		l := leg()
		for _, c := range w.Chains {
			if c.ID == l.Chain && l.Exists() {
				return c.emitted(ctx, l.Address)
			}
		}
		return false, nil
	}
}

// Dust puts a wei and the smallest unit of the token onto the finished src leg.
func (s *Swap) Dust(after uint64) Step {
	return Step{
		Name: "dust", Chain: s.From, After: after, When: ended(func() judge.Leg { return s.Src }),
		Send: func(w *World, _ uint64) ([]Sending, error) {
			c := w.Chains[s.From]
			return []Sending{
				{Attacker, contracts.SendDust(s.Src.Address, big.NewInt(1))},
				{Attacker, contracts.Transfer(c.USD, s.Src.Address, big.NewInt(1))},
			}, nil
		},
	}
}

// Flood makes n dst legs that name our taker, in worthless token: every second
// one carries the swap's own hashlock, the others one of their own.
func (s *Swap) Flood(after uint64, n int) Step {
	return Step{
		Name: "flood", Chain: s.To(), After: after,
		Send: func(w *World, now uint64) ([]Sending, error) {
			c := w.Chains[s.To()]
			var out []Sending
			for i := range n {
				im := s.dstTerms(w)
				im.Token = contracts.AddressWord(c.Junk)
				im.Amount = contracts.UintWord(uint64(i))
				im.SafetyDeposit = common.Hash{}
				if i%2 == 1 {
					im.Hashlock = crypto.Keccak256Hash(im.Hashlock[:], im.Amount[:])
				}
				out = append(out, s.makeDst(w, im.WithDeployedAt(now), Attacker))
			}
			return out, nil
		},
	}
}

// LookAlikes makes n escrows of a factory that nobody has configured, and then
// ends them: events that look like ours and show false secrets.
func (s *Swap) LookAlikes(after uint64, n int) []Step {
	var legs []contracts.Escrow
	secret := crypto.Keccak256Hash([]byte("a false secret"))
	var terms []contracts.Immutables
	return []Step{{
		Name: "look-alikes", Chain: s.To(), After: after,
		Send: func(w *World, now uint64) ([]Sending, error) {
			c := w.Chains[s.To()]
			var out []Sending
			for i := range n {
				im := s.dstTerms(w)
				im.Taker, im.Token = contracts.AddressWord(Attacker.Address), contracts.AddressWord(c.Junk)
				im.Amount, im.SafetyDeposit = contracts.UintWord(uint64(i+1)), common.Hash{}
				im.Hashlock, im.Parameters = contracts.HashSecret(secret), nil
				im.Timelocks = contracts.Timelocks{DstPublicWithdrawal: 1000, DstCancellation: 1000}.Word()
				terms = append(terms, im)
				out = append(out, Sending{Attacker, c.Rogue.CreateDst(im, noSrcCancellation)})
			}
			return out, nil
		},
		Done: func(w *World, time uint64) error {
			c := w.Chains[s.To()]
			for _, im := range terms {
				legs = append(legs, c.Rogue.Escrow(contracts.Dst, c.Rogue.Created(im, time)))
			}
			return nil
		},
	}, {
		Name: "end look-alikes", Chain: s.To(), After: after,
		Send: func(*World, uint64) ([]Sending, error) {
			var out []Sending
			for _, l := range legs {
				out = append(out, Sending{Attacker, l.Withdraw(secret)})
			}
			return out, nil
		},
	}}
}

// Halt holds a chain still for a while of the other chain's time, and lets it
// catch up with past timestamps, some blocks at a time (0: all at once).
func Halt(chain int, after, seconds uint64, blocksPerTick int) []Step {
	return []Step{{
		Name: "halt", Chain: chain, After: after,
		Act: func(_ context.Context, w *World) error {
			w.Chains[chain].halted = true
			return nil
		},
	}, {
		Name: "resume", Chain: 1 - chain, After: after + seconds,
		Act: func(_ context.Context, w *World) error {
			w.Chains[chain].halted, w.Chains[chain].perTick = false, blocksPerTick
			return nil
		},
	}}
}

func (s *Swap) String() string { return fmt.Sprintf("%s (%s, %s)", s.Name, s.Family, s.Taker) }
