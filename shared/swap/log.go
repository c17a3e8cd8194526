package swap

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// The topic0 values of the factories' and escrows' events.
var (
	topicSrcCreatedV1    = common.HexToHash("0x0e534c62f0afd2fa0f0fa71198e8aa2d549f24daf2bb47de0d5486c7ce9288ca")
	topicSrcCreated      = common.HexToHash("0x1140dcf80f027f65ebd1c2e98c33e3ebf7ef025d944a079256037cd55271bf98")
	topicDstCreated      = common.HexToHash("0xc30e111dcc74fddc2c3a4d98ffb97adec4485c0a687946bf5b22c2a99c7ff96d")
	topicDstCreatedBMN   = common.HexToHash("0xbfd5e2039d3537cb8378a5ba1d9a6170f92307d49369f6fadd6b2ee64ca254a7")
	topicPostInteraction = common.HexToHash("0x50805b468bc791ab273bca5a11ee2eb5134b6658b446b9aef2ee42eea3d8f0b8")
	topicEmergencyPause  = common.HexToHash("0xb80d1ae5628c2af91424c54c87acfd15016be4bebeef0425b328238702f34831")
	topicResolverRemoved = common.HexToHash("0x3ae8b1488efc5effc2f9c5dc1943ec82217b537d2c5f6dce8340094446bbb353")
	topicWithdrawal      = common.HexToHash("0xe346f5c97a360db5188bfa5d3ec5f0583abde420c6ba4d08b6cfe61addc17105")
	topicCancelled       = common.HexToHash("0x6e3be9294e58d10b9c8053cfd5e09871b67e442fe394d6b0870d336b9df984a9")
	topicRescued         = common.HexToHash("0xc4474c2790e13695f6d2b6f1d8e164290b55370f87a542fd7711abe0a1bf40ac")
)

// FactoryTopics returns the topic0 values of a family's factory events.
func FactoryTopics(f Family) []common.Hash {
	switch f {
	case OneInchV1:
		return []common.Hash{topicSrcCreatedV1, topicDstCreated}
	case OneInchV11:
		return []common.Hash{topicSrcCreated, topicDstCreated}
	case BMNv4:
		return []common.Hash{topicSrcCreated, topicDstCreatedBMN, topicPostInteraction, topicEmergencyPause, topicResolverRemoved}
	}
	return nil
}

// EscrowTopics returns the topic0 values of an escrow's events, which are the
// same in every family. None has an indexed field.
func EscrowTopics() []common.Hash {
	return []common.Hash{topicWithdrawal, topicCancelled, topicRescued}
}

// Complement is what the maker expects of the dst leg: the second argument of
// SrcEscrowCreated, as raw words.
type Complement struct {
	Maker         Word // address in the low 20 bytes
	Amount        Word // in the dst token's smallest unit
	Token         Word // address in the low 20 bytes; zero = native coin
	SafetyDeposit Word // wei on the dst chain
	ChainID       Word
	Parameters    []byte // those of the dst immutables
}

// Chain returns the dst chain's id; false if it does not fit 64 bits.
func (c Complement) Chain() (uint64, bool) {
	id := intOf(c.ChainID)
	return id.Uint64(), id.IsUint64()
}

// FactoryEvent is *SrcCreated, *DstCreated or *FactoryNotice.
type FactoryEvent interface{ factoryEvent() }

// SrcCreated is a SrcEscrowCreated log. The event names no escrow: Leg.Escrow
// is computed, so it is right if and only if the factory's data is.
type SrcCreated struct {
	Leg    Leg
	Expect Complement
}

// TooLong reports whether parameters of the leg, or of the dst leg that it asks
// for, are longer than MaxParameters: then the swap cannot be followed.
func (s *SrcCreated) TooLong() bool {
	return len(s.Leg.Immutables.Parameters) > MaxParameters || len(s.Expect.Parameters) > MaxParameters
}

// DstCreated is a DstEscrowCreated log. It holds no immutables; they are to be
// predicted from a src leg or found in calldata, and proven by Escrow.
type DstCreated struct {
	ChainID         uint64
	Factory, Escrow common.Address
	Hashlock        common.Hash
	Taker           common.Address
	At              Position
}

// Notice says what a factory event without a leg is about.
type Notice uint8

const (
	PostInteractionEscrowCreated Notice = iota + 1 // accompanies a SrcEscrowCreated from an order fill
	EmergencyPause                                 // the factory stopped or resumed creating escrows
	ResolverRemoved                                // a resolver lost its place on the whitelist
)

func (n Notice) String() string {
	switch n {
	case PostInteractionEscrowCreated:
		return "PostInteractionEscrowCreated"
	case EmergencyPause:
		return "EmergencyPause"
	case ResolverRemoved:
		return "ResolverRemoved"
	}
	return fmt.Sprintf("notice(%d)", uint8(n))
}

