package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup/cleanuptest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/report"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// writing is a method that writes: prepare makes what it needs through a store
// without faults, and returns the call and a look at what it left.
type writing struct {
	name    string
	prepare func(t *testing.T, clean *Store) (call func(context.Context, *Store) error, look func(t *testing.T) string)
}

func writings() []writing {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// order saves a new order in so many versions.
	order := func(t *testing.T, s *Store, versions int) swap.Order {
		o, _ := watchtest.Order(watchtest.Chain(), watchtest.Chain())
		for range versions {
			must(t, s.Orders().Save(t.Context(), o))
			o.Version++
		}
		return o
	}
	orderLook := func(s *Store, o swap.Order) func(t *testing.T) string {
		return func(t *testing.T) string {
			got, err := s.Orders().Load(t.Context(), []swap.OrderID{o.ID})
			must(t, err)
			if len(got) != 1 {
				return fmt.Sprintf("%d orders", len(got))
			}
			rows, err := s.Orders().Watched(t.Context(), o.DstChainID())
			must(t, err)
			return fmt.Sprintf("version %d, %d dst legs, wakes %d %d, closed %v, %d rows", got[0].Version, len(got[0].Dsts),
				got[0].Wakes.Src, got[0].Wakes.Dst, got[0].Closed, len(rows))
		}
	}
	work := func(t *testing.T, s *Store, a txn.Account) swap.Work {
		w := watchtest.Work(a.ChainID, watchtest.Address())
		must(t, s.Actions().Save(t.Context(), w))
		live, err := s.Actions().Live(t.Context(), w.ChainID, w.Taker)
		must(t, err)
		return live[0]
	}
	workLook := func(s *Store, w swap.Work) func(t *testing.T) string {
		return func(t *testing.T) string {
			live, err := s.Actions().Live(t.Context(), w.ChainID, w.Taker)
			must(t, err)
			out := ""
			for _, l := range live {
				if w.Version == 0 {
					w.Version = l.Version - 1 // a creation: the number is the store's
				}
				out += fmt.Sprintf("%s after %d writes, ", l.State, l.Version-w.Version)
			}
			for _, h := range s.history(t, w.Order) {
				out += fmt.Sprintf("history: %s after %d writes, ", h.State, h.Version-w.Version)
			}
			return out
		}
	}
	entry := func(t *testing.T, s *Store) (txn.Fence, txn.Entry, swap.Work) {
		a := txntest.Account()
		f := s.grant(t, "signer#"+a.Signer.Hex(), "a")
		e, step := txntest.Entry(a, 7, work(t, s, a))
		must(t, s.Journal().Record(t.Context(), f, e, step))
		e.Version = 1
		step[0].Version++
		return f, e, step[0]
	}
	journalLook := func(s *Store, a txn.Account, w swap.Work) func(t *testing.T) string {
		look := workLook(s, w)
		return func(t *testing.T) string {
			open, next, err := s.Journal().Entries(t.Context(), a)
			must(t, err)
			out := fmt.Sprintf("next %d, ", next)
			for _, e := range open {
				out += fmt.Sprintf("open %d at version %d with %d, ", e.Nonce, e.Version, len(e.Txs))
			}
			if e, ok := s.settled(t, a, 7); ok {
				out += fmt.Sprintf("%s 7 at version %d, ", e.State, e.Version)
			}
			return out + look(t)
		}
	}
	claim := func(key, token string, at time.Duration) job.Claim {
		return job.Claim{Key: key, Token: token, Job: "job", Tick: epoch, Now: epoch.Add(at), Until: epoch.Add(at + 12*time.Second)}
	}
	leaseLook := func(s *Store, k string) func(t *testing.T) string {
		return func(t *testing.T) string {
			it, err := s.get(t.Context(), s.tables.Jobs, key(k, leaseSK))
			must(t, err)
			return fmt.Sprintf("held %v by %q, fence %d, ends %d, orphan %q", it.flag("held"), it.text("holder"), it.int("fence"),
				it.int("ends")-epoch.UnixMilli(), it.text("orphan_holder"))
		}
	}
	replace := func(from, to int) func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
		return func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			chain := watchtest.Chain()
			prev, next := someFacts(chain, 10, from), someFacts(chain, 20, to)
			must(t, s.Facts().Replace(t.Context(), swap.Provisional{ChainID: chain}, prev))
			return func(ctx context.Context, s *Store) error { return s.Facts().Replace(ctx, prev, next) },
				func(t *testing.T) string {
					got, err := s.Facts().Provisional(t.Context(), chain)
					must(t, err)
					return fmt.Sprintf("to %d with %d events", got.To.Number, len(got.Events))
				}
		}
	}

	return []writing{
		{"create an order", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			o := order(t, s, 0)
			return func(ctx context.Context, s *Store) error { return s.Orders().Save(ctx, o) }, orderLook(s, o)
		}},
		{"change an order", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			o := order(t, s, 2)
			o.Wakes.Src = 99
			return func(ctx context.Context, s *Store) error { return s.Orders().Save(ctx, o) }, orderLook(s, o)
		}},
		{"add a leg to an order", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			o := order(t, s, 1)
			o.Dsts = append(o.Dsts, swap.LegRecord{Leg: watchtest.Dst(o)})
			return func(ctx context.Context, s *Store) error { return s.Orders().Save(ctx, o) }, orderLook(s, o)
		}},
		{"close an order", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			o := order(t, s, 1)
			o.Closed = true
			return func(ctx context.Context, s *Store) error { return s.Orders().Save(ctx, o) }, orderLook(s, o)
		}},
		{"set wake times", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			o := order(t, s, 1)
			return func(ctx context.Context, s *Store) error { return s.Orders().SetWakes(ctx, o, swap.Wakes{Dst: 7}) }, orderLook(s, o)
		}},
		{"create work", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			w := watchtest.Work(watchtest.Chain(), watchtest.Address())
			return func(ctx context.Context, s *Store) error { return s.Actions().Save(ctx, w) }, workLook(s, w)
		}},
		{"change work", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			w := work(t, s, txntest.Account())
			w.State = swap.WorkRefused
			return func(ctx context.Context, s *Store) error { return s.Actions().Save(ctx, w) }, workLook(s, w)
		}},
		{"end work", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			w := work(t, s, txntest.Account())
			w.State = swap.WorkByOther
			return func(ctx context.Context, s *Store) error { return s.Actions().Save(ctx, w) }, workLook(s, w)
		}},
		{"record a nonce", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			a := txntest.Account()
			f := s.grant(t, "signer#"+a.Signer.Hex(), "a")
			w := work(t, s, a)
			e, step := txntest.Entry(a, 7, w)
			return func(ctx context.Context, s *Store) error { return s.Journal().Record(ctx, f, e, step) }, journalLook(s, a, w)
		}},
		{"record a nonce below the highest", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			f, e, _ := entry(t, s)
			w := work(t, s, e.Account)
			low, step := txntest.Entry(e.Account, 3, w)
			return func(ctx context.Context, s *Store) error { return s.Journal().Record(ctx, f, low, step) }, journalLook(s, e.Account, w)
		}},
		{"record a bump", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			f, e, w := entry(t, s)
			e.Txs = append(slices.Clone(e.Txs), txntest.Tx())
			return func(ctx context.Context, s *Store) error { return s.Journal().Record(ctx, f, e, nil) }, journalLook(s, e.Account, w)
		}},
		{"settle with work", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			_, e, w := entry(t, s)
			e.State, w.State = txn.Mined, swap.WorkConfirmed
			return func(ctx context.Context, s *Store) error { return s.Journal().Settle(ctx, e, []swap.Work{w}) }, journalLook(s, e.Account, w)
		}},
		{"settle as foreign", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			_, e, w := entry(t, s)
			e.State, w.State, w.Attempt = txn.Foreign, swap.WorkPlanned, 2
			return func(ctx context.Context, s *Store) error { return s.Journal().Settle(ctx, e, []swap.Work{w}) }, journalLook(s, e.Account, w)
		}},
		{"open a settled entry again", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			f, e, w := entry(t, s)
			e.State = txn.Mined
			must(t, s.Journal().Settle(t.Context(), e, nil))
			e.Version++
			e.State, e.UndoneAt = txn.Open, swap.Block{Number: 9}
			return func(ctx context.Context, s *Store) error { return s.Journal().Reopen(ctx, f, e) }, journalLook(s, e.Account, w)
		}},
		{"replace facts", replace(2, 3)},
		{"replace facts by large ones", replace(2, largeFacts)},
		{"replace large facts", replace(largeFacts, 2)},
		{"park", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			d := swap.DstCreated{ChainID: watchtest.Chain(), Escrow: watchtest.Address(), Hashlock: watchtest.Word(), At: watchtest.Position(3)}
			return func(ctx context.Context, s *Store) error {
					ok, err := s.Parked().Park(ctx, d)
					if err == nil && !ok {
						err = errors.New("no room")
					}
					return err
				}, func(t *testing.T) string {
					got, err := s.Parked().Parked(t.Context(), d.ChainID, d.Hashlock)
					must(t, err)
					room, err := s.get(t.Context(), s.tables.Orders, key(parkedKey(d.ChainID), roomSK))
					must(t, err)
					_, used := s.Parked().used(room, s.now().Unix())
					return fmt.Sprintf("%d parked, %d counted", len(got), used)
				}
		}},
		{"claim a free lease", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			k := rand.Text()
			return func(ctx context.Context, s *Store) error {
				_, err := s.Leases().Acquire(ctx, claim(k, "a", 0))
				return err
			}, leaseLook(s, k)
		}},
		{"claim a dead holder's lease", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			k := rand.Text()
			_, err := s.Leases().Acquire(t.Context(), claim(k, "a", 0))
			must(t, err)
			return func(ctx context.Context, s *Store) error {
				l, err := s.Leases().Acquire(ctx, claim(k, "b", time.Minute))
				if err == nil && (l.Orphan == nil || l.Orphan.Token != "a") {
					err = fmt.Errorf("orphan %v", l.Orphan)
				}
				return err
			}, leaseLook(s, k)
		}},
		{"renew a lease", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			k := rand.Text()
			l, err := s.Leases().Acquire(t.Context(), claim(k, "a", 0))
			must(t, err)
			return func(ctx context.Context, s *Store) error { return s.Leases().Renew(ctx, l, epoch.Add(20*time.Second)) }, leaseLook(s, k)
		}},
		{"release a lease", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			k := rand.Text()
			l, err := s.Leases().Acquire(t.Context(), claim(k, "a", 0))
			must(t, err)
			return func(ctx context.Context, s *Store) error { _, err := s.Leases().Release(ctx, l); return err }, leaseLook(s, k)
		}},
		{"record a run", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			r := job.Record{Job: rand.Text(), Scheduled: epoch, State: job.Done, Token: "a", Started: epoch, Ended: epoch.Add(time.Second), Attempts: 1}
			return func(ctx context.Context, s *Store) error { return s.Runs().Record(ctx, r) }, func(t *testing.T) string {
				stored, _ := s.run(t, r.Job, epoch)
				return fmt.Sprintf("%s, counted %v", stored.State, s.stats(t, r.Job).Done == 1)
			}
		}},
		{"write the watchdog's book", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			b, err := s.Runs().Book(t.Context())
			must(t, err)
			b.At = b.At.Add(time.Minute)
			return func(ctx context.Context, s *Store) error { return s.Runs().SaveBook(ctx, b) }, func(t *testing.T) string {
				got, err := s.Runs().Book(t.Context())
				must(t, err)
				return fmt.Sprintf("%d writes later, the new one %v", got.Version-b.Version, got.At.Equal(b.At))
			}
		}},
		{"record a run late", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			r := job.Record{Job: rand.Text(), Scheduled: epoch, State: job.Abandoned, Token: "a", Started: epoch, Ended: epoch.Add(5 * time.Hour)}
			return func(ctx context.Context, s *Store) error { return s.Runs().Record(ctx, r) }, func(t *testing.T) string {
				stored, _ := s.run(t, r.Job, epoch)
				marks, err := s.Feed().Marks(t.Context(), 1_000)
				must(t, err)
				marked := slices.ContainsFunc(marks, func(m tally.Mark) bool { return strings.Contains(m.ID, r.Job) })
				return fmt.Sprintf("%s, marked %v", stored.State, marked)
			}
		}},
		{"count an hour", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			h := tally.Hour(mathrand.Int64N(1 << 20))
			next := tally.Stored{Hour: h, Tally: tally.Tally{Swaps: map[int]*tally.Counts{3: {Created: 1}}}}
			return func(ctx context.Context, s *Store) error { return s.Tallies().Put(ctx, next) }, func(t *testing.T) string {
				got, err := s.Tallies().Hour(t.Context(), h)
				must(t, err)
				return fmt.Sprintf("version %d, %d steps", got.Version, len(got.Swaps))
			}
		}},
		{"note a report", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			page := rand.Text()
			return func(ctx context.Context, s *Store) error { return s.Reports(report.NoteTTL).Note(ctx, page, epoch) }, func(t *testing.T) string {
				told, err := s.Reports(report.NoteTTL).Told(t.Context(), page, epoch)
				must(t, err)
				return fmt.Sprint("told ", told)
			}
		}},
		{"save an alert", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			e := alert.Entry{Alert: alert.Alert{Kind: alert.DstPaidSrcExpired, Order: rand.Text()}, State: alert.Open, Write: rand.Text(), ExpiresAt: epoch}
			return func(ctx context.Context, s *Store) error { return s.Alerts().Save(ctx, e) }, func(t *testing.T) string {
				got, err := s.Alerts().Load(t.Context(), e.Key())
				must(t, err)
				return fmt.Sprintf("version %d", got.Version)
			}
		}},
		{"restore an order", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			o := order(t, s, 0)
			o.Version = 5
			return restoring(snapshot.Record{Order: &o}), orderLook(s, o)
		}},
		{"restore an entry", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			a := txntest.Account()
			w := work(t, s, a)
			e, _ := txntest.Entry(a, 7, w)
			e.Version = 3
			return restoring(snapshot.Record{Entry: &e}), journalLook(s, a, w)
		}},
		{"restore marks", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			p := someFacts(watchtest.Chain(), 10, 2)
			return restoring(snapshot.Record{Chain: &p}), func(t *testing.T) string {
				got, err := s.Facts().Provisional(t.Context(), p.ChainID)
				must(t, err)
				return fmt.Sprintf("to %d with %d events", got.To.Number, len(got.Events))
			}
		}},
		{"remove a finished order", func(t *testing.T, s *Store) (func(context.Context, *Store) error, func(t *testing.T) string) {
			f := s.finish(t, cleanuptest.Finished(epoch, 40))
			return func(ctx context.Context, s *Store) error {
					ok, err := s.Closed().Remove(ctx, f)
					if err == nil && !ok {
						err = errors.New("not removed")
					}
					return err
				}, func(t *testing.T) string {
					got, ok, err := s.Closed().Read(t.Context(), cleanup.Due{Order: f.Order.ID, ClosedAt: f.ClosedAt})
					must(t, err)
					return fmt.Sprintf("there %t with %d items of history", ok, len(got.History))
				}
		}},
	}
}

