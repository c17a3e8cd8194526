package txn_test

import (
	"slices"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// states are those of the works' present life, "" for one that ended.
func (r *tracked) states(works []swap.Work) (out []swap.WorkState) {
	for _, w := range works {
		out = append(out, r.work(w.Key()).State)
	}
	return out
}

// Each action of a mined batch is settled by its own escrow's event.
func TestBatchIsSettledByEvents(t *testing.T) {
	r := newTracked(t)
	e, works := r.batch(0, 3)
	r.mined(e.Txs[0].Hash, 90, true)
	o := r.outcomes[e.Txs[0].Hash]
	o.Events[1].Escrow = watchtest.Address() // a look-alike
	r.outcomes[e.Txs[0].Hash] = o
	r.state.Latest = 1
	res, err := r.track()
	if err != nil {
		t.Fatal(err)
	}
	if want := (txn.Tracked{Open: 1, Confirmed: 2, Reverted: 1, Reopened: 1}); res != want {
		t.Errorf("%+v, want %+v", res, want)
	}
	if got, want := r.states(works), []swap.WorkState{"", swap.WorkRefused, ""}; !slices.Equal(got, want) {
		t.Errorf("works %v, want %v", got, want)
	}
	if f := r.findings; len(f) != 1 || f[0].Code != swap.CallReverts || f[0].Severity != swap.Critical || f[0].Escrow != works[1].Escrow {
		t.Errorf("findings %+v", f)
	}
}

// A batch that reverted is open again as a whole, at once: all but one of its
// actions are likely to be sound.
func TestRevertedBatchIsOpenAtOnce(t *testing.T) {
	r := newTracked(t)
	e, works := r.batch(0, 3)
	r.mined(e.Txs[0].Hash, 90, false)
	r.state.Latest = 1
	res, err := r.track()
	if want := (txn.Tracked{Open: 1, Reverted: 3, Reopened: 3, Rung: true}); err != nil || res != want {
		t.Errorf("%+v, %v, want %+v", res, err, want)
	}
	for _, w := range works {
		if got := r.work(w.Key()); got.State != swap.WorkPlanned || got.Attempt != 2 || got.Why != "reverted together with others" {
			t.Errorf("work %+v", got)
		}
	}
	if len(r.findings) != 3 || r.findings[0].Code != swap.TxReverted {
		t.Errorf("findings %+v", r.findings)
	}
}

// What a replacement left out is open again, whatever became of the others.
func TestLeftOutOfAReplacement(t *testing.T) {
	for name, ok := range map[string]bool{"success": true, "reverted": false} {
		t.Run(name, func(t *testing.T) {
			r := newTracked(t)
			e, works := r.batch(0, 2)
			h := r.bump(e, 90_000, 85, 1)
			r.mined(h, 90, ok)
			r.state.Latest = 1
			if _, err := r.track(); err != nil {
				t.Fatal(err)
			}
			want := []swap.WorkState{swap.WorkPlanned, ""}
			if !ok {
				want[1] = swap.WorkRefused // it was alone: it is to blame
			}
			if got := r.states(works); !slices.Equal(got, want) {
				t.Errorf("works %v, want %v", got, want)
			}
		})
	}
}

// A gap that was filled with nothing is settled without any work.
func TestFilledGapIsSettled(t *testing.T) {
	r := newTracked(t)
	e, _ := r.batch(0, 0)
	r.mined(e.Txs[0].Hash, 90, true)
	r.state.Latest = 1
	if res, err := r.track(); err != nil || res != (txn.Tracked{Open: 1}) || r.settled(0) != txn.Mined || len(r.findings) != 0 {
		t.Errorf("%+v, %v, %s, %+v", res, err, r.settled(0), r.findings)
	}
}
