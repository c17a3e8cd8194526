package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

func TestALeaseIsRenewedWhileTheRunLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		start := time.Now()
		err := b.invoke(task(func(ctx context.Context, r *job.Run) error {
			for time.Since(start) < 47*time.Second {
				time.Sleep(time.Second)
				if err := r.Check(time.Now()); err != nil {
					return err
				}
			}
			return nil
		}), now())
		if err != nil {
			t.Error(err)
		}
		// At 4, 8, … 40 s; from then on the lease lasts to the invocation's end and Skew.
		if n := b.Calls("renew"); n != 10 {
			t.Errorf("renewed %d times, want 10", n)
		}
	})
}

func TestALeaseDoesNotOutliveAKilledInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick := newBench(t), now()
		die := make(chan struct{})
		killed := job.Task{Name: "sweep", Exclusive: true, Period: 10 * time.Second, Timeout: 9 * time.Second, Margin: time.Second,
			Run: func(context.Context, *job.Run) error { <-die; return nil }}
		h, err := job.Scheduled(b.deps(), killed)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), killed.Timeout)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { // does not hear that its time is over, as a frozen process
			if _, err := h.Invoke(ctx, event(tick)); err == nil {
				t.Error("the zombie succeeded")
			}
		})
		time.Sleep(killed.Timeout + job.Skew)
		next := killed
		next.Run = func(context.Context, *job.Run) error { return nil }
		if err := b.invoke(next, tick.Add(10*time.Second)); err != nil {
			t.Fatal(err)
		}
		if line := b.lastLine(); line["outcome"] != "done" {
			t.Errorf("after timeout and skew: %v", line)
		}
		if rec, ok := b.Run("sweep", tick); !ok || rec.State != job.Abandoned {
			t.Errorf("the killed run: %+v, want abandoned", rec)
		}
		if len(b.lines("run abandoned")) != 1 {
			t.Error("no line about the abandoned run")
		}
		close(die)
		wg.Wait()
	})
}

func TestALostLeaseEndsTheRun(t *testing.T) {
	tests := []struct {
		name  string
		fault faulttest.Fault
		ends  time.Duration // of the run
	}{
		{"no renewal arrives", faulttest.Refused, job.LeaseTime - job.Skew},
		// Each renewal is stored and its answer lost: the trust window ends all the same.
		{"no answer arrives", faulttest.Lost, job.LeaseTime - job.Skew},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, tick := newBench(t), now()
				b.Fail(func(op string) faulttest.Fault {
					if op == "renew" {
						return tt.fault
					}
					return faulttest.OK
				})
				start := time.Now()
				err := b.invoke(task(func(ctx context.Context, r *job.Run) error {
					<-ctx.Done()
					if got := time.Since(start); got != tt.ends {
						t.Errorf("ended after %s, want %s", got, tt.ends)
					}
					if err := r.Check(time.Now()); !errors.Is(err, job.ErrLost) {
						t.Errorf("check: %v, want ErrLost", err)
					}
					return context.Cause(ctx)
				}), tick)
				if !errors.Is(err, job.ErrLost) {
					t.Errorf("error %v, want ErrLost", err)
				}
				if rec, _ := b.Run("sweep", tick); rec.State != job.Failed || rec.Attempts != 1 {
					t.Errorf("record %+v: want one failed attempt", rec)
				}
			})
		})
	}
}

// A run that ignores its context and reports success without a lease is not done.
func TestSuccessWithoutALeaseIsNoSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick := newBench(t), now()
		b.Fail(func(op string) faulttest.Fault {
			if op == "renew" {
				return faulttest.Refused
			}
			return faulttest.OK
		})
		err := b.invoke(task(func(context.Context, *job.Run) error { time.Sleep(30 * time.Second); return nil }), tick)
		if rec, _ := b.Run("sweep", tick); !errors.Is(err, job.ErrLost) || rec.State != job.Failed {
			t.Errorf("error %v, record %+v", err, rec)
		}
	})
}

// troubled is a locker whose nth renewal and whose releases go through functions of the test.
type troubled struct {
	job.Locker
	renewals atomic.Int32
	renew    func(ctx context.Context, nth int32, apply func() error) error
	release  func(apply func() (int64, error)) (int64, error)
}

