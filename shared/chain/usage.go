package chain

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Usage is what was asked of endpoints.
type Usage struct {
	Calls     int64 // requests, however many JSON-RPC calls each held
	Failed    int64 // requests that failed as a whole
	TimedOut  int64 // of the failed
	Throttled int64 // of the failed
	// Busy is the sum of the requests' times and Slowest the longest of them.
	Busy, Slowest time.Duration
}

// Usage returns what was asked of all endpoints since it was last called.
func (c *Client) Usage() (sum Usage) {
	for _, ch := range c.chains {
		u := ch.usage.take()
		sum.Calls, sum.Failed = sum.Calls+u.Calls, sum.Failed+u.Failed
		sum.TimedOut, sum.Throttled = sum.TimedOut+u.TimedOut, sum.Throttled+u.Throttled
		sum.Busy, sum.Slowest = sum.Busy+u.Busy, max(sum.Slowest, u.Slowest)
	}
	return sum
}

// meter counts the requests of a chain. It is safe for concurrent use.
type meter struct {
	mu sync.Mutex
	Usage
}

func (m *meter) add(took time.Duration, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Calls++
	m.Busy, m.Slowest = m.Busy+took, max(m.Slowest, took)
	if err == nil {
		return
	}
	m.Failed++
	switch f, ok := errors.AsType[*fault](err); {
	case ok && f.class == classRate:
		m.Throttled++
	case ok && f.class == classTimeout, errors.Is(err, context.DeadlineExceeded):
		m.TimedOut++
	}
}

func (m *meter) take() Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.Usage
	m.Usage = Usage{}
	return u
}

// EndpointFailure says what sort of failure it is, in the word of the class by
// which the errors of runs are counted.
func (f *fault) EndpointFailure() string {
	switch f.class {
	case classRate:
		return "throttled"
	case classTimeout:
		return "timeout"
	case classAuth, classWrongChain:
		return "config"
	}
	return "rpc"
}
