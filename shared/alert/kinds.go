package alert

// Kind names a sort of alert. It is part of keys and log queries, so it never changes. The kinds of
// what a plan finds are the finding's code.
type Kind string

// The kinds. What they mean and what to do about them stands in Kinds.
const (
	// A swap and its deadlines.
	DeadlineNear      Kind = "deadline-near"
	DeadlineLost      Kind = "deadline-unreachable"
	ActionOverdue     Kind = "action-overdue"
	DstPaidSrcExpired Kind = "dst-paid-src-expired"
	PaidTwice         Kind = "maker-paid-twice"
	MakerUnpaid       Kind = "maker-unpaid"
	DstCancelledEarly Kind = "dst-cancelled-early"
	TokensAstray      Kind = "tokens-astray"
	FundsGone         Kind = "funds-gone"
	DepositMissing    Kind = "deposit-missing"
	FundsHeld         Kind = "funds-held"
	NegativeGap       Kind = "negative-safety-gap"
	UnprovenDst       Kind = "dst-unproven"
	Worthless         Kind = "not-worth-its-gas"
	CannotAct         Kind = "cannot-act"
	BadParameters     Kind = "parameters-too-short"
	SrcVanished       Kind = "src-vanished"

	// A chain and what it says.
	DecoyDst           Kind = "decoy-dst"
	ParkedDst          Kind = "parked-dst"
	HostileLog         Kind = "hostile-log"
	FinalityMismatch   Kind = "finality-mismatch"
	FactoryProofFailed Kind = "factory-proof-failed"
	ChainBehind        Kind = "chain-behind"
	EndpointTrouble    Kind = "endpoint-trouble"

	// A signer and its transactions.
	ForeignTx    Kind = "foreign-transaction"
	CallReverts  Kind = "call-reverts"
	TxReverted   Kind = "transaction-reverted"
	TxUndone     Kind = "transaction-undone"
	FeeCapLow    Kind = "fee-cap-low"
	SignerDry    Kind = "signer-dry"
	AccountStuck Kind = "account-stuck"

	// A job of this system, which is the alert's account.
	JobMissing Kind = "job-missing"
	JobHung    Kind = "job-hung"
	JobFailing Kind = "job-failing"
	JobLapsed  Kind = "job-lapsed"
	JobSlow    Kind = "job-slow"

	// An account of the resolver, beside its gas.
	BalanceLow    Kind = "balance-low"
	BalanceUnread Kind = "balance-unreadable"

	// The system itself.
	Unhealthy      Kind = "unhealthy"
	ConfigRefused  Kind = "config-refused"
	SwapsUnwatched Kind = "swaps-unwatched"
	ArchiveDamaged Kind = "archive-damaged"
	SnapshotWrong  Kind = "snapshot-wrong"
	// The operators.
	Paused Kind = "paused"
)

// KindInfo says what a kind means to the person who is woken by it.
type KindInfo struct {
	Severity Severity // unless the alert says otherwise
	Meaning  string
	WhatToDo string
}

