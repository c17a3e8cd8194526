package scene

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
)

// TakerKind says who the taker of a swap is.
type TakerKind string

const (
	EOA      TakerKind = "EOA"      // an account whose key the product signs with
	Contract TakerKind = "contract" // a resolver contract that the product's gas-only key may call
	Watched  TakerKind = "keyless"  // ours, but no key of the product acts for it
	Foreign  TakerKind = "foreign"  // somebody else's
	// Takers of the rush hour, for all families.
	Busy   TakerKind = "busy EOA"   // an EOA with more to do than a pool holds
	Shared TakerKind = "shared key" // an EOA whose key another program uses too
)

// Swap is one swap: what was agreed, and, as a play goes on, its legs.
// The zero value of a field is the plain case.
type Swap struct {
	Name      string // unique; keys, order hash, secret and amount derive from it
	Situation string // as the table shows it
	// Crowd names the many swaps that it is one of, which reports show together;
	// empty: it stands alone.
	Crowd   string
	Family  contracts.Family
	Taker   TakerKind
	From    int // index of the src chain; dst is on the other
	Windows contracts.Timelocks
	// Direct makes a BMN src leg by createSrcEscrow, with exactly these windows.
	// From an order the factory derives most of them itself.
	Direct bool
	// Unfunded leaves the safety deposit of a direct src leg out.
	Unfunded bool
	// SrcToken is one of the chain's tokens; nil: USD. Native makes dst pay the
	// chain's own coin.
	SrcToken func(*Chain) common.Address
	Native   bool
	// Parameters of a 1inch-v1.1 dst leg; nil: those of no fees. Bare: none at
	// all, so that nobody can ever withdraw it.
	Parameters []byte
	Bare       bool
	// Dirty fills the upper bits of the maker's and token's words.
	Dirty bool
	// Order and SecretOf name the swap whose order hash or secret this one
	// shares; nil: its own.
	Order, SecretOf *Swap
	// Deposit in wei of both legs; nil: a thousandth of an ether.
	Deposit *big.Int

	// Allowed are the right ends, the expected one first.
	Allowed []judge.Ends
	// Alert is the kind of the alert that has to be raised, if any.
	Alert string
	// Untouched: no transaction of ours may touch its legs. Tries: see judge.Case.
	Untouched bool
	Tries     int

	// Legs as the play has made them. Zero until then, and again if a
	// reorganisation takes them away.
	Src, Dst judge.Leg
	Others   []judge.Leg
	// Published is set where a reorganisation removes the event that showed the
	// secret: the block time at which it was public. Undone is when one removed
	// what has to be done again.
	Published, Undone uint64

	agreed contracts.Order // as it was filled
	shown  bool            // the secret has been sent to a chain
}

// Case is the swap as the judge needs it.
func (s *Swap) Case() judge.Case {
	return judge.Case{Src: s.Src, Dst: s.Dst, Others: s.Others, Allowed: s.Allowed, Secret: s.Secret(),
		Published: s.Published, Undone: s.Undone, Untouched: s.Untouched, Tries: s.Tries}
}

// To is the index of the dst chain.
func (s *Swap) To() int { return 1 - s.From }

// Maker sells on src and is paid on dst; he has no other swap.
func (s *Swap) Maker() Account { return NewAccount("maker of " + s.Name) }

// Secret opens both legs.
func (s *Swap) Secret() common.Hash {
	if s.SecretOf != nil {
		return s.SecretOf.Secret()
	}
	return crypto.Keccak256Hash([]byte("secret of " + s.Name))
}

// show notes that the secret is no secret any more.
func (s *Swap) show() {
	if s.SecretOf != nil {
		s.SecretOf.show()
	}
	s.shown = true
}

// Shown reports whether the secret has been sent to a chain. Before the end of a
// play it may be yet.
func (s *Swap) Shown() bool { return s.shown || s.SecretOf != nil && s.SecretOf.Shown() }

func (s *Swap) orderHash() common.Hash {
	if s.Order != nil {
		return s.Order.orderHash()
	}
	return crypto.Keccak256Hash([]byte("order of " + s.Name))
}

// amount is a little more than 100 USD on both sides, a different little for
// each swap.
func (s *Swap) amount() *big.Int {
	h := crypto.Keccak256([]byte(s.Name))
	return big.NewInt(100_000_000 + int64(h[0])<<8 + int64(h[1]))
}

func (s *Swap) dstAmount() *big.Int {
	if s.Native { // about a twentieth of an ether
		return new(big.Int).Mul(s.amount(), big.NewInt(500_000_000))
	}
	return new(big.Int).Sub(s.amount(), big.NewInt(50_000))
}

func (s *Swap) deposit() *big.Int {
	if s.Deposit != nil {
		return s.Deposit
	}
	return new(big.Int).Div(ether, big.NewInt(1000))
}

func (s *Swap) srcToken(c *Chain) common.Address {
	if s.SrcToken != nil {
		return s.SrcToken(c)
	}
	return c.USD
}

