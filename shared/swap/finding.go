package swap

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Severity of a finding or an alert.
type Severity uint8

const (
	Info Severity = iota
	Warning
	Critical
)

func (s Severity) String() string {
	return [...]string{"info", "warning", "critical"}[min(s, Critical)]
}

// FindingCode names what was found. The catalogue of package alert says for
// each what it means and what a person should do.
type FindingCode string

const (
	DeadlineNear      FindingCode = "deadline-near"        // Deadline is Level seconds away or less
	DeadlineLost      FindingCode = "deadline-unreachable" // too late to be included before Deadline, or past it
	ActionOverdue     FindingCode = "action-overdue"       // see Late
	DstPaidSrcExpired FindingCode = "dst-paid-src-expired"
	PaidTwice         FindingCode = "maker-paid-twice" // dst withdrawn and src cancelled
	MakerUnpaid       FindingCode = "maker-unpaid"     // src claimed and dst can no longer be withdrawn
	DstCancelledEarly FindingCode = "dst-cancelled-early"
	TokensAstray      FindingCode = "tokens-astray"
	FundsGone         FindingCode = "funds-gone" // balance missing without an event that explains it
	DepositMissing    FindingCode = "deposit-missing"
	FundsHeld         FindingCode = "funds-held" // an ended escrow holds, or may hold, what nobody here can fetch; one alert a chain
	NegativeGap       FindingCode = "negative-safety-gap"
	UnprovenDst       FindingCode = "dst-unproven"
	Worthless         FindingCode = "not-worth-its-gas"
	CannotAct         FindingCode = "cannot-act" // no path, no fee cap, chain not configured, parameters too long
	BadParameters     FindingCode = "parameters-too-short"
	SrcVanished       FindingCode = "src-vanished" // src creation reorganised away while a dst leg holds our money
	DecoyDst          FindingCode = "decoy-dst"    // a dst escrow naming us that is not what the maker expects
	ParkedDst         FindingCode = "parked-dst"   // dst escrows naming us without a src; one finding a chain
	HostileLog        FindingCode = "hostile-log"  // chain data that does not decode or lies about an address
	FactoryUnproven   FindingCode = "factory-proof-failed"
	FinalityMismatch  FindingCode = "finality-mismatch"
	ChainBehind       FindingCode = "chain-behind"        // see Policy.Lag; one finding a chain
	ForeignTx         FindingCode = "foreign-transaction" // an exclusive signer's nonce was used by somebody else
	CallReverts       FindingCode = "call-reverts"        // legal by Plan, and the chain refuses it: a receiver blocks, a contract refuses us
	TxReverted        FindingCode = "transaction-reverted"
	TxUndone          FindingCode = "transaction-undone" // final, and no longer on the chain
	FeeCapLow         FindingCode = "fee-cap-low"        // the operator's cap does not cover the chain's price
	SignerDry         FindingCode = "signer-dry"         // the signer cannot pay for the gas
	AccountStuck      FindingCode = "account-stuck"      // nothing of a signer is mined although it pays
)

// Finding is something a person may have to know, as pure data. Two findings
// with the same Code, ChainID, Escrow, Account and Level are the same finding.
type Finding struct {
	Code     FindingCode
	Severity Severity
	Order    OrderID
	ChainID  uint64
	Escrow   common.Address
	Account  common.Address // the signer, of a finding that is about one and no order; else zero
	Call     Call           // the call that the finding is about, zero if none
	Deadline ChainTime      // zero if none
	Level    int64          // of DeadlineNear: the warning level crossed, seconds
	AtRisk   uint256.Int    // wei
	Detail   string         // constant words plus field names; no secret, no number that changes from pass to pass
}
