// Package tally counts what happened to the swaps and to the jobs: for every
// five minutes, by the time at which it happened, and summed over the last hour,
// day and week.
//
// # The feed
//
// What happened to a swap is a pure function of the facts that its order holds,
// OfOrder. Whoever writes an order writes the events that this function gains by
// it, and takes back those that it loses, in the same transaction, with a mark
// that says which hours have changed. So the feed is right by construction: an
// order that is saved twice, rewound and read again, or learned of hours late, has
// the events that its facts have, at the times of their blocks. A transaction's
// event comes and goes with its settled entry in the journal in the same way.
//
// A mark has a name that is never used again. Whoever finds it counts its hours
// from all their events, read after the mark, and only then removes it:
//
//   - Killed before it is removed: the next run counts the same hours once more,
//     finds that they are counted right, and writes nothing.
//   - An event that comes after the mark was found brings a mark of its own.
//   - Two runs at once: each hour is written under the condition that nobody wrote
//     it since before its events were read, so the last one to write has read all
//     that any mark removed until then stood for.
//
// A loss that consists in nothing happening is an event that is known beforehand: from
// when a maker is paid on, the deadline of his counterpart stands in the feed, and
// is taken back if it is met. It counts once its time has passed by Grace, within
// which what was done in time has become final; hours are counted again as that
// mark passes them.
//
// # Runs
//
// How runs ended, and what they asked of endpoints, stands in the run items,
// which are kept for two days. Those of the hours since the last pass, and of the
// hour before, are counted in each pass; one that is recorded later leaves a mark
// too.
//
// # What it costs
//
// An event costs five write units: two for its row and two for its mark, and one to
// remove the mark; an order that would else be written alone costs twice as much
// with it, since it takes a transaction. A swap that is created and completed
// costs 12 units beside its own, 21 if its deadline stood in the feed meanwhile
// (BenchmarkFeed in package store), and a transaction of ours 5. A pass without
// news costs about 20 read units and one for each job, and two writes; then it reads the
// marks, the hours that changed, the run items of two hours, and the hours of
// the last week for the sums. That grows with what happens, and not with what is
// stored (BenchmarkTally).
//
// Nothing here is a float, and what is empty is zero.
package tally
