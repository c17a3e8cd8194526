// Package demo shows the product at work: two chains, the real function
// binaries on the local stack, swaps of every situation at once, and a table of
// how each of them ended.
//
// Package scene plays everybody but the product, package judge reads from the
// chains what became of each swap. Nothing here helps the product: it gets a
// chains file and keys, as in a deployment.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/infra/watching"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

const (
	// poll is how often it is asked whether the next second has begun.
	poll = 25 * time.Millisecond
	// patience is how many seconds after the last scene an end may still come.
	patience = 40
	// judging is how often the swaps that have not ended are judged meanwhile.
	judging = time.Second
	// poolCap is how many transactions of one sender the nodes keep.
	poolCap = 16
)

// rules are the periods of profile test.
var rules = judge.Rules{Sync: scene.SyncPeriod, Net: 15}

// Options say what to show.
type Options struct {
	// Root is the repository.
	Root string
	Out  io.Writer
	// Terminal: Out shows one line that changes, instead of one line more.
	Terminal bool
	// Only limits the scenes to those with a swap of these names, by prefix.
	Only []string
	// DynamoDB is the URL of a server to use instead of the packaged one.
	DynamoDB string
}

// Run plays all scenes and reports how they ended. The error is what kept the
// demonstration from taking place; a swap that ended badly is no error.
func Run(ctx context.Context, o Options) (Report, error) {
	scenes := append(scene.All(), scene.Rush()...)
	if len(o.Only) > 0 {
		scenes = scene.Named(scenes, o.Only...)
	}
	started := time.Now()
	w, err := scene.Build(ctx, uint64(started.Unix()), scenes)
	if err != nil {
		return Report{}, err
	}
	defer w.Close()
	watch, err := newWatch(filepath.Join(o.Root, ".local"), o.Out, o.Terminal)
	if err != nil {
		return Report{}, err
	}
	defer watch.close()
	fmt.Fprintf(o.Out, "chains %s and %s are set up: %d scenes, log in %s\n", w.Chains[0].Name, w.Chains[1].Name, len(scenes), watch.path)

	s, err := stack.Start(ctx, stack.Options{Root: o.Root, Profile: "test", Mode: "live", ChainsFile: ChainsFile(w), Lookup: os.LookupEnv,
		Keys: Keys(), DynamoDB: o.DynamoDB, Observe: watch.invocation, Log: watch.line, Progress: o.Out})
	if err != nil {
		return Report{}, err
	}
	s.RPC.Inject(rpcproxy.PoolCap(poolCap))
	r := &run{Options: o, world: w, stack: s, watch: watch, ended: map[string]judge.Ends{}}
	report, err := r.play(ctx, scenes)
	report.Secrets = r.keptSecrets()
	err = errors.Join(err, s.Close())
	if err == nil && len(o.Only) == 0 {
		report.Unwatched = unwatched(o.Root, watch.path)
	}
	report.Elapsed = time.Since(started)
	return report, err
}

// unwatched holds what the log says was emitted against the alarms and dashboards.
func unwatched(root, log string) error {
	w, err := watching.Read(root, "test")
	if err != nil {
		return err
	}
	f, err := os.Open(log)
	if err != nil {
		return err
	}
	defer f.Close()
	rec, err := watching.ReadLog(f)
	if err != nil {
		return fmt.Errorf("%s: %w", log, err)
	}
	return rec.Check(w, metrics.Namespace, false)
}

type run struct {
	Options
	world  *scene.World
	stack  *stack.Stack
	watch  *watch
	acting *scene.Play
	ledger *judge.Ledger
	begin  uint64
	judged time.Time
	ended  map[string]judge.Ends // swaps that were at a right end when last judged
	crowds string                // how those that are shown together stood
}

