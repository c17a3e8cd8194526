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
//     is in the journal anyway;
//   - a write that met something newer, or whose outcome is unknown, ends the
//     pass: everything is read again before another nonce is chosen.
//
// One nonce has one action for its whole life. A fee bump adds another signed
// transaction to the same journal entry; settlement looks at which hash was
// mined. A nonce mined with a hash that is not in the journal is foreign: its
// action is opened again, and a person is told. Nothing is settled before the
// chain's logs have been read as final that far, so an action that did its job
// is never planned again.
//
// # What is in flight
//
// The plan is asked again about everything that waits in a pool. What it still
// wants gets better fees in time, never above the operator's cap. What it
// forbids by now is replaced by a transaction that does nothing, but only if the
// plan was made on a reading of both chains of the order: not knowing is no
// reason to stop what was right. What has a hard deadline is not stopped either
// because the plan would rather wait. An action that is wanted again takes its
// nonce back.
//
// # What is not here
//
// A nonce that a foreign transaction used and that a reorg made free again
// blocks those behind it. The next action fills it; until there is one, a person
// is told. One action goes into one transaction.
package txn