// restoring is a call that puts a record.
func restoring(r snapshot.Record) func(context.Context, *Store) error {
	return func(ctx context.Context, s *Store) error {
		_, err := s.Snapshots().Put(ctx, r)
		return err
	}
}

// Every writing method is cut off at every one of its requests, before and
// after the server applied it. With the SDK's retries the call succeeds by
// itself; without, its repetition does. Either way it was applied once.
func TestOwnLostResponse(t *testing.T) {
	clean := newStore(t)
	for _, w := range writings() {
		t.Run(w.name, func(t *testing.T) {
			call, look := w.prepare(t, clean)
			if err := call(t.Context(), newStore(t)); err != nil {
				t.Fatalf("without faults: %v", err)
			}
			want := look(t)
			for _, applied := range []bool{true, false} {
				for _, tries := range []int{3, 1} {
					for cut := 1; ; cut++ {
						tr := &transport{}
						s := newStore(t, tr.through(tries))
						call, look := w.prepare(t, clean)
						reached := false
						tr.reset(func(n int, op string, forward func() (*http.Response, error)) (*http.Response, error) {
							if n != cut {
								return forward()
							}
							reached = true
							if applied {
								return lose(forward)
							}
							return nil, errCut
						})
						err := call(t.Context(), s)
						if tries == 1 && reached {
							if err == nil {
								t.Errorf("cut at request %d of %v: no error", cut, tr.ops)
							}
							err = call(t.Context(), s)
						}
						if err != nil {
							t.Errorf("cut at request %d of %v, applied %v, %d tries: %v", cut, tr.ops, applied, tries, err)
						}
						if got := look(t); got != want {
							t.Errorf("cut at request %d of %v, applied %v, %d tries:\n left %s\n want %s", cut, tr.ops, applied, tries, got, want)
						}
						if !reached {
							break
						}
					}
				}
			}
		})
	}
}

