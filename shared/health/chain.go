package health

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Ping is what one endpoint says of itself.
type Ping struct {
	ChainID uint64
	Head    swap.Block
}

// Endpoints asks single endpoints, by the names of the chains file. Their errors show no secret.
type Endpoints interface {
	// Ping asks for the chain id and the head, in one request.
	Ping(ctx context.Context, chain uint64, endpoint string) (Ping, error)
	// HashAt asks for the hash of the block of that number.
	HashAt(ctx context.Context, chain uint64, endpoint string, number uint64) (common.Hash, error)
}

// Chain is one chain and its endpoints.
type Chain struct {
	ID            uint64
	Endpoints     []string
	BlockTime     time.Duration
	Confirmations uint64 // endpoints may differ above that depth, and above maxForkDepth
}

const (
	// pingShare is the part of a probe's time, as a divisor, that heads may take; the rest is for the
	// comparison.
	pingShare = 2
	// slowAnswer is the latency from which an endpoint is degraded.
	slowAnswer = time.Second
	// A head is old when it is older than staleBlocks usual block times, and as old as minStale at
	// least; a chain stands still when its newest head is as old as halted.
	staleBlocks = 5
	minStale    = 15 * time.Second
	halted      = 5 * time.Minute
	// maxForkDepth is the depth from which endpoints have to agree at the latest.
	maxForkDepth = 8
)

func (c Chain) name() string { return fmt.Sprintf("chain %d", c.ID) }

func (c Chain) stale() time.Duration { return max(staleBlocks*c.BlockTime, minStale) }

// depth is how far below the lowest head endpoints are compared.
func (c Chain) depth() uint64 { return max(1, min(c.Confirmations, maxForkDepth)) }

// answer is what became of one endpoint.
type answer struct {
	name    string
	ping    Ping
	latency time.Duration
	err     error
	hash    common.Hash // at the common height; zero if it was not compared or not told
	unsaid  error       // why there is no hash
}

// right reports whether the endpoint answers for its chain.
func (a answer) right(c Chain) bool { return a.err == nil && a.ping.ChainID == c.ID }

// ChainProbe asks every endpoint of a chain by itself, and then all that answer for the block that all
// of them must have. It tells of each endpoint, and of the chain: unhealthy without an endpoint to go by.
func ChainProbe(e Endpoints, c Chain, now time.Time) Probe {
	return Probe{Name: c.name(), Critical: true, Look: func(ctx context.Context) []Component {
		answers := make([]answer, len(c.Endpoints))
		first, cancel := ctx, context.CancelFunc(func() {})
		if deadline, ok := ctx.Deadline(); ok {
			first, cancel = context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/pingShare))
		}
		defer cancel()
		var wg sync.WaitGroup
		for i, name := range c.Endpoints {
			wg.Go(func() {
				began := time.Now()
				ping, err := e.Ping(first, c.ID, name)
				answers[i] = answer{name: name, ping: ping, err: err, latency: time.Since(began)}
			})
		}
		wg.Wait()
		height, compare := c.common(answers, now)
		if compare {
			for i := range answers {
				a := &answers[i]
				if !a.right(c) || a.ping.Head.Number < height {
					continue
				}
				wg.Go(func() { a.hash, a.unsaid = e.HashAt(ctx, c.ID, a.name, height) })
			}
			wg.Wait()
		}
		return c.judge(answers, height, now)
	}}
}

func (c Chain) age(a answer, now time.Time) time.Duration {
	return max(0, now.Sub(time.Unix(int64(a.ping.Head.Time), 0)))
}

// common is the height at which endpoints are compared: below the lowest head of those that are up to
// date, or of all if none or one is. False with fewer than two to compare.
func (c Chain) common(answers []answer, now time.Time) (height uint64, ok bool) {
	var all, fresh []uint64
	for _, a := range answers {
		if !a.right(c) {
			continue
		}
		all = append(all, a.ping.Head.Number)
		if c.age(a, now) <= c.stale() {
			fresh = append(fresh, a.ping.Head.Number)
		}
	}
	if len(fresh) > 1 {
		all = fresh
	}
	if len(all) < 2 {
		return 0, false
	}
	lowest := all[0]
	for _, n := range all {
		lowest = min(lowest, n)
	}
	return lowest - min(lowest, c.depth()), true
}

// judge makes components of the answers. Of endpoints that differ at the common height, those of a
// minority are wrong; without a majority nobody knows which are.
func (c Chain) judge(answers []answer, height uint64, now time.Time) []Component {
	votes, voters := map[common.Hash]int{}, 0
	for _, a := range answers {
		if a.hash != (common.Hash{}) {
			votes[a.hash]++
			voters++
		}
	}
	whole := Component{Name: c.name(), Critical: true, Status: Unhealthy, Detail: "no endpoint answers for it"}
	usable, youngest := 0, time.Duration(0)
	var all []Component
	for _, a := range answers {
		one := Component{Name: fmt.Sprintf("endpoint %d/%s", c.ID, a.name), Status: Healthy, Latency: max(1, a.latency.Milliseconds())}
		switch {
		case a.err != nil:
			one.worsen(Unhealthy, "%s", a.err)
			all = append(all, one)
			continue
		case a.ping.ChainID != c.ID:
			one.worsen(Unhealthy, "answers for chain %d", a.ping.ChainID)
			all = append(all, one)
			continue
		}
		age := c.age(a, now)
		one.Numbers = map[string]int64{"head": int64(min(a.ping.Head.Number, 1<<53)), "age_s": int64(age / time.Second)}
		if age > c.stale() {
			one.worsen(Degraded, "its head is %s old", age.Round(time.Second))
		}
		if a.latency > slowAnswer {
			one.worsen(Degraded, "takes %d ms to answer", a.latency.Milliseconds())
		}
		split := false
		switch {
		case a.unsaid != nil:
			one.worsen(Degraded, "does not tell block %d: %s", height, a.unsaid)
		case len(votes) > 1 && 2*votes[a.hash] > voters:
		case len(votes) > 1 && a.hash != (common.Hash{}):
			split = true
			one.worsen(Unhealthy, "has another block %d than its peers", height)
		}
		if !split {
			if usable++; usable == 1 || age < youngest {
				youngest = age
			}
		}
		all = append(all, one)
	}
	if usable > 0 {
		whole.Status, whole.Detail = Healthy, ""
		whole.Numbers = map[string]int64{"usable": int64(usable), "age_s": int64(youngest / time.Second)}
		switch {
		case youngest > halted:
			whole.worsen(Unhealthy, "its newest head is %s old", youngest.Round(time.Second))
		case youngest > c.stale():
			whole.worsen(Degraded, "its newest head is %s old", youngest.Round(time.Second))
		}
	} else if len(votes) > 1 {
		whole.Detail = fmt.Sprintf("its endpoints have different blocks %d, and none has a majority", height)
	}
	return append([]Component{whole}, all...)
}
