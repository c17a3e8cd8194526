package awsproxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Forward sends a call the rest of its way: through the later faults, to the service.
// It may be called never, once or more, from one goroutine at a time. An error means
// that the caller's connection will be cut.
type Forward func(*Call) (*Reply, error)

// Fault stands between a caller and a service. It returns the reply for the caller, or
// an error (ErrCut) to cut the connection without one. Calls run concurrently.
type Fault func(c *Call, next Forward) (*Reply, error)

// Match selects calls; an empty field matches everything.
type Match struct {
	// Process is one instance, FUNCTION@INSTANCE; Function all of them.
	Process, Function, Service string
	// Actions lists API actions, any of which matches.
	Actions []string
	// Resource must be among the call's resources.
	Resource string
	// Where, if set, must hold too.
	Where func(*Call) bool
}

func (m Match) holds(c *Call) bool {
	return (m.Process == "" || m.Process == c.Process) &&
		(m.Function == "" || m.Function == c.Function) &&
		(m.Service == "" || m.Service == c.Service) &&
		(len(m.Actions) == 0 || slices.Contains(m.Actions, c.Action)) &&
		(m.Resource == "" || slices.Contains(c.Resources, m.Resource)) &&
		(m.Where == nil || m.Where(c))
}

// When applies f to the calls that match; the others pass.
func When(m Match, f Fault) Fault {
	return func(c *Call, next Forward) (*Reply, error) {
		if !m.holds(c) {
			return next(c)
		}
		return f(c, next)
	}
}

// Nth applies f to the n-th call that it sees, from 1, and to no other. Inside When it
// counts the matching calls.
func Nth(n int, f Fault) Fault {
	return counted(f, func(seen int) bool { return seen == n })
}

// First applies f to the first n calls that it sees.
func First(n int, f Fault) Fault {
	return counted(f, func(seen int) bool { return seen <= n })
}

// Sometimes applies f to a call with probability p, drawn from a generator with this seed.
func Sometimes(p float64, seed uint64, f Fault) Fault {
	var mu sync.Mutex
	draw := rand.New(rand.NewPCG(seed, 0))
	return counted(f, func(int) bool {
		mu.Lock()
		defer mu.Unlock()
		return draw.Float64() < p
	})
}

func counted(f Fault, applies func(seen int) bool) Fault {
	var seen atomic.Int64
	return func(c *Call, next Forward) (*Reply, error) {
		if !applies(int(seen.Add(1))) {
			return next(c)
		}
		return f(c, next)
	}
}

// Before runs hook before the call is forwarded. If the hook returns an error the call
// is not forwarded and the connection is cut: a caller killed here has sent nothing.
func Before(hook func(*Call) error) Fault {
	return func(c *Call, next Forward) (*Reply, error) {
		if err := hook(c); err != nil {
			return nil, err
		}
		return next(c)
	}
}

// After runs hook when the service has answered and the caller does not know it yet. If
// the hook returns an error the connection is cut: a caller killed here has acted.
func After(hook func(*Call, *Reply) error) Fault {
	return func(c *Call, next Forward) (*Reply, error) {
		reply, err := next(c)
		if err != nil {
			return nil, err
		}
		if err := hook(c, reply); err != nil {
			return nil, err
		}
		return reply, nil
	}
}

// LoseRequest cuts the connection; the service sees nothing.
func LoseRequest() Fault { return Before(func(*Call) error { return ErrCut }) }

// LoseReply forwards the call and cuts the connection: done, but the caller cannot know.
func LoseReply() Fault { return After(func(*Call, *Reply) error { return ErrCut }) }

// Delay holds the call for d before it is forwarded. A caller that leaves meanwhile has
// sent nothing.
func Delay(d time.Duration) Fault {
	return Before(func(c *Call) error { return wait(c, d) })
}

// DelayReply holds the reply for d. The service has acted by then.
func DelayReply(d time.Duration) Fault {
	return After(func(c *Call, _ *Reply) error { return wait(c, d) })
}

func wait(c *Call, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.Context.Done():
		return errors.Join(ErrCut, c.Context.Err())
	}
}

// Double forwards the call twice and returns the second reply, as when a client resends
// what it believes lost.
func Double() Fault {
	return func(c *Call, next Forward) (*Reply, error) {
		if _, err := next(c); err != nil {
			return nil, err
		}
		return next(c)
	}
}

// Throttle answers, without forwarding, that the caller asks too fast, in the words of
// the service concerned. The SDK retries that.
func Throttle() Fault {
	return func(c *Call, _ Forward) (*Reply, error) {
		switch c.Service {
		case "dynamodb":
			return errorReply(c, http.StatusBadRequest, "ProvisionedThroughputExceededException", "The level of configured provisioned throughput for the table was exceeded."), nil
		case "sqs":
			return errorReply(c, http.StatusBadRequest, "RequestThrottled", "Request was throttled."), nil
		case "sns":
			return errorReply(c, http.StatusBadRequest, "Throttling", "Rate exceeded"), nil
		case "lambda":
			return errorReply(c, http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded."), nil
		case "s3":
			return errorReply(c, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."), nil
		default:
			return errorReply(c, http.StatusBadRequest, "ThrottlingException", "Rate exceeded"), nil
		}
	}
}

// ServerError answers, without forwarding, with status 500 in the words of the service
// concerned. The SDK retries that.
func ServerError() Fault {
	return func(c *Call, _ Forward) (*Reply, error) {
		code := "InternalFailure"
		switch c.Service {
		case "dynamodb":
			code = "InternalServerError"
		case "kms":
			code = "KMSInternalException"
		case "lambda":
			code = "ServiceException"
		case "sns", "s3":
			code = "InternalError"
		}
		return errorReply(c, http.StatusInternalServerError, code, "Internal server error"), nil
	}
}

// Deny answers, without forwarding, that the caller may not do this, in the words of the
// service concerned. No retry helps.
func Deny(message string) Fault {
	return func(c *Call, _ Forward) (*Reply, error) {
		switch c.Service {
		case "dynamodb", "kms":
			return errorReply(c, http.StatusBadRequest, "AccessDeniedException", message), nil
		case "sns":
			return errorReply(c, http.StatusForbidden, "AuthorizationError", message), nil
		case "s3":
			return errorReply(c, http.StatusForbidden, "AccessDenied", message), nil
		default:
			return errorReply(c, http.StatusForbidden, "AccessDeniedException", message), nil
		}
	}
}

// Fail answers, without forwarding, with an error of the given HTTP status and code,
// e.g. 400 and "AccessDeniedException", in the protocol of the service concerned.
func Fail(status int, code, message string) Fault {
	return func(c *Call, _ Forward) (*Reply, error) {
		if status < http.StatusBadRequest {
			return nil, fmt.Errorf("%w: status %d is no error", ErrCut, status)
		}
		return errorReply(c, status, code, message), nil
	}
}
