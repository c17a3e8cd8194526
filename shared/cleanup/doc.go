// Package cleanup takes finished swaps out of the tables and keeps them in the
// archive: the logic of order-cleanup.
//
// # What is finished
//
// An order is finished when state-sync has closed it, and it closes one only when
// nothing of it can hold funds any more by final facts: both its legs have ended,
// or never came to be, that is deeper in the chain than its marks would be taken
// back, and the balances of the escrows, read after the end, show neither the
// order's token nor its deposit, but for dust. A leg that failed stays open until
// its money has come back, be it by the rescue of a week later. So does an escrow
// that holds what nobody here can fetch, and one that cannot be read: of them a
// person is told. Time alone never
// finishes anything here: it is counted from the closing, and only so that people
// and reports find yesterday's swaps in the table.
//
// # In which order
//
// A batch is fixed first: which orders, and the key of the object they go to.
// Then the object is written, and read back; then each order is deleted if it
// still is what the object says, and its history after it; then the batch is
// taken away. Whoever comes after a crash finds the batch and finishes exactly
// that one: the object, if it is there, says what is to be deleted, so nothing is
// archived twice and nothing deleted that is not in it. An order that somebody
// has written meanwhile stays, and is due again.
//
// An object that cannot be read stops nobody: nothing is deleted for it, its key is
// kept in mind and told, and those orders of its batch that are still in the tables
// go into another object. Those that were deleted for it before are in it alone, so it
// stays for a person to bring back its earlier version. Each run looks whether that has
// happened.
//
// An order of which work is still under way stays as well, for as long as that is so:
// what comes of it would be added to the history of an order that is gone. That is no
// error in the first week.
//
// An order that cannot be read, or is too large for a line, stays too, and is told:
// the run goes on with the others.
//
// Orders are deleted, not left to their expiry: marking one for it costs the same
// write as deleting it, and would leave it in the way for days.
//
// # What is read again from the chain
//
// A history that is read once more, for a taker or a factory that is new, or
// after a deep rewind, finds swaps that were deleted. Each is taken up as held,
// is not planned, since all its legs have ended, is closed again by the same
// proof, and comes to the archive a second time, under the day of that closing.
package cleanup
