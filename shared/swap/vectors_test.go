package swap

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// The recordings in testdata/vectors were made from the genuine contracts; the
// file's own "about" says how. They hold more than the tests read.

type vector struct {
	Family    Family
	Contracts struct {
		Factory              common.Address
		SrcImplementation    common.Address
		DstImplementation    common.Address
		SrcProxyBytecodeHash common.Hash
		DstProxyBytecodeHash common.Hash
		SrcRescueDelay       uint64
		DstRescueDelay       uint64
	}
	Swaps   []vectorSwap
	CallsOn struct {
		Roles map[string]common.Address
		Swaps map[string]vectorSwap
	}
	Calls  []vectorCall
	Errors map[string]string
}

type vectorSwap struct {
	Name     string
	Secret   *common.Hash
	Src, Dst vectorLeg
}

type vectorLeg struct {
	ChainID        uint64
	Escrow         common.Address
	Runtime        hexutil.Bytes
	Immutables     Immutables
	ImmutablesHash common.Hash
	Complement     struct {
		Maker, Amount, Token, SafetyDeposit, ChainID common.Hash
		Parameters                                   hexutil.Bytes
	}
	Timelocks struct {
		DeployedAt ChainTime
		Offsets    map[string]uint32
	}
	RescueStart ChainTime
	Creation    vectorAction
	Actions     []vectorAction
}

type vectorAction struct {
	Call, By string
	Selector hexutil.Bytes
	Tx       struct {
		Hash        common.Hash
		From, To    common.Address
		BlockNumber uint64
		Timestamp   ChainTime
		Input       hexutil.Bytes
	}
	Logs []struct {
		Name     string
		Address  common.Address
		Topics   []common.Hash
		Data     hexutil.Bytes
		LogIndex uint
	}
}

type vectorCall struct {
	Swap, Leg, Call, Caller, Stage, Edge string
	TimeOffset                           int64
	At                                   ChainTime
	Secret, Mutated, After, Signature    string
	Word                                 hexutil.Bytes
	Result                               string
}

