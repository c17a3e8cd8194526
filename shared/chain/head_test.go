package chain

import (
	"context"
	"slices"
	"testing"
	"time"
)

func TestHeadIsTheNewest(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", 10, 2*time.Second), newNode(t, "b", 11, time.Second)
	client := newClient(t, nil, a, b)
	head, age, err := client.Head(t.Context(), testChain)
	if err != nil {
		t.Fatal(err)
	}
	if head.Number != 11 || head.Hash != blockHash("main", 11) {
		t.Errorf("head %v", head)
	}
	if age < time.Second || age > time.Minute {
		t.Errorf("age %s", age)
	}
	if got := client.Trouble(); len(got) != 0 {
		t.Errorf("troubles %v", got)
	}
	// The block is read where it is known to be.
	a.reset()
	if _, err := client.Block(t.Context(), testChain, 11); err != nil {
		t.Fatal(err)
	}
	if a.total() != 0 {
		t.Error("asked the endpoint that is behind")
	}
}

func TestHeadAgeIsNeverNegative(t *testing.T) {
	t.Parallel()
	n := newNode(t, "ahead", 10, -time.Hour)
	_, age, err := newClient(t, nil, n).Head(t.Context(), testChain)
	if err != nil || age != 0 {
		t.Errorf("age %s, %v", age, err)
	}
}

func TestHeadCalls(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", 10, time.Second), newNode(t, "b", 10, time.Second)
	client := newClient(t, nil, a, b)
	count := func() int {
		a.reset()
		b.reset()
		if _, _, err := client.Head(t.Context(), testChain); err != nil {
			t.Fatal(err)
		}
		return a.total() + b.total()
	}
	first := count() // with both chain ids
	same := count()
	b.extend("main", 11, 11, time.Now())
	differ := count()
	if first != 4 || same != 2 || differ != 3 {
		t.Errorf("calls: first %d, same head %d, differing heads %d; want 4, 2, 3", first, same, differ)
	}
}

func TestStaleHeadIsPutAside(t *testing.T) {
	t.Parallel()
	stale, fresh := newNode(t, "stale", 10, time.Minute), newNode(t, "fresh", 60, 0)
	fresh.extend("main", 0, 60, time.Now())
	client := newClient(t, nil, stale, fresh)
	head, _, err := client.Head(t.Context(), testChain)
	if err != nil || head.Number != 60 {
		t.Fatalf("head %v, %v", head, err)
	}
	if got := kinds(client); len(got) != 1 || got[0] != "stale stale-head" {
		t.Errorf("troubles %v", got)
	}
	stale.reset()
	if _, err := client.Block(t.Context(), testChain, 5); err != nil {
		t.Fatal(err)
	}
	if stale.total() != 0 {
		t.Error("stale endpoint asked")
	}
}

// A chain that stands still as a whole is no fault of an endpoint.
func TestHaltedChainIsNotStale(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", 10, time.Hour), newNode(t, "b", 10, time.Hour)
	client := newClient(t, nil, a, b)
	_, age, err := client.Head(t.Context(), testChain)
	if err != nil || age < time.Hour {
		t.Fatalf("age %s, %v", age, err)
	}
	if got := client.Trouble(); len(got) != 0 {
		t.Errorf("troubles %v", got)
	}
}