// FactoryNotice is a factory event that creates no leg. It is recognised by
// topic; its fields are not read, since nothing may depend on them.
type FactoryNotice struct {
	ChainID uint64
	Factory common.Address
	Kind    Notice
	At      Position
}

func (*SrcCreated) factoryEvent()    {}
func (*DstCreated) factoryEvent()    {}
func (*FactoryNotice) factoryEvent() {}

// Decode reads a log of this factory. It returns nil without error for a log
// of another chain or address, or of an event the family does not have. A log
// that carries one of the family's topics and does not have its shape is an
// error that names the field; nothing in such a log is to be trusted.
func (f Factory) Decode(l Log) (FactoryEvent, error) {
	if l.ChainID != f.ChainID || l.Address != f.Address || len(l.Topics) == 0 {
		return nil, nil
	}
	bmn := f.Family == BMNv4
	switch t := l.Topics[0]; {
	case t == topicSrcCreatedV1 && f.Family == OneInchV1,
		t == topicSrcCreated && f.Family.HasParameters():
		return f.decodeSrc(l)
	case t == topicDstCreated && (f.Family == OneInchV1 || f.Family == OneInchV11):
		if err := l.shape("DstEscrowCreated", 1, 3*32); err != nil {
			return nil, err
		}
		return f.decodeDst(l, Word(l.Data[0:32]), Word(l.Data[32:64]), Word(l.Data[64:96]))
	case t == topicDstCreatedBMN && bmn:
		if err := l.shape("DstEscrowCreated", 4, 0); err != nil {
			return nil, err
		}
		return f.decodeDst(l, l.Topics[1], l.Topics[2], l.Topics[3])
	case t == topicPostInteraction && bmn:
		return f.notice(l, PostInteractionEscrowCreated), nil
	case t == topicEmergencyPause && bmn:
		return f.notice(l, EmergencyPause), nil
	case t == topicResolverRemoved && bmn:
		return f.notice(l, ResolverRemoved), nil
	}
	return nil, nil
}

func (f Factory) notice(l Log, n Notice) *FactoryNotice {
	return &FactoryNotice{ChainID: l.ChainID, Factory: l.Address, Kind: n, At: l.At}
}

// shape checks the number of topics and, unless size is negative, the exact
// length of the data.
func (l Log) shape(event string, topics, size int) error {
	if len(l.Topics) != topics {
		return fmt.Errorf("%s: topics: %d, want %d", event, len(l.Topics), topics)
	}
	if size >= 0 && len(l.Data) != size {
		return fmt.Errorf("%s: data: %d bytes, want %d", event, len(l.Data), size)
	}
	return nil
}

func (f Factory) decodeSrc(l Log) (FactoryEvent, error) {
	const event = "SrcEscrowCreated"
	const fixed = (words + 5) * 32
	var im Immutables
	var c Complement
	if !f.Family.HasParameters() {
		if err := l.shape(event, 1, fixed); err != nil {
			return nil, err
		}
		im, c = immutablesAt(l.Data), complementAt(l.Data[words*32:])
	} else {
		if err := l.shape(event, 1, -1); err != nil {
			return nil, err
		}
		t, err := tupleAt(l.Data, 0, words)
		if err != nil {
			return nil, fmt.Errorf("%s: immutables: %w", event, err)
		}
		im = immutablesAt(t)
		if im.Parameters, err = bytesAt(t, words); err != nil {
			return nil, fmt.Errorf("%s: immutables.parameters: %w", event, err)
		}
		if t, err = tupleAt(l.Data, 1, 5); err != nil {
			return nil, fmt.Errorf("%s: complement: %w", event, err)
		}
		c = complementAt(t)
		if c.Parameters, err = bytesAt(t, 5); err != nil {
			return nil, fmt.Errorf("%s: complement.parameters: %w", event, err)
		}
	}
	return &SrcCreated{Leg: f.Leg(Src, im, l.At), Expect: c}, nil
}

func (f Factory) decodeDst(l Log, escrow, hashlock, taker Word) (FactoryEvent, error) {
	if err := cleanAddress(escrow); err != nil {
		return nil, fmt.Errorf("DstEscrowCreated: escrow: %w", err)
	}
	// The 1inch event prints the taker as uint256: dirt is legal there.
	if f.Family == BMNv4 {
		if err := cleanAddress(taker); err != nil {
			return nil, fmt.Errorf("DstEscrowCreated: taker: %w", err)
		}
	}
	return &DstCreated{ChainID: l.ChainID, Factory: l.Address, Escrow: addressOf(escrow), Hashlock: hashlock, Taker: addressOf(taker), At: l.At}, nil
}

// EventKind says what an escrow's event reports. The zero value is none.
type EventKind uint8

const (
	Withdrawn EventKind = iota + 1 // the secret is public, the leg's receiver was paid
	Cancelled                      // the leg's funds went back
	Rescued                        // the taker took tokens after the rescue delay
)

