package watch

import (
	"slices"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

// The executor is woken twice around the time at which an action becomes
// legal. ringBefore gives it the time to wake, re-plan and rehearse, so that it
// stands ready when the first legal block can be built. ringAfter is the echo,
// should the chain have been a block or two behind its clock.
const (
	ringBefore = 3 // seconds
	ringAfter  = 4 // seconds
)

// rings lists the doorbells for a decision: at once for what is legal now, and
// around its first legal second for what becomes legal within the horizon.
// Work in flight is the tracker's to ring for.
func rings(d swap.Decision, live map[swap.ActionKey]swap.Work, views swap.Views, horizon int64) []Ring {
	var out []Ring
	for _, a := range d.Actions {
		w, stored := live[a.Key()]
		v, known := views[a.ChainID]
		if a.Refused != "" || !known || stored && !w.Sendable(v.Head.Time) {
			continue
		}
		switch ahead := a.From.Sub(v.Head.Time); {
		case ahead <= 0:
			out = append(out, Ring{ChainID: a.ChainID, Signer: a.Signer})
		case ahead <= horizon:
			out = append(out,
				Ring{a.ChainID, a.Signer, v.Delay(a.From - ringBefore)},
				Ring{a.ChainID, a.Signer, v.Delay(a.From + ringAfter)})
		}
	}
	return out
}

// distinct keeps one ring per chain, signer and second.
func distinct(in []Ring) []Ring {
	type key struct {
		chain  uint64
		signer common.Address
		second time.Duration
	}
	seen := map[key]bool{}
	return slices.DeleteFunc(in, func(r Ring) bool {
		k := key{r.ChainID, r.Signer, r.After.Truncate(time.Second)}
		dup := seen[k]
		seen[k] = true
		return dup
	})
}