func TestForkIsPutAside(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		branches [3]string // of the endpoints a, b, c; "" is none
		heads    [3]uint64
		from     uint64 // where the branches part
		winner   uint64
		want     []string
	}{
		"longer chain wins":     {[3]string{"side", "main"}, [3]uint64{30, 31}, 10, 31, []string{"a forked"}},
		"equal: order":          {[3]string{"main", "side"}, [3]uint64{30, 30}, 10, 30, []string{"b forked"}},
		"majority":              {[3]string{"side", "main", "main"}, [3]uint64{32, 31, 30}, 10, 31, []string{"a forked"}},
		"majority behind":       {[3]string{"main", "side", "main"}, [3]uint64{31, 30, 31}, 10, 31, []string{"b forked"}},
		"only the tip differs":  {[3]string{"main", "side"}, [3]uint64{30, 30}, 28, 30, nil},
		"tip differs, unequal":  {[3]string{"main", "side"}, [3]uint64{30, 31}, 28, 31, nil},
		"just as deep as final": {[3]string{"main", "side"}, [3]uint64{30, 30}, 25, 30, []string{"b forked"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var nodes []*node
			for i, branch := range c.branches {
				if branch == "" {
					continue
				}
				n := newNode(t, string(rune('a'+i)), c.heads[i], 0)
				if branch != "main" {
					n.extend(branch, c.from, c.heads[i], time.Now())
				}
				nodes = append(nodes, n)
			}
			client := newClient(t, nil, nodes...)
			head, _, err := client.Head(t.Context(), testChain)
			if err != nil || head.Number != c.winner {
				t.Errorf("head %v, %v, want number %d", head, err, c.winner)
			}
			got := kinds(client)
			if len(got) != len(c.want) || len(got) == 1 && got[0] != c.want[0] {
				t.Errorf("troubles %v, want %v", got, c.want)
			}
		})
	}
}

func TestSlowPeerDoesNotHoldTheHead(t *testing.T) {
	t.Parallel()
	good, slow := newNode(t, "good", 10, 0), newNode(t, "slow", 10, 0)
	stall(t, slow)
	client := newClient(t, func(c *Config) { c.Timeout = time.Hour }, good, slow)
	for range 3 {
		if head, _, err := client.Head(t.Context(), testChain); err != nil || head.Number != 10 {
			t.Fatal(head, err)
		}
	}
	// Twice given a chance, then left alone.
	if _, requests := slow.counts(); requests != 2 {
		t.Errorf("slow endpoint asked %d times, want 2", requests)
	}
	if got := kinds(client); len(got) != 1 || got[0] != "slow unreachable" {
		t.Errorf("troubles %v", got)
	}
}

func TestHeadFromTheLastOneStanding(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", 10, 0), newNode(t, "b", 10, 0)
	client := newClient(t, nil, a, b)
	a.intercept(text(500, ""))
	b.intercept(text(401, ""))
	_, _, err := client.Head(t.Context(), testChain)
	noSecrets(t, err)
	a.intercept(nil)
	if head, _, err := client.Head(t.Context(), testChain); err != nil || head.Number != 10 {
		t.Fatal(head, err)
	}
	// It works again, so it is no longer aside.
	if got := kinds(client); len(got) != 2 {
		t.Errorf("troubles %v", got)
	}
	if got := kinds(client); len(got) != 1 || got[0] != "b refused" {
		t.Errorf("troubles %v", got)
	}
}

func TestBlockThatNobodyHas(t *testing.T) {
	t.Parallel()
	n := newNode(t, "only", 3, 0)
	client := newClient(t, nil, n)
	if _, err := client.Block(t.Context(), testChain, 4); classOf(err) != classBehind {
		t.Errorf("error %v", err)
	}
	if got := client.Trouble(); len(got) != 0 {
		t.Errorf("troubles %v", got)
	}
}

func TestUnknownChain(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, newNode(t, "a", 1, 0))
	if _, _, err := client.Head(t.Context(), 1); err == nil {
		t.Error("no error")
	}
}

// Nothing of a call stays behind, even when an endpoint never answers.
func TestHeadWithinDeadlineOfStallingEndpoints(t *testing.T) {
	t.Parallel()
	n := newNode(t, "slow", 3, 0)
	stall(t, n)
	client := newClient(t, func(c *Config) { c.Timeout = time.Hour }, n)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, _, err := client.Head(ctx, testChain)
	noSecrets(t, err)
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %s", d)
	}
}

