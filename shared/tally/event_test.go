package tally_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/tally/tallytest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// told writes the events of an order in one line each: kind, seconds after the
// source's creation, leg, and what else there is.
func told(o swap.Order) (out []string) {
	for _, e := range tally.OfOrder(o) {
		leg := "?"
		switch e.Account {
		case o.Src.Escrow:
			leg = "src"
		default:
			for i, x := range o.Escrows()[1:] {
				if x.Escrow == e.Account {
					leg = fmt.Sprint("dst", i)
				}
			}
		}
		line := fmt.Sprintf("%s @%d %s", e.Kind, e.At-swap.ChainTime(tallytest.Epoch.Unix()), leg)
		if e.Reason != "" {
			line += " " + e.Reason
		}
		if e.Due {
			line += " due"
		}
		if e.Timed {
			line += fmt.Sprint(" margin ", e.Margin)
		}
		for _, a := range e.Amounts {
			line += fmt.Sprintf(" %d:%d×%d", a.Token.ChainID, a.Token.Address[19], a.Units.Uint64())
		}
		out = append(out, line)
	}
	return out
}

func TestEventsOfAnOrder(t *testing.T) {
	at := func(seconds int) time.Time { return tallytest.Epoch.Add(time.Duration(seconds) * time.Second) }
	const created = "created @0 src 8453:1×5"
	tests := []struct {
		name string
		edit func(o *swap.Order, src, dst *swap.LegRecord, secret [32]byte)
		want []string
	}{
		{"source not final", func(o *swap.Order, src, _ *swap.LegRecord, _ [32]byte) { src.Final = false }, nil},
		{"created", func(*swap.Order, *swap.LegRecord, *swap.LegRecord, [32]byte) {}, []string{created}},
		{"paid: the deadline is due", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, dst, swap.Withdrawn, at(100), s)
		}, []string{created, "lost @3600 src dst-paid-src-expired due 8453:1×5"}},
		{"paid after the deadline: due from the payment on", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, dst, swap.Withdrawn, at(4000), s)
		}, []string{created, "lost @4000 src dst-paid-src-expired due 8453:1×5"}},
		{"paid, and the source not final any more", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, dst, swap.Withdrawn, at(100), s)
			src.Final = false
		}, []string{"lost @3600 src dst-paid-src-expired due 8453:1×5"}},
		{"completed by the source", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, dst, swap.Withdrawn, at(100), s)
			tallytest.End(o, src, swap.Withdrawn, at(130), s)
		}, []string{created, "completed @130 src margin 3470 8453:1×5 10:2×7"}},
		{"completed by the payment", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, dst, swap.Withdrawn, at(300), s)
			tallytest.End(o, src, swap.Withdrawn, at(130), s)
		}, []string{created, "completed @300 dst0 margin 3300 8453:1×5 10:2×7"}},
		{"both at one time", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, dst, swap.Withdrawn, at(300), s)
			tallytest.End(o, src, swap.Withdrawn, at(300), s)
		}, []string{created, "completed @300 src margin 3300 8453:1×5 10:2×7"}},
		{"cancelled without a dst leg", func(o *swap.Order, src, _ *swap.LegRecord, s [32]byte) {
			tallytest.End(o, src, swap.Cancelled, at(4000), s)
			o.Dsts = nil
		}, []string{created, "cancelled @4000 src"}},
		{"cancelled, dst last", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, src, swap.Cancelled, at(4000), s)
			tallytest.End(o, dst, swap.Cancelled, at(4100), s)
		}, []string{created, "cancelled @4100 dst0"}},
		{"only dst cancelled", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, dst, swap.Cancelled, at(4100), s)
		}, []string{created}},
		{"source cancelled and dst open", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, src, swap.Cancelled, at(4000), s)
		}, []string{created}},
		{"source cancelled and dst known to be empty", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, src, swap.Cancelled, at(4000), s)
			o.SetBalance(dst.ChainID, dst.Escrow, swap.Balance{Block: swap.Block{Number: 1}})
		}, []string{created, "cancelled @4000 src"}},
		{"source cancelled and dst asks for nothing", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, src, swap.Cancelled, at(4000), s)
			dst.Immutables.Amount = swap.Word{}
		}, []string{created, "cancelled @4000 src"}},
		{"maker paid twice", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, src, swap.Cancelled, at(4000), s)
			tallytest.End(o, dst, swap.Withdrawn, at(100), s)
		}, []string{created, "lost @4000 src maker-paid-twice 8453:1×5"}},
		{"maker paid twice, dst last", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, src, swap.Cancelled, at(4000), s)
			tallytest.End(o, dst, swap.Withdrawn, at(4001), s)
		}, []string{created, "lost @4001 dst0 maker-paid-twice 8453:1×5"}},
		{"expired and rescued", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, dst, swap.Withdrawn, at(100), s)
			tallytest.End(o, src, swap.Rescued, at(700_000), s)
		}, []string{created, "lost @3600 src dst-paid-src-expired 8453:1×5", "rescued @700000 src 8453:1×5"}},
		{"claimed, and the maker not paid yet", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, src, swap.Withdrawn, at(100), s)
		}, []string{created, "lost @3600 dst0 maker-unpaid due 10:2×7"}},
		{"claimed, and no dst leg known", func(o *swap.Order, src, _ *swap.LegRecord, s [32]byte) {
			tallytest.End(o, src, swap.Withdrawn, at(100), s)
			o.Dsts = nil
		}, []string{created, "lost @100 src maker-unpaid due 10:2×7"}},
		{"claimed, and dst cancelled", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, src, swap.Withdrawn, at(100), s)
			tallytest.End(o, dst, swap.Cancelled, at(4000), s)
		}, []string{created, "lost @4000 dst0 maker-unpaid 10:2×7"}},
		{"claimed, and dst pays nothing", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			dst.Immutables.Amount = swap.Word{}
			tallytest.End(o, src, swap.Withdrawn, at(100), s)
		}, []string{created, "lost @100 src maker-unpaid due 10:2×7"}},
		{"dst rescued", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, src, swap.Cancelled, at(800_000), s)
			tallytest.End(o, dst, swap.Rescued, at(700_000), s)
		}, []string{created, "rescued @800000 src 10:2×7"}},
		{"astray", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			tallytest.End(o, src, swap.Cancelled, at(4000), s)
			tallytest.End(o, dst, swap.Cancelled, at(200), s)
			o.AddTrace(dst.ChainID, dst.Escrow, swap.Trace{Tx: watchtest.Word(), Astray: *uint256.NewInt(4)})
			o.AddTrace(dst.ChainID, dst.Escrow, swap.Trace{Tx: watchtest.Word(), Astray: *uint256.NewInt(2)})
		}, []string{created, "cancelled @4000 src", "lost @200 dst0 tokens-astray 10:2×6"}},
		{"paid by an escrow that nobody can prove", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			unproven(o, *uint256.NewInt(7), at(200), s)
			tallytest.End(o, src, swap.Withdrawn, at(300), s)
		}, []string{created, "completed @300 src margin 3300 8453:1×5 10:2×7"}},
		{"an escrow that held less pays nobody", func(o *swap.Order, src, dst *swap.LegRecord, s [32]byte) {
			unproven(o, *uint256.NewInt(6), at(200), s)
			tallytest.End(o, src, swap.Withdrawn, at(300), s)
		}, []string{created, "lost @300 src maker-unpaid due 10:2×7"}},
		{"a chain without block times", func(o *swap.Order, src, _ *swap.LegRecord, _ [32]byte) { src.Created.Time = 0 }, nil},
		{"a maker who asks for no chain", func(o *swap.Order, src, _ *swap.LegRecord, s [32]byte) {
			o.Expect.ChainID, o.Dsts = swap.Word{}, nil
			tallytest.End(o, src, swap.Withdrawn, at(100), s)
		}, []string{created}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			o, secret := sample()
			c.edit(&o, &o.Src, &o.Dsts[0], secret)
			if diff := cmp.Diff(c.want, told(o)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func sample() (swap.Order, [32]byte) {
	o, secret := tallytest.Order(tallytest.Epoch)
	o.Src.Immutables.Amount = uint256.NewInt(5).Bytes32()
	o.Dsts[0].Immutables.Amount = uint256.NewInt(7).Bytes32()
	o.Expect.Amount = o.Dsts[0].Immutables.Amount
	return o, secret
}

// unproven makes the order's dst leg one whose words nobody knows.
func unproven(o *swap.Order, holds uint256.Int, withdrawn time.Time, secret [32]byte) {
	o.Dsts = nil
	d := swap.DstCreated{ChainID: tallytest.DstChain, Escrow: watchtest.Address(), At: tallytest.Place(swap.ChainTime(tallytest.Epoch.Unix()))}
	o.AddCandidate(d)
	o.SetBalance(d.ChainID, d.Escrow, swap.Balance{Block: swap.Block{Number: d.At.Block}, Token: holds})
	o.AddEvent(swap.EscrowEvent{ChainID: d.ChainID, Escrow: d.Escrow, Kind: swap.Withdrawn, Secret: secret, At: tallytest.Place(swap.ChainTime(withdrawn.Unix()))})
}

// The events of an order do not depend on the order in which its facts came, have
// keys of their own, and are bounded.
func TestEventsAreAFunctionOfTheFacts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	most, orders := 0, 1_000
	if testing.Short() {
		orders /= 5
	}
	for range orders {
		o, secret := sample()
		if r.IntN(2) == 0 {
			o.Src.Family, o.Dsts[0].Family = swap.BMNv4, swap.BMNv4
		}
		for range r.IntN(8) {
			l := swap.LegRecord{Leg: o.Dsts[0].Leg, Final: true}
			l.Escrow, l.Created = watchtest.Address(), tallytest.Place(l.Created.Time+swap.ChainTime(r.IntN(9)))
			if o.AddDst(l.Leg, r.IntN(2) == 0) {
				o.Dsts[len(o.Dsts)-1].Final = r.IntN(4) > 0
			}
		}
		legs := []*swap.LegRecord{&o.Src}
		for i := range o.Dsts {
			legs = append(legs, &o.Dsts[i])
		}
		for _, l := range legs {
			for range r.IntN(3) {
				kind := []swap.EventKind{swap.Withdrawn, swap.Cancelled, swap.Rescued}[r.IntN(3)]
				tallytest.End(&o, l, kind, tallytest.Epoch.Add(time.Duration(r.IntN(9000))*time.Second), secret)
			}
			if l.Side == swap.Dst && r.IntN(3) > 0 {
				l.Traces = []swap.Trace{{Tx: watchtest.Word(), Astray: *uint256.NewInt(uint64(r.IntN(3)))}}
			}
		}
		events := tally.OfOrder(o)
		most = max(most, len(events))
		keys := map[string]bool{}
		for _, e := range events {
			if keys[e.Key()] {
				t.Fatalf("two events %s", e.Key())
			}
			keys[e.Key()] = true
			if h, err := tally.ParseHour(e.Hour().String()); err != nil || h != e.Hour() || e.Order != o.ID || e.Account == (common.Address{}) {
				t.Fatalf("%+v in hour %s, %v", e, e.Hour(), err)
			}
			if !strings.HasPrefix(e.Key(), fmt.Sprintf("%011d#", e.At)) {
				t.Fatalf("key %s of %d", e.Key(), e.At)
			}
			if back := watchtest.Copy(e); !cmp.Equal(e, back) {
				t.Fatalf("%+v is read back as %+v", e, back)
			}
		}
		if len(events) > tally.MaxEvents {
			t.Fatalf("%d events, want at most %d", len(events), tally.MaxEvents)
		}
		shuffled := watchtest.Copy(o)
		r.Shuffle(len(shuffled.Events), func(i, j int) {
			shuffled.Events[i], shuffled.Events[j] = shuffled.Events[j], shuffled.Events[i]
		})
		if diff := cmp.Diff(events, tally.OfOrder(shuffled)); diff != "" {
			t.Fatalf("in another order: %s", diff)
		}
	}
	if most < 6 {
		t.Errorf("at most %d events: the test tries too little", most)
	}
}

func TestTokens(t *testing.T) {
	token := tally.Token{ChainID: 8453, Address: watchtest.Address()}
	text, err := token.MarshalText()
	var back tally.Token
	if err != nil || back.UnmarshalText(text) != nil || back != token || string(text) != strings.ToLower(string(text)) {
		t.Errorf("%s is read back as %v, %v", text, back, err)
	}
	for _, bad := range []string{"", "8453", "8453:", "0:0x0000000000000000000000000000000000000000", "x:" + token.Address.Hex()} {
		if err := new(tally.Token).UnmarshalText([]byte(bad)); err == nil || !strings.Contains(err.Error(), "token") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if !slices.Equal([]byte(tally.Token{ChainID: 1}.String()), []byte("1:0x0000000000000000000000000000000000000000")) {
		t.Error(tally.Token{ChainID: 1}.String())
	}
}