// play runs chains, scenes and functions until every swap has ended or the
// patience has.
func (r *run) play(all context.Context, scenes []*scene.Scene) (Report, error) {
	ctx, cancel := context.WithCancelCause(all)
	clients := map[uint64]*ethclient.Client{}
	for _, c := range r.world.Chains {
		clients[c.ID] = c.Client
	}
	r.ledger = judge.NewLedger(clients, scene.Signers())
	r.ledger.Theirs = r.world.Played
	r.begin = uint64(time.Now().Unix()) + 1
	var err error
	if r.acting, err = scene.NewPlay(r.world, scenes, r.begin); err != nil {
		cancel(nil)
		return Report{}, err
	}

	for _, sw := range r.acting.Swaps() {
		secret := sw.Secret()
		if err := r.stack.Leaks.Plant(secretOf(sw), secret[:]); err != nil {
			cancel(nil)
			return Report{}, err
		}
	}

	var parts sync.WaitGroup
	start := func(what string, body func(context.Context) error) {
		parts.Go(func() {
			if err := body(ctx); err != nil {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	// The functions start when the opening is over: from then on the takers'
	// keys are theirs alone.
	functions := sync.OnceFunc(func() {
		start("stack", r.stack.Run)
		start("alerts", func(ctx context.Context) error { return r.stack.Alerts(ctx, r.watch.alert) })
	})
	err = r.follow(ctx, functions)
	cancel(nil)
	r.watch.done()
	parts.Wait()
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if err != nil {
		return Report{}, err
	}
	out, err := r.report(context.WithoutCancel(ctx))
	if err != nil {
		return Report{}, err
	}
	fmt.Fprintln(r.Out, "firing the slow jobs, reading what they keep, restoring the snapshot …")
	out.Timetable, err = r.timetable(all)
	return out, err
}

func secretOf(sw *scene.Swap) string { return "the secret of " + sw.Name }

// keptSecrets ends the search for what is public by now, and counts the rest.
func (r *run) keptSecrets() (n int) {
	if r.acting == nil {
		return 0
	}
	for _, sw := range r.acting.Swaps() {
		if sw.Shown() {
			r.stack.Leaks.Forget(secretOf(sw))
		} else {
			n++
		}
	}
	return n
}

// follow is the clock of the chains: each second has its block on both, and
// what the scenes do comes between two seconds, so that they are exact on a
// slow machine too. It returns when everything has ended.
func (r *run) follow(ctx context.Context, opened func()) error {
	ticks := time.NewTicker(poll)
	defer ticks.Stop()
	var quiet int // seconds since everything had ended
	for now := r.begin - 1; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticks.C:
		}
		if uint64(time.Now().Unix()) <= now {
			continue
		}
		now++
		if err := r.second(ctx, now); err != nil {
			return err
		}
		if r.acting.Opened() {
			opened()
		}
		if time.Since(r.judged) >= judging {
			if err := r.judge(ctx); err != nil {
				return err
			}
		}
		r.watch.progress(r.line(now))
		switch {
		case now > r.begin+scene.Length+patience:
			return nil
		case r.acting.Over() && len(r.ended) == len(r.acting.Swaps()):
			// Long enough for the last transaction to be final.
			if quiet++; quiet > 2*scene.Confirmations {
				return nil
			}
		default:
			quiet = 0
		}
	}
}

// second is one second of the chains.
func (r *run) second(ctx context.Context, now uint64) error {
	if err := r.world.Mine(ctx, now); err != nil {
		return err
	}
	if err := r.acting.Tick(ctx); err != nil {
		return err
	}
	return r.ledger.Update(ctx)
}

// judge looks at all swaps and tells of those that have come to their end, or
// have left it.
func (r *run) judge(ctx context.Context) error {
	r.judged = time.Now()
	var many crowds
	for _, sw := range r.acting.Swaps() {
		v, err := r.ledger.Judge(ctx, sw.Case(), rules, nil)
		if err != nil {
			return err
		}
		before, known := r.ended[sw.Name]
		many.add(Row{sw, v})
		switch {
		case v.Safe && !known:
			r.ended[sw.Name] = v.Ends
			if ended(v.Ends) && sw.Crowd == "" {
				r.watch.say("%4d s  %-55s %s", r.world.Chains[0].Now()-r.begin, sw.Name, v.Ends)
			}
		case !v.Safe && known && ended(before):
			r.watch.say("%4d s  %-55s %s", r.world.Chains[0].Now()-r.begin, sw.Name, v.Why)
			fallthrough
		case !v.Safe:
			delete(r.ended, sw.Name)
		}
	}
	if line := many.String(); line != r.crowds {
		r.crowds = line
		r.watch.say("%4d s  %s", r.world.Chains[0].Now()-r.begin, line)
	}
	return nil
}

// ended reports whether something has happened to the legs at all.
func ended(e judge.Ends) bool {
	return e.Src != judge.Open && e.Src != judge.Absent || e.Dst != judge.Open && e.Dst != judge.Absent
}

func (r *run) line(now uint64) string {
	done, all := r.acting.Doing()
	return fmt.Sprintf("%4d s  steps %d/%d  swaps at their end %d/%d  sent %d  alerts %d  runs %d",
		int64(now)-int64(r.begin), done, all, len(r.ended), len(r.acting.Swaps()), len(r.ledger.Ours()), r.watch.alerts(), r.watch.runs())
}
