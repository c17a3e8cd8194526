package swap

import "github.com/ethereum/go-ethereum/common/hexutil"

// Revert is a contract's answer to a call: the name of the error it reverts
// with, or RevertNone. An error that is not in the table reads as its selector
// in hex.
type Revert string

const (
	RevertNone                      Revert = "" // accepted
	RevertEmpty                     Revert = "empty"
	RevertInvalidCaller             Revert = "InvalidCaller"
	RevertInvalidTime               Revert = "InvalidTime"
	RevertInvalidImmutables         Revert = "InvalidImmutables"
	RevertInvalidSecret             Revert = "InvalidSecret"
	RevertNativeTokenSendingFailure Revert = "NativeTokenSendingFailure"
	RevertSafeTransferFailed        Revert = "SafeTransferFailed"
	RevertSafeTransferFromFailed    Revert = "SafeTransferFromFailed"
	RevertInsufficientEscrowBalance Revert = "InsufficientEscrowBalance"
	RevertInvalidCreationTime       Revert = "InvalidCreationTime"
	RevertFailedDeployment          Revert = "FailedDeployment"
	RevertIndexOutOfRange           Revert = "IndexOutOfRange"
	RevertError                     Revert = "Error" // Error(string)
	RevertPanic                     Revert = "Panic" // Panic(uint256), such as an underflow
)

var reverts = map[Selector]Revert{
	{0x48, 0xf5, 0xc3, 0xed}: RevertInvalidCaller,
	{0x6f, 0x7e, 0xac, 0x26}: RevertInvalidTime,
	{0xa2, 0x69, 0x48, 0x4a}: RevertInvalidImmutables,
	{0xab, 0xab, 0x6b, 0xd7}: RevertInvalidSecret,
	{0x8a, 0x03, 0x32, 0xd5}: RevertNativeTokenSendingFailure,
	{0xfb, 0x7f, 0x50, 0x79}: RevertSafeTransferFailed,
	{0xf4, 0x05, 0x90, 0x71}: RevertSafeTransferFromFailed,
	{0x34, 0xf5, 0x15, 0x1d}: RevertInsufficientEscrowBalance,
	{0xf4, 0x84, 0x0e, 0x96}: RevertInvalidCreationTime,
	{0xb0, 0x6e, 0xbf, 0x3d}: RevertFailedDeployment,
	{0x13, 0x90, 0xf2, 0xa1}: RevertIndexOutOfRange,
	{0x08, 0xc3, 0x79, 0xa0}: RevertError,
	{0x4e, 0x48, 0x7b, 0x71}: RevertPanic,
}

// RevertName returns the name of the error with this selector, or the selector
// in hex.
func RevertName(s Selector) Revert {
	if r, ok := reverts[s]; ok {
		return r
	}
	return Revert(s.String())
}

// RevertOf names the error in a reverted call's return data. Data too short
// for a selector, which no contract of ours returns, reads as its bytes in hex.
func RevertOf(data []byte) Revert {
	switch {
	case len(data) == 0:
		return RevertEmpty
	case len(data) < len(Selector{}):
		return Revert(hexutil.Encode(data))
	}
	return RevertName(Selector(data))
}

// OK reports whether the call is accepted.
func (r Revert) OK() bool { return r == RevertNone }

// String returns the name, or "ok".
func (r Revert) String() string {
	if r == RevertNone {
		return "ok"
	}
	return string(r)
}

// Selector returns the error's selector; false when there is none, because the
// call is accepted, the data is empty or the name is not in the table.
func (r Revert) Selector() (Selector, bool) {
	for s, n := range reverts {
		if n == r {
			return s, true
		}
	}
	return Selector{}, false
}
