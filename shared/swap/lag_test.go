package swap

import (
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// How far marks and head may lag, at the edges: 300 s for the logs, 300 + 3/2 *
// 20 blocks of 2 s = 360 s for the final ones, 300 s for a head; three quarters
// of that is fresh.
func TestLag(t *testing.T) {
	p := Policy{SyncLag: 300, Chains: map[uint64]ChainPolicy{1: {BlockTime: 2, Confirmations: 20}, 2: {BlockTime: 60, Confirmations: 5}, 3: {}}}
	at := func(number uint64, second int64) Block { return Block{Number: number, Time: zeroTime.Add(second)} }
	// follow is a head at second 10,000 with marks that many seconds behind, on a
	// chain with a block every so many seconds.
	follow := func(chain uint64, every, seen, final int64) ChainView {
		mark := func(behind int64) Block { return at(uint64((10_000-behind)/every), 10_000-behind) }
		return ChainView{ChainID: chain, Head: mark(0), SyncedTo: mark(seen), Final: mark(final)}
	}
	aged := func(v ChainView, age time.Duration) ChainView { v.HeadAge = age; return v }
	for _, c := range []struct {
		name string
		view ChainView
		want Lag
		what string // part of the detail
	}{
		{"just read", follow(1, 2, 0, 40), Fresh, ""},
		{"a pass and its time ago", follow(1, 2, 170, 210), Fresh, ""},
		{"logs at the end of fresh", follow(1, 2, 224, 264), Fresh, ""},
		{"logs beyond it", follow(1, 2, 226, 266), Slack, ""},
		{"logs at the limit", follow(1, 2, 300, 340), Slack, ""},
		{"logs beyond the limit", follow(1, 2, 302, 342), Behind, "logs are not read"},
		{"final at the end of fresh", follow(1, 2, 100, 270), Fresh, ""},
		{"final beyond it", follow(1, 2, 100, 272), Slack, ""},
		{"final at the limit", follow(1, 2, 100, 360), Slack, ""},
		{"final beyond the limit", follow(1, 2, 100, 362), Behind, "final blocks are not read"},
		{"all stands still: the cause is told", follow(1, 2, 5000, 5040), Behind, "logs are not read"},
		{"head at the end of fresh", aged(follow(1, 2, 0, 40), 225*time.Second), Fresh, ""},
		{"head at the limit", aged(follow(1, 2, 0, 40), 300*time.Second), Slack, ""},
		{"head beyond the limit", aged(follow(1, 2, 0, 40), 301*time.Second), Behind, "head is old"},
		{"slow blocks: 20 of them", aged(follow(2, 60, 0, 240), 1200*time.Second), Slack, ""},
		{"slow blocks: more than 20 of them", aged(follow(2, 60, 0, 240), 1201*time.Second), Behind, "head is old"},
		// A halt of 50 minutes: the head's time has jumped, the marks lie a few
		// blocks behind it.
		{"after a halt, at once", ChainView{ChainID: 1, Head: at(1021, 10_000), SyncedTo: at(1020, 7000), Final: at(1000, 6960)}, Fresh, ""},
		{"after a halt, a pass later", ChainView{ChainID: 1, Head: at(1050, 10_000), SyncedTo: at(1040, 9980), Final: at(1020, 7000)}, Fresh, ""},
		{"after a halt, and never read since", ChainView{ChainID: 1, Head: at(1058, 10_000), SyncedTo: at(1020, 7000), Final: at(1000, 6960)}, Behind, "logs are not read"},
		{"blocks four times as slow as usual", follow(1, 8, 304, 400), Behind, "logs are not read"},
		{"nothing is known of its blocks", follow(3, 1, 301, 301), Behind, "logs are not read"},
		{"never read", ChainView{ChainID: 1, Head: at(1000, 10_000)}, Unread, "never been read"},
		{"never read as final", ChainView{ChainID: 1, Head: at(1000, 10_000), SyncedTo: at(1000, 10_000)}, Unread, "never been read"},
		{"a head behind the marks", ChainView{ChainID: 1, Head: at(1000, 10_000), SyncedTo: at(1010, 10_020), Final: at(990, 9980)}, Fresh, ""},
	} {
		got, what := p.Lag(c.view)
		if got != c.want || !strings.Contains(what, c.what) || (what == "") != (c.want == Fresh || c.want == Slack) {
			t.Errorf("%s: %d %q, want %d", c.name, got, what, c.want)
		}
	}
}

// Which chains an order waits for, with 60 seconds as the first warning level.
func TestWaiting(t *testing.T) {
	paid := final("dst", Withdrawn, 75)
	lags := func(chain uint64, synced, final int64) step {
		return func(w *world) {
			v := w.views[chain]
			v.SyncedTo, v.Final = block(synced), block(final)
			w.views[chain] = v
		}
	}
	for _, c := range []struct {
		name     string
		given    []step
		src, dst int64
		more     []step // once the chains stand there
		want     string // chains
	}{
		{"in the middle of its time", []step{withDst}, 150, 150, nil, ""},
		{"before src may be lost: a payment may be unseen", []step{withDst}, 239, 150, nil, ""},
		{"when src may be lost: a payment may be unseen", []step{withDst}, 240, 150, nil, "src dst"},
		{"no dst leg known", nil, 240, 150, nil, "src dst"},
		{"dst never read", nil, 240, 150, []step{change(func(w *world) { delete(w.views, dstChain) })}, "src dst"},
		{"src can be cancelled once dst's end is final", []step{withDst}, 310, 280, []step{lags(dstChain, 280, 269)}, "src dst"},
		{"src can be cancelled", []step{withDst}, 310, 310, nil, ""},
		{"dst is taken back once src's logs are read", []step{withDst}, 200, 211, []step{lags(srcChain, 180, 175)}, "src dst"},
		{"a claim, in time", []step{withDst, paid}, 239, 239, nil, ""},
		{"a claim near its deadline waits for its own chain", []step{withDst, paid}, 240, 240, nil, "src"},
		{"a claim on a chain whose head is old", []step{withDst, paid}, 200, 240, []step{halt(srcChain, 40*time.Second)}, "src"},
		{"a claim that nobody can make", []step{withDst, paid, takerPath(PathNone, zeroAddress)}, 240, 240, nil, ""},
		{"the maker is owed, the claim not final", []step{withDst, public, seen("src", Withdrawn, 150)}, 150, 210, nil, "src dst"},
		{"a rescue that waits for the payment to be final", []step{withDst, seen("dst", Withdrawn, 75)}, 691_140, 691_140, nil, "src dst"},
		{"long before the rescue", []step{withDst, seen("dst", Withdrawn, 75)}, 691_000, 691_000, nil, ""},
		{"done", []step{withDst, paid, final("src", Withdrawn, 101)}, 400, 400, nil, ""},
	} {
		w := newWorld(OneInchV1, c.given...)
		w.policy.WarnLevels = []int64{60, 10}
		w.at(c.src, c.dst)
		for _, s := range c.more {
			s(w)
		}
		s, d := w.decide(t)
		var got []string
		for chain, risk := range Waiting(Case{State: s, Decision: d}, w.views, w.policy) {
			got = append(got, map[uint64]string{srcChain: "src", dstChain: "dst"}[chain])
			if risk.IsZero() {
				t.Errorf("%s: nothing at risk on %d", c.name, chain)
			}
		}
		slices.SortFunc(got, func(a, b string) int { return strings.Compare(b, a) })
		if fmt.Sprint(strings.Join(got, " ")) != c.want {
			t.Errorf("%s: %v, want %q: %s", c.name, got, c.want, say(w, d))
		}
	}
}

// Every refusal that waits waits for a chain.
func TestWhatWaitsWaitsForAChain(t *testing.T) {
	w := newWorld(OneInchV1)
	s := Fold(w.order, nil)
	for _, r := range reasons(t) {
		if waits := s.readFor(r) != 0; waits != r.Waits() {
			t.Errorf("%s: waits %t, reads %d", r, r.Waits(), s.readFor(r))
		}
	}
}

// reasons lists every Reason there is, as the source has them.
func reasons(t *testing.T) (all []Reason) {
	t.Helper()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "action.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Reason" {
			for _, v := range spec.Values {
				text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, Reason(text))
			}
		}
		return true
	})
	if !slices.Contains(all, OfAnother) {
		t.Fatalf("found %v: have the reasons moved?", all)
	}
	return all
}
