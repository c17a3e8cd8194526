// Package swap knows what is true of a cross-chain swap and what to do about it.
//
// It is pure: no I/O, no clock, no context. Time is block time (ChainTime).
package swap
