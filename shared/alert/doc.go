// Package alert keeps the life of an alert: raised, announced, escalated, repeated, resolved.
//
// An alert is one stored entry under a key without any changing number. Its rules are one pure
// function on that entry, applied by compare-and-swap, so concurrent runs announce a thing once:
//
//   - The same alert is quiet for QuietTime. A tighter level or a higher severity passes.
//     The quiet time is compared with the clock; nothing depends on TTL deletion.
//   - What can be false for a moment is announced only if it is raised again later (lasting).
//   - The store is the outbox: an entry without a delivery note is announced by every later pass
//     until one succeeds. If we crash after storing, the next pass delivers; if we crash after
//     delivering, it delivers again.
//   - What cannot even be stored is announced at once, and the error is returned.
//   - It is resolved by proof only, and that is announced as well.
//   - What anybody can make for the price of its gas is told as a crowd: one alert for each kind and
//     chain, with its number and an example, and ever longer quiet times while it goes on.
//
// Everything also goes to the log, whatever becomes of the message.
package alert
