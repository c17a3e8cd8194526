// Package follow keeps the stored orders equal to what the chains say: the
// logic of state-sync.
//
// Each pass takes one head snapshot per chain and reads two ranges of logs: the
// blocks that have become final since the last pass, whose facts go into the
// orders for good, and the blocks between them and the head, whose facts are
// provisional and replaced whole. A reorganisation thus needs no code of its
// own. The marks of a chain (how far final, how far seen) stand in the same
// item as its provisional facts and move after everything read has been
// stored: a crash anywhere reads the same blocks again, and every write is
// idempotent.
//
// What lies behind the marks and has never been read (the history of a chain,
// or of a factory or taker configured later) is read by a trail: a mark of its
// own that walks up to the marks, as many spans per pass as there is time,
// while the marks stay at the head. Orders found that way are held: nothing is
// planned for them until both their chains have no history left to read,
// because half a history proves nothing. Chains with a history keep step by
// block time, so that a dst leg is read when its source is known.
//
// Only known escrow addresses count for escrow events: a topic-only query
// could be jammed for cents. An escrow learned in a pass is scanned back from
// its creation in the same pass, before the order is stored.
//
// A dst escrow whose source is unknown is parked once it is final. Whoever
// takes up a source looks through what is parked; if the dst chain cannot be
// read at that moment, the order is noted in that chain's item and looked
// after when it can.
package follow
