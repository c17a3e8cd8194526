// Package control says what operators have paused.
//
// A pause stops sending, on a chain or everywhere, or the runs of one job that safety does not hang on.
// It never stops what watches: chains are read, deadlines are warned of, transactions are settled. What
// claims a source leg whose secret is public is sent in spite of it, because the maker is paid already,
// unless the pause says expressly that claims stop too. What was signed before is seen through: a nonce
// cannot be taken back, and others wait behind it.
//
// A pause names who made it, why, and when it ends, at most Max later; it can be renewed, and whoever it
// holds back says so again and again. It is made, renewed and ended by the clock of the store: that of an
// operator's machine may be a day off, and is asked for nothing. It is over by the clock of the reader,
// whatever is stored: one that claims to last longer than Max does not, and one that claims to be made in
// the future is not in force. If the pauses cannot be read, those read last hold, each until its
// end, and with none read the safe thing is to go on: a missed deadline costs more than a transaction that
// was to wait.
package control
