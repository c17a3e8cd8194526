package swap

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/go-cmp/cmp"
)

const (
	sigImmutablesV1 = "(bytes32,bytes32,uint256,uint256,uint256,uint256,uint256,uint256)"
	sigImmutables   = "(bytes32,bytes32,uint256,uint256,uint256,uint256,uint256,uint256,bytes)"
)

// Every topic is the hash of the event's published signature.
func TestTopics(t *testing.T) {
	for sig, topic := range map[string]common.Hash{
		"SrcEscrowCreated(" + sigImmutablesV1 + ",(uint256,uint256,uint256,uint256,uint256))":     topicSrcCreatedV1,
		"SrcEscrowCreated(" + sigImmutables + ",(uint256,uint256,uint256,uint256,uint256,bytes))": topicSrcCreated,
		"DstEscrowCreated(address,bytes32,uint256)":                                               topicDstCreated,
		"DstEscrowCreated(address,bytes32,address)":                                               topicDstCreatedBMN,
		"PostInteractionEscrowCreated(address,bytes32,address,address,uint256)":                   topicPostInteraction,
		"EmergencyPause(bool)":          topicEmergencyPause,
		"ResolverRemoved(address)":      topicResolverRemoved,
		"EscrowWithdrawal(bytes32)":     topicWithdrawal,
		"EscrowCancelled()":             topicCancelled,
		"FundsRescued(address,uint256)": topicRescued,
	} {
		if want := crypto.Keccak256Hash([]byte(sig)); topic != want {
			t.Errorf("%s: %s, want %s", sig, topic, want)
		}
	}
	if FactoryTopics(FamilyUnknown) != nil || len(EscrowTopics()) != 3 {
		t.Error("topics of nobody, or too few of escrows")
	}
}

// Each family decodes exactly the topics it lists.
func TestDecodeOnlyOwnTopics(t *testing.T) {
	all := append(EscrowTopics(), topicSrcCreatedV1, topicSrcCreated, topicDstCreated, topicDstCreatedBMN, topicPostInteraction, topicEmergencyPause, topicResolverRemoved)
	forFamilies(t, func(t *testing.T, fam Family) {
		f := testFactory(fam)
		own := map[common.Hash]bool{}
		for _, topic := range FactoryTopics(fam) {
			own[topic] = true
		}
		for _, topic := range all {
			// One byte of data fits no event with fields and no notice reads any.
			e, err := f.Decode(Log{ChainID: f.ChainID, Address: f.Address, Topics: []common.Hash{topic}, Data: []byte{1}})
			if known := e != nil || err != nil; known != own[topic] {
				t.Errorf("topic %s: %v, %v", topic, e, err)
			}
		}
	})
}

