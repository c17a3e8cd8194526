// Package txn turns wanted actions into mined transactions: the executor's
// drain and the tracker's settlement.
//
// # What may be relied on
//
// A transaction is broadcast only after its signed bytes stand in the journal,
// written in one transaction with the check that the writer still holds the
// lease of (chain, signer) and with the step of all its actions to submitted. So:
//
//   - if we crash before the journal write, nothing has happened;
//   - if we crash after it, the next holder of the lease finds the bytes and
//     broadcasts the same ones: "already known" is success;
//   - a holder that lost its lease without noticing can at worst broadcast what
//     is in the journal anyway;
//   - a write that met something newer, or whose outcome is unknown, ends the
//     pass: everything is read again before another nonce is chosen;
//   - several transactions may be rehearsed and signed at a time, but they are
//     journalled in the order of their nonces and no further than the first that
//     failed: no crash leaves a nonce out.
//
// One nonce has the same actions for its whole life. A fee bump adds another
// signed transaction to the same journal entry; settlement looks at which hash
// was mined. A nonce mined with a hash that is not in the journal is foreign: its
// actions are open again, and a person is told, unless the key is shared. Nothing
// is settled before the chain's logs have been read as final that far, so an
// action that did its job is never planned again; that it did is proven by its
// own escrow's event in the receipt, not by the transaction's success.
//
// Before that is final, an action may be sent again whose nonce was used by
// somebody else, whose transaction reverted, or that a mined replacement left out:
// should a reorg bring the first one back, the contracts let only one take effect. A node that still knows a transaction
// of ours with that nonce forbids it.
//
// What was settled is not looked at again, until the chain's nonce is read below it
// at a head at which it was settled already, or a later one, and no node knows it
// as mined: then a reorg deeper than the configured confirmations took it back.
// The entry is open again, a person is told until it is final once more, and its
// bytes are sent like any others that no pool knows, raised as they are if they
// wait, and replaced only by what the plan wants there or by nothing if it forbids
// them. A nonce that was settled is never signed for anew. An idle account pays
// nothing for this: that something of it is to be done again is state-sync's
// business, which finds the replaced block and has the order planned anew.
//
// # The pool window
//
// At most ChainConfig.PoolCap transactions of an account wait at a time, with
// nonces in a row. A drain fills the window again with each new block, by bucket
// of hard deadline and then by value, as long as its lease and time allow, and
// rings before it leaves something that is due. What cannot be included before
// its hard deadline any more goes behind what can, and is told at once. A nonce
// that became free below others, because a reorg undid a foreign transaction, is
// taken by the next action, and used up for nothing only if there is none and
// the gap is not so wide that a node must have lied.
// What was signed far above the chain's nonce, because a node told a wrong one, is
// cut off: it cannot be mined, is neither raised nor sent again, takes no room, and
// its actions go out again with nonces that can be. That does nothing twice: should
// its nonce ever come, an escrow pays only once, and until then the entry stays
// open, so that it is still replaced if the plan forbids it. It is told of for as
// long, as critical until its actions are done; some hundred transactions later,
// when the account has come near, its nonce is used up like any other.
// A queue of any length costs no more plans per block than can be sent in it.
//
// # Prices
//
// An action may cost a quarter of its cap while it has time, and more in a
// straight line from twenty minutes before its deadline, all of it from two
// inclusion times before. What has no deadline waits for that quarter an hour at
// most. The data fee of a rollup, with half again in reserve, is part of the
// price. A replacement raises both prices by a tenth at least; what has a
// deadline offers builders more the nearer it comes, and is replaced at once
// where the base fee rose above it. What stands in front of something with a
// deadline, in the pool or keeping it from having room there, is lifted to the
// latter's price. Nothing is ever signed that may cost more than the caps of its
// actions together; what a lift or a gap takes is bounded likewise.
//
// # Batches
//
// Actions of one resolver contract share a transaction: up to MaxActs, up to a
// third of a block's gas, the most urgent first, and none waits for a fuller one.
// The whole is rehearsed; if the chain refuses it, each half, so that one bad
// action costs some rehearsals and holds nobody. Nor does one whose cap is too
// low for its share of the price hold what has a deadline. A contract that refuses us
// altogether is found out with one question more. A batch in flight that an
// action makes revert, because somebody else did it, is replaced without that
// action. Guard looks at every call.
//
// # Custody
//
// Exclusive and Contract: the nonces are ours alone, and a transaction that is
// not in the journal is critical. Shared: one in flight, the nonce read right
// before its signature and behind all that the pool holds, no nonce used up for
// nothing, nothing replaced that is not ours. That somebody else used our nonce
// is a note there. Ours may then be stuck behind what vanished: the action is
// sent again with the free nonce.
//
// # What is in flight
//
// The plan is asked again about everything that waits in a pool. What it still
// wants gets better fees in time. What it forbids by now is replaced by what is
// left of it or by a transaction that does nothing, but only if the plan was made
// on a reading of both chains of the order: not knowing is no reason to stop what
// was right: such a call is only raised as it is, never left out. What has a hard deadline is not stopped either because the plan
// would rather wait. An action that is wanted again takes its nonce back. An
// account of which nothing is mined any more although it pays is told of, with
// the nonce that blocks.
//
// # Pauses
//
// What operators hold back is not sent, and its nonce not taken. What was signed
// before is seen through: its bytes are sent again where no pool knows them,
// because a nonce cannot be taken back, but they cost more only where something
// that is not held back waits behind them. What the plan forbids is replaced all
// the same.
//
// # What is not here
//
// A call of a shared key that the plan forbids while it is in flight cannot be
// stopped; a person is told. A call whose transactions revert although it was
// rehearsed is tried three times, and again only when the first is final. Who is
// first of those that cannot all be saved is chosen by deadline and value, not by
// trying all orders.
package txn