func (l *troubled) Renew(ctx context.Context, lease job.Lease, until time.Time) error {
	n := l.renewals.Add(1)
	apply := func() error { return l.Locker.Renew(ctx, lease, until) }
	if l.renew == nil {
		return apply()
	}
	return l.renew(ctx, n, apply)
}

func (l *troubled) Release(ctx context.Context, lease job.Lease) (int64, error) {
	apply := func() (int64, error) { return l.Locker.Release(ctx, lease) }
	if l.release == nil {
		return apply()
	}
	return l.release(apply)
}

// runOn runs a 50-second task for as long as it likes on that locker.
func runOn(t *testing.T, l *troubled, lasts time.Duration) (ended time.Duration, err error) {
	t.Helper()
	b := newBench(t)
	l.Locker = b
	deps := b.deps()
	deps.Locker = l
	start := time.Now()
	h, err := job.Scheduled(deps, task(func(ctx context.Context, r *job.Run) error {
		defer func() { ended = time.Since(start) }()
		select {
		case <-time.After(lasts):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	_, err = h.Invoke(ctx, event(now()))
	return ended, err
}

func TestAHangingRenewalDoesNotHideTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _ int32, _ func() error) error { <-ctx.Done(); return ctx.Err() }
		ended, err := runOn(t, &troubled{renew: hang}, 40*time.Second)
		if !errors.Is(err, job.ErrLost) || ended != job.LeaseTime-job.Skew {
			t.Errorf("ended after %s with %v, want %s with ErrLost", ended, err, job.LeaseTime-job.Skew)
		}
	})
}

func TestAHangingRenewalIsGivenUpForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangOnce := func(ctx context.Context, nth int32, apply func() error) error {
			if nth == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return apply()
		}
		if ended, err := runOn(t, &troubled{renew: hangOnce}, 30*time.Second); err != nil || ended != 30*time.Second {
			t.Errorf("ended after %s with %v", ended, err)
		}
	})
}

// A renewal that was slow to answer counts from when it was asked for: at 4 s, until 16 s.
func TestTrustCountsFromTheStartOfTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slowThenAway := func(_ context.Context, nth int32, apply func() error) error {
			if nth > 1 {
				return errors.New("away")
			}
			err := apply()
			time.Sleep(3 * time.Second)
			return err
		}
		want := job.RenewEvery + job.LeaseTime - job.Skew
		if ended, err := runOn(t, &troubled{renew: slowThenAway}, 40*time.Second); !errors.Is(err, job.ErrLost) || ended != want {
			t.Errorf("ended after %s with %v, want %s with ErrLost", ended, err, want)
		}
	})
}

func TestNothingRenewsWhileTheLeaseIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &troubled{release: func(apply func() (int64, error)) (int64, error) {
			wanted, err := apply()
			time.Sleep(10 * time.Second) // the answer is slow
			return wanted, err
		}}
		if _, err := runOn(t, l, 3*time.Second); err != nil || l.renewals.Load() != 0 {
			t.Errorf("%v, %d renewals", err, l.renewals.Load())
		}
	})
}

// The wall clock may have gone further than the monotonic one: the machine was frozen.
func TestCheckLooksAtTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		err := b.invoke(task(func(_ context.Context, r *job.Run) error {
			wall := time.Now().Round(0)
			if err := r.Check(wall.Add(job.LeaseTime - job.Skew - 1)); err != nil {
				t.Errorf("within the trust window: %v", err)
			}
			if err := r.Check(wall.Add(job.LeaseTime - job.Skew)); !errors.Is(err, job.ErrLost) {
				t.Errorf("at its end: %v", err)
			}
			return r.Check(time.Now()) // what is lost stays lost
		}), now())
		if !errors.Is(err, job.ErrLost) {
			t.Errorf("error %v", err)
		}
	})
}

