package chain

import (
	"slices"
	"testing"
)

// Only who answered is named, once, and not while aside.
func TestAnswered(t *testing.T) {
	t.Parallel()
	gone, good, idle := newNode(t, "gone", 9, 0), newNode(t, "good", 9, 0), newNode(t, "idle", 9, 0)
	gone.Close()
	client := newClient(t, nil, gone, good, idle)
	ask := func(want ...Answer) {
		t.Helper()
		if got := client.Answered(); !slices.Equal(got, want) {
			t.Errorf("answered %v, want %v", got, want)
		}
	}
	ask()
	if _, err := client.Block(t.Context(), testChain, 9); err != nil {
		t.Fatal(err)
	}
	ask(Answer{testChain, "good"})
	ask()
	if _, err := client.Block(t.Context(), testChain, 9); err != nil {
		t.Fatal(err)
	}
	client.chains[testChain].endpoints[1].setAside(asideShort, Forked, "other blocks than its peer")
	ask()
}
