package health

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// nodes are endpoints by name.
type nodes struct {
	mu    sync.Mutex
	of    map[string]*node
	asked map[string]uint64 // heights at which hashes were asked
}

type node struct {
	chain   uint64
	head    uint64
	age     time.Duration
	err     error
	unsaid  error
	branch  byte
	from    uint64 // the first block of the branch
	latency time.Duration
	stalls  bool
}

func (n *nodes) Ping(ctx context.Context, _ uint64, name string) (Ping, error) {
	e := n.of[name]
	if e.stalls {
		<-ctx.Done()
		return Ping{}, errors.New("timeout")
	}
	if e.latency > 0 {
		time.Sleep(e.latency) // of the bubble
	}
	return Ping{ChainID: e.chain, Head: swap.Block{Number: e.head, Time: swap.ChainTime(begin.Add(-e.age).Unix())}}, e.err
}

func (n *nodes) HashAt(ctx context.Context, _ uint64, name string, number uint64) (common.Hash, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked[name] = number
	e := n.of[name]
	if err := cmp.Or(e.unsaid, ctx.Err()); err != nil {
		return common.Hash{}, err
	}
	if number < e.from {
		return common.Hash{1}, nil
	}
	return common.Hash{1, e.branch}, nil
}

func TestChainProbe(t *testing.T) {
	good := func(change func(n *node)) *node {
		n := &node{chain: 10, head: 1000, age: 2 * time.Second}
		if change != nil {
			change(n)
		}
		return n
	}
	for _, c := range []struct {
		name    string
		of      map[string]*node
		whole   Status
		each    map[string]Status
		says    string // in some component's words
		compare uint64 // at which height, 0: not at all
	}{
		{"two that agree", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.head = 997 })},
			Healthy, map[string]Status{"a": Healthy, "b": Healthy}, "", 992},
		{"one alone", map[string]*node{"a": good(nil)}, Healthy, map[string]Status{"a": Healthy}, "", 0},
		{"near genesis", map[string]*node{"a": good(func(n *node) { n.head = 3 }), "b": good(func(n *node) { n.head = 4 })},
			Healthy, map[string]Status{"a": Healthy, "b": Healthy}, "", 0},
		{"one does not answer", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.err = errors.New("rate limited") })},
			Healthy, map[string]Status{"a": Healthy, "b": Unhealthy}, "rate limited", 0},
		{"one answers for another chain", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.chain = 8453 })},
			Healthy, map[string]Status{"a": Healthy, "b": Unhealthy}, "answers for chain 8453", 0},
		{"none answers", map[string]*node{"a": good(func(n *node) { n.err = errors.New("unreachable") }), "b": good(func(n *node) { n.chain = 1 })},
			Unhealthy, map[string]Status{"a": Unhealthy, "b": Unhealthy}, "no endpoint answers for it", 0},
		{"one stands still, and is not compared below", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.head, n.age = 500, 16*time.Second }), "c": good(nil)},
			Healthy, map[string]Status{"a": Healthy, "b": Degraded, "c": Healthy}, "its head is 16s old", 995},
		{"one just as old as it may be", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.age = 15 * time.Second })},
			Healthy, map[string]Status{"a": Healthy, "b": Healthy}, "", 995},
		{"all heads are old", map[string]*node{"a": good(func(n *node) { n.age = 20 * time.Second }), "b": good(func(n *node) { n.age = 16 * time.Second })},
			Degraded, map[string]Status{"a": Degraded, "b": Degraded}, "its newest head is 16s old", 995},
		{"the chain stands still", map[string]*node{"a": good(func(n *node) { n.age = 301 * time.Second }), "b": good(func(n *node) { n.age = 302 * time.Second })},
			Unhealthy, map[string]Status{"a": Degraded, "b": Degraded}, "its newest head is 5m1s old", 995},
		{"a head of the future", map[string]*node{"a": good(func(n *node) { n.age = -time.Hour })},
			Unhealthy, map[string]Status{"a": Unhealthy}, "its head lies 1h0m0s in the future", 0},
		{"a clock that differs", map[string]*node{"a": good(func(n *node) { n.age = -15 * time.Second })}, Healthy, map[string]Status{"a": Healthy}, "", 0},
		{"a head of the future beside others", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.age = -16 * time.Second }), "c": good(nil)},
			Healthy, map[string]Status{"a": Healthy, "b": Unhealthy, "c": Healthy}, "its head lies 16s in the future", 995},
		{"a head of the far future", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.head, n.age = 1<<63, -1<<62 }), "c": good(nil)},
			Healthy, map[string]Status{"a": Healthy, "b": Unhealthy, "c": Healthy}, "in the future", 995},
		{"a head of the future hides no chain that stands still", map[string]*node{"a": good(func(n *node) { n.age = 301 * time.Second }), "b": good(func(n *node) { n.age = -time.Hour })},
			Unhealthy, map[string]Status{"a": Degraded, "b": Unhealthy}, "its newest head is 5m1s old", 995},
		{"a low number with a fresh time", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.head = 5 }), "c": good(nil)},
			Healthy, map[string]Status{"a": Healthy, "b": Unhealthy, "c": Healthy}, "its head is 995 blocks away from another one's", 995},
		{"a low number with a fresh time hides no fork", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.head = 5 }), "c": good(func(n *node) { n.branch, n.from = 1, 900 })},
			Unhealthy, map[string]Status{"a": Unhealthy, "b": Unhealthy, "c": Unhealthy}, "has another block 995 than its peers", 995},
		{"two that cannot both be true", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.head = 1 << 60 })},
			Unhealthy, map[string]Status{"a": Unhealthy, "b": Unhealthy}, "no endpoint has a head that can be true", 995},
		{"a low number of long ago is old, and can be true", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.head, n.age = 5, time.Hour })},
			Healthy, map[string]Status{"a": Healthy, "b": Degraded}, "its head is 1h0m0s old", 0},
		{"as many blocks as there is time for", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.head = 1750 })},
			Healthy, map[string]Status{"a": Healthy, "b": Healthy}, "", 995},
		{"one block more", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.head = 1751 })},
			Unhealthy, map[string]Status{"a": Unhealthy, "b": Unhealthy}, "751 blocks away", 995},
		{"one that is behind hides no fork above it", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.head = 980 }), "c": good(func(n *node) { n.branch, n.from = 1, 990 })},
			Healthy, map[string]Status{"a": Unhealthy, "b": Healthy, "c": Unhealthy}, "has another block 995 than its peers", 975},
		{"two that disagree", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.branch = 1 })},
			Unhealthy, map[string]Status{"a": Unhealthy, "b": Unhealthy}, "none has a majority", 995},
		{"a minority of one", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.branch = 1 }), "c": good(nil)},
			Healthy, map[string]Status{"a": Healthy, "b": Unhealthy, "c": Healthy}, "has another block 995 than its peers", 995},
		{"one that does not tell", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.unsaid = errors.New("block unknown") })},
			Healthy, map[string]Status{"a": Healthy, "b": Degraded}, "does not tell block 995: block unknown", 995},
		{"a slow one", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.latency = 1001 * time.Millisecond })},
			Healthy, map[string]Status{"a": Healthy, "b": Degraded}, "takes 1001 ms to answer", 995},
		{"as slow as it may be", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.latency = time.Second })},
			Healthy, map[string]Status{"a": Healthy, "b": Healthy}, "", 995},
		{"a stalled one leaves time to compare the others", map[string]*node{"a": good(nil), "b": good(func(n *node) { n.stalls = true }), "c": good(nil)},
			Healthy, map[string]Status{"a": Healthy, "b": Unhealthy, "c": Healthy}, "timeout", 995},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &nodes{of: c.of, asked: map[string]uint64{}}
				chain := Chain{ID: 10, BlockTime: 2 * time.Second, Confirmations: 5}
				for _, name := range []string{"a", "b", "c"} {
					if c.of[name] != nil {
						chain.Endpoints = append(chain.Endpoints, name)
					}
				}
				got := Look(t.Context(), []Probe{ChainProbe(n, chain, begin)})
				if len(got) != 1+len(c.each) || got[0].Name != "chain 10" || got[0].Status != c.whole || !got[0].Critical {
					t.Fatalf("%+v", got)
				}
				words := ""
				for _, one := range got {
					words += one.Detail + "\n"
				}
				for name, want := range c.each {
					for _, one := range got[1:] {
						if one.Name == "endpoint 10/"+name && (one.Status != want || one.Critical || one.Latency == 0) {
							t.Errorf("%s: %+v, want %s", name, one, want)
						}
					}
				}
				if !strings.Contains(words, c.says) {
					t.Errorf("%q is not in %q", c.says, words)
				}
				for name, height := range n.asked {
					if height != c.compare {
						t.Errorf("%s was asked for block %d, want %d", name, height, c.compare)
					}
				}
				if c.compare > 0 && len(n.asked) < 2 {
					t.Errorf("asked %v", n.asked)
				}
			})
		})
	}
}
