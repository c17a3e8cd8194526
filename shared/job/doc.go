// Package job runs scheduled and queue-driven work as Lambda functions, so that a run is never lost
// silently, never done by two at once, and never late without a trace.
//
// # A scheduled run
//
// An event is dropped if its tick is stale. An exclusive job then takes its lease: owner, generation
// (fence) and expiry, 12 s, renewed every 4 s, never outliving the invocation by more than Skew. A
// loser leaves. Whoever takes over an expired lease finds in it what the dead holder was running and
// records that as abandoned. A tick that is recorded as done is dropped now, under the lease, so that
// no other run can end it in between. The work runs in the time that the invocation has left minus a
// margin, again after errors if the back-off fits; then what it left to be done afterwards, such as
// telling people, which never makes the work be done again. Then, in this order: the run item is
// written, the lease released, the one log line written, the error returned.
//
//   - Killed before the run item: the lease expires, the next run records "abandoned". The tick may
//     run again.
//   - Killed between run item and release: the next run finds the tick done, whatever it records.
//   - Frozen and thawed after the lease expired: Check fails and the work's context has ended. A
//     holder trusts its lease from the start of the attempt that got it, by monotonic and by wall
//     clock, until Skew before its end.
//
// What is neither critical nor hung on by what is also takes one of Slots first, so that no more than
// that many of them work at a time. A critical job never asks for one: nothing defers it. A slot is
// renewed like the lease, so that dead runs keep it from others for seconds only; whoever loses one
// works on.
//
// # Queue-driven work
//
// A message is only a doorbell: the work lies in a table, written before the bell is rung. Run.Alone
// takes the lease of what has to be done by one at a time. If another run holds it, the loser
// leaves a sign while that is so, and the holder cannot release before it has looked again.
//
// # One place
//
// Table holds the cadence, time-out and back-off of every job; constructors refuse combinations that
// cannot work, such as an exclusive job whose time-out reaches its period.
package job
