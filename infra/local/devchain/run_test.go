package devchain

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// fakeClock is a clock in Unix seconds that a test moves.
type fakeClock struct{ seconds atomic.Uint64 }

func (f *fakeClock) now() uint64 { return f.seconds.Load() }

// runner runs c until the test ends and reports its new heads in order.
func runner(t *testing.T, c *Chain, clock *fakeClock) <-chan *types.Header {
	t.Helper()
	heads := make(chan *types.Header, 1000)
	sub := must[ethereum.Subscription](t)(c.Client().SubscribeNewHead(t.Context(), heads))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, 2*time.Millisecond, clock.now) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		sub.Unsubscribe()
	})
	return heads
}

func next(t *testing.T, heads <-chan *types.Header) uint64 {
	t.Helper()
	select {
	case head := <-heads:
		return head.Time - genesisTime
	case <-time.After(20 * time.Second):
		t.Fatal("no block came")
		return 0
	}
}

func TestRunFollowsTheClock(t *testing.T) {
	c := newChain(t, testConfig(5))
	clock := new(fakeClock)
	clock.seconds.Store(genesisTime)
	heads := runner(t, c, clock)
	for _, at := range []uint64{1, 2, 5} { // 5: two slots missed
		clock.seconds.Store(genesisTime + at)
		if got := next(t, heads); got != at {
			t.Fatalf("block at +%d, want +%d", got, at)
		}
	}
	send(t, dial(t, c), call(t, c, alice, 0, common.Hash{1}, 1))
	clock.seconds.Store(genesisTime + 6)
	if got := next(t, heads); got != 6 {
		t.Fatalf("block at +%d, want +6", got)
	}
	if block := must[*types.Block](t)(c.Client().BlockByNumber(t.Context(), nil)); len(block.Transactions()) != 1 {
		t.Error("Run left the pool's transaction out")
	}
}

func TestRunErrors(t *testing.T) {
	c := must[*Chain](t)(New(testConfig(5)))
	clock := new(fakeClock)
	if err := c.Run(t.Context(), 0, clock.now); err == nil {
		t.Error("a period of zero was accepted")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Run(ended, time.Hour, clock.now); err != nil {
		t.Errorf("ended context: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	clock.seconds.Store(genesisTime + 1)
	if err := c.Run(t.Context(), time.Millisecond, clock.now); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("run on a closed chain: %v", err)
	}
}

func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg := testConfig(5)
	var c *Chain
	err := Serve(ctx, cfg, 10*time.Millisecond, func(served *Chain) {
		c = served
		heads := make(chan *types.Header, 1)
		sub := must[ethereum.Subscription](t)(c.Client().SubscribeNewHead(t.Context(), heads))
		go func() {
			defer cancel()
			defer sub.Unsubscribe()
			select {
			case head := <-heads:
				if age := time.Now().Unix() - int64(head.Time); age < 0 || age > 30 {
					t.Errorf("block is %d s old", age)
				}
			case <-time.After(20 * time.Second):
				t.Error("no block came")
			}
		}()
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := c.Mine(genesisTime); err == nil {
		t.Error("the chain is still open")
	}
	cfg.ChainID = 0
	if err := Serve(t.Context(), cfg, time.Second, nil); err == nil {
		t.Error("no chain id was accepted")
	}
}