// Kinds is the catalogue. An alert of a kind that is not in it is refused.
var Kinds = map[Kind]KindInfo{
	DeadlineNear: {Warning,
		"A deadline of an open swap comes near and its action is not final yet.",
		"Look at the action of this order: is it planned, sent, or refused, and why? Check the signer's gas and the chain's endpoints."},
	DeadlineLost: {Critical,
		"The time left does not suffice to get the transaction included before its hard deadline, or the deadline has passed.",
		"If time is left, send the call by hand now with the highest fee you accept. After the deadline the principal of this leg is lost or has to wait for the rescue."},
	ActionOverdue: {Critical,
		"An action is legal and wanted, and has not been done for longer than one period of the net.",
		"Find out what holds it up (refusal reason, gas, endpoint, halted chain). If nothing moves, send the call by hand from the taker's account."},
	DstPaidSrcExpired: {Critical,
		"The destination leg was paid out and the source leg is past its cancellation time: withdrawing is no longer possible, and cancelling would hand the tokens to the maker.",
		"Never cancel the source leg. It is rescued automatically after the rescue delay unless somebody cancels it first. Find out why the source leg was not withdrawn in time."},
	PaidTwice: {Critical,
		"The destination leg was withdrawn and the source leg cancelled: the maker has both amounts.",
		"Nothing on chain brings it back. Find out who cancelled the source leg, and ask the maker for the money."},
	MakerUnpaid: {Critical,
		"The source leg was claimed, and the destination leg can no longer be withdrawn: the maker has nothing.",
		"Pay the maker the destination amount by hand, and keep the transaction as proof."},
	DstCancelledEarly: {Critical,
		"Our destination leg was cancelled before its cancellation time, which only a contract hole allows.",
		"Stop filling on this factory: any whitelisted resolver can empty our destination legs there. Check who sent the transaction."},
	TokensAstray: {Critical,
		"A destination leg was cancelled and its money did not come back to the taker: somebody else's signature sent it elsewhere, or nothing shows where it went.",
		"Look at the transactions that cancelled the escrow. If the money went to a stranger, stop filling on this factory: any whitelisted resolver can empty our destination legs there. A token that takes a fee of each transfer looks the same."},
	FundsGone: {Critical,
		"An escrow is empty although no withdrawal, cancellation or rescue of it was seen.",
		"Its logs are being read again. Compare the endpoints of this chain: one of them hides logs, or the escrow was emptied through a hole."},
	DepositMissing: {Critical,
		"An escrow holds less than its safety deposit: its calls revert until the deposit is there.",
		"Send the missing native coin to the escrow's address before its cancellation time, or do not reveal the secret."},
	FundsHeld: {Warning,
		"Escrows that have ended hold funds that this system cannot fetch, or their balances cannot be read.",
		"Give the taker a path and rescueFunds a fee cap in the chains file: then they are fetched after the rescue delay. Or call rescueFunds by hand as the taker. Which escrows they are is in the log, under counted. Their orders are kept until the escrows are seen empty, and looked at twice a day."},
	NegativeGap: {Warning,
		"The source leg can be cancelled while the destination leg can still be withdrawn.",
		"The source leg is not cancelled before the destination leg is settled. Choose timelocks whose source cancellation lies after the destination's."},
	UnprovenDst: {Critical,
		"A destination escrow names our taker and this order's hashlock, and the words it was created with are not known.",
		"Find them in the trace of the transaction that created it. If they are what the maker expects, withdraw or cancel it by hand as the taker. If not, cancel src by hand after its cancellation time. Nothing is cancelled before: src goes to the maker, who may be paid there too. It goes on by itself once the escrow's cancellation is final."},
	Worthless: {Info,
		"An action is not worth its gas: an unknown token, or a deposit below the fee.",
		"Nothing, unless the token is worth something to you: then enter it in the chains file with its price."},
	CannotAct: {Critical,
		"A swap cannot be looked after: no path to the taker, no fee cap, no such chain, or parameters too long to be followed.",
		"Complete the chains file and put it in force, or send the calls by hand before their deadlines."},
	BadParameters: {Critical,
		"The fee parameters of this destination leg are too short: withdrawing it reverts for ever.",
		"It is cancelled at its cancellation time. Do not reveal the secret, and correct the program that creates such legs."},
	SrcVanished: {Critical,
		"The source leg was reorganised away while its destination leg holds our money.",
		"The destination leg is cancelled at its cancellation time. Do not reveal the secret unless the source leg comes back."},

	DecoyDst: {Warning,
		"Somebody created a destination escrow that names one of our takers but is not what the maker expects.",
		"Nothing: it is ignored. The true leg is still being looked for."},
	ParkedDst: {Warning,
		"Destination escrows without an order name our takers; they are kept for a while, and the oldest are dropped when there are too many.",
		"If real fills are missing, look for who creates these escrows and raise the limit."},
	HostileLog: {Warning,
		"A chain reported data that does not decode or that lies about an address.",
		"Nothing: it is ignored. If it comes from a configured factory, check its address and family in the chains file."},
	FinalityMismatch: {Critical,
		"A block taken for final has another hash now, or endpoints disagree about its logs.",
		"The chain is read again from the configured depth. Raise its confirmations, and check which endpoint was on a fork."},
	FactoryProofFailed: {Critical,
		"A configured factory or its implementations are not what the configuration says.",
		"Swaps of this factory are not acted on. Check the address and family in the chains file; clones of implementations that name another factory can never be withdrawn from."},
	ChainBehind: {Warning,
		"A chain is not followed as closely as it should be. What waits for its blocks to be read stands still, and what happens on it is seen late: a secret, a payment, a cancellation.",
		"See whether state-sync runs and what its errors say, then whether every endpoint of the chain answers with a fresh head. If the chain itself stands still, its timelocks keep running: what is near its deadline is listed under deadline-near, be ready to send it by hand."},
	EndpointTrouble: {Warning,
		"Endpoints of a chain fail, lag, or answer for another chain.",
		"Check the provider. With no healthy endpoint left nothing on this chain can be acted on, while its timelocks keep running."},

	ForeignTx: {Critical,
		"An account that only this system should sign for has a transaction that it did not sign.",
		"Treat the key as used elsewhere or stolen: find the sender, and move the funds and the key if nobody of yours sent it."},
	CallReverts: {Critical,
		"A call that should be legal is refused by the chain: a receiver refuses the payment, or a contract refuses us.",
		"Nothing is retried in a tight loop. Clear the block with the token's issuer or the owner of the receiving contract, or wait for the cancellation."},
	TxReverted: {Critical,
		"A transaction of ours was included and reverted.",
		"The action is planned anew. If it happens again, compare the transaction's trace with the order's time line."},
	TxUndone: {Critical,
		"A transaction of ours that counted as final is no longer on the chain: a reorg deeper than the configured confirmations took it back, or the endpoints are on a fork.",
		"The same transaction is sent again and settled anew. Compare the endpoints of this chain with a block explorer, raise its confirmations, and watch the deadlines of the named orders until it is final once more."},
	FeeCapLow: {Critical,
		"The chain's price is above the fee cap of an action, so that it cannot be sent.",
		"Raise maxFee of this call in the chains file and put it in force, or send the call by hand before its deadline."},
	AccountStuck: {Critical,
		"Nothing that a signer sends is mined any more, although it pays more than the base fee: the named nonce blocks all that come after.",
		"Look for that nonce in the pools of the chain's endpoints. If another program uses the key, finish or cancel its transaction; if an endpoint drops ours, take it out of the chains file. If the nonce is told to be too far above the next, an endpoint told a wrong one: find out which; what waits there is sent again by itself."},
	SignerDry: {Critical,
		"A signer cannot pay for the gas of its next action, or, should fees rise, of what is open.",
		"Send native coin to the signer. It is over as soon as balance-monitor sees that it is enough."},
	BalanceUnread: {Warning,
		"Nobody knows what an account of the resolver holds of a token: the token or the chain's endpoints give no balance. It may be enough or nothing.",
		"Look at the account in a block explorer. If the token reverts, see whether it is paused or its address in the chains file is wrong, and fill no orders with it meanwhile. If the endpoints refuse, replace them. It is over as soon as balance-monitor reads it again."},

	JobMissing: {Critical,
		"A job has not run when its schedule wanted it to.",
		"See whether its rule is enabled, and whether its function is throttled or fails to start. Until it runs again, look after what it does by hand: the README says what that is."},
	JobHung: {Critical,
		"A run of a job began and did not end: it was killed, or it waits for ever.",
		"The next run goes on where it was. If this happens again, look for the time-out or the lack of memory in the function's log."},
	JobFailing: {Critical,
		"Runs of a job fail one after the other.",
		"Its log says why. What still works of it has been done: only what the error names stands still."},
	JobLapsed: {Warning,
		"Single runs of a job were missed or died, and it has gone on since.",
		"What was made good in time has cost nothing: look for throttling, time-outs and lack of memory today. What was not made good in time stood still meanwhile: see whether any swap was late."},
	JobSlow: {Warning,
		"A job takes nearly all of the time that it has.",
		"See what it waits for: an endpoint that is slow, a store that throttles, or more swaps than its cadence is made for."},
	BalanceLow: {Warning,
		"An account of the resolver holds less than it should: of a token less than its threshold, or of native coin less than what is open and the next actions may cost.",
		"Send the named amount to the account, or lower the threshold in the chains file. It is over as soon as balance-monitor sees that it is enough."},

	Unhealthy: {Warning,
		"A part that the safety of open swaps rests on does not work as it should.",
		"Look at the named components; each line \"run ended\" of health-check has all of them with their numbers. What concerns money has an alert of its own."},
	ConfigRefused: {Warning,
		"A chains file that an operator put cannot be used, or a value that the one in force names has gone: what was in use before stays in use.",
		"Correct what is named: put a corrected file or go back (operator command: chains), or set the parameter of the stack again. It is tried again by itself, and over when it passes."},
	SwapsUnwatched: {Critical,
		"Swaps are open on a chain that is in the chains file no more: nobody looks after them.",
		"Put a chains file that has the chain again, with its takers, until its swaps are through."},
	ArchiveDamaged: {Warning,
		"An object of the archive cannot be read. Nothing is deleted for it; what was deleted for it before is in no other place.",
		"The bucket keeps earlier versions of it for a week: bring the newest one back that can be unpacked, and it is over with the next run of order-cleanup. If there is none, copy the object elsewhere and delete it here: what it held is lost, and so are those swaps to reports of the past; no funds hang on it."},

	SnapshotWrong: {Warning,
		"Snapshots of up to an hour ago said of open swaps what was not so any more. The newest one is right: for it all of them were read.",
		"Restore none of the hour before. Something writes orders that the watch book is not told of: an older release that still runs, a program of somebody else's, or an error in this one, which the order's time line may show."},

	Paused: {Warning,
		"An operator has paused this. What is watched goes on, and what is due but may not be sent waits: its deadlines do not.",
		"If the reason is gone, end the pause with the operator command: resume. It ends by itself at the named time."},
}
