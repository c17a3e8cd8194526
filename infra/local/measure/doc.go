// Package measure finds out what the functions take: the figures that the bill is made of.
//
//	go run ./infra/local measure       writes infra/bill/measured.json
//
// It runs the functions' binaries on a stack of profile mainnet, by the time of two chains with a block every two
// seconds, as their schedules and doorbells would: half an hour with no swap, half an hour with many that are open
// and not due, and then, beside those, the lives of a few that are created, claimed or taken back, settled and
// archived. What a swap costs is what the last part took more than so many runs of the second.
//
// Measured are requests, capacity units, bytes and time on a core, and not the time by the clock: this machine's
// services answer at once. The bill adds what the real ones take.
package measure
