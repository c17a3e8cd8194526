package e2e

import (
	"fmt"
	"math/big"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/kill"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

// point is where a process dies, and in which step of a life.
type point struct {
	site string
	kill.Point
}

func (p point) String() string { return p.site + ": " + p.Point.String() }

// lane lives through lives, one after the other, on a rig of its own.
type lane struct {
	*rig
	*kill.Killer
	// targets are the points of the present life, by site, in the order of the
	// requests; those that did not come are missed.
	targets map[string][]point
	missed  []point
	kills   int
	// met lists the requests of each site when nobody was killed there.
	met   map[string][]kill.Request
	sites []string // in their order
	event []byte   // of the doorbells gathered
}

func newLane(t *testing.T, scenes []*scene.Scene) *lane {
	r := newRig(t, setup{scenes: scenes, plain: true})
	l := &lane{rig: r, Killer: kill.Install(r.Stack)}
	l.hear()
	return l
}

// step invokes a function, kills it at each of the site's targets in turn, and
// in the end lets it do its work, as the platform would: by the next tick, or by
// the same messages.
func (l *lane) step(site, function string, event func() []byte) error {
	targets := l.targets[site]
	for i, p := range targets {
		l.Watch(function, &p.Point)
		res, err := l.Host.Invoke(l.t.Context(), function, event())
		if err != nil {
			return err
		}
		if !l.Fired() {
			// What an earlier kill left done is not asked for again, and of requests that
			// several parts of a run may make at once one may serve them all.
			l.missed = append(l.missed, targets[i:]...)
			if i == 0 {
				l.t.Logf("%s did not come: %v", p, l.Requests())
			}
			break
		}
		if !res.Failed() {
			return fmt.Errorf("killed %s and yet: %s", p, res.Outcome)
		}
		l.kills++
		if err := l.expire(); err != nil {
			return err
		}
	}
	l.Watch(function, nil)
	res, err := l.Host.Invoke(l.t.Context(), function, event())
	if err != nil {
		return err
	}
	if res.Failed() {
		return fmt.Errorf("%s after %v: %s: %s", site, targets, res.Outcome, res.Payload)
	}
	if l.met != nil {
		l.met[site] = l.Requests()
		l.sites = append(l.sites, site)
	}
	return nil
}

// deepen buries all that has happened so deep that nobody goes back behind it.
func (l *lane) deepen() error {
	var times []uint64
	for n := range uint64(70) { // the default rewind depth and more
		times = append(times, l.clock()+10*(n+1))
	}
	return l.mine(times...)
}

// story is what a lane lives through: swaps from their creation to their end, by
// steps at whose requests the functions are killed.
type story interface {
	swaps() []*scene.Swap
	live(l *lane) error
}

// pair is two swaps: one is claimed, the other cancelled.
type pair struct{ claimed, expired *scene.Swap }

func newPair(i int) story {
	families := contracts.Families()
	f := families[i%len(families)]
	p := pair{
		claimed: &scene.Swap{Name: fmt.Sprintf("claimed %d", i), Family: f, Taker: scene.Contract, From: 0, Tries: 1,
			Windows: contracts.Timelocks{SrcWithdrawal: 4, SrcPublicWithdrawal: 900, SrcCancellation: 1000, SrcPublicCancellation: 1100,
				DstWithdrawal: 2, DstPublicWithdrawal: 400, DstCancellation: 500},
			Allowed: []judge.Ends{{Src: judge.Withdrawn, Dst: judge.Withdrawn}}},
		expired: &scene.Swap{Name: fmt.Sprintf("expired %d", i), Family: f, Taker: scene.Contract, From: 1, Tries: 2,
			Windows: contracts.Timelocks{SrcWithdrawal: 4, SrcPublicWithdrawal: 80, SrcCancellation: 130, SrcPublicCancellation: 1000,
				DstWithdrawal: 2, DstPublicWithdrawal: 60, DstCancellation: 100},
			Allowed: []judge.Ends{{Src: judge.Cancelled, Dst: judge.Cancelled}}},
	}
	p.claimed.Direct, p.expired.Direct = f == contracts.BMNv4, f == contracts.BMNv4
	return p
}

func (p pair) swaps() []*scene.Swap { return []*scene.Swap{p.claimed, p.expired} }

// congested is a tip that none of our transactions offers.
var congested = big.NewInt(50_000_000_000)

// ticking makes events of a function's schedule.
func ticking(f string) func() []byte { return func() []byte { return tick(f) } }

// gather takes the doorbells that were sent: what the queue will deliver until
// it is handled.
func (l *lane) gather() error {
	bells := l.ring(^uint64(0))
	if l.event = queueEvent(bells...); len(bells) == 0 {
		return fmt.Errorf("nobody has rung, the last run asked for %v", l.Requests())
	}
	return nil
}

func (l *lane) ringing() []byte { return l.event }

// live takes a pair from its creation to the end, through every kind of request
// that the functions make.
func (p pair) live(l *lane) error {
	begin := l.clock() + 1
	at := func(s uint64) uint64 { return begin + s }
	c, e := p.claimed, p.expired
	return l.play(
		func() error {
			return l.act(&scene.Scene{Name: "open", Swaps: []*scene.Swap{c, e}, Steps: []scene.Step{c.Fill(0), e.Fill(0), c.Open(0), e.Open(0)}})
		},
		func() error { return l.step("adopt", stateSync, ticking(stateSync)) },
		func() error { return l.act(&scene.Scene{Name: "reveal", Steps: []scene.Step{c.Reveal(0)}}) },
		func() error { return l.step("learn", stateSync, ticking(stateSync)) },
		l.gather,
		func() error { return l.step("claim", actionExecutor, l.ringing) },
		func() error { return l.mine(l.clock()+1, at(85)) },
		func() error { return l.step("near", stateSync, ticking(stateSync)) },
		func() error { return l.step("warn", timelockMonitor, ticking(timelockMonitor)) },
		func() error { return l.mine(deployed(e.Dst) + uint64(e.Windows.DstCancellation) - 1) },
		l.gather,
		func() error { return l.step("cancel dst", actionExecutor, l.ringing) },
		func() error { return l.mine(l.clock()+1, l.clock()+2, l.clock()+3, l.clock()+4, l.clock()+5) },
		func() error { return l.step("see final", stateSync, ticking(stateSync)) },
		func() error { return l.step("settle", transactionTracker, ticking(transactionTracker)) },
		func() error { return l.mine(at(155)) },
		func() error { return l.step("overdue", cancellationCheck, ticking(cancellationCheck)) },
		func() error { l.ring(^uint64(0)); return l.world.Chains[1].Dev.SetMinTip(congested) },
		func() error { return l.step("cancel src, unrung", actionExecutor, ticking(actionExecutor)) },
		func() error { return l.mine(l.clock()+1, l.clock()+20) },
		func() error { return l.step("stuck", transactionTracker, ticking(transactionTracker)) },
		l.gather,
		func() error { return l.step("bump", actionExecutor, l.ringing) },
		func() error { return l.world.Chains[1].Dev.SetMinTip(big.NewInt(1)) },
		func() error {
			return l.mine(l.clock()+1, l.clock()+2, l.clock()+3, l.clock()+4, l.clock()+5, l.clock()+6)
		},
		func() error { return l.step("see all final", stateSync, ticking(stateSync)) },
		func() error { return l.step("settle the rest", transactionTracker, ticking(transactionTracker)) },
		func() error { return l.mine(l.clock() + 1) },
		func() error { return l.step("idle", stateSync, ticking(stateSync)) },
		l.deepen,
		func() error { return l.step("close", stateSync, ticking(stateSync)) },
	)
}

// play does one thing after the other. The functions begin cold, and without the
// alerts of other lives, so that all lives are alike: the cap on messages would leave
// later ones without any.
func (l *lane) play(steps ...func() error) error {
	if err := l.forgetAlerts(); err != nil {
		return err
	}
	for _, f := range []string{stateSync, timelockMonitor, cancellationCheck, actionExecutor, transactionTracker} {
		l.Host.Kill(f)
	}
	for _, do := range steps {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// forgetAlerts deletes all that is kept of alerts.
func (l *lane) forgetAlerts() error {
	table := l.TableName("Jobs")
	out, err := l.DynamoDB.Scan(l.t.Context(), &dynamodb.ScanInput{TableName: &table, ProjectionExpression: aws.String("pk, sk"),
		FilterExpression: aws.String("begins_with(pk, :alert) OR pk IN (:outbox, :open, :resolved)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":alert": &types.AttributeValueMemberS{Value: "alert"}, ":outbox": &types.AttributeValueMemberS{Value: "outbox"},
			":open": &types.AttributeValueMemberS{Value: "open-alerts"}, ":resolved": &types.AttributeValueMemberS{Value: "resolved-alerts"}}})
	if err != nil {
		return err
	}
	for _, key := range out.Items {
		if _, err := l.DynamoDB.DeleteItem(l.t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key}); err != nil {
			return err
		}
	}
	return nil
}

// over checks that nothing was lost and nothing was sent twice.
func (l *lane) over(swaps []*scene.Swap) error {
	if err := l.ledger.Update(l.t.Context()); err != nil {
		return err
	}
	for _, sw := range swaps {
		v, err := l.ledger.Judge(l.t.Context(), sw.Case(), rules, nil)
		if err != nil {
			return err
		}
		if !v.Safe {
			return fmt.Errorf("%s: %s", sw, v.Why)
		}
	}
	if bad := l.reverted(); len(bad) > 0 {
		return fmt.Errorf("reverted: %v", bad)
	}
	if err := l.settled(); err != nil {
		return err
	}
	for _, c := range l.world.Chains {
		book, err := l.store.Orders().Watched(l.t.Context(), c.ID)
		if err != nil {
			return err
		}
		if len(book) > 0 {
			return fmt.Errorf("%d escrows of %s are still watched", len(book), c.Name)
		}
	}
	return nil
}

const (
	// lanes is how many lives are under way at a time: more would only share the
	// same processors.
	lanes = 2
	// mostMisses is how many lives a request is waited for that does not come in each.
	mostMisses = 3
)

// hunt hands the points out to lanes, life by life, until each was killed at.
type hunt struct {
	tell   func(i int) story
	spread int // over how many lives the points of a site are spread
	most   int // how many lives a lane has room for

	reference sync.Once

	mu      sync.Mutex
	changed *sync.Cond
	plans   []map[string][]point
	under   int     // lives under way
	left    []point // missed: to be a site's only target in another life
	misses  map[point]int
	gone    int // points that are met now and then only, and were not in all their lives
	points  int
	kills   int
	lives   int
}

// plan spreads the points of a life over many.
func (h *hunt) plan(sites []string, met map[string][]kill.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.plans = make([]map[string][]point, h.spread)
	for i := range h.plans {
		h.plans[i] = map[string][]point{}
	}
	for s, site := range sites {
		for _, q := range met[site] {
			for _, after := range []bool{false, true} {
				n := (h.points + s) % h.spread
				h.plans[n][site] = append(h.plans[n][site], point{site, kill.Point{Request: q, After: after}})
				h.points++
			}
		}
	}
}

// next is the plan of another life; nil when all is done.
func (h *hunt) next() map[string][]point {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case len(h.plans) > 0:
			p := h.plans[0]
			h.plans = h.plans[1:]
			h.under++
			return p
		case len(h.left) > 0:
			p := map[string][]point{}
			var rest []point
			for _, q := range h.left {
				if len(p[q.site]) == 0 {
					p[q.site] = []point{q}
				} else {
					rest = append(rest, q)
				}
			}
			h.left = rest
			h.under++
			return p
		case h.under == 0:
			return nil
		}
		h.changed.Wait()
	}
}

