package rpcproxy

import (
	"slices"
	"sync/atomic"
)

// Match selects calls.
type Match func(*Call) bool

// When applies f to the calls that every match selects, asked in order; those
// behind a match that says no are not asked.
func When(f Fault, matches ...Match) Fault {
	return func(c *Call) Action {
		for _, m := range matches {
			if !m(c) {
				return Action{}
			}
		}
		return f(c)
	}
}

// Function selects the calls of these functions.
func Function(names ...string) Match {
	return func(c *Call) bool { return slices.Contains(names, c.Function) }
}

// Endpoint selects the calls to these endpoints.
func Endpoint(names ...string) Match {
	return func(c *Call) bool { return slices.Contains(names, c.Endpoint) }
}

// Method selects the calls of these methods.
func Method(names ...string) Match {
	return func(c *Call) bool { return slices.Contains(names, c.Method) }
}

// Request selects the first call of the function's HTTP request number n (from
// 1, see Call.Request): once per request, be it a batch or not.
func Request(n int) Match {
	return func(c *Call) bool { return c.Request == n && c.Index == 0 }
}

// Nth selects the n-th call (from 1) of those that ask it, and no other. In
// When, put it behind what it shall count.
func Nth(n int64) Match {
	var asked atomic.Int64
	return func(*Call) bool { return asked.Add(1) == n }
}

// First selects the first n calls of those that ask it.
func First(n int64) Match {
	var asked atomic.Int64
	return func(*Call) bool { return asked.Add(1) <= n }
}

// From selects the n-th call (from 1) of those that ask it, and all later ones.
func From(n int64) Match {
	var asked atomic.Int64
	return func(*Call) bool { return asked.Add(1) >= n }
}

// Every selects each n-th call of those that ask it, beginning with the n-th.
func Every(n int64) Match {
	var asked atomic.Int64
	return func(*Call) bool { return asked.Add(1)%n == 0 }
}
