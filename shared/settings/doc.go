// Package settings keeps the editions of the chains file, and says which one is
// in force.
//
// A stack begins with the file it was deployed with, the packaged one. An operator
// may put another in its place without a deployment, and go back:
//
//	put ──► wanted ──► tried by health-check ──► proven: in force
//	                        └► refused: the one before stays in force, a person is told
//
// What an operator puts is only wanted. One function, health-check, tries it where
// it will be used: with the stack's own parameters, mode and endpoints. Only what
// passes there becomes proven, and all functions work by the proven edition alone,
// those that start afresh too. So a bad file is never in force anywhere, not for a
// moment, and a process that starts at a timelock finds a file that has worked.
// Should even that not be usable any more, it takes the one proven before.
//
// # Two editions at the same time
//
// A function looks at the start of each run which edition is proven, by a
// consistent read, and works by that one to the run's end. So for the length of a
// run two editions can be in use. That is harmless: nothing but keys passes from
// one function to another. What a function concludes it writes on the condition
// that nobody else wrote since, and the executor decides again, by its own file and
// on fresh views of the chains, before it signs. A doorbell for an account that a
// new edition brings is rung by somebody who saw it proven, so whoever reads the
// doorbell afterwards sees it proven too.
//
// What an edition takes away needs more care: swaps of a chain that no function
// looks at would be forgotten. See [State] on Chains, and package boot/chains.
//
// # Why in the jobs table
//
// A file is a few kilobytes. Kept beside the pointer it needs no client, permission
// or bucket that a function has not got anyway, its writes are conditional, and it
// is there as long as the table is. It holds no secret: endpoints with tokens are
// named as ${NAME}, and their values are parameters of the stack.
package settings
