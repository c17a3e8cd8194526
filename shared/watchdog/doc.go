// Package watchdog looks after the jobs themselves: whether each of them ran
// when it should have, ended, and ended well.
//
// A run leaves an item when it ends, and its lease while it lasts. From these
// alone, and from the cadence of the job's row in job.Table, Judge tells for one
// job and one moment which ticks have no run, which run began and never ended,
// what failed in a row, and whether runs take longer than they used to. It is
// pure: given the same items it says the same, whoever asks and how often.
//
// # What is told, and when
//
// A job is missing once the grace of its newest tick is over and no run of it is
// known, and hung once a run of it has died or outlived its time-out. Either is
// raised in the pass that sees it, and is critical for a critical job. The same
// goes for runs that fail one after the other.
//
// A single tick that was missed, or whose run died, and after which the job has
// gone on, is a lapse. It is told once, when it is decided: as soon as a later run
// made it good, or else when its grace is over. Made good in time it costs
// nothing, for the next tick is the retry of every job, and it is a warning: look
// today. Not made good in time it was the job that was missing, though nobody
// looked just then, and it is as critical as if somebody had.
//
// Everything is over on proof alone: a later run that ended well. Lapses are over
// when for ten minutes none has followed, so that a job that skips a tick now and
// then is told every ten minutes at most; the log has each.
//
// What messages start is no tick: of a job that has both, its schedule alone is
// missed, and nothing that a message started makes that good. What runs without
// a lease cannot be seen to hang: it is missing instead.
//
// In mode off all jobs run and do nothing, so none is missing, and the watchdog
// does nothing either.
//
// # Order of effects
//
// A pass notes in its book what it is about to raise for the first time, raises
// and resolves, writes its book, then delivers. If we die after the note, the next
// pass raises or resolves what is noted; if we die before the book is written, it
// does the same again, which the alert store knows already: nobody is told twice.
// If we die before delivery, the alerts lie in the outbox.
//
// # Who watches the watchdog
//
// A monitor outside is pinged at the end of a round in which all of this worked
// and in which a person could have been reached: the outbox was read and nothing
// is stuck in it, and the topic has a subscriber who confirmed. Whatever else
// happens, the monitor misses its ping and calls.
package watchdog
