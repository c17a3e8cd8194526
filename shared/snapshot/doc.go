// Package snapshot keeps a copy of everything that an open swap needs outside of
// the database, and restores it into empty tables: the logic of
// state-persistence and of the restore command.
//
// # What is in one
//
// The marks and provisional facts of each chain and what is parked there, the
// open orders, the live work, of each account the next nonce with its open
// entries and the latest settled ones, and the control flags. Leases, runs and
// alerts are not: whoever comes next makes them anew. Every part but the control
// flags is written from a typed value, so that an attribute which this program
// does not know, and cannot judge, is left out.
//
// A secret that is not public yet is in none of them. Orders hold public ones
// only. The one other place is the bytes of a transaction that is signed and not
// yet sent: an entry with such bytes is withheld, and its nonce stays used.
//
// # Why the parts are read in this order
//
// Nothing stops the other jobs meanwhile, so each part is older than those read
// after it: chains, then orders, then work, then the journal. What a later part
// knows more does no harm:
//
//   - What is parked comes after the orders, since one that is closed may leave its
//     dst leg there, and nothing is taken from there.
//   - Marks that are older than the orders have blocks read again whose facts the
//     orders have already, and every such step is idempotent. The other way round
//     the marks would have passed a fact that no order holds, and nobody would
//     look for it again. That is also why orders are read consistently, and the
//     list of them.
//   - Marks that went back meanwhile, so that orders have forgotten what lay above,
//     name a block that is not on the chain any more, and go back once more when
//     they are restored.
//   - An order that closes in between is left out if it is read, and is in it as it was
//     before if it is taken over, see below. Either will do: all it held is gone, by
//     final facts, and one that is restored closes again when the marks get there.
//   - One that is created in between, and missed, has its creation behind marks that
//     have not got there.
//   - The journal is read last, so that it knows of everything that the work says
//     was sent: no nonce that a transaction was signed with is taken for free.
//     Work that it outran is brought in line with it when it is restored.
//   - The settled entries of the last nonces come along. A node that shows an old
//     nonce, or a reorganisation, must find them used, as before.
//
// # What is read of the orders
//
// To read all orders each time would be half of what a stack asks of its tables. The
// list of the open ones has a tag of each, a checksum of what a snapshot says of it,
// which is written in one transaction with the order, or before it. An order that the newest snapshot
// has with the tag that is listed is taken over from there; the others are read. So no
// snapshot holds anything of an order that may change without its tag: it has no wake
// times, and the version with which the order became what it is. A restored order is
// due at once.
//
// That the newest snapshot is what its manifest says is verified each time. If it is
// not, is of another mode, or is not of the present hour, all orders are read. Then they
// are compared with what would have been taken over; see Keeper.Compared. Of one that
// another release wrote the orders are taken over that this program would write alike;
// from a record on that it does not know, all are read. A record that is taken over is
// written as one that is read, so that the two ways come to the same bytes.
//
// # What is visible when
//
// The data is sent under a key of its own, read back and compared; then its
// manifest beside it; then the pointer, snapshots/latest.json or that of the mode, is
// replaced, if it still is what it was at the beginning. A crash before that leaves objects that
// nothing names and that expire. A snapshot is refused that has no marks of a chain
// of which its predecessor has, or a history that is being read anew, or a lower
// nonce: tables do not forget, so they were lost, and the last good state is what
// they have to be restored from. Marks may go back, when a final block is replaced.
//
// One is written when something has changed but the marks, which move with each
// block, and by the first run of every hour in any case, so that a restored system has
// no more than that to read again.
//
// # Restoring
//
// Everything is verified before anything is written. Then come the flags, the
// journal, the work, the orders, and the marks last: without its marks no chain
// is followed from here, so a restore that was cut short is not taken for a
// finished one. It says so itself, too, and no snapshot is taken of it. Repeating
// it goes on. In tables that hold something, where it has to be forced, it fills
// in what is missing: what is there in a later version stays, no nonce goes back,
// and of two marks the older one counts.
package snapshot
