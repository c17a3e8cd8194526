package scene

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
)

const (
	v1  = contracts.OneInchV1
	v11 = contracts.OneInchV11
	bmn = contracts.BMNv4
)

// Ends, src before dst.
var (
	bothWithdrawn = judge.Ends{Src: judge.Withdrawn, Dst: judge.Withdrawn}
	bothCancelled = judge.Ends{Src: judge.Cancelled, Dst: judge.Cancelled}
	srcCancelled  = judge.Ends{Src: judge.Cancelled, Dst: judge.Absent}
	srcOpen       = judge.Ends{Src: judge.Open, Dst: judge.Absent}
	bothOpen      = judge.Ends{Src: judge.Open, Dst: judge.Open}
	rescued       = judge.Ends{Src: judge.Rescued, Dst: judge.Withdrawn}
)

// claiming are windows that leave the whole scene for withdrawals: dst early,
// src late. There is room for a whole pass between cause and soft deadline.
func claiming() contracts.Timelocks {
	return contracts.Timelocks{
		SrcWithdrawal: 4, SrcPublicWithdrawal: 90, SrcCancellation: 110, SrcPublicCancellation: 170,
		DstWithdrawal: 2, DstPublicWithdrawal: 5, DstCancellation: 80,
	}
}

// paying are windows in which the product may have to pay on dst itself, two
// passes after the secret came out.
func paying() contracts.Timelocks {
	return contracts.Timelocks{
		SrcWithdrawal: 4, SrcPublicWithdrawal: 105, SrcCancellation: 130, SrcPublicCancellation: 190,
		DstWithdrawal: 2, DstPublicWithdrawal: 100, DstCancellation: 115,
	}
}

// expiring are windows of legs that nobody withdraws.
func expiring(dst, src uint32) contracts.Timelocks {
	return contracts.Timelocks{
		SrcWithdrawal: 4, SrcPublicWithdrawal: min(dst, src) - 5, SrcCancellation: src, SrcPublicCancellation: max(dst, src) + 70,
		DstWithdrawal: 2, DstPublicWithdrawal: 20, DstCancellation: dst,
	}
}

// All returns every situation, afresh. It lasts about Length seconds.
func All() []*Scene {
	b := &book{}
	b.completedByOthers()
	b.dstWithdrawn()
	b.unclaimed()
	b.withoutDst()
	b.bothExpire()
	b.decoys()
	b.strangers()
	b.expiredAfterPaid()
	b.negativeGap()
	b.native()
	b.secrets()
	b.words()
	b.refusals()
	b.publicCalls()
	b.parameters()
	b.reorganised()
	b.outOfOrder()
	b.nuisances()
	b.halted()
	return b.scenes
}

// Length is by when everything has ended, in seconds after the beginning.
const Length = 118

// book collects scenes.
type book struct{ scenes []*Scene }

// swap names a swap after what happens in it.
func swap(situation string, f contracts.Family, k TakerKind, from int, w contracts.Timelocks, allowed ...judge.Ends) *Swap {
	return &Swap{Name: fmt.Sprintf("%s, %s, %s", situation, f, k), Situation: situation, Family: f, Taker: k, From: from,
		Windows: w, Allowed: allowed}
}

// direct makes a BMN swap with exactly its windows.
func (s *Swap) direct() *Swap {
	s.Direct = s.Family == bmn
	return s
}

// add adds a scene of one swap.
func (b *book) add(start uint64, s *Swap, steps ...Step) *Scene {
	return b.scene(&Scene{Name: s.Name, Start: start, Swaps: []*Swap{s}, Steps: steps})
}

func (b *book) scene(s *Scene) *Scene {
	b.scenes = append(b.scenes, s)
	return s
}

func (b *book) completedByOthers() {
	const what = "completed by others"
	for i, s := range []*Swap{
		swap(what, v1, Contract, 0, claiming(), bothWithdrawn),
		swap(what, v11, EOA, 1, claiming(), bothWithdrawn),
		swap(what, bmn, EOA, 0, claiming(), bothWithdrawn).direct(),
	} {
		s.Windows.SrcPublicWithdrawal = 6
		at := 12 + 7*uint64(i)
		b.add(0, s, s.Fill(0), s.Open(2), s.Reveal(at), s.Claim(at))
	}
}

