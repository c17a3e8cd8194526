// Package alert keeps the life of an alert: raised, announced, escalated, acknowledged, repeated, resolved.
//
// An alert is one stored entry under a key without any changing number. Its rules are one pure
// function on that entry, applied by compare-and-swap, so concurrent runs announce a thing once:
//
//   - The same alert is quiet for QuietTime. A tighter level or a higher severity passes.
//     The quiet time is compared with the clock; nothing depends on TTL deletion.
//   - While it goes on it is repeated after 10, 20, 40 … minutes, bounded at an hour for a critical
//     and at four hours for the rest; what is news starts with ten minutes again.
//   - What can be false for a moment is announced only if it is raised again later (lasting).
//   - A warning that goes on too long for its kind with nobody looking after it becomes critical
//     (patience). Its age counts only while it is raised: what nobody sees any more gets no worse.
//     What is no more than good to know (Info) is logged once and listed while it is open: no message
//     tells it or its end, and if it becomes a warning that is the first that people hear of it.
//   - What a person has acknowledged is not repeated and does not age. It is open all the same, and
//     tighter, more severe, or back after a day without, it is news again.
//   - It is resolved by proof only, and that is announced to whom it was.
//   - The store is the outbox: an entry without a delivery note is announced by every later pass
//     until one succeeds. If we crash after storing, the next pass delivers; if we crash after
//     delivering, it delivers again.
//   - What cannot even be stored is announced at once, and the error is returned.
//   - One message of a pass tells all alerts of a kind, severity, state, chain and level; and all
//     processes together make no more than twenty messages in ten minutes, criticals first, some of
//     which are summaries that stand for all that found no room (see cap.go).
//   - What anybody can make for the price of its gas is told as a crowd: one alert for each kind and
//     chain, with its number and an example.
//
// Everything also goes to the log, whatever becomes of the message.
package alert
