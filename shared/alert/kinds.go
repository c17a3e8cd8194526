package alert

// Kind names a sort of alert. It is part of keys and log queries, so it never changes.
type Kind string

// The kinds. What they mean and what to do about them stands in Kinds.
const (
	TimelockNear        Kind = "timelock-near"
	Overdue             Kind = "overdue"
	DeadlineUnreachable Kind = "deadline-unreachable"
	DstPaidSrcExpired   Kind = "dst-paid-src-expired"
	DstCancelledEarly   Kind = "dst-cancelled-early"
	TokensAstray        Kind = "tokens-astray"
	GoneWithoutEvent    Kind = "gone-without-event"
	FinalityMismatch    Kind = "finality-mismatch"
	ForeignTransaction  Kind = "foreign-transaction"
	SrcUnfunded         Kind = "src-unfunded"
	ReceiverBlocks      Kind = "receiver-blocks"
	FactoryProofFailed  Kind = "factory-proof-failed"
	NegativeSafetyGap   Kind = "negative-safety-gap"
	Decoy               Kind = "decoy"
	CandidateFlood      Kind = "candidate-flood"
	EndpointTrouble     Kind = "endpoint-trouble"
)

// KindInfo says what a kind means to the person who is woken by it.
type KindInfo struct {
	Severity Severity // unless the alert says otherwise
	Meaning  string
	WhatToDo string
}

// Kinds is the catalogue. An alert of a kind that is not in it is refused.
var Kinds = map[Kind]KindInfo{
	TimelockNear: {Warning,
		"A deadline of an open swap comes near and its action is not final yet.",
		"Look at the action of this order: is it planned, sent, or refused, and why? Check the signer's gas and the chain's endpoints."},
	Overdue: {Critical,
		"An action is past the time by which it should have been final.",
		"Find out what holds it up (refusal reason, gas, endpoint, halted chain). If nothing moves, send the call by hand from the taker's account."},
	DeadlineUnreachable: {Critical,
		"The time left no longer suffices to get the transaction included before its hard deadline.",
		"Send the call by hand now with the highest fee you accept; after the deadline the principal of this leg is lost or has to wait for the rescue."},
	DstPaidSrcExpired: {Critical,
		"The destination leg was paid out and the source leg is past its cancellation time: withdrawing is no longer possible and cancelling would hand the tokens to the maker.",
		"Never cancel the source leg. It is rescued automatically after the rescue delay unless somebody cancels it first. Find out why the source leg was not withdrawn in time."},
	DstCancelledEarly: {Critical,
		"Our destination leg was cancelled before its cancellation time, which only a contract hole allows.",
		"Stop filling on this factory: any whitelisted resolver can empty our destination legs there. Check who sent the transaction."},
	TokensAstray: {Critical,
		"Tokens left an escrow of ours to an address that is neither the maker nor the taker.",
		"Stop filling on this factory and look at the transaction that moved the tokens."},
	GoneWithoutEvent: {Critical,
		"An escrow is empty although no withdrawal, cancellation or rescue of it was seen.",
		"Its logs are being read again. Compare the endpoints of this chain; one of them hides logs, or the escrow was emptied through a hole."},
	FinalityMismatch: {Critical,
		"A block taken for final has another hash now, or endpoints disagree about its logs.",
		"The chain is read again from the configured depth. Raise its confirmations, and check which endpoint was on a fork."},
	ForeignTransaction: {Critical,
		"An account that only this system should sign for has a transaction that it did not sign.",
		"Treat the key as used elsewhere or stolen: find the sender, and move the funds and the key if nobody of yours sent it."},
	SrcUnfunded: {Critical,
		"A source leg was created without its safety deposit: it can be neither withdrawn nor cancelled.",
		"Send the missing native coin to the escrow's address before the source leg's cancellation time, or do not reveal the secret."},
	ReceiverBlocks: {Critical,
		"The receiver of a payment refuses it (no receive function, or blocked by the token), so the call reverts.",
		"Nothing is retried in a tight loop. Clear the block with the token's issuer or the owner of the receiving contract, or wait for the cancellation."},
	FactoryProofFailed: {Critical,
		"A configured factory or its implementations are not what the configuration says.",
		"Swaps of this factory are not acted on. Check the address and family in the chains file; implementations that name another factory can never be withdrawn from."},
	NegativeSafetyGap: {Warning,
		"The source leg can be cancelled while the destination leg can still be withdrawn.",
		"The source leg is not cancelled before the destination leg is settled. Choose timelocks whose source cancellation lies after the destination's."},
	Decoy: {Warning,
		"Somebody created an escrow that names one of our takers but does not match any order of ours.",
		"Nothing: it is ignored. The true leg is still being looked for."},
	CandidateFlood: {Warning,
		"More escrows without an order name our takers than are kept for later matching.",
		"The oldest ones are dropped. If real fills are missing, look for who creates them and raise the limit."},
	EndpointTrouble: {Warning,
		"Endpoints of a chain fail, lag, or answer for another chain.",
		"Check the provider. With no healthy endpoint left, nothing on this chain can be acted on while its timelocks keep running."},
}