func (b *book) dstWithdrawn() {
	const what = "dst withdrawn, src unclaimed"
	for i, f := range contracts.Families() {
		early := swap(what, f, EOA, i%2, claiming(), bothWithdrawn).direct()
		b.add(0, early, early.Fill(0), early.Open(2), early.Reveal(9+13*uint64(i)))
		late := swap(what, f, Contract, (i+1)%2, claiming(), bothWithdrawn)
		reveal := 12 + 9*uint64(i)
		if f == bmn {
			reveal = 8 // from an order, src becomes public 60 seconds after its creation
		}
		b.add(4*uint64(i+1), late, late.Fill(0), late.Open(2), late.Reveal(reveal))
	}
}

func (b *book) unclaimed() {
	const what = "dst unclaimed"
	for i, f := range contracts.Families() {
		n := uint32(i)
		eoa := swap(what, f, EOA, i%2, expiring(44+8*n, 50+8*n), bothCancelled).direct()
		b.add(0, eoa, eoa.Fill(0), eoa.Open(2))
		contract := swap(what, f, Contract, (i+1)%2, expiring(41+6*n, 52+6*n), bothCancelled).direct()
		b.add(3+3*uint64(i), contract, contract.Fill(0), contract.Open(2))
	}
}

func (b *book) withoutDst() {
	const what = "src without dst"
	for i, s := range []*Swap{
		swap(what, v1, Contract, 0, expiring(30, 42), srcCancelled),
		swap(what, v11, EOA, 1, expiring(30, 49), srcCancelled),
		swap(what, bmn, EOA, 0, expiring(30, 56), srcCancelled),
		swap(what, bmn, Contract, 1, expiring(30, 62), srcCancelled),
	} {
		start := uint64(0)
		if s.Taker == Contract {
			start = 2 * uint64(i)
		}
		b.add(start, s, s.Fill(0))
	}
}

func (b *book) bothExpire() {
	const what = "both expire"
	for i, s := range []*Swap{
		swap(what, v1, EOA, 1, expiring(55, 55), bothCancelled),
		swap(what, v11, Contract, 0, expiring(52, 53), bothCancelled),
		swap(what, bmn, Contract, 1, expiring(50, 54), bothCancelled).direct(),
	} {
		b.add(uint64(2*i), s, s.Fill(0), s.Open(2))
	}
}

func (b *book) decoys() {
	amount := swap("decoy dst: wrong amount", v1, Contract, 0, claiming(), bothWithdrawn)
	maker := swap("decoy dst: wrong maker", v11, EOA, 1, claiming(), bothWithdrawn)
	windows := swap("decoy dst: wrong windows", bmn, EOA, 0, claiming(), bothWithdrawn).direct()
	for _, s := range []*Swap{amount, maker, windows} {
		s.Alert = "decoy-dst"
	}
	b.add(5, amount, amount.Fill(0), amount.Decoy(1, func(im *contracts.Immutables) { im.Amount = contracts.UintWord(1) }),
		amount.Open(3), amount.Reveal(20))
	b.add(0, maker, maker.Fill(0), maker.Decoy(1, func(im *contracts.Immutables) { im.Maker = contracts.AddressWord(Attacker.Address) }),
		maker.Open(3), maker.Reveal(26))
	b.add(0, windows, windows.Fill(0), windows.Open(2), windows.Decoy(3, func(im *contracts.Immutables) {
		w := windows.Windows
		w.DstCancellation = 1000
		im.Timelocks = w.Word()
	}), windows.Reveal(32))

	// A src leg that names us and holds nothing of worth.
	src := swap("decoy src naming us", bmn, EOA, 1, claiming(), srcOpen).direct()
	src.SrcToken, src.Deposit, src.Untouched = func(c *Chain) common.Address { return c.Junk }, big.NewInt(1_000_000), true
	b.add(6, src, src.create(0, Attacker)).Until = 60
}

func (b *book) strangers() {
	const unknown = "dst by an unknown helper"
	paid := swap(unknown, v1, EOA, 0, claiming(), bothWithdrawn)
	b.add(0, paid, paid.Fill(0), paid.OpenBy(3, Unknown), paid.Reveal(22))
	unpaid := swap(unknown, bmn, Contract, 1, expiring(47, 56), bothCancelled).direct()
	b.add(4, unpaid, unpaid.Fill(0), unpaid.OpenBy(2, Unknown))

	const foreign = "another resolver's swap"
	open := swap(foreign, v1, Foreign, 1, claiming(), bothOpen)
	b.add(3, open, open.Fill(0), open.Open(2)).Until = 85
	done := swap(foreign, bmn, Foreign, 0, claiming(), bothWithdrawn).direct()
	b.add(7, done, done.Fill(0), done.Open(2), done.Reveal(12), done.Claim(20))
	open.Untouched, done.Untouched = true, true
}

