package swap

import "fmt"

// Call is a function of an escrow that moves its funds. The zero value is none.
type Call uint8

const (
	Withdraw             Call = iota + 1 // reveal the secret: taker (src), maker (dst) is paid
	WithdrawTo                           // src only: withdraw to a target
	PublicWithdraw                       // withdraw by an access-token holder
	Cancel                               // give back: maker (src), taker (dst) is paid
	PublicCancel                         // src only: cancel by an access-token holder
	RescueFunds                          // taker takes any token after the rescue delay
	PublicWithdrawSigned                 // BMN: by the holder of a resolver's signature
	PublicCancelSigned                   // BMN: by the holder of a resolver's signature
	callEnd
)

// Selector is the first four bytes of calldata or revert data.
type Selector [4]byte

func (s Selector) String() string { return fmt.Sprintf("0x%x", s[:]) }

type callInfo struct {
	name           string
	plain, dynamic Selector // eight-word shape; shape with parameters
}

var calls = [callEnd]callInfo{
	Withdraw:             {"withdraw", Selector{0x23, 0x30, 0x57, 0x03}, Selector{0x78, 0xa5, 0xe1, 0xa1}},
	WithdrawTo:           {"withdrawTo", Selector{0x6c, 0x10, 0xc0, 0xc8}, Selector{0x4c, 0x34, 0x59, 0x01}},
	PublicWithdraw:       {"publicWithdraw", Selector{0x0a, 0xf9, 0x75, 0x58}, Selector{0x3e, 0x99, 0xca, 0x75}},
	Cancel:               {"cancel", Selector{0x90, 0xd3, 0x25, 0x2f}, Selector{0x25, 0x37, 0xa3, 0x47}},
	PublicCancel:         {"publicCancel", Selector{0xda, 0xff, 0x23, 0x3e}, Selector{0x05, 0x6f, 0xb4, 0x77}},
	RescueFunds:          {"rescueFunds", Selector{0x46, 0x49, 0x08, 0x8b}, Selector{0x5e, 0x50, 0x4d, 0x03}},
	PublicWithdrawSigned: {"publicWithdrawSigned", Selector{}, Selector{0x52, 0x81, 0x8c, 0x21}},
	PublicCancelSigned:   {"publicCancelSigned", Selector{}, Selector{0x62, 0xa3, 0x8e, 0xdf}},
}

// Calls returns all calls in their fixed order.
func Calls() []Call {
	return []Call{Withdraw, WithdrawTo, PublicWithdraw, Cancel, PublicCancel, RescueFunds, PublicWithdrawSigned, PublicCancelSigned}
}

func (c Call) String() string {
	if c > 0 && c < callEnd {
		return calls[c].name
	}
	return fmt.Sprintf("call(%d)", uint8(c))
}

// MarshalText implements encoding.TextMarshaler; only known calls have a text.
func (c Call) MarshalText() ([]byte, error) {
	if c == 0 || c >= callEnd {
		return nil, fmt.Errorf("encode call: no call %d", uint8(c))
	}
	return []byte(c.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Call) UnmarshalText(b []byte) error {
	for _, k := range Calls() {
		if k.String() == string(b) {
			*c = k
			return nil
		}
	}
	return fmt.Errorf("call: unknown %q", b)
}

// Signed reports whether the call is made with a resolver's signature.
func (c Call) Signed() bool { return c == PublicWithdrawSigned || c == PublicCancelSigned }

// ByToken reports whether the caller must hold the access token.
func (c Call) ByToken() bool { return c == PublicWithdraw || c == PublicCancel }

// TakesSecret reports whether the call reveals the secret.
func (c Call) TakesSecret() bool {
	return c == Withdraw || c == WithdrawTo || c == PublicWithdraw || c == PublicWithdrawSigned
}

// Selector returns the call's selector in the family, zero where it has none.
func (c Call) Selector(f Family) Selector {
	if c == 0 || c >= callEnd || !f.Known() || c.Signed() && f != BMNv4 {
		return Selector{}
	}
	if f.HasParameters() {
		return calls[c].dynamic
	}
	return calls[c].plain
}

// ExistsOn reports whether the call can ever succeed on such a leg.
func (c Call) ExistsOn(f Family, s Side) bool {
	switch {
	case c == 0 || c >= callEnd || !f.Known() || s != Src && s != Dst:
		return false
	case c.Signed():
		return f == BMNv4
	case c.ByToken() && f == BMNv4:
		return false // its access token is the zero address: every caller fails
	case s == Dst:
		return c != WithdrawTo && c != PublicCancel
	}
	return true
}