// taker is the address that the legs name.
func (s *Swap) taker(w *World) common.Address {
	if s.Taker == Contract {
		return w.Chains[0].Resolver
	}
	return s.takerAccount().Address
}

// takerAccount is the key behind the taker; of a contract, its owner.
func (s *Swap) takerAccount() Account {
	switch s.Taker {
	case Contract:
		return Owner
	case Watched:
		return WatchedTaker
	case Foreign:
		return OtherResolver
	case Busy:
		return TakerBusy
	case Shared:
		return TakerShared
	}
	switch s.Family {
	case contracts.OneInchV1:
		return TakerV1
	case contracts.OneInchV11:
		return TakerV11
	}
	return TakerBMN
}

// word is an address as the maker's order spells it.
func (s *Swap) word(a common.Address) common.Hash {
	w := contracts.AddressWord(a)
	if s.Dirty {
		copy(w[:12], "dirty words!")
	}
	return w
}

// complement is what the maker expects on the dst chain.
func (s *Swap) complement(w *World) contracts.Complement {
	dst := w.Chains[s.To()]
	c := contracts.Complement{
		Maker: s.word(s.Maker().Address), Amount: common.BigToHash(s.dstAmount()), Token: s.word(dst.USD),
		SafetyDeposit: common.BigToHash(s.deposit()), ChainID: contracts.UintWord(dst.ID), Parameters: s.Parameters,
	}
	if s.Family == contracts.OneInchV11 && s.Parameters == nil && !s.Bare {
		c.Parameters = Fees(0, 0, common.Address{}, common.Address{})
	}
	if s.Native {
		c.Token = common.Hash{}
	}
	return c
}

// order is what the maker signed. Its timelocks are absolute in bmn-v4.
func (s *Swap) order(w *World, now uint64) contracts.Order {
	src := w.Chains[s.From]
	o := contracts.Order{
		OrderHash: s.orderHash(), Hashlock: contracts.HashSecret(s.Secret()), Maker: s.word(s.Maker().Address),
		Token: s.word(s.srcToken(src)), Amount: common.BigToHash(s.amount()), SafetyDeposit: common.BigToHash(s.deposit()),
		Timelocks: s.Windows.Word(), Dst: s.complement(w),
	}
	if s.Family == contracts.BMNv4 {
		o.Timelocks = contracts.BMNOrderTimelocks(now+uint64(s.Windows.SrcCancellation), now+uint64(s.Windows.DstWithdrawal))
	}
	return o
}

// directSrc is a BMN src leg as its creator writes it.
func (s *Swap) directSrc(w *World, now uint64) contracts.Immutables {
	o := s.order(w, now)
	return contracts.Immutables{
		OrderHash: o.OrderHash, Hashlock: o.Hashlock, Maker: o.Maker, Taker: contracts.AddressWord(s.taker(w)), Token: o.Token,
		Amount: o.Amount, SafetyDeposit: o.SafetyDeposit, Timelocks: s.Windows.Word(),
	}.WithDeployedAt(now)
}

// dstTerms are the words of the dst leg; deployedAt is still to be set.
func (s *Swap) dstTerms(w *World) contracts.Immutables {
	c := s.complement(w)
	timelocks := s.Windows.Word()
	if s.Src.Exists() {
		timelocks = s.Src.Immutables.Timelocks
	}
	return contracts.Immutables{
		OrderHash: s.orderHash(), Hashlock: contracts.HashSecret(s.Secret()), Maker: c.Maker, Taker: contracts.AddressWord(s.taker(w)),
		Token: c.Token, Amount: c.Amount, SafetyDeposit: c.SafetyDeposit, Timelocks: timelocks, Parameters: c.Parameters,
	}
}

func (s *Swap) leg(c *Chain, side contracts.Side, im contracts.Immutables) judge.Leg {
	return judge.Leg{Chain: c.ID, Escrow: c.Families[s.Family].Escrow(side, im), RescueDelay: c.RescueDelay}
}

// check finds what would surprise a play.
func (s *Swap) check() error {
	switch {
	case s.Direct && s.Family != contracts.BMNv4:
		return fmt.Errorf("swap %s: only bmn-v4 knows src legs without an order", s.Name)
	case s.Dirty && s.Native:
		return fmt.Errorf("swap %s: a dirty zero word is no native coin", s.Name)
	case len(s.Allowed) == 0:
		return fmt.Errorf("swap %s: no end is allowed", s.Name)
	}
	return nil
}

// Fees are the parameters of a v1.1 dst leg: what goes off the maker's amount,
// and to whom.
func Fees(protocol, integrator int64, to, integratorTo common.Address) []byte {
	var out []byte
	for _, w := range []common.Hash{
		common.BigToHash(big.NewInt(protocol)), common.BigToHash(big.NewInt(integrator)),
		contracts.AddressWord(to), contracts.AddressWord(integratorTo),
	} {
		out = append(out, w[:]...)
	}
	return out
}
