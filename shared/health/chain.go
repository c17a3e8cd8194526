package health

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
	MinBlockTime  time.Duration // the least between two blocks; zero: not known
	Confirmations uint64        // endpoints may differ above that depth, and above maxForkDepth
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
	// leastShare is the part of the usual block time, as a divisor, that a block takes at least where
	// nobody says how much.
	leastShare = 100
	// maxForkDepth is the depth from which endpoints have to agree at the latest.
	maxForkDepth = 8
)

func (c Chain) name() string { return fmt.Sprintf("chain %d", c.ID) }

func (c Chain) stale() time.Duration { return max(staleBlocks*c.BlockTime, minStale) }

// depth is how far below their heads endpoints are compared.
func (c Chain) depth() uint64 { return max(1, min(c.Confirmations, maxForkDepth)) }

// ahead is how far a head lies in the future, if that is more than clocks differ: as much as a head may
// be old. Nodes refuse such blocks.
func (c Chain) ahead(head swap.Block, now time.Time) (by time.Duration, ok bool) {
	by = time.Unix(int64(head.Time), 0).Sub(now)
	return by, by > c.stale()
}

// agree reports whether both can be heads of one chain: so many blocks as lie between them take their
// time. Of more time than the blocks need nothing follows, since a chain may have stood still.
func (c Chain) agree(a, b swap.Block) bool {
	if a.Number < b.Number {
		a, b = b, a
	}
	least := max(c.MinBlockTime, c.BlockTime/leastShare, 1)
	const most = 1 << 33 // seconds, which a Duration still holds
	between := time.Duration(min(max(0, a.Time.Sub(b.Time)), most)) * time.Second
	return a.Number-b.Number <= uint64((between+c.stale())/least)
}

// answer is what became of one endpoint.
type answer struct {
	name    string
	ping    Ping
	latency time.Duration
	err     error
	wrong   string                 // why its head cannot be true; empty: it can
	hashes  map[uint64]common.Hash // by the height at which it was compared
	unsaid  error                  // why there is one hash less, of the height silent
	silent  uint64
}

// right reports whether the endpoint answers for its chain.
func (a *answer) right(c Chain) bool { return a.err == nil && a.ping.ChainID == c.ID }

// ChainProbe asks every endpoint of a chain by itself, and then all that answer for the blocks that they
// must have in common. It tells of each endpoint, and of the chain: unhealthy without an endpoint to go by.
func ChainProbe(e Endpoints, c Chain, now time.Time) Probe {
	return Probe{Name: c.name(), Critical: true, Look: func(ctx context.Context) []Component {
		answers := make([]*answer, len(c.Endpoints))
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
				answers[i] = &answer{name: name, ping: ping, err: err, latency: time.Since(began), hashes: map[uint64]common.Hash{}}
			})
		}
		wg.Wait()
		c.doubt(answers, now)
		heights := c.heights(answers, now)
		for _, a := range answers {
			if !a.right(c) {
				continue
			}
			wg.Go(func() {
				for _, h := range heights {
					if a.ping.Head.Number < h {
						continue
					}
					hash, err := e.HashAt(ctx, c.ID, a.name, h)
					if err != nil {
						a.unsaid, a.silent = err, h
						return
					}
					a.hashes[h] = hash
				}
			})
		}
		wg.Wait()
		return c.judge(answers, heights, now)
	}}
}

func (c Chain) age(a *answer, now time.Time) time.Duration {
	return max(0, now.Sub(time.Unix(int64(a.ping.Head.Time), 0)))
}

// doubt finds the heads that cannot be true: one in the future, and one that cannot be of one chain with
// those of half of the endpoints or more, itself counted among those it can.
func (c Chain) doubt(answers []*answer, now time.Time) {
	var heads []*answer
	for _, a := range answers {
		if !a.right(c) {
			continue
		}
		if by, ok := c.ahead(a.ping.Head, now); ok {
			a.wrong = fmt.Sprintf("its head lies %s in the future", by.Round(time.Second))
			continue
		}
		heads = append(heads, a)
	}
	for _, a := range heads {
		with, away := 0, uint64(0)
		for _, b := range heads {
			if c.agree(a.ping.Head, b.ping.Head) {
				with++
				continue
			}
			x, y := a.ping.Head.Number, b.ping.Head.Number
			away = max(away, max(x, y)-min(x, y))
		}
		if 2*with <= len(heads) {
			a.wrong = fmt.Sprintf("its head is %d blocks away from another one's, and the time between them does not hold so many", away)
		}
	}
}