func (b *book) expiredAfterPaid() {
	const what = "src expired after dst was paid"
	for i, s := range []*Swap{
		swap(what, v1, Contract, 1, contracts.Timelocks{}, rescued),
		swap(what, v11, EOA, 0, contracts.Timelocks{}, rescued),
		swap(what, bmn, Contract, 0, contracts.Timelocks{}, rescued).direct(),
	} {
		s.Windows = contracts.Timelocks{
			SrcWithdrawal: 2, SrcPublicWithdrawal: 18, SrcCancellation: 20, SrcPublicCancellation: 250,
			DstWithdrawal: 2, DstPublicWithdrawal: 4, DstCancellation: 70,
		}
		s.Alert = "dst-paid-src-expired"
		b.add(0, s, s.Fill(0), s.Open(2), s.Reveal(24+3*uint64(i)))
	}
}

func (b *book) negativeGap() {
	const what = "negative safety gap"
	early := swap(what, v1, Contract, 0, expiring(62, 38), bothCancelled)
	b.add(3, early, early.Fill(0), early.Open(2))
	// Orders of bmn-v4 have one by default: equal offsets, dst deployed later.
	order := swap(what, bmn, EOA, 1, expiring(58, 58), bothCancelled)
	b.add(0, order, order.Fill(0), order.Open(4))
	early.Alert, order.Alert = "negative-safety-gap", "negative-safety-gap"
}

func (b *book) native() {
	const what = "native dst"
	for i, s := range []*Swap{
		swap(what, v1, Contract, 1, claiming(), bothWithdrawn),
		swap(what, v11, EOA, 0, expiring(48, 57), bothCancelled),
		swap(what, bmn, EOA, 0, claiming(), bothWithdrawn).direct(),
	} {
		s.Native = true
		steps := []Step{s.Fill(0), s.Open(2)}
		if s.Allowed[0] == bothWithdrawn {
			steps = append(steps, s.Reveal(16+4*uint64(i)))
		}
		start := uint64(0)
		if s.Taker == Contract {
			start = 8
		}
		b.add(start, s, steps...)
	}
}

func (b *book) secrets() {
	// What opens the first opens the second, which nobody has paid yet: its src
	// is claimed, and then its maker must be paid.
	first := swap("reused secret", v1, Contract, 0, claiming(), bothWithdrawn)
	second := swap("reused secret", bmn, Contract, 1, paying(), bothWithdrawn).direct()
	second.SecretOf = first
	b.scene(&Scene{Name: "reused secret", Start: 2, Swaps: []*Swap{first, second}, Steps: []Step{
		first.Fill(0), second.Fill(0), first.Open(3), second.Open(3), first.Reveal(9),
	}})

	part := swap("multi-secret order, part paid", v11, Contract, 1, claiming(), bothWithdrawn)
	rest := swap("multi-secret order, rest unclaimed", v11, Contract, 1, expiring(49, 58), bothCancelled)
	rest.Order = part
	b.scene(&Scene{Name: "multi-secret order", Start: 5, Swaps: []*Swap{part, rest}, Steps: []Step{
		part.Fill(0), rest.Fill(1), part.Open(3), rest.Open(4), part.Reveal(14),
	}})
}

func (b *book) words() {
	claimed := swap("dirty address words", v1, EOA, 1, claiming(), bothWithdrawn)
	expired := swap("dirty address words", bmn, Contract, 0, expiring(45, 52), bothCancelled).direct()
	claimed.Dirty, expired.Dirty = true, true
	b.add(0, claimed, claimed.Fill(0), claimed.Open(2), claimed.Reveal(29))
	b.add(5, expired, expired.Fill(0), expired.Open(2))
}

func (b *book) refusals() {
	barred := swap("receiver refuses tokens", v1, Contract, 1, expiring(30, 40), srcOpen)
	barred.SrcToken = func(c *Chain) common.Address { return c.Blocking }
	barred.Tries, barred.Alert = 2, "call-reverts"
	b.add(1, barred, barred.Fill(0), barred.Bar(2, true)).Until = 85

	unfunded := swap("unfunded bmn src", bmn, Contract, 0, claiming(), srcOpen).direct()
	unfunded.Unfunded, unfunded.Untouched, unfunded.Alert = true, true, "deposit-missing"
	b.add(4, unfunded, unfunded.Fill(0)).Until = 60
}

