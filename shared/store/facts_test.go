package store

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

func someFacts(chain, to uint64, events int) swap.Provisional {
	p := swap.Provisional{ChainID: chain, To: swap.Block{Number: to, Hash: watchtest.Word()}}
	for range events {
		p.Events = append(p.Events, swap.EscrowEvent{ChainID: chain, Escrow: watchtest.Address(), Kind: swap.Withdrawn, Secret: watchtest.Word(), At: watchtest.Position(to)})
	}
	return p
}

// parts lists the generations of parts that are stored for a chain.
func parts(t *testing.T, s *Store, chain uint64) map[string]int {
	t.Helper()
	gens := map[string]int{}
	for it, err := range s.query(t.Context(), partition(testTables.Orders, chainKey(chain), partPrefix)) {
		if err != nil {
			t.Fatal(err)
		}
		gen, _, _ := strings.Cut(strings.TrimPrefix(it.text(attrSK), partPrefix), "#")
		gens[gen]++
	}
	return gens
}

func TestPartsAreDeletedWhenNothingNamesThem(t *testing.T) {
	s, chain := newStore(t), watchtest.Chain()
	const large = largeFacts
	prev := swap.Provisional{ChainID: chain}
	step := func(s *Store, events int, wantErr error) {
		t.Helper()
		next := someFacts(chain, prev.To.Number+1, events)
		if err := s.Facts().Replace(t.Context(), prev, next); !errors.Is(err, wantErr) {
			t.Fatalf("replace: %v, want %v", err, wantErr)
		} else if err == nil {
			prev = next
		}
	}
	step(s, large, nil)
	step(s, large, nil)
	if got := parts(t, s, chain); len(got) != 1 {
		t.Errorf("after two large ones: generations %v, want one", got)
	}

	// A pass dies when the parts are written and the item is not.
	tr := &transport{}
	dying := newStore(t, tr.through(1))
	puts := 0
	tr.reset(func(_ int, op string, forward func() (*http.Response, error)) (*http.Response, error) {
		if op == "PutItem" {
			if puts++; puts > 2 {
				return nil, errCut
			}
		}
		return forward()
	})
	next := someFacts(chain, prev.To.Number+1, large)
	if err := dying.Facts().Replace(t.Context(), prev, next); !errors.Is(err, errCut) {
		t.Fatalf("got %v, want the cut", err)
	}
	if got, err := s.Facts().Provisional(t.Context(), chain); err != nil || got.To != prev.To {
		t.Errorf("after a death: to %d, %v; want the former facts to %d", got.To.Number, err, prev.To.Number)
	}
	if got := parts(t, s, chain); len(got) != 2 {
		t.Errorf("after a death: generations %v, want two", got)
	}
	step(s, large, nil)
	if got := parts(t, s, chain); len(got) != 1 {
		t.Errorf("after the next pass: generations %v, want one", got)
	}

	// A pass that comes late deletes its own parts and nobody else's.
	tr.reset(func(n int, op string, forward func() (*http.Response, error)) (*http.Response, error) {
		if op == "PutItem" && n == 2 { // between its look at the item and its first part
			step(s, large, nil)
		}
		return forward()
	})
	before := prev
	if err := dying.Facts().Replace(t.Context(), before, someFacts(chain, 99, large)); !errors.Is(err, swap.ErrConflict) {
		t.Errorf("late pass: %v, want a conflict", err)
	}
	if got := parts(t, s, chain); len(got) != 1 {
		t.Errorf("after a conflict: generations %v, want one", got)
	}
	step(s, 1, nil)
	if got := parts(t, s, chain); len(got) != 0 {
		t.Errorf("after small ones: generations %v, want none", got)
	}
}

// A reader that has the item when its parts are replaced reads again.
func TestOvertakenReader(t *testing.T) {
	s, chain := newStore(t), watchtest.Chain()
	first, second := someFacts(chain, 1, largeFacts), someFacts(chain, 2, largeFacts+10)
	if err := s.Facts().Replace(t.Context(), swap.Provisional{ChainID: chain}, first); err != nil {
		t.Fatal(err)
	}
	tr := &transport{}
	reader := newStore(t, tr.through(1))
	tr.reset(func(n int, op string, forward func() (*http.Response, error)) (*http.Response, error) {
		if n == 2 {
			if err := s.Facts().Replace(t.Context(), first, second); err != nil {
				t.Errorf("replace: %v", err)
			}
		}
		return forward()
	})
	got, err := reader.Facts().Provisional(t.Context(), chain)
	if err != nil || got.To != second.To || len(got.Events) != len(second.Events) {
		t.Errorf("to %d with %d events, %v; want to 2 with %d", got.To.Number, len(got.Events), err, len(second.Events))
	}
}

func TestDamagedPartsAreAnError(t *testing.T) {
	s, chain := newStore(t), watchtest.Chain()
	if err := s.Facts().Replace(t.Context(), swap.Provisional{ChainID: chain}, someFacts(chain, 1, largeFacts)); err != nil {
		t.Fatal(err)
	}
	var one item
	for it, err := range s.query(t.Context(), partition(testTables.Orders, chainKey(chain), partPrefix)) {
		if err != nil {
			t.Fatal(err)
		}
		one = it
		break
	}
	one[attrBody] = blob([]byte("something else"))
	load(t, s, testTables.Orders, []item{one})
	if got, err := s.Facts().Provisional(t.Context(), chain); !errors.Is(err, errParts) {
		t.Errorf("%d events, %v; want an error", len(got.Events), err)
	}
}

// More than the store holds is an error before anything is written; it is
// never cut to fit.
func TestFactsTooLarge(t *testing.T) {
	tr := &transport{fault: func(int, string, func() (*http.Response, error)) (*http.Response, error) {
		return nil, errors.New("nothing should be sent")
	}}
	small := offline(tr)
	small.part = testPart
	p := someFacts(1, 1, (maxParts+1)*testPart/100)
	err := small.Facts().Replace(t.Context(), swap.Provisional{ChainID: 1}, p)
	if err == nil || !strings.Contains(err.Error(), "the store holds") {
		t.Errorf("got %v", err)
	}
	if err := offline(tr).Facts().Replace(t.Context(), swap.Provisional{ChainID: 2}, p); err == nil || !strings.Contains(err.Error(), "by those of chain") {
		t.Errorf("of another chain: %v", err)
	}
}

// At full size: facts that the service would refuse as one item.
func TestLargestFacts(t *testing.T) {
	s, chain := newStore(t), watchtest.Chain()
	s.part = maxBody
	prev := swap.Provisional{ChainID: chain}
	for _, c := range []struct{ events, parts int }{{2_000, 0}, {4_000, 2}, {1, 0}} {
		next := someFacts(chain, prev.To.Number+1, c.events)
		if err := s.Facts().Replace(t.Context(), prev, next); err != nil {
			t.Fatalf("%d events: %v", c.events, err)
		}
		got, err := s.Facts().Provisional(t.Context(), chain)
		if err != nil || !reflect.DeepEqual(got, next) {
			t.Errorf("%d events: read %d, %v", c.events, len(got.Events), err)
		}
		total := 0
		for _, n := range parts(t, s, chain) {
			total += n
		}
		if total != c.parts {
			t.Errorf("%d events: %d parts, want %d", c.events, total, c.parts)
		}
		prev = next
	}
}