// heights are the blocks at which endpoints are compared, from above: below the lowest head of those whose
// heads are close to each other. One is enough but where heads are far apart, lest the lowest of them hide
// what the others differ in. They are those of the endpoints that are up to date, or of all if none or one is.
func (c Chain) heights(answers []*answer, now time.Time) (heights []uint64) {
	var all, fresh []uint64
	for _, a := range answers {
		if !a.right(c) {
			continue
		}
		all = append(all, a.ping.Head.Number)
		if a.wrong == "" && c.age(a, now) <= c.stale() {
			fresh = append(fresh, a.ping.Head.Number)
		}
	}
	if len(fresh) > 1 {
		all = fresh
	}
	slices.SortFunc(all, func(a, b uint64) int { return cmp.Compare(b, a) })
	for i := 0; i < len(all); {
		top := all[i]
		for i < len(all) && top-all[i] <= c.depth() {
			i++
		}
		if lowest := all[i-1]; i > 1 {
			heights = append(heights, lowest-min(lowest, c.depth()))
		}
	}
	return heights
}

// fork is a height at which endpoints have different blocks.
type fork struct {
	height   uint64
	majority common.Hash // zero: there is none
}

func forks(answers []*answer, heights []uint64) (out []fork) {
	for _, h := range heights {
		votes, voters := map[common.Hash]int{}, 0
		for _, a := range answers {
			if hash, told := a.hashes[h]; told {
				votes[hash]++
				voters++
			}
		}
		if len(votes) < 2 {
			continue
		}
		f := fork{height: h}
		for hash, n := range votes {
			if 2*n > voters {
				f.majority = hash
			}
		}
		out = append(out, f)
	}
	return out
}

// judge makes components of the answers. Of endpoints that differ at a common height, those of a minority
// are wrong; without a majority nobody knows which are.
func (c Chain) judge(answers []*answer, heights []uint64, now time.Time) []Component {
	differ := forks(answers, heights)
	whole := Component{Name: c.name(), Critical: true, Status: Unhealthy, Detail: "no endpoint answers for it"}
	usable, youngest, doubted := 0, time.Duration(0), false
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
		good := true
		if a.wrong != "" {
			good, doubted = false, true
			one.worsen(Unhealthy, "%s", a.wrong)
		}
		for _, f := range differ {
			if hash, told := a.hashes[f.height]; told && hash != f.majority {
				good = false
				one.worsen(Unhealthy, "has another block %d than its peers", f.height)
				break
			}
		}
		if age > c.stale() {
			one.worsen(Degraded, "its head is %s old", age.Round(time.Second))
		}
		if a.latency > slowAnswer {
			one.worsen(Degraded, "takes %d ms to answer", a.latency.Milliseconds())
		}
		if a.unsaid != nil {
			one.worsen(Degraded, "does not tell block %d: %s", a.silent, a.unsaid)
		}
		if good {
			if usable++; usable == 1 || age < youngest {
				youngest = age
			}
		}
		all = append(all, one)
	}
	i := slices.IndexFunc(differ, func(f fork) bool { return f.majority == common.Hash{} })
	switch {
	case usable > 0:
		whole.Status, whole.Detail = Healthy, ""
		whole.Numbers = map[string]int64{"usable": int64(usable), "age_s": int64(youngest / time.Second)}
		switch {
		case youngest > halted:
			whole.worsen(Unhealthy, "its newest head is %s old", youngest.Round(time.Second))
		case youngest > c.stale():
			whole.worsen(Degraded, "its newest head is %s old", youngest.Round(time.Second))
		}
	case i >= 0:
		whole.Detail = fmt.Sprintf("its endpoints have different blocks %d, and none has a majority", differ[i].height)
	case doubted:
		whole.Detail = "no endpoint has a head that can be true"
	}
	return append([]Component{whole}, all...)
}
