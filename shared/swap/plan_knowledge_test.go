package swap

import (
	"strings"
	"testing"
	"time"

	"github.com/holiman/uint256"
)

// What has not been read, or not for good.
func TestPlanKnowledge(t *testing.T) {
	paid := final("dst", Withdrawn, 75)
	ghost := func(name string) step { return func(w *world) { w.leg(name).Final = false } }
	candidate := func(balance ...uint64) step {
		return func(w *world) {
			d := DstCreated{ChainID: dstChain, Factory: stranger, Escrow: named("candidate"), Hashlock: w.order.Hashlock(), Taker: taker, At: place(dstLate, 9)}
			if !w.order.AddCandidate(d) {
				panic("candidate not added")
			}
			for _, b := range balance {
				w.order.SetBalance(dstChain, d.Escrow, Balance{Block: block(dstLate), Token: *uint256.NewInt(b)})
			}
		}
	}
	candidateEnd := func(w *world, kind EventKind) EscrowEvent {
		ev := EscrowEvent{ChainID: dstChain, Escrow: named("candidate"), Kind: kind, At: place(80, 0)}
		if kind == Withdrawn {
			ev.Secret = preimag
			w.order.Learn(ev.Secret)
		}
		return ev
	}
	candidateEnds := func(kind EventKind) step {
		return func(w *world) { w.order.AddEvent(candidateEnd(w, kind)) }
	}
	candidateSeen := func(kind EventKind) step {
		return func(w *world) {
			w.facts[dstChain] = Provisional{ChainID: dstChain, Events: []EscrowEvent{candidateEnd(w, kind)}}
		}
	}
	candidateHolds := func(at int64, token uint64) step {
		return func(w *world) {
			w.order.SetBalance(dstChain, named("candidate"), Balance{Block: block(at), Token: *uint256.NewInt(token)})
		}
	}
	candidateMute := func(at int64) step {
		return func(w *world) {
			w.order.SetBalance(dstChain, named("candidate"), Balance{Block: block(at), Mute: true})
		}
	}
	expect := func(f func(*Complement)) step { return func(w *world) { f(&w.order.Expect) } }
	views := func(f func(Views)) step { return func(w *world) { f(w.views) } }
	mark := func(chain uint64, synced, final int64) step {
		return views(func(v Views) {
			c := v[chain]
			c.SyncedTo, c.Final = block(synced), block(final)
			v[chain] = c
		})
	}
	both := func(src, dst int64) step { return func(w *world) { w.at(src, dst) } }
	for _, c := range []struct {
		name     string
		given    []step
		want     string
		findings string
	}{
		{"no dst as far as read, but not far enough", []step{both(310, 310), mark(dstChain, 299, 299)}, "src.cancel!dst-logs-not-past", ""},
		{"no dst as far as read", []step{both(310, 310), mark(dstChain, 300, 299)}, "src.cancel", ""},
		{"no dst by one reading only", []step{both(310, 310), mark(dstChain, 310, 99)}, "src.cancel!dst-logs-not-past", ""},
		{"no dst by two readings as long as it mattered", []step{both(310, 310), mark(dstChain, 310, 100)}, "src.cancel", ""},
		{"dst never read", []step{both(310, 310), views(func(v Views) { delete(v, dstChain) })}, "src.cancel!dst-logs-not-past", ""},
		{"dst never read, a leg known", []step{withDst, both(310, 310), views(func(v Views) { delete(v, dstChain) })}, "src.cancel!dst-logs-not-past dst.cancel+1700000270", ""},
		{"dst not readable, payment known", []step{withDst, paid, both(150, 150), views(func(v Views) { delete(v, dstChain) })}, "src.withdraw", ""},
		{"dst not readable, secret known: most likely from a payment", []step{withDst, public, both(150, 150), views(func(v Views) { delete(v, dstChain) })}, "src.withdraw dst.cancel!src-claim-pending", ""},
		{"dst not readable, secret known, no leg: waits", []step{public, both(150, 150), views(func(v Views) { delete(v, dstChain) })}, "src.withdraw!dst-outcome-open", ""},
		{"dst not readable, secret known, no leg: last call", []step{public, both(286, 150), views(func(v Views) { delete(v, dstChain) })}, "src.withdraw", ""},
		{"dst logs lag, secret known, no leg", []step{public, both(150, 150), mark(dstChain, 134, 130)}, "src.withdraw!dst-outcome-open", ""},
		{"dst logs fresh enough, secret known, no leg", []step{public, both(150, 150), mark(dstChain, 135, 130)}, "src.cancel!dst-logs-not-past", ""},
		{"src logs lag: dst is not cancelled", []step{withDst, both(290, 290), mark(srcChain, 274, 274)}, "src.cancel+10 dst.cancel!src-logs-lag", ""},
		{"src logs fresh enough", []step{withDst, both(290, 290), mark(srcChain, 275, 274)}, "src.cancel+10 dst.cancel", ""},
		{"src halted long ago: dst is cancelled all the same", []step{withDst, both(50, 290), halt(srcChain, 4*time.Minute)}, "src.cancel+250 dst.cancel", ""},
		{"dst halted: src is not cancelled", []step{withDst, both(5000, 200), halt(dstChain, 80*time.Minute)}, "src.cancel!dst-logs-not-past dst.cancel+70", ""},
		{"dst halted, secret known: nobody can pay now, so src waits for its last call", []step{withDst, public, both(200, 200), halt(dstChain, time.Hour)}, "src.withdraw!dst-outcome-open dst.cancel!src-claim-pending", ""},
		{"src halted, secret known: its clock may jump", []step{withDst, public, both(200, 260), halt(srcChain, 86*time.Second)}, "src.withdraw dst.cancel!src-claim-pending", ""},
		{"payment seen, src catching up with past timestamps", []step{withDst, seen("dst", Withdrawn, 260), both(101, 5000)}, "src.withdraw", ""},
		{"dst head behind its own facts", []step{withDst, seen("dst", Withdrawn, 260), both(280, 100)}, "src.withdraw", ""},
		{"src reorganised away, dst stands: not yet for good", []step{withDst, ghost("src"), both(4, 290)}, "dst.cancel!src-logs-lag", "src-vanished:warning@dst"},
		{"src reorganised away for good", []step{withDst, ghost("src"), both(290, 290)}, "dst.cancel", "src-vanished:warning@dst"},
		{"src reorganised away, dst paid", []step{withDst, ghost("src"), paid, both(4, 290)}, "", "src-vanished:critical@src"},
		{"src reorganised away for good, dst paid", []step{withDst, ghost("src"), paid, both(290, 290)}, "finished", "src-vanished:critical@src"},
		{"src reorganised away, nothing else", []step{ghost("src"), both(4, 4)}, "", ""},
		{"src reorganised away for good, nothing else", []step{ghost("src"), both(5, 5)}, "finished", ""},
		{"dst reorganised away", []step{withDst, ghost("dst"), both(310, 310)}, "src.cancel", ""},
		{"dst reorganised away, src done", []step{withDst, ghost("dst"), final("src", Cancelled, 301), both(310, 310)}, "finished", ""},
		{"candidate not looked at", []step{candidate(), both(310, 310)}, "src.cancel!dst-candidate-unread", ""},
		{"candidate not looked at, though there was time", []step{candidate(), both(325, 325)}, "src.cancel!dst-candidate-unread", ""},
		{"candidate that cannot be looked at", []step{candidate(), both(326, 326)}, "src.cancel!dst-candidate-unread", "dst-unproven:critical@candidate"},
		{"candidate whose token gives no balance", []step{candidate(), candidateMute(30), both(326, 326)}, "src.cancel!dst-candidate-unread", "dst-unproven:critical@candidate"},
		{"candidate whose token gave no balance, withdrawn", []step{candidate(), candidateMute(30), candidateEnds(Withdrawn), both(310, 310)}, "src.cancel!dst-candidate-unproven", "dst-unproven:critical@candidate"},
		{"candidate that dst has only just shown", []step{candidate(), both(326, 45)}, "src.cancel!dst-candidate-unread", ""},
		// What a decoy costs: the whole amount, in the token that the maker expects.
		{"candidate holds less than the maker expects", []step{candidate(511), both(310, 310)}, "src.cancel", ""},
		{"candidate holds less, by a block that may be replaced", []step{candidate(), candidateHolds(306, 511), both(310, 310)}, "src.cancel!dst-candidate-unread", ""},
		{"candidate holds what the maker expects, without a deposit", []step{candidate(512), both(310, 310)}, "src.cancel!dst-candidate-unproven", "dst-unproven:critical@candidate"},
		{"the maker expects nothing", []step{expect(func(c *Complement) { c.Amount = Word{} }), candidate(), both(310, 310)}, "src.cancel", ""},
		{"the maker expects nothing, candidate withdrawn", []step{expect(func(c *Complement) { c.Amount = Word{} }), candidate(), candidateEnds(Withdrawn), candidateHolds(80, 0), both(310, 310)}, "src.cancel", ""},
		{"candidate holds less, and the final mark stands still", []step{candidate(), candidateHolds(290, 511), both(350, 350), mark(dstChain, 350, 280)}, "src.cancel!dst-candidate-unread", ""},
		{"funded candidate cancelled, not looked at since", []step{candidate(512), candidateEnds(Cancelled), both(310, 310)}, "src.cancel!dst-candidate-unread", ""},
		{"funded candidate cancelled, not looked at for long", []step{candidate(512), candidateEnds(Cancelled), both(330, 330)}, "src.cancel!dst-candidate-unread", "dst-unproven:critical@candidate"},
		{"funded candidate cancelled", []step{candidate(512), candidateEnds(Cancelled), candidateHolds(81, 0), both(310, 310)}, "src.cancel", ""},
		{"funded candidate cancelled, which moved nothing", []step{candidate(512), candidateEnds(Cancelled), candidateHolds(81, 512), both(310, 310)}, "src.cancel!dst-candidate-unproven", "dst-unproven:critical@candidate"},
		{"funded candidate cancelled, not for good", []step{candidate(512), candidateSeen(Cancelled), both(310, 310)}, "src.cancel!dst-payment-not-final", ""},
		{"funded candidate whose cancellation moved nothing, secret public: waits", []step{public, candidate(512), candidateEnds(Cancelled), candidateHolds(81, 512), both(150, 150)}, "src.withdraw!dst-outcome-open", "dst-unproven:critical@candidate"},
		{"funded candidate whose cancellation moved nothing, secret public: last call", []step{public, candidate(512), candidateEnds(Cancelled), candidateHolds(81, 512), both(286, 286)}, "src.withdraw", "dst-unproven:critical@candidate"},
		{"candidate withdrawn while it held the maker's due", []step{candidate(512), candidateEnds(Withdrawn), both(150, 150)}, "src.withdraw", "dst-unproven:critical@candidate"},
		{"candidate withdrawn while it held the maker's due, src expired", []step{candidate(512), candidateEnds(Withdrawn), both(310, 310)}, "src.cancel!dst-candidate-unproven", "dst-unproven:critical@candidate"},
		{"candidate withdrawn, first seen afterwards: waits", []step{candidate(), candidateEnds(Withdrawn), candidateHolds(80, 0), both(150, 150)}, "src.withdraw!dst-outcome-open", "dst-unproven:critical@candidate"},
		{"candidate withdrawn, first seen afterwards: last call", []step{candidate(), candidateEnds(Withdrawn), candidateHolds(80, 0), both(286, 286)}, "src.withdraw", "dst-unproven:critical@candidate"},
		{"candidate withdrawn, first seen afterwards, src expired", []step{candidate(), candidateEnds(Withdrawn), candidateHolds(80, 0), both(310, 310)}, "src.cancel!dst-candidate-unproven", "dst-unproven:critical@candidate"},
		{"candidate withdrawn, seen before to hold less: no payment", []step{candidate(511), candidateEnds(Withdrawn), both(150, 150)}, "src.cancel!dst-logs-not-past", ""},
		{"candidate withdrawn, seen before to hold less, src expired", []step{candidate(), candidateHolds(79, 511), candidateEnds(Withdrawn), both(310, 310)}, "src.cancel", ""},
		{"candidate withdrawn, seen before it was there", []step{candidate(), candidateHolds(19, 0), candidateEnds(Withdrawn), both(310, 310)}, "src.cancel!dst-candidate-unproven", "dst-unproven:critical@candidate"},
		{"candidate in native coin withdrawn, which may have been sent later", []step{expect(func(c *Complement) { c.Token = Word{} }), candidate(511), candidateEnds(Withdrawn), both(310, 310)}, "src.cancel!dst-candidate-unproven", "dst-unproven:critical@candidate"},
		{"funded candidate keeps the order open", []step{candidate(512), final("src", Cancelled, 301), both(310, 310)}, "", "dst-unproven:critical@candidate"},
		{"funded candidate keeps the order open until its cancellation is looked at", []step{candidate(512), candidateEnds(Cancelled), final("src", Cancelled, 301), both(310, 310)}, "", ""},
		{"funded candidate does not after its cancellation", []step{candidate(512), candidateEnds(Cancelled), candidateHolds(81, 0), final("src", Cancelled, 301), both(310, 310)}, "finished", ""},
		{"unread candidate keeps the order open", []step{candidate(), final("src", Cancelled, 301), both(310, 310)}, "", "dst-unproven:critical@candidate"},
		{"unread candidate keeps the order open, just found", []step{candidate(), final("src", Cancelled, 301), both(310, dstLate+overdue+syncLag)}, "", ""},
		{"unread candidate of a token that nobody lists does not", []step{candidate(), final("src", Cancelled, 301), both(600, 600), on(dstChain, func(c *ChainPolicy) { c.Tokens = nil })}, "finished", ""},
		{"candidate that held less keeps the order open until that is final", []step{candidate(), candidateHolds(306, 511), final("src", Cancelled, 301), both(310, 310)}, "", ""},
		{"candidate that held less for good does not", []step{candidate(), candidateHolds(305, 511), final("src", Cancelled, 301), both(310, 310)}, "finished", ""},
		{"empty candidate does not", []step{candidate(0), final("src", Cancelled, 301), both(310, 310)}, "finished", ""},
		{"src claimed, dst logs not read so far", []step{final("src", Withdrawn, 101), both(310, 100)}, "", ""},
		{"src claimed, no dst by final logs", []step{final("src", Withdrawn, 101), both(310, 106)}, "", "maker-unpaid:critical@src"},
		{"src claimed, a dst leg could still come", []step{final("src", Withdrawn, 101), both(310, 304)}, "", "maker-unpaid:critical@src"},
		{"src claimed, no dst leg came in time", []step{final("src", Withdrawn, 101), both(310, 305)}, "finished", "maker-unpaid:critical@src"},
		{"src claimed, the dst leg reorganised away may come back", []step{withDst, ghost("dst"), final("src", Withdrawn, 101), both(310, 304)}, "", "maker-unpaid:critical@src"},
		{"both chains the same", []step{change(func(w *world) {
			w.order.Expect.ChainID = word(srcChain)
			on(srcChain, func(c *ChainPolicy) { c.Tokens[dstCoin] = TokenPolicy{WeiPerUnit: *uint256.NewInt(1)} })(w)
			f := testFactory(w.family)
			l, _ := f.PredictDst(SrcCreated{Leg: w.order.Src.Leg, Expect: w.order.Expect}, zeroTime+dstLate)
			w.order.AddDst(f.Leg(Dst, l.Immutables, place(dstLate, 0)), true)
			w.order.Dsts[0].Final = true
			fund(&w.order.Dsts[0], dstLate)
		}), both(280, 280)}, "src.cancel+20 dst.cancel", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, f := range Families() {
				w := newWorld(f, c.given...)
				_, d := w.decide(t)
				if got := say(w, d); got != c.want {
					t.Errorf("%s:\n got %s\nwant %s", f, got, c.want)
				}
				if got := sayFindings(w, d); got != c.findings {
					t.Errorf("%s:\n got findings %s\n    want findings %s", f, got, c.findings)
				}
			}
		})
	}
}

// What a person has to know of an unproven dst escrow: what hangs on it, and
// until when.
func TestUnprovenDstSaysWhatIsAtStake(t *testing.T) {
	w := newWorld(OneInchV1)
	w.order.AddCandidate(DstCreated{ChainID: dstChain, Escrow: stranger, At: place(dstLate, 0)})
	w.order.SetBalance(dstChain, stranger, Balance{Block: block(dstLate), Token: *uint256.NewInt(512)})
	_, d := w.plan(t, 50, 50)
	if len(d.Findings) != 1 {
		t.Fatalf("findings %+v", d.Findings)
	}
	f := d.Findings[0]
	if f.Order != w.order.ID || f.ChainID != dstChain || f.Escrow != stranger || f.AtRisk.Uint64() != 288 || f.Deadline != zeroTime+300 || !strings.Contains(f.Detail, "src is not cancelled") {
		t.Errorf("%+v", f)
	}
	final("src", Cancelled, 110)(w)
	if _, d = w.plan(t, 150, 150); len(d.Findings) != 1 || !d.Findings[0].AtRisk.IsZero() || d.Findings[0].Deadline != 0 || !strings.Contains(d.Findings[0].Detail, "stays open") {
		t.Errorf("%+v", d.Findings)
	}
}