func (b *book) publicCalls() {
	const what = "public call by access token"
	claim := swap(what, v1, Watched, 0, claiming(), bothWithdrawn)
	claim.Windows.SrcPublicWithdrawal = 52
	b.add(0, claim, claim.Fill(0), claim.Open(2), claim.Reveal(10))
	cancel := swap(what, v11, Watched, 1, expiring(30, 36), srcCancelled)
	cancel.Windows.SrcPublicCancellation = 76
	b.add(2, cancel, cancel.Fill(0))
}

func (b *book) parameters() {
	fees := swap("parameters with fees", v11, Contract, 0, claiming(), bothWithdrawn)
	fees.Parameters = Fees(700, 900, NewAccount("protocol").Address, NewAccount("integrator").Address)
	b.add(6, fees, fees.Fill(0), fees.Open(2), fees.Reveal(18))
	bare := swap("no parameters", v11, EOA, 1, expiring(51, 59), bothCancelled)
	bare.Bare = true
	b.add(0, bare, bare.Fill(0), bare.Open(2))
}

func (b *book) reorganised() {
	// The dst leg is seen and then gone: as if it had never been.
	leg := swap("reorg removes dst leg", v1, Contract, 0, expiring(44, 60), srcCancelled)
	opener := NewAccount("opener of a leg that is undone")
	open := leg.OpenBy(1, opener)
	open.When = beforePass(leg.To())
	b.add(1, leg, leg.Fill(0), open, leg.UndoOpening()).Cast = []Account{opener}

	// The secret is seen and stays known. If src was claimed for it, the maker
	// has to be paid again; if not, both legs go back.
	reveal := swap("reorg removes withdrawal", v11, Contract, 1, paying(), bothWithdrawn, bothCancelled)
	revealer := NewAccount("operator whose call is undone")
	show := reveal.RevealBy(4, revealer)
	show.When = beforePass(reveal.To())
	b.add(1, reveal, reveal.Fill(0), reveal.Open(1), show, reveal.UndoReveal()).Cast = []Account{revealer}

	// Our own claim is mined and then gone, also from the node's pool.
	own := swap("reorg removes our own claim", bmn, EOA, 1, claiming(), bothWithdrawn).direct()
	b.add(0, own, own.Fill(0), own.Open(2), own.Reveal(8), own.UndoClaim())
}

func (b *book) outOfOrder() {
	const what = "dst withdrawn before src is known"
	for i, s := range []*Swap{
		swap(what, v1, Contract, 1, claiming(), bothWithdrawn),
		swap(what, bmn, Contract, 0, claiming(), bothWithdrawn).direct(),
	} {
		b.add(2, s, s.Open(0), s.Reveal(7), s.Fill(34+3*uint64(i)))
	}
}

func (b *book) nuisances() {
	dust := swap("dust on a finished escrow", v1, Contract, 0, claiming(), bothWithdrawn)
	b.add(7, dust, dust.Fill(0), dust.Open(2), dust.Reveal(11), dust.Dust(0))

	flood := swap("hundreds of decoys and look-alikes", v11, Contract, 1, claiming(), bothWithdrawn)
	flood.Alert = "parked-dst"
	steps := []Step{flood.Fill(0), flood.Flood(1, 150)}
	steps = append(steps, flood.Open(2), flood.Flood(3, 150))
	steps = append(steps, flood.LookAlikes(5, 100)...)
	b.add(6, flood, append(steps, flood.Reveal(12))...)
}

func (b *book) halted() {
	// South stands still while its cancellation time passes, and comes back with
	// blocks of the past. The other swap's src is there and its secret comes out
	// meanwhile.
	const south, from, seconds = 1, 56, 8
	expires := swap("chain halted over a deadline", v11, Contract, 0, expiring(50, 62), bothCancelled)
	b.add(6, expires, expires.Fill(0), expires.Open(2))
	claimed := swap("chain halted", v1, Contract, south, claiming(), bothWithdrawn)
	b.add(7, claimed, claimed.Fill(0), claimed.Open(2), claimed.Reveal(from-4))
	b.scene(&Scene{Name: "halt", Start: from, Steps: Halt(south, 0, seconds, 3)})
}

// Select returns, afresh, the scenes of All that have a swap whose name starts
// with one of the prefixes, such as "reused secret" or "dst unclaimed, bmn-v4".
func Select(prefixes ...string) []*Scene { return Named(All(), prefixes...) }

// Named keeps of some scenes those whose name starts so, or that of one of
// their swaps.
func Named(scenes []*Scene, prefixes ...string) []*Scene {
	fits := func(name string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	}
	return slices.DeleteFunc(scenes, func(s *Scene) bool {
		return !fits(s.Name) && !slices.ContainsFunc(s.Swaps, func(sw *Swap) bool { return fits(sw.Name) })
	})
}
