package balance

import (
	"strings"

	"github.com/holiman/uint256"
)

// Format writes an amount of base units as a decimal number of whole tokens, exactly: no float, no
// rounding, no trailing zeros.
func Format(amount uint256.Int, decimals uint8) string {
	digits := amount.Dec()
	if decimals == 0 {
		return digits
	}
	n := int(decimals)
	if len(digits) <= n {
		digits = strings.Repeat("0", n-len(digits)+1) + digits
	}
	whole, part := digits[:len(digits)-n], strings.TrimRight(digits[len(digits)-n:], "0")
	if part == "" {
		return whole
	}
	return whole + "." + part
}

// nativeDecimals are those of wei.
const nativeDecimals = 18
