// Package e2e tests the whole: the functions' own binaries, built with the race
// detector, on the local stack, against embedded chains. Those that kill functions
// (TestKill…) build them without it, because they start thousands, and are best run
// without it themselves: it takes two thirds of their time and sees nothing of the
// functions.
//
// Most tests drive the functions themselves (see drive_test.go): chains are
// mined as fast as they go and the functions are invoked by the chains' time,
// so that what takes minutes by the wall clock passes in seconds. What the
// functions do is judged from the chains alone, by package judge; what they
// print is searched for data races and panics, and a finding fails the test.
package e2e
