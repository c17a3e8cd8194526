package store

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// What only collides with a transaction under way is tried again until it is
// through: a lease is renewed while a record under it is written.
func TestCollisions(t *testing.T) {
	clean := newStore(t)
	collide := func(times int) *transport {
		tr := &transport{}
		tr.fault = func(n int, op string, forward func() (*http.Response, error)) (*http.Response, error) {
			switch {
			case n > times:
				return forward()
			case op == "TransactWriteItems":
				return failing("TransactionCanceledException", collision)
			}
			return failing("TransactionConflictException", "")
		}
		return tr
	}

	t.Run("renewal", func(t *testing.T) {
		l, err := clean.Leases().Acquire(t.Context(), job.Claim{Key: watchtest.Word().Hex(), Token: "a", Now: epoch, Until: epoch.Add(time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		if err := newStore(t, collide(3).through(1)).Leases().Renew(t.Context(), l, epoch.Add(time.Minute)); err != nil {
			t.Errorf("after three collisions: %v", err)
		}
	})

	t.Run("record", func(t *testing.T) {
		a := txntest.Account()
		f := clean.grant(t, "signer#"+a.Signer.Hex(), "a")
		w := watchtest.Work(a.ChainID, watchtest.Address())
		if err := clean.Actions().Save(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		live, err := clean.Actions().Live(t.Context(), w.ChainID, w.Taker)
		if err != nil {
			t.Fatal(err)
		}
		e, step := txntest.Entry(a, 1, live[0])
		if err := newStore(t, collide(3).through(1)).Journal().Record(t.Context(), f, e, step); err != nil {
			t.Errorf("after three collisions: %v", err)
		}
	})
}

// A collision that does not end, throttling and any other failure are errors,
// and never a conflict: nobody else's write has been seen.
func TestFailuresAreNoConflicts(t *testing.T) {
	for name, fail := range map[string]func() (*http.Response, error){
		"single collision":      func() (*http.Response, error) { return failing("TransactionConflictException", "") },
		"transaction collision": func() (*http.Response, error) { return failing("TransactionCanceledException", collision) },
		"throttled transaction": func() (*http.Response, error) {
			return failing("TransactionCanceledException", `,"CancellationReasons":[{"Code":"ThrottlingError"},{"Code":"None"}]`)
		},
		"throttled":    func() (*http.Response, error) { return failing("ProvisionedThroughputExceededException", "") },
		"server error": func() (*http.Response, error) { return answer(http.StatusInternalServerError, "{}") },
		"cut":          func() (*http.Response, error) { return nil, errCut },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := &transport{fault: func(int, string, func() (*http.Response, error)) (*http.Response, error) { return fail() }}
				s := offline(tr)
				o, _ := watchtest.Order(1, 2)
				began := time.Now()
				if err := s.Orders().Save(t.Context(), o); err == nil || errors.Is(err, swap.ErrConflict) {
					t.Errorf("save: %v, want an error that is no conflict", err)
				}
				if err := s.Orders().SetWakes(t.Context(), o, swap.Wakes{Src: 1}); err == nil || errors.Is(err, swap.ErrConflict) {
					t.Errorf("set wakes: %v, want an error that is no conflict", err)
				}
				if took := time.Since(began); took > 2*writeTries*maxPause {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func TestCollisionsEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &transport{fault: func(int, string, func() (*http.Response, error)) (*http.Response, error) {
			return failing("TransactionConflictException", "")
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond)
		defer cancel()
		began := time.Now()
		err := offline(tr).Leases().Renew(ctx, job.Lease{Key: "k", Token: "a", Fence: 1}, epoch)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the end of the context", err)
		}
		if took := time.Since(began); took > 20*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

func TestRefused(t *testing.T) {
	code := func(s string) types.CancellationReason { return types.CancellationReason{Code: &s} }
	other := errors.New("other")
	for name, c := range map[string]struct {
		err      error
		failed   []bool // nil: no refusal
		collided bool
	}{
		"nothing":                {err: nil},
		"another error":          {err: other},
		"condition":              {err: &types.ConditionalCheckFailedException{}, failed: []bool{true}},
		"second of two":          {err: &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{code("None"), code("ConditionalCheckFailed")}}, failed: []bool{false, true}},
		"condition and conflict": {err: &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{code("TransactionConflict"), code("ConditionalCheckFailed")}}, failed: []bool{false, true}},
		"conflict":               {err: &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{code("TransactionConflict"), {}}}, collided: true},
		"conflict and throttle":  {err: &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{code("TransactionConflict"), code("ThrottlingError")}}},
		"no reasons":             {err: &types.TransactionCanceledException{}},
		"single conflict":        {err: &types.TransactionConflictException{}, collided: true},
	} {
		got := refused(c.err)
		var r *refusal
		if is := errors.As(got, &r); is != (c.failed != nil) {
			t.Errorf("%s: %v", name, got)
		} else if is {
			watchtest.Equal(t, name, c.failed, r.failed)
		} else if got != c.err {
			t.Errorf("%s: became %v", name, got)
		}
		if got := collided(c.err); got != c.collided {
			t.Errorf("%s: collided %v, want %v", name, got, c.collided)
		}
	}
}
