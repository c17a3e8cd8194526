// Package watch looks after orders whose time has come: the logic of
// timelock-monitor and cancellation-check, and the replanning that state-sync
// asks for when it learns something.
//
// There is one sweep with two selections. Upcoming looks a horizon ahead of
// each chain's head, so that every boundary is seen, warned of and rung before
// it comes; Overdue looks at what should have happened already, and is the net
// under everything else. Both do the same with what they find: Plan, compare
// with the stored work, write the difference, ring the executor, report.
//
// A sweep also judges how each chain is followed: the age of its head, and how far
// its seen and final marks lie behind it. Cancellations and rescues wait for
// those marks, and state-sync, which moves them, cannot tell of its own death.
//
// A ring is only a doorbell. It is repeated by every sweep until the work is
// done, so a lost one costs at most a period, and a doubled one costs a look.
package watch
