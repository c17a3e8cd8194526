package watch_test

import "testing"

// The proposal's queue items had no key: what was seen twice was done twice.
func TestQueueItemsHaveNoDedupKey(t *testing.T) {
	r := newRig()
	r.put(t, paid)
	r.at(210)
	for range 5 {
		r.sweep(t)
	}
	if work := r.actions.All(); len(work) != 1 {
		t.Errorf("%d pieces of work for one withdrawal that was seen five times", len(work))
	}
}
