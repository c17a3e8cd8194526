// Package health looks at every part that the resolver's safety rests on: health-check's logic.
//
// # Components
//
// A probe looks at one part and tells of one or more components: a status, how long the look took,
// words for a person, and numbers. All probes run at once, each within its own time and with its
// panics contained: whatever one of them does, the others are told, and a part that does not answer is
// a component, not an error of the check.
//
// # The rule
//
// Overall is pure:
//
//   - unhealthy, if a component is that nothing goes on without: the store, a chain (no endpoint that
//     answers, has a fresh head and agrees with its peers), a factory that is not what it has to be, a
//     signer without gas, the way of the alerts, a critical job;
//   - degraded, if any other component is unhealthy, or any is degraded;
//   - healthy else. What is unknown, because nothing was measured yet, counts as nothing.
//
// Jobs are as job-watchdog has judged them, which is the only judge of jobs: missing or hung is unhealthy,
// failing or slow degraded. A watchdog that stands still says nothing of them, and is told itself.
// A head that lies in the future, or that cannot be of one chain with those of its peers because more
// blocks lie between them than there was time for, makes its endpoint unhealthy, and is neither fresh nor
// compared. The others are compared below their own heads, and not below the lowest of all.
// Concurrency is what the account allows against what the stack can need in one moment, see
// ConcurrencyProbe. A dead queue is degraded for as long as anything lies in it.
//
// # Flapping
//
// What is announced is the settled status, see State.Next: unhealthy counts at once, degraded at the
// second check in a row that is worse than what is settled, and better at the third in a row that is
// better, as far as the worst of those three. One alert says so, and only when it changes.
//
// A component that no other alert tells of, such as a queue, has an alert of its own: since when it is
// as it is, as far as checks have seen, and what to do. So it is seen although the whole is degraded by
// something else already. It is open from the second check in a row to the third that finds it well.
//
// # Killed or run twice
//
// Each check compares what is settled with what was told last, and tells the difference. So it may be
// killed anywhere: the next one makes good what is missing. A check of a tick that the kept state
// has seen already, or of an earlier one, makes no row longer.
package health