// While a halted chain catches up every head is old, and being a few blocks
// behind a peer is no fault.
func TestLaggingOnAnOldChainIsNotStale(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", 10, time.Hour), newNode(t, "b", 12, time.Hour-2*time.Second)
	client := newClient(t, nil, a, b)
	head, _, err := client.Head(t.Context(), testChain)
	if err != nil || head.Number != 12 {
		t.Fatalf("head %v, %v", head, err)
	}
	if got := client.Trouble(); len(got) != 0 {
		t.Errorf("troubles %v", got)
	}
}

// A head of the future is no clock to go by, and makes nobody stale. It is gone by
// only where there is nothing else.
func TestHeadOfTheFuture(t *testing.T) {
	t.Parallel()
	honest, ahead := newNode(t, "honest", 10, 0), newNode(t, "ahead", 11, -time.Hour)
	client := newClient(t, nil, ahead, honest)
	for _, step := range []struct {
		words  string
		away   bool // the honest one
		want   uint64
		future bool // is in trouble
	}{{"beside an honest one", false, 10, true}, {"aside", false, 10, true}, {"alone", true, 11, false}, {"the honest one is back", false, 10, true}} {
		honest.intercept(nil)
		if step.away {
			honest.intercept(text(500, ""))
		}
		head, _, err := client.Head(t.Context(), testChain)
		if err != nil || head.Number != step.want {
			t.Errorf("%s: head %d, %v; want %d", step.words, head.Number, err, step.want)
		}
		if got := slices.Contains(kinds(client), "ahead future-head"); step.future && !got {
			t.Errorf("%s: troubles %v", step.words, client.Trouble())
		}
	}
}

// Where all in good standing tell heads of the future, those that are aside are asked,
// but not one that was found on another branch, and what they tell is compared.
func TestHeadOfTheFutureAndThoseAside(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		words string
		aside []TroubleKind // why the others are
		heads []uint64
		side  int // which of them is on another branch, -1: none
		want  uint64
	}{
		{"one that is known to be on another branch", []TroubleKind{Forked}, []uint64{30}, 0, 40},
		{"one that was stale", []TroubleKind{Stale}, []uint64{30}, -1, 30},
		{"the longer chain", []TroubleKind{Stale, Stale}, []uint64{30, 31}, 0, 31},
		{"the majority", []TroubleKind{Stale, Stale, Stale}, []uint64{32, 31, 30}, 0, 31},
		{"not one on another branch, and longer", []TroubleKind{Forked, Stale}, []uint64{32, 31}, 0, 31},
	} {
		nodes := []*node{newNode(t, "ahead", 40, -time.Hour)}
		for i, head := range c.heads {
			n := newNode(t, string(rune('a'+i)), head, 0)
			if i == c.side {
				n.extend("side", 10, head, time.Now())
			}
			nodes = append(nodes, n)
		}
		client := newClient(t, nil, nodes...)
		for i, why := range c.aside {
			client.chains[testChain].endpoints[1+i].setAside(time.Minute+time.Duration(i)*time.Second, why, "before")
		}
		head, _, err := client.Head(t.Context(), testChain)
		if err != nil || head.Number != c.want || head.Hash != blockHash("main", c.want) {
			t.Errorf("%s: head %v, %v; want %d", c.words, head, err, c.want)
		}
		if got := slices.Contains(kinds(client), "ahead future-head"); got != (c.want != 40) {
			t.Errorf("%s: troubles %v", c.words, kinds(client))
		}
	}
}

func TestAllHeadsOfTheFuture(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", 10, -time.Hour), newNode(t, "b", 11, -time.Hour)
	client := newClient(t, nil, a, b)
	head, age, err := client.Head(t.Context(), testChain)
	if err != nil || head.Number != 11 || age != 0 {
		t.Errorf("head %v, %s old, %v", head, age, err)
	}
	if got := client.Trouble(); len(got) != 0 {
		t.Errorf("troubles %v", got)
	}
}