// At no instant do two runs trust the same lease, whatever part of the renewals fails.
func TestNoTwoRunsTrustOneLease(t *testing.T) {
	for seed := range 8 {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			var calls atomic.Int64
			b.Fail(func(op string) faulttest.Fault {
				n := calls.Add(1)
				if op == "renew" {
					return faulttest.Fault((int64(seed)*7 + n*5) % 11 % 3)
				}
				return faulttest.OK
			})
			var mu sync.Mutex
			trusted := map[string]*job.Run{}
			run := task(func(ctx context.Context, r *job.Run) error {
				mu.Lock()
				trusted[r.Token] = r
				mu.Unlock()
				defer func() { mu.Lock(); delete(trusted, r.Token); mu.Unlock() }()
				for ctx.Err() == nil {
					mu.Lock()
					holders := 0
					for _, other := range trusted {
						if other.Check(time.Now()) == nil {
							holders++
						}
					}
					mu.Unlock()
					if holders > 1 {
						t.Errorf("%d runs trust the lease", holders)
					}
					time.Sleep(700 * time.Millisecond)
				}
				time.Sleep(time.Duration(seed) * time.Second) // slow to notice
				return nil
			})
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * 4 * time.Second)
					_ = b.invoke(run, now()) // most of them leave or lose: the point is above
				})
			}
			wg.Wait()
		})
	}
}

// alone runs fn as the work of one queue message in a process of its own.
func (b *bench) alone(key string, work func(context.Context, *job.Hold) error) (ran bool, err error) {
	b.t.Helper()
	h, herr := job.Queue(b.deps(), job.Consumer[string]{Name: "executor", Critical: true, Timeout: 30 * time.Second, Margin: 2 * time.Second, Parallel: 2,
		Decode: func(body string) (string, error) { return body, nil },
		Handle: func(ctx context.Context, r *job.Run, m string) error { ran, err = r.Alone(ctx, m, work); return err }})
	if herr != nil {
		b.t.Fatal(herr)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	_, _ = h.Invoke(ctx, batch(key)) // its answer is the subject of other tests
	return ran, err
}

func TestAloneGoesRoundAgainWhenWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, rounds := newBench(t), 0
		var wg sync.WaitGroup
		wg.Go(func() {
			ran, err := b.alone("k", func(ctx context.Context, h *job.Hold) error {
				rounds++
				time.Sleep(5 * time.Second)
				return h.Check(time.Now())
			})
			if !ran || err != nil {
				t.Errorf("holder: %v, %v", ran, err)
			}
		})
		for _, at := range []time.Duration{time.Second, time.Second, 6 * time.Second} { // 1 s, 2 s: one round; 8 s: another
			time.Sleep(at)
			if ran, err := b.alone("k", func(context.Context, *job.Hold) error { t.Error("two at once"); return nil }); ran || err != nil {
				t.Errorf("loser: %v, %v", ran, err)
			}
		}
		wg.Wait()
		if rounds != 3 {
			t.Errorf("%d rounds, want 3", rounds)
		}
		if ran, err := b.alone("k", func(context.Context, *job.Hold) error { return nil }); !ran || err != nil {
			t.Errorf("afterwards: %v, %v; want the lease free", ran, err)
		}
	})
}

func TestAloneIsNoSuccessWithoutTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Fail(func(op string) faulttest.Fault {
			if op == "renew" {
				return faulttest.Refused
			}
			return faulttest.OK
		})
		ran, err := b.alone("k", func(context.Context, *job.Hold) error { time.Sleep(15 * time.Second); return nil })
		if !ran || !errors.Is(err, job.ErrLost) {
			t.Errorf("%v, %v; want ErrLost", ran, err)
		}
	})
}

func TestAloneReleasesWhenItFails(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name string
		work func(ctx context.Context, h *job.Hold) error
		want error
	}{
		{"error", func(context.Context, *job.Hold) error { return broken }, broken},
		{"wanted, but no time left", func(ctx context.Context, _ *job.Hold) error { <-ctx.Done(); return nil }, job.ErrWanted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				ran, err := b.alone("k", func(ctx context.Context, h *job.Hold) error {
					if ran, err := b.alone("k", nil); ran || err != nil { // somebody asks meanwhile
						t.Errorf("loser: %v, %v", ran, err)
					}
					return tt.work(ctx, h)
				})
				if !ran || !errors.Is(err, tt.want) {
					t.Errorf("%v, %v; want %v", ran, err, tt.want)
				}
				if ran, err := b.alone("k", func(context.Context, *job.Hold) error { return nil }); !ran || err != nil {
					t.Errorf("afterwards: %v, %v; want the lease free", ran, err)
				}
			})
		})
	}
}