// lived ends a life.
func (h *hunt) lived(kills int, missed []point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.under--
	h.lives++
	h.kills += kills
	for _, p := range missed {
		if h.misses == nil {
			h.misses = map[point]int{}
		}
		// The first of its name is made in each life; of further ones one may have to wait.
		if h.misses[p]++; h.misses[p] > mostMisses && p.Nth > 0 {
			h.gone++
			continue
		}
		h.left = append(h.left, p)
	}
	h.changed.Broadcast()
}

// A kill before, and after but before the reply of, every request that a
// function makes in the life of two swaps loses nothing and sends nothing twice.
func TestKillAtEveryRequest(t *testing.T) {
	(&hunt{tell: newPair, spread: 24, most: 30}).run(t)
}

func (h *hunt) run(t *testing.T) {
	start := time.Now()
	h.changed = sync.NewCond(&h.mu)
	t.Run("lanes", func(t *testing.T) {
		for n := range lanes {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				h.hunt(t)
			})
		}
	})
	if !t.Failed() && (h.kills+h.gone != h.points || h.gone > h.points/50) {
		t.Errorf("%d kills of %d, %d of them not met again", h.kills, h.points, h.gone)
	}
	t.Logf("killed at %d points (before and after %d requests) in %d lives, %.1f s", h.kills, h.points/2, h.lives, time.Since(start).Seconds())
}

// hunt lives on a rig of its own as long as points are left.
func (h *hunt) hunt(t *testing.T) {
	stories := make([]story, h.most)
	scenes := make([]*scene.Scene, h.most)
	for i := range stories {
		stories[i] = h.tell(i)
		swaps := stories[i].swaps()
		scenes[i] = &scene.Scene{Name: swaps[0].Name, Swaps: swaps}
	}
	l := newLane(t, scenes)
	told := 0
	live := func() {
		if told == len(stories) {
			t.Fatal("no room for another life")
		}
		s := stories[told]
		err := s.live(l)
		if err == nil {
			err = l.over(s.swaps())
		}
		if err != nil {
			t.Errorf("life %d: %v", told, err)
		}
		told++
	}
	live() // begins with an empty store; the next is like all others
	h.reference.Do(func() {
		l.met = map[string][]kill.Request{}
		live()
		h.plan(l.sites, l.met)
		l.met = nil
	})
	for !t.Failed() {
		if l.targets = h.next(); l.targets == nil {
			return
		}
		l.kills, l.missed = 0, nil
		live()
		h.lived(l.kills, l.missed)
	}
}