// srcLog encodes an event with go-ethereum's encoder.
func srcLog(t testing.TB, f Factory, im Immutables, c Complement) Log {
	t.Helper()
	l := Log{ChainID: f.ChainID, Address: f.Address, Topics: FactoryTopics(f.Family)[:1], At: Position{Block: 5, Index: 3}}
	if !f.Family.HasParameters() {
		l.Data = im.append32(nil)
		for _, w := range []Word{c.Maker, c.Amount, c.Token, c.SafetyDeposit, c.ChainID} {
			l.Data = append(l.Data, w[:]...)
		}
		return l
	}
	typ, err := abi.NewType("tuple", "", []abi.ArgumentMarshaling{
		{Name: "maker", Type: "bytes32"}, {Name: "amount", Type: "bytes32"}, {Name: "token", Type: "bytes32"},
		{Name: "safetyDeposit", Type: "bytes32"}, {Name: "chainId", Type: "bytes32"}, {Name: "parameters", Type: "bytes"},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.Data, err = abi.Arguments{{Type: abiTuple(t, true)}, {Type: typ}}.Pack(toABI(im), struct {
		Maker, Amount, Token, SafetyDeposit, ChainId [32]byte
		Parameters                                   []byte
	}{c.Maker, c.Amount, c.Token, c.SafetyDeposit, c.ChainID, c.Parameters})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dstLog(f Factory, escrow, hashlock, taker Word) Log {
	l := Log{ChainID: f.ChainID, Address: f.Address, Topics: []common.Hash{topicDstCreated}, Data: bytes.Join([][]byte{escrow[:], hashlock[:], taker[:]}, nil)}
	if f.Family == BMNv4 {
		l.Topics, l.Data = []common.Hash{topicDstCreatedBMN, escrow, hashlock, taker}, nil
	}
	return l
}

func TestDecodeSrcRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	forFamilies(t, func(t *testing.T, fam Family) {
		f := testFactory(fam)
		for n := range 100 {
			im := randomImmutables(r, 0)
			c := complementAt(randomBytes(r, 5*32))
			if fam.HasParameters() {
				im = randomImmutables(r, n)
				if n%3 > 0 {
					c.Parameters = randomBytes(r, n)
				}
			}
			log := srcLog(t, f, im, c)
			e, err := f.Decode(log)
			if err != nil {
				t.Fatal(err)
			}
			want := &SrcCreated{Leg: f.Leg(Src, im, log.At), Expect: c}
			if d := cmp.Diff(want, e); d != "" {
				t.Fatal(d)
			}
		}
	})
}

func TestDecodeRefusals(t *testing.T) {
	escrow, lock := wordOf(named("escrow")), common.Hash{1}
	dirty := escrow
	dirty[0] = 1
	v1, v11, bmn := testFactory(OneInchV1), testFactory(OneInchV11), testFactory(BMNv4)
	im := testImmutables()
	im.Parameters = []byte{1, 2, 3}
	src := srcLog(t, v11, im, Complement{Parameters: make([]byte, 40)})
	patch := func(l Log, word int, v Word) Log {
		l.Data = bytes.Clone(l.Data)
		copy(l.Data[32*word:], v[:])
		return l
	}
	huge := common.MaxHash
	cut := func(l Log, n int) Log { l.Data = l.Data[:n]; return l }
	topics := func(l Log, ts ...common.Hash) Log { l.Topics = ts; return l }

	for name, c := range map[string]struct {
		f    Factory
		l    Log
		want string
	}{
		"v1 src short":                   {v1, cut(srcLog(t, v1, testImmutables(), Complement{}), 13*32-1), "SrcEscrowCreated: data: 415 bytes, want 416"},
		"v1 src extra topic":             {v1, topics(srcLog(t, v1, testImmutables(), Complement{}), topicSrcCreatedV1, lock), "SrcEscrowCreated: topics: 2, want 1"},
		"src empty":                      {v11, cut(src, 0), "SrcEscrowCreated: immutables: offset"},
		"src huge offset":                {v11, patch(src, 0, huge), "SrcEscrowCreated: immutables: offset"},
		"src offset at end":              {v11, patch(src, 0, common.BigToHash(big.NewInt(int64(len(src.Data))))), "SrcEscrowCreated: immutables: 0 bytes"},
		"src offset past 2^64":           {v11, patch(src, 0, common.Hash{23: 1}), "SrcEscrowCreated: immutables: offset"},
		"src parameters offset":          {v11, patch(src, 2+8, huge), "SrcEscrowCreated: immutables.parameters: offset"},
		"src parameters length":          {v11, patch(src, 2+9, common.BigToHash(big.NewInt(int64(len(src.Data)-9*32)))), "SrcEscrowCreated: immutables.parameters: length"},
		"src complement offset":          {v11, patch(src, 1, huge), "SrcEscrowCreated: complement: offset"},
		"src complement short":           {v11, cut(src, 2*32+11*32+5*32), "SrcEscrowCreated: complement: 160 bytes"},
		"src complement parameters":      {v11, patch(src, 2+11+5, huge), "SrcEscrowCreated: complement.parameters: offset"},
		"src complement parameters' end": {v11, cut(src, len(src.Data)-25), "SrcEscrowCreated: complement.parameters: length"},
		"dst short":                      {v1, cut(dstLog(v1, escrow, lock, escrow), 95), "DstEscrowCreated: data: 95 bytes, want 96"},
		"dst long":                       {v11, cut(dstLog(v11, escrow, lock, escrow), 0), "DstEscrowCreated: data: 0 bytes, want 96"},
		"dst dirty escrow":               {v11, dstLog(v11, dirty, lock, escrow), "DstEscrowCreated: escrow: not an address"},
		"bmn dst dirty escrow":           {bmn, dstLog(bmn, dirty, lock, escrow), "DstEscrowCreated: escrow: not an address"},
		"bmn dst dirty taker":            {bmn, dstLog(bmn, escrow, lock, dirty), "DstEscrowCreated: taker: not an address"},
		"bmn dst topics":                 {bmn, topics(dstLog(bmn, escrow, lock, escrow), topicDstCreatedBMN, escrow, lock), "DstEscrowCreated: topics: 3, want 4"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := c.f.Decode(c.l)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v, error %v, want %q", e, err, c.want)
			}
			if e != nil {
				t.Errorf("an event came with the error: %v", e)
			}
		})
	}

	for name, l := range map[string]Log{
		"no topics":     {ChainID: v1.ChainID, Address: v1.Address},
		"other chain":   {ChainID: 1, Address: v1.Address, Topics: []common.Hash{topicSrcCreatedV1}},
		"other address": {ChainID: v1.ChainID, Address: stranger, Topics: []common.Hash{topicSrcCreatedV1}},
		"other topic":   {ChainID: v1.ChainID, Address: v1.Address, Topics: []common.Hash{{9}}},
	} {
		if e, err := v1.Decode(l); e != nil || err != nil {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
}

// A 1inch dst event prints the taker word as it is; the contracts mask it.
func TestDecodeDstDirtyTaker(t *testing.T) {
	f := testFactory(OneInchV1)
	dirty := wordOf(taker)
	dirty[0] = 0x80
	e, err := f.Decode(dstLog(f, wordOf(named("escrow")), common.Hash{1}, dirty))
	if d, ok := e.(*DstCreated); err != nil || !ok || d.Taker != taker {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestDecodeEscrow(t *testing.T) {
	at := Position{Block: 9, Index: 2}
	amount := common.BigToHash(common.Big3)
	tok := wordOf(token)
	dirty := tok
	dirty[5] = 1
	data := func(ws ...Word) (b []byte) {
		for _, w := range ws {
			b = append(b, w[:]...)
		}
		return b
	}
	base := EscrowEvent{ChainID: 10, Escrow: stranger, At: at}
	for name, c := range map[string]struct {
		topics []common.Hash
		data   []byte
		want   func(*EscrowEvent)
		err    string
	}{
		"withdrawal":          {topics: []common.Hash{topicWithdrawal}, data: data(amount), want: func(e *EscrowEvent) { e.Kind, e.Secret = Withdrawn, amount }},
		"cancelled":           {topics: []common.Hash{topicCancelled}, want: func(e *EscrowEvent) { e.Kind = Cancelled }},
		"rescued":             {topics: []common.Hash{topicRescued}, data: data(tok, amount), want: func(e *EscrowEvent) { e.Kind, e.Token = Rescued, token; e.Amount.SetUint64(3) }},
		"no topics":           {},
		"factory topic":       {topics: []common.Hash{topicSrcCreated}},
		"withdrawal short":    {topics: []common.Hash{topicWithdrawal}, data: data(amount)[:31], err: "EscrowWithdrawal: data: 31 bytes, want 32"},
		"withdrawal indexed":  {topics: []common.Hash{topicWithdrawal, amount}, err: "EscrowWithdrawal: topics: 2, want 1"},
		"cancelled with data": {topics: []common.Hash{topicCancelled}, data: []byte{0}, err: "EscrowCancelled: data: 1 bytes, want 0"},
		"rescued short":       {topics: []common.Hash{topicRescued}, data: data(tok), err: "FundsRescued: data: 32 bytes, want 64"},
		"rescued dirty":       {topics: []common.Hash{topicRescued}, data: data(dirty, amount), err: "FundsRescued: token: not an address: "},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok, err := DecodeEscrow(Log{ChainID: 10, Address: stranger, Topics: c.topics, Data: c.data, At: at})
			if c.err != "" && (err == nil || !strings.HasPrefix(err.Error(), c.err)) || c.err == "" && err != nil {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if ok != (c.want != nil) {
				t.Fatalf("recognised %t", ok)
			}
			want := EscrowEvent{}
			if ok {
				want = base
				c.want(&want)
			}
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

func TestEventKindText(t *testing.T) {
	for k, want := range map[EventKind]string{Withdrawn: "withdrawn", Cancelled: "cancelled", Rescued: "rescued"} {
		b, err := k.MarshalText()
		var got EventKind
		if err != nil || string(b) != want || got.UnmarshalText(b) != nil || got != k {
			t.Errorf("%s: %q, %v", k, b, err)
		}
	}
	if _, err := EventKind(0).MarshalText(); err == nil {
		t.Error("the zero kind has a text")
	}
	if err := new(EventKind).UnmarshalText([]byte("gone")); err == nil {
		t.Error("gone was read as a kind")
	}
	if EventKind(9).String() != "event(9)" || Notice(9).String() != "notice(9)" {
		t.Error("unknown values must print")
	}
}

// FuzzDecodeLog feeds arbitrary logs to every family. Whatever decodes must be
// consistent with itself and encode to what decodes alike.
func FuzzDecodeLog(f *testing.F) {
	im := testImmutables()
	im.Parameters = []byte{1, 2, 3}
	for i, fam := range Families() {
		l := srcLog(f, testFactory(fam), im, Complement{Parameters: make([]byte, 40)})
		f.Add(uint8(i), l.Topics[0][:], l.Data)
		d := dstLog(testFactory(fam), wordOf(named("escrow")), common.Hash{1}, wordOf(taker))
		var topics []byte
		for _, t := range d.Topics {
			topics = append(topics, t[:]...)
		}
		f.Add(uint8(i), topics, d.Data)
	}
	for _, t := range EscrowTopics() {
		f.Add(uint8(0), t[:], make([]byte, 32))
	}
	f.Fuzz(func(t *testing.T, pick uint8, topics, data []byte) {
		fac := testFactory(Families()[int(pick)%len(Families())])
		l := Log{ChainID: fac.ChainID, Address: fac.Address, Data: data}
		for ; len(topics) >= 32 && len(l.Topics) < 5; topics = topics[32:] {
			l.Topics = append(l.Topics, common.Hash(topics[:32]))
		}
		e, err := fac.Decode(l)
		if err != nil && e != nil {
			t.Fatalf("%v with error %v", e, err)
		}
		if src, ok := e.(*SrcCreated); ok {
			if src.Leg.Escrow != fac.Escrow(Src, src.Leg.Immutables) || len(src.Leg.Immutables.Parameters)+len(src.Expect.Parameters) > 2*len(data) {
				t.Fatalf("leg %+v", src.Leg)
			}
			again, err := fac.Decode(srcLog(t, fac, src.Leg.Immutables, src.Expect))
			if err != nil {
				t.Fatal(err)
			}
			again.(*SrcCreated).Leg.Created = src.Leg.Created
			if d := cmp.Diff(e, again); d != "" {
				t.Fatal(d)
			}
		}
		if got, ok, err := DecodeEscrow(l); err != nil && ok || ok && (got.Kind < Withdrawn || got.Kind > Rescued) {
			t.Fatalf("%+v, %t, %v", got, ok, err)
		}
	})
}