// What a run left behind, as a request that nobody waits for, may act no more.
func TestAReleasedLeaseIsNotTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var kept *job.Hold
		if ran, err := b.alone("k", func(_ context.Context, h *job.Hold) error { kept = h; return nil }); !ran || err != nil {
			t.Fatalf("%v, %v", ran, err)
		}
		if err := kept.Check(time.Now()); !errors.Is(err, job.ErrLost) {
			t.Errorf("after the release: %v, want %v", err, job.ErrLost)
		}
	})
}

func TestTheSameRunDoesNotHoldALeaseTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var r *job.Run
		q, err := job.Queue(b.deps(), job.Consumer[string]{Name: "executor", Timeout: 30 * time.Second, Margin: time.Second, Parallel: 1,
			Decode: func(body string) (string, error) { return body, nil },
			Handle: func(ctx context.Context, run *job.Run, _ string) error {
				r = run
				rounds := 0
				_, err := r.Alone(ctx, "k", func(ctx context.Context, _ *job.Hold) error {
					if rounds++; rounds > 1 {
						return nil
					}
					ran, err := r.Alone(ctx, "k", func(context.Context, *job.Hold) error { t.Error("held twice"); return nil })
					if ran || err != nil {
						t.Errorf("%v, %v", ran, err)
					}
					return nil
				})
				return err
			}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Invoke(t.Context(), batch("m")); err != nil {
			t.Fatal(err)
		}
	})
}

// Work is put down, then the bell is rung, by many processes, while any call to the store may fail
// with or without effect. Work that is left at the end was not seen by anybody: then somebody must
// have been told of an error (its message comes again), or died.
func TestNoWorkIsLostSilently(t *testing.T) {
	for seed := range 20 {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			var calls, failed, work atomic.Int64
			b.Fail(func(op string) faulttest.Fault {
				n := calls.Add(1)
				if seed == 0 {
					return faulttest.OK
				}
				return faulttest.Fault((n*int64(seed) + int64(seed)/3) % 13 % 3)
			})
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					time.Sleep(time.Duration(i*seed%7) * 300 * time.Millisecond)
					work.Add(1)
					if _, err := b.alone("k", func(ctx context.Context, h *job.Hold) error {
						work.Store(0)
						time.Sleep(500 * time.Millisecond)
						return nil
					}); err != nil {
						failed.Add(1)
					}
				})
			}
			wg.Wait()
			if work.Load() != 0 && failed.Load() == 0 {
				t.Errorf("seed %d: %d pieces of work left and nobody told", seed, work.Load())
			}
			if seed == 0 && failed.Load() != 0 {
				t.Errorf("%d failed without a fault", failed.Load())
			}
		})
	}
}

func TestAnOrphanOfASignerLeaseIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick := newBench(t), now()
		_, err := b.Acquire(t.Context(), job.Claim{Key: job.SignerKey(10, "0xab"), Token: "dead", Job: "executor", Tick: tick, Now: time.Now(), Until: time.Now().Add(job.LeaseTime)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(job.LeaseTime)
		if ran, err := b.alone(job.SignerKey(10, "0xab"), func(context.Context, *job.Hold) error { return nil }); !ran || err != nil {
			t.Fatalf("%v, %v", ran, err)
		}
		if rec, ok := b.Run("executor", tick); !ok || rec.State != job.Abandoned || rec.Token != "dead" {
			t.Errorf("record %v %+v", ok, rec)
		}
	})
}

func batch(bodies ...string) []byte {
	out := []byte(`{"Records":[`)
	for i, body := range bodies {
		if i > 0 {
			out = append(out, ',')
		}
		quoted, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		out = fmt.Appendf(out, `{"messageId":"m%d","receiptHandle":"h","body":%s,"attributes":{"ApproximateReceiveCount":"1"},"eventSource":"aws:sqs"}`, i, quoted)
	}
	return append(out, `]}`...)
}