// Many writers, each a process of its own with a bad connection, count up in
// one order. What a writer was told has happened, has happened once; what it
// was told has not, did not undo anything.
func TestLostResponsesAmongConcurrentWriters(t *testing.T) {
	clean := newStore(t)
	o, _ := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	o.Src.Balance = swap.Balance{}
	if err := clean.Orders().Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	const writers, each = 6, 12
	var done, lost atomic.Int64
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			tr := &transport{}
			s := newStore(t, tr.through(5))
			tr.reset(func(n int, op string, forward func() (*http.Response, error)) (*http.Response, error) {
				if (op == "PutItem" || op == "TransactWriteItems") && (n+w)%3 == 0 {
					lost.Add(1)
					return lose(forward)
				}
				return forward()
			})
			for n := 0; n < each && t.Context().Err() == nil; {
				got, err := s.Orders().Load(t.Context(), []swap.OrderID{o.ID})
				if err != nil || len(got) != 1 {
					t.Errorf("load: %d, %v", len(got), err)
					return
				}
				next := got[0]
				next.Src.Balance.Block.Number++
				next.Src.Balance.Block.Hash = watchtest.Word() // this writer's
				switch err := s.Orders().Save(t.Context(), next); {
				case err == nil:
					done.Add(1)
					n++
				case !errors.Is(err, swap.ErrConflict):
					t.Errorf("save: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	got, err := clean.Orders().Load(t.Context(), []swap.OrderID{o.ID})
	if err != nil {
		t.Fatal(err)
	}
	count := int64(got[0].Src.Balance.Block.Number)
	if uint64(count) != got[0].Version-1 {
		t.Errorf("counted %d in %d writes: one was overwritten unseen", count, got[0].Version-1)
	}
	if count < done.Load() {
		t.Errorf("counted %d, and %d writers were told they had", count, done.Load())
	}
	// A write that was applied, lost and then overwritten before its repetition
	// is told as a conflict, so more may be counted than was told, but no more
	// than answers were lost.
	if count > done.Load()+lost.Load() {
		t.Errorf("counted %d, told %d, lost %d answers", count, done.Load(), lost.Load())
	}
	if done.Load() != writers*each || lost.Load() == 0 {
		t.Errorf("%d writes done, %d answers lost", done.Load(), lost.Load())
	}
}
