// Package scene puts swaps on chains: every situation that a resolver has to
// live through, as data and small steps, so that the demonstration, a test or a
// later experiment can play all of them or a single one.
//
// A World is a set of chains with the contracts of all families, tokens and
// accounts in place. A Scene is a list of steps, each with the block time from
// which it is to be done and the transactions that do it, for one or more
// swaps; each Swap says how its legs are made and which ends are right. A Play
// performs scenes: it looks at the chains after each block (Tick) and sends what
// is due for the next one. It never waits for the wall clock, so the same scene
// plays in two minutes on chains that follow it and in a second on chains that
// are mined as fast as they go.
//
// Scenes know nothing of the product: they play makers, attackers, strangers
// and the resolver's own process, and leave undone what the product is to do.
package scene
