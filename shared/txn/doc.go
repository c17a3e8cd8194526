// Package txn turns wanted actions into mined transactions: the executor's
// drain and the tracker's settlement.
//
// # What may be relied on
//
// A transaction is broadcast only after its signed bytes stand in the journal,
// written in one transaction with the check that the writer still holds the
// lease of (chain, signer) and with the action's step to submitted. So:
//
//   - if we crash before the journal write, nothing has happened;
//   - if we crash after it, the next holder of the lease finds the bytes and
//     broadcasts the same ones: "already known" is success;
//   - a holder that lost its lease without noticing can at worst broadcast what
//     is in the journal anyway.
//
// One nonce has one action for its whole life. A fee bump adds another signed
// transaction to the same journal entry; settlement looks at which hash was
// mined. A nonce mined with a hash that is not in the journal is foreign: its
// action is opened again, and on an exclusive signer a person is told.
package txn