func loadVectors(t testing.TB) []vector {
	t.Helper()
	var vs []vector
	for _, f := range Families() {
		b, err := os.ReadFile(filepath.Join("testdata", "vectors", f.String()+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var v vector
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if v.Family != f {
			t.Fatalf("%s: file says family %s", f, v.Family)
		}
		vs = append(vs, v)
	}
	return vs
}

func (v vector) factory(chain uint64) Factory {
	c := v.Contracts
	return Factory{
		ChainID: chain, Address: c.Factory, Family: v.Family, SrcImpl: c.SrcImplementation, DstImpl: c.DstImplementation,
		SrcRescueDelay: c.SrcRescueDelay, DstRescueDelay: c.DstRescueDelay,
	}
}

func (l vectorLeg) complement() Complement {
	c := l.Complement
	return Complement{c.Maker, c.Amount, c.Token, c.SafetyDeposit, c.ChainID, c.Parameters}
}

func (a vectorAction) position(i int) Position {
	return Position{Block: a.Tx.BlockNumber, Time: a.Tx.Timestamp, Tx: a.Tx.Hash, Index: a.Logs[i].LogIndex}
}

func (a vectorAction) logs(chain uint64) []Log {
	var ls []Log
	for i, l := range a.Logs {
		ls = append(ls, Log{ChainID: chain, Address: l.Address, Topics: l.Topics, Data: l.Data, At: a.position(i)})
	}
	return ls
}

// wantCount fails the test when the recordings were not read to the end.
func wantCount(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("checked %d %s, want %d", got, what, want)
	}
}

func TestVectorsHashesAndAddresses(t *testing.T) {
	legs, impls := 0, 0
	for _, v := range loadVectors(t) {
		f := v.factory(0)
		for s, want := range map[Side]common.Hash{Src: v.Contracts.SrcProxyBytecodeHash, Dst: v.Contracts.DstProxyBytecodeHash} {
			if got := ProxyCodeHash(f.Impl(s)); got != want {
				t.Errorf("%s: %s proxy code hash %s, want %s", v.Family, s, got, want)
			}
			impls++
		}
		swaps := map[string]vectorSwap{}
		for _, s := range v.Swaps {
			swaps["swaps/"+s.Name] = s
		}
		for name, s := range v.CallsOn.Swaps {
			swaps["callsOn/"+name] = s
		}
		for name, s := range swaps {
			for side, l := range map[Side]vectorLeg{Src: s.Src, Dst: s.Dst} {
				t.Run(v.Family.String()+"/"+name+"/"+side.String(), func(t *testing.T) {
					checkLeg(t, v.factory(l.ChainID), side, l)
				})
				legs++
			}
		}
	}
	wantCount(t, "implementations", impls, 6)
	wantCount(t, "legs", legs, 54)
}

func checkLeg(t *testing.T, f Factory, side Side, l vectorLeg) {
	im := l.Immutables
	if got := f.Family.Hash(im); got != l.ImmutablesHash {
		t.Errorf("immutables hash %s, want %s", got, l.ImmutablesHash)
	}
	if got := f.Escrow(side, im); got != l.Escrow {
		t.Errorf("escrow %s, want %s", got, l.Escrow)
	}
	if got, ok := ImplementationOf(l.Runtime); !ok || got != f.Impl(side) {
		t.Errorf("implementation %s (%t), want %s", got, ok, f.Impl(side))
	}
	tl := UnpackTimelocks(im.Timelocks)
	if tl.Pack() != im.Timelocks {
		t.Errorf("timelocks pack to %s, want %s", tl.Pack(), im.Timelocks)
	}
	if im.DeployedAt() != l.Timelocks.DeployedAt || ChainTime(tl.DeployedAt) != l.Timelocks.DeployedAt {
		t.Errorf("deployedAt %d, want %d", im.DeployedAt(), l.Timelocks.DeployedAt)
	}
	if len(l.Timelocks.Offsets) != len(Stages()) {
		t.Errorf("%d offsets, want %d", len(l.Timelocks.Offsets), len(Stages()))
	}
	for _, s := range Stages() {
		want := l.Timelocks.DeployedAt + ChainTime(l.Timelocks.Offsets[lowerFirst(s.String())])
		if im.At(s) != want || tl.At(s) != want {
			t.Errorf("%s at %d and %d, want %d", s, im.At(s), tl.At(s), want)
		}
	}
	if got := f.Leg(side, im, Position{}).RescueStart(); l.RescueStart != 0 && got != l.RescueStart {
		t.Errorf("rescue from %d, want %d", got, l.RescueStart)
	}
}

func lowerFirst(s string) string { return string(s[0]|0x20) + s[1:] }

func TestVectorsCreation(t *testing.T) {
	srcs, dsts, notices, predicted, found := 0, 0, 0, 0, 0
	for _, v := range loadVectors(t) {
		for _, s := range v.Swaps {
			t.Run(v.Family.String()+"/"+s.Name, func(t *testing.T) {
				var src *SrcCreated
				var dst *DstCreated
				f := v.factory(s.Src.ChainID)
				for i, log := range s.Src.Creation.logs(s.Src.ChainID) {
					e, err := f.Decode(log)
					if err != nil {
						t.Fatal(err)
					}
					switch e := e.(type) {
					case *SrcCreated:
						src = e
						srcs++
					case *FactoryNotice:
						if e.Kind.String() != s.Src.Creation.Logs[i].Name || e.At != log.At {
							t.Errorf("notice %s, want %s", e.Kind, s.Src.Creation.Logs[i].Name)
						}
						notices++
					default:
						t.Errorf("src log decodes to %T", e)
					}
				}
				if src == nil {
					t.Fatal("no src leg")
				}
				want := s.Src
				if !src.Leg.Immutables.Equal(want.Immutables) {
					t.Errorf("immutables %+v, want %+v", src.Leg.Immutables, want.Immutables)
				}
				if l := src.Leg; l.Escrow != want.Escrow || l.Side != Src || l.Family != v.Family || l.Factory != f.Address ||
					l.ChainID != want.ChainID || l.RescueDelay != f.SrcRescueDelay || l.Created != want.Creation.position(0) {
					t.Errorf("src leg %+v", l)
				}
				c := want.complement()
				if x := src.Expect; x.Maker != c.Maker || x.Amount != c.Amount || x.Token != c.Token || x.SafetyDeposit != c.SafetyDeposit ||
					x.ChainID != c.ChainID || !bytes.Equal(x.Parameters, c.Parameters) {
					t.Errorf("complement %+v, want %+v", x, c)
				}

				f = v.factory(s.Dst.ChainID)
				for _, log := range s.Dst.Creation.logs(s.Dst.ChainID) {
					e, err := f.Decode(log)
					if err != nil {
						t.Fatal(err)
					}
					dst = e.(*DstCreated)
					dsts++
				}
				im := s.Dst.Immutables
				if dst == nil || dst.Escrow != s.Dst.Escrow || dst.Hashlock != im.Hashlock || dst.Taker != im.TakerAddress() ||
					dst.ChainID != f.ChainID || dst.Factory != f.Address || dst.At != s.Dst.Creation.position(0) {
					t.Fatalf("dst event %+v", dst)
				}

				leg, ok := f.PredictDst(*src, dst.At.Time)
				if !ok {
					t.Fatal("dst leg not predicted")
				}
				if leg.Escrow == dst.Escrow {
					predicted++
					if !leg.Immutables.Equal(im) {
						t.Errorf("predicted %+v, want %+v", leg.Immutables, im)
					}
				}
				for _, hashlock := range []common.Hash{dst.Hashlock, {}} {
					got, ok := f.FindImmutables(Dst, s.Dst.Creation.Tx.Input, dst.Escrow, hashlock, dst.At.Time, nil)
					if !ok || !got.Equal(im) {
						t.Errorf("found %t in calldata: %+v, want %+v", ok, got, im)
					}
					found++
				}
			})
		}
	}
	wantCount(t, "src events", srcs, 18)
	wantCount(t, "dst events", dsts, 18)
	wantCount(t, "notices", notices, 1)
	wantCount(t, "predicted dst legs", predicted, 18)
	wantCount(t, "calldata searches", found, 36)
}

func TestVectorsActions(t *testing.T) {
	events, encoded, signed, wrapped := 0, 0, 0, 0
	for _, v := range loadVectors(t) {
		for _, s := range v.Swaps {
			for side, vl := range map[Side]vectorLeg{Src: s.Src, Dst: s.Dst} {
				leg := v.factory(vl.ChainID).Leg(side, vl.Immutables, Position{})
				for _, a := range vl.Actions {
					t.Run(v.Family.String()+"/"+s.Name+"/"+side.String()+"/"+a.Call, func(t *testing.T) {
						var call Call
						if err := call.UnmarshalText([]byte(a.Call)); err != nil {
							t.Fatal(err)
						}
						if got := call.Selector(v.Family); !bytes.Equal(got[:], a.Selector) {
							t.Errorf("selector %s, want %s", got, a.Selector)
						}
						for i, log := range a.logs(vl.ChainID) {
							e, ok, err := DecodeEscrow(log)
							if err != nil || !ok {
								t.Fatalf("event %t, %v", ok, err)
							}
							wantName := map[EventKind]string{Withdrawn: "EscrowWithdrawal", Cancelled: "EscrowCancelled", Rescued: "FundsRescued"}
							if wantName[e.Kind] != a.Logs[i].Name || e.Escrow != leg.Escrow || e.ChainID != vl.ChainID || e.At != log.At {
								t.Errorf("event %+v, want %s", e, a.Logs[i].Name)
							}
							if e.Kind == Withdrawn && (!Unlocks(e.Secret, vl.Immutables.Hashlock) || e.Secret != *s.Secret) {
								t.Errorf("secret %x, want %s", e.Secret, s.Secret)
							}
							events++
						}

						input := []byte(a.Tx.Input)
						switch {
						case a.By == "resolverContract" && v.Family == BMNv4:
							// Recorded through a relay that is nobody's published
							// contract: the call lies somewhere inside.
							sel := call.Selector(v.Family)
							at := bytes.Index(input, sel[:])
							if at < 0 {
								t.Fatal("no call inside the relay's")
							}
							input = input[at:]
							wrapped++
						case a.By == "resolverContract":
							inner, ok, err := Unwrap(input)
							if err != nil || !ok || len(inner) != 1 || inner[0].Target != leg.Escrow || a.Tx.To != vl.Immutables.TakerAddress() {
								t.Fatalf("wrapper: %t, %v, %+v", ok, err, inner)
							}
							again := EncodeArbitraryCalls([]common.Address{inner[0].Target}, [][]byte{inner[0].Data})
							if !bytes.Equal(again, input) {
								t.Errorf("wrapped\n%x, want\n%x", again, input)
							}
							input = inner[0].Data
							wrapped++
						}
						got, ok, err := DecodeCall(input)
						if err != nil || !ok || got.Call != call || got.Dynamic != v.Family.HasParameters() || !got.Immutables.Equal(vl.Immutables) {
							t.Fatalf("decoded %t, %v: %+v", ok, err, got)
						}
						if call.TakesSecret() && got.Args.Secret != *s.Secret {
							t.Errorf("secret %x, want %s", got.Args.Secret, s.Secret)
						}
						if call.Signed() {
							// A wrong digest would recover to an address nobody knows, not to
							// this one of anvil's public test accounts.
							signer := RecoverPublicAction(leg.PublicActionDigest(call, got.Immutables.OrderHash, a.Tx.From), got.Signature)
							if signer != common.HexToAddress("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC") {
								t.Errorf("signer %s", signer)
							}
							if _, err := EncodeCall(leg, call, got.Args); err == nil {
								t.Error("a signed call was encoded")
							}
							signed++
							return
						}
						again, err := EncodeCall(leg, call, got.Args)
						if a.By == "resolverContract" && bytes.HasPrefix(input, again) {
							input = again // the relay pads the call to whole words
						}
						if err != nil || !bytes.Equal(again, input) {
							t.Errorf("encoded %v\n%x, want\n%x", err, again, input)
						}
						encoded++
					})
				}
			}
		}
	}
	wantCount(t, "events", events, 42)
	wantCount(t, "encoded calls", encoded, 41)
	wantCount(t, "signed calls", signed, 1)
	wantCount(t, "wrapped calls", wrapped, 6)
}

// testKey derives a private key from a name.
func testKey(t testing.TB, name string) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sign returns r‖s‖v as the escrows expect it.
func sign(t testing.TB, k *ecdsa.PrivateKey, digest common.Hash) []byte {
	t.Helper()
	sig, err := crypto.Sign(digest[:], k)
	if err != nil {
		t.Fatal(err)
	}
	sig[64] += 27
	return sig
}

// fullFunds is what a freshly created escrow of the leg holds.
func fullFunds(l Leg) *Funds {
	f := &Funds{Native: l.Immutables.DepositInt()}
	amount := l.Immutables.AmountInt()
	if l.IsNative() {
		f.Native.Add(&f.Native, &amount)
	} else {
		f.Token = amount
	}
	return f
}

func TestVectorsCalls(t *testing.T) {
	total := map[string]int{}
	for _, v := range loadVectors(t) {
		for i, c := range v.Calls {
			s := v.CallsOn.Swaps[c.Swap]
			side, vl, other := Src, s.Src, s.Dst
			if c.Leg == "dst" {
				side, vl, other = Dst, s.Dst, s.Src
			}
			leg := v.factory(vl.ChainID).Leg(side, vl.Immutables, Position{})
			a := v.attempt(t, c, leg, other, s)
			got := leg.Check(a)
			want := RevertNone
			if c.Result != "ok" {
				want = RevertOf(hexutil.MustDecode(c.Result))
				if name := v.Errors[c.Result]; name != "" && name != string(want)+"()" {
					t.Errorf("%s reads as %s, recorded as %s", c.Result, want, name)
				}
			}
			if got != want {
				t.Errorf("%s call %d: %+v: %s, want %s", v.Family, i, c, got, want)
			}
			total[v.Family.String()]++
		}
	}
	wantCount(t, "calls of 1inch-v1", total["1inch-v1"], 104)
	wantCount(t, "calls of 1inch-v1.1", total["1inch-v1.1"], 106)
	wantCount(t, "calls of bmn-v4", total["bmn-v4"], 124)
}

func (v vector) attempt(t *testing.T, c vectorCall, leg Leg, other vectorLeg, s vectorSwap) Attempt {
	t.Helper()
	a := Attempt{Immutables: leg.Immutables, Time: c.At, Funds: fullFunds(leg)}
	if err := a.Call.UnmarshalText([]byte(c.Call)); err != nil {
		t.Fatal(err)
	}
	var ok bool
	if a.Caller, ok = v.CallsOn.Roles[c.Caller]; !ok {
		t.Fatalf("no role %q", c.Caller)
	}
	a.HoldsAccessToken = c.Caller == "taker" || c.Caller == "accessTokenHolder"
	if a.Call == WithdrawTo {
		a.Target = v.CallsOn.Roles["withdrawToTarget"]
	}
	if a.Call == RescueFunds {
		a.Token, a.Amount = leg.Immutables.TokenAddress(), leg.Immutables.AmountInt()
	}
	switch c.Secret {
	case "right":
		a.Secret = *s.Secret
	case "wrong":
		a.Secret = crypto.Keccak256Hash([]byte("wrong"))
	}

	// The recorded time must be the stage's, by this package's own reckoning.
	at := leg.RescueStart()
	if c.Stage != "rescue" {
		for _, st := range Stages() {
			if lowerFirst(st.String()) == c.Stage {
				at = leg.At(st)
			}
		}
	}
	if at.Add(c.TimeOffset) != c.At {
		t.Errorf("stage %s%+d is at %d, recorded at %d", c.Stage, c.TimeOffset, at.Add(c.TimeOffset), c.At)
	}

	im := &a.Immutables
	fields := map[string]*Word{
		"orderHash": &im.OrderHash, "hashlock": &im.Hashlock, "maker": &im.Maker, "taker": &im.Taker, "taker=caller": &im.Taker,
		"token": &im.Token, "amount": &im.Amount, "safetyDeposit": &im.SafetyDeposit, "timelocks": &im.Timelocks, "deployedAt": &im.Timelocks,
	}
	switch w := fields[c.Mutated]; {
	case w != nil:
		*w = Word(c.Word)
	case c.Mutated == "parameters":
		im.Parameters = c.Word
	case c.Mutated == "src immutables":
		*im = other.Immutables
	case c.Mutated != "":
		t.Fatalf("mutation %q is not understood", c.Mutated)
	}
	if c.After == "withdraw" {
		a.Funds = &Funds{}
	}
	if c.Signature != "" {
		resolver, stranger := testKey(t, "resolver"), testKey(t, "unlisted")
		listed := crypto.PubkeyToAddress(resolver.PublicKey)
		a.Whitelisted = func(x common.Address) bool { return x == listed }
		switch c.Signature {
		case "right":
			a.Signature = sign(t, resolver, leg.PublicActionDigest(a.Call, im.OrderHash, a.Caller))
		case "otherCaller":
			a.Signature = sign(t, resolver, leg.PublicActionDigest(a.Call, im.OrderHash, v.CallsOn.Roles["maker"]))
		case "unlistedSigner":
			a.Signature = sign(t, stranger, leg.PublicActionDigest(a.Call, im.OrderHash, a.Caller))
		default:
			t.Fatalf("signature %q is not understood", c.Signature)
		}
	}
	return a
}

// The fee line's recorded dst withdraw paid exactly what Check calls payable:
// one unit less and the maker's payment fails.
func TestVectorsFees(t *testing.T) {
	checked := 0
	for _, v := range loadVectors(t) {
		for _, s := range v.Swaps {
			if s.Name != "fee-parameters" {
				continue
			}
			l := v.factory(s.Dst.ChainID).Leg(Dst, s.Dst.Immutables, Position{})
			fees, ok := ParseFees(l.Immutables.Parameters)
			if !ok || fees.Protocol.IsZero() || fees.Integrator.IsZero() || fees.ProtocolRecipient == nil || fees.IntegratorRecipient == nil {
				t.Fatalf("fees %+v", fees)
			}
			a := Attempt{Call: Withdraw, Caller: l.Immutables.TakerAddress(), Time: s.Dst.Actions[0].Tx.Timestamp, Immutables: l.Immutables, Secret: *s.Secret, Funds: fullFunds(l)}
			if r := l.Check(a); r != RevertNone {
				t.Errorf("recorded withdraw: %s", r)
			}
			a.Funds.Token.Sub(&a.Funds.Token, uint256.NewInt(1))
			if r := l.Check(a); r != RevertSafeTransferFailed {
				t.Errorf("one unit short: %s", r)
			}
			checked++
		}
	}
	wantCount(t, "fee legs", checked, 1)
}
