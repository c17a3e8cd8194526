package swap

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

func TestImplementationOf(t *testing.T) {
	impl := named("implementation")
	code := bytes.Join([][]byte{proxyHead, impl[:], proxyTail}, nil)
	if got, ok := ImplementationOf(code); !ok || got != impl {
		t.Errorf("implementation %s, %t", got, ok)
	}
	if got := ProxyCodeHash(impl); got != crypto.Keccak256Hash(proxyInit, code) {
		t.Errorf("creation code hash %s", got)
	}
	for name, bad := range map[string][]byte{
		"none": nil, "short": code[:44], "long": append(bytes.Clone(code), 0),
		"other head": append([]byte{0x60}, code[1:]...), "other tail": append(bytes.Clone(code[:44]), 0),
	} {
		if got, ok := ImplementationOf(bad); ok {
			t.Errorf("%s: implementation %s", name, got)
		}
	}
}

func TestFactorySides(t *testing.T) {
	f := testFactory(OneInchV1)
	im := testImmutables()
	src, dst := f.Leg(Src, im, Position{}), f.Leg(Dst, im, Position{})
	if src.Escrow == dst.Escrow {
		t.Error("both sides share an address")
	}
	if src.RescueDelay != 691200 || dst.RescueDelay != 604800 {
		t.Errorf("rescue delays %d and %d", src.RescueDelay, dst.RescueDelay)
	}
	salt := f.Family.Hash(im)
	want := common.BytesToAddress(crypto.Keccak256([]byte{0xff}, f.Address[:], salt[:], crypto.Keccak256(proxyInit, proxyHead, f.DstImpl[:], proxyTail)))
	if dst.Escrow != want {
		t.Errorf("dst escrow %s, want %s", dst.Escrow, want)
	}
}

func TestPredictDst(t *testing.T) {
	forFamilies(t, func(t *testing.T, fam Family) {
		src := SrcCreated{Leg: testLeg(fam, Src), Expect: Complement{
			Maker: wordOf(stranger), Amount: common.Hash{31: 9}, Token: wordOf(named("dst token")), SafetyDeposit: common.Hash{31: 5}, ChainID: common.Hash{31: 10},
		}}
		f := testFactory(fam)
		f.ChainID = 10
		if fam.HasParameters() {
			src.Expect.Parameters = []byte{1, 2, 3}
		}
		leg, ok := f.PredictDst(src, 1_700_000_555)
		if !ok {
			t.Fatal("not predicted")
		}
		want := src.Leg.Immutables
		want.Maker, want.Amount, want.Token, want.SafetyDeposit = src.Expect.Maker, src.Expect.Amount, src.Expect.Token, src.Expect.SafetyDeposit
		want.Parameters = src.Expect.Parameters
		want = want.WithDeployedAt(1_700_000_555)
		if !leg.Immutables.Equal(want) || leg.Side != Dst || leg.ChainID != 10 || leg.Escrow != f.Escrow(Dst, want) || leg.Created != (Position{}) {
			t.Errorf("predicted %+v", leg)
		}
		if src.Leg.Immutables.DeployedAt() != 1_700_000_000 {
			t.Error("the src leg was changed")
		}

		for name, change := range map[string]func(*Factory, *SrcCreated){
			"other chain":    func(f *Factory, _ *SrcCreated) { f.ChainID = 11 },
			"huge chain id":  func(_ *Factory, s *SrcCreated) { s.Expect.ChainID[0] = 1 },
			"unknown family": func(f *Factory, _ *SrcCreated) { f.Family = FamilyUnknown },
			"no parameters":  func(f *Factory, s *SrcCreated) { f.Family, s.Expect.Parameters = OneInchV1, []byte{1} },
		} {
			f, src := f, src
			change(&f, &src)
			if leg, ok := f.PredictDst(src, 1); ok {
				t.Errorf("%s: predicted %+v", name, leg)
			}
		}
	})
}