func (k EventKind) String() string {
	switch k {
	case Withdrawn:
		return "withdrawn"
	case Cancelled:
		return "cancelled"
	case Rescued:
		return "rescued"
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// MarshalText implements encoding.TextMarshaler; only known kinds have a text.
func (k EventKind) MarshalText() ([]byte, error) {
	if k < Withdrawn || k > Rescued {
		return nil, fmt.Errorf("encode event kind: no kind %d", uint8(k))
	}
	return []byte(k.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *EventKind) UnmarshalText(b []byte) error {
	for _, v := range []EventKind{Withdrawn, Cancelled, Rescued} {
		if v.String() == string(b) {
			*k = v
			return nil
		}
	}
	return fmt.Errorf("event kind: unknown %q", b)
}

// EscrowEvent is an event of an escrow. Anybody can emit a look-alike: it
// counts only if Escrow is a known leg of that chain.
type EscrowEvent struct {
	ChainID uint64
	Escrow  common.Address
	Kind    EventKind
	Secret  [32]byte       // of Withdrawn
	Token   common.Address // of Rescued; zero = native coin
	Amount  uint256.Int    // of Rescued, in the token's smallest unit
	At      Position
}

// DecodeEscrow reads a log as an escrow's event. It reports false for any
// other topic. A log with one of the topics and another shape is an error that
// names the field: no escrow emits it.
func DecodeEscrow(l Log) (EscrowEvent, bool, error) {
	if len(l.Topics) == 0 {
		return EscrowEvent{}, false, nil
	}
	e := EscrowEvent{ChainID: l.ChainID, Escrow: l.Address, At: l.At}
	switch l.Topics[0] {
	case topicWithdrawal:
		if err := l.shape("EscrowWithdrawal", 1, 32); err != nil {
			return EscrowEvent{}, false, err
		}
		e.Kind, e.Secret = Withdrawn, [32]byte(l.Data)
	case topicCancelled:
		if err := l.shape("EscrowCancelled", 1, 0); err != nil {
			return EscrowEvent{}, false, err
		}
		e.Kind = Cancelled
	case topicRescued:
		if err := l.shape("FundsRescued", 1, 64); err != nil {
			return EscrowEvent{}, false, err
		}
		token := Word(l.Data[:32])
		if err := cleanAddress(token); err != nil {
			return EscrowEvent{}, false, fmt.Errorf("FundsRescued: token: %w", err)
		}
		e.Kind, e.Token, e.Amount = Rescued, addressOf(token), intOf(Word(l.Data[32:]))
	default:
		return EscrowEvent{}, false, nil
	}
	return e, true, nil
}

func cleanAddress(w Word) error {
	if [12]byte(w[:12]) != [12]byte{} {
		return fmt.Errorf("not an address: %s", w)
	}
	return nil
}

// complementAt reads five words from the start of b, which holds at least
// that many.
func complementAt(b []byte) Complement {
	w := func(i int) Word { return Word(b[32*i : 32*i+32]) }
	return Complement{Maker: w(0), Amount: w(1), Token: w(2), SafetyDeposit: w(3), ChainID: w(4)}
}

// uintAt reads the i-th word of b as a length or offset no larger than b.
func uintAt(b []byte, i int) (int, error) {
	if len(b) < 32*i+32 {
		return 0, fmt.Errorf("data ends at %d bytes", len(b))
	}
	w := b[32*i : 32*i+32]
	v := binary.BigEndian.Uint64(w[24:])
	if [24]byte(w[:24]) != [24]byte{} || v > uint64(len(b)) {
		return 0, fmt.Errorf("0x%x points outside %d bytes", w, len(b))
	}
	return int(v), nil
}

// tupleAt follows the i-th word of b to a struct with n static words before
// its one dynamic field.
func tupleAt(b []byte, i, n int) ([]byte, error) {
	at, err := uintAt(b, i)
	if err != nil {
		return nil, fmt.Errorf("offset: %w", err)
	}
	if len(b)-at < (n+1)*32 {
		return nil, fmt.Errorf("%d bytes at offset %d, want %d", len(b)-at, at, (n+1)*32)
	}
	return b[at:], nil
}

// bytesAt follows the i-th word of a struct to a copy of its bytes field; nil
// when that is empty. The padding is not looked at, as in the contracts.
func bytesAt(tuple []byte, i int) ([]byte, error) {
	data, err := sliceAt(tuple, i)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	return append([]byte(nil), data...), nil
}

// sliceAt is bytesAt without the copy.
func sliceAt(tuple []byte, i int) ([]byte, error) {
	at, err := uintAt(tuple, i)
	if err != nil {
		return nil, fmt.Errorf("offset: %w", err)
	}
	n, err := uintAt(tuple[at:], 0)
	if err != nil {
		return nil, fmt.Errorf("length: %w", err)
	}
	if n > len(tuple)-at-32 {
		return nil, fmt.Errorf("length: %d bytes of %d", n, len(tuple)-at-32)
	}
	return tuple[at+32 : at+32+n], nil
}
