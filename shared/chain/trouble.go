package chain

import (
	"cmp"
	"slices"
	"time"
)

// TroubleKind says what is wrong with an endpoint.
type TroubleKind string

const (
	Unreachable TroubleKind = "unreachable"  // no answer, or server errors
	Malformed   TroubleKind = "malformed"    // answers that are not JSON-RPC, or contradict themselves
	RateLimited TroubleKind = "rate-limited" // more calls than the plan allows
	Refused     TroubleKind = "refused"      // the key is not accepted
	WrongChain  TroubleKind = "wrong-chain"  // answers for another chain id
	Stale       TroubleKind = "stale-head"   // its head stands still while a peer's goes on
	Future      TroubleKind = "future-head"  // its head lies in the future, and a peer's does not
	Forked      TroubleKind = "forked"       // has other blocks than its peer
	Hostile     TroubleKind = "hostile-logs" // sent logs that were not asked for
	SameReader  TroubleKind = "same-reader"  // read the same blocks twice, for want of another
	NoHistory   TroubleKind = "no-history"   // has no state of the depth at which nonces settle
)

// Trouble is a finding about one endpoint. It is equal from pass to pass while
// the trouble lasts, so that it can be the key of an alert.
type Trouble struct {
	ChainID  uint64
	Endpoint string // its configured name
	Kind     TroubleKind
	Detail   string // constant words
}

// Trouble returns what was found since it was last called, together with the
// endpoints that are still aside, in the order of chains and endpoints. An
// endpoint that is missing from it answered well or was not needed.
func (c *Client) Trouble() []Trouble {
	var out []Trouble
	for _, ch := range c.chains {
		for _, e := range ch.endpoints {
			out = append(out, e.trouble()...)
		}
	}
	slices.SortStableFunc(out, func(a, b Trouble) int {
		return cmp.Or(cmp.Compare(a.ChainID, b.ChainID), cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

func (e *endpoint) trouble() []Trouble {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Trouble
	for kind, detail := range e.found {
		out = append(out, Trouble{e.chain.ID, e.name, kind, detail})
	}
	// What holds it aside stays a finding until that is over.
	for kind := range e.found {
		if kind != e.why || !time.Now().Before(e.aside) {
			delete(e.found, kind)
		}
	}
	return out
}

// Answer is an endpoint that answered.
type Answer struct {
	ChainID  uint64
	Endpoint string // its configured name
}

// Answered returns the endpoints that answered well since it was last called and
// are in good standing, in the order of chains and endpoints.
func (c *Client) Answered() (out []Answer) {
	for _, ch := range c.chains {
		for _, e := range ch.endpoints {
			if e.tookAnswer() {
				out = append(out, Answer{ch.ID, e.name})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Answer) int { return cmp.Compare(a.ChainID, b.ChainID) })
	return out
}

func (e *endpoint) tookAnswer() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	took := e.answered && !time.Now().Before(e.aside)
	e.answered = false
	return took
}
