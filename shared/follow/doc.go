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
// Only known escrow addresses count for escrow events: a topic-only query
// could be jammed for cents. An escrow learned in a pass is scanned back from
// its creation in the same pass.
package follow
