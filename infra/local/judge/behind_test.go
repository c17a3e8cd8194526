package judge

import (
	"testing"
	"time"
)

// chainOf makes a ledger of one chain: a block per entry, which is its time and
// the tick at which it came.
func chainOf(t *testing.T, blocks ...[2]int) *Ledger {
	t.Helper()
	l := &Ledger{chains: map[uint64][]*Block{}}
	for i, b := range blocks {
		l.chains[1] = append(l.chains[1], &Block{Chain: 1, Number: uint64(i), Time: uint64(b[0]), Tick: b[1],
			Arrived: time.Unix(int64(b[1]), 0)})
	}
	return l
}

func TestBehindCountsMomentsNotBlocks(t *testing.T) {
	// The chain stood still after 11 and came back with three blocks at once.
	l := chainOf(t, [2]int{10, 10}, [2]int{11, 11}, [2]int{12, 20}, [2]int{13, 20}, [2]int{14, 20}, [2]int{15, 21}, [2]int{16, 22})
	for _, c := range []struct {
		from   uint64
		block  int
		behind int
	}{
		{10, 0, 0},
		{10, 1, 1},
		{12, 4, 0}, // together with the first
		{12, 5, 1},
		{11, 5, 2},
		{10, 6, 4},
		{16, 5, 0}, // before the first: not behind
		{99, 6, 0},
	} {
		got := l.behind(l.chains[1][c.block], func(b *Block) bool { return b.Time >= c.from })
		if got != c.behind {
			t.Errorf("block %d is %d behind time %d, want %d", c.block, got, c.from, c.behind)
		}
	}
}

func TestSeenByTheFirstPassThatStartedAfterTheCause(t *testing.T) {
	l := chainOf(t, [2]int{10, 10}, [2]int{11, 11}, [2]int{12, 12})
	second := func(s, e int64) Pass { return Pass{time.Unix(s, 0), time.Unix(e, 0)} }
	passes := []Pass{second(8, 9), second(11, 13), second(12, 14), second(15, 16)}
	for cause, want := range map[uint64]int64{0: 13, 10: 13, 11: 14, 12: 16} {
		got, ok := l.seen(cause, passes)
		if !ok || got.Unix() != want {
			t.Errorf("cause at %d seen at %v, %v; want %d", cause, got.Unix(), ok, want)
		}
	}
	if _, ok := l.seen(12, passes[:3]); ok {
		t.Error("seen by a pass that started with it")
	}
	if _, ok := l.seen(13, passes); ok {
		t.Error("seen before it came")
	}
}
