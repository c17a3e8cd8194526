// Package balance watches what the accounts of the resolver hold: balance-monitor's logic.
//
// Each pass reads, for every chain by itself and at one head, the native coin of every signer and
// taker and every configured token of every taker, judges them against the operator's thresholds,
// and keeps the snapshot for Keep. Amounts are base units throughout, tokens are known by address,
// and decimals serve people only (Format).
//
// # A signer's gas
//
// What a signer holds is counted in actions still payable: the balance by the price of the dearest
// usual action at a stressed fee (Stress times the present base fee, plus the tip, plus as much of a
// rollup's data fee, and never more than the dearest cap of the chains file, above which nothing is
// sent). It has to cover everything that is open, which is its live actions and, for each leg in the
// watch book without one and each dst leg still to come, one more: see Owed. Less is critical
// (signer-dry), less than that and minActions more is low (balance-low).
//
// # Judging
//
// Judge is pure. A level gets worse at once and better only when the threshold is cleared by a
// margin, so that a balance that hovers about it is told once. An alert is resolved by a reading and
// nothing else: what could not be read keeps its level, and where a reserve is not wholly known a
// level only gets worse.
//
// # Failures
//
// A token that reverts, answers nothing or answers no word fails that holding; a chain that cannot be
// read, all of that chain. Neither hides the others. What could not be read is neither low nor well: it
// keeps its level, and the second time in a row it is told by itself (balance-unreadable). Where an
// endpoint failed the pass ends in error too; of a token that gives no balance to anybody it does not,
// since every pass would.
//
// What a pass tells follows from its readings and the levels that are kept, and not from what an earlier
// one told: what is low is raised by every pass, which is quiet, and what is not is taken back by every
// pass, which changes nothing where nothing is open. So it may be killed anywhere and run again.
package balance
