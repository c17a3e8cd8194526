package contracts_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
)

// The published interface of the genuine contracts, by contract and name.
// Every value stands here as published, none is computed.
var published = []struct {
	contract          string
	functions, events map[string]string
	errors            map[string]string
}{
	{
		contract: "EscrowSrcV1",
		functions: map[string]string{
			"withdraw": "0x23305703", "withdrawTo": "0x6c10c0c8", "cancel": "0x90d3252f",
			"publicWithdraw": "0x0af97558", "publicCancel": "0xdaff233e", "rescueFunds": "0x4649088b",
		},
		events: escrowEvents, errors: escrowErrors,
	},
	{
		contract: "EscrowDstV1",
		functions: map[string]string{
			"withdraw": "0x23305703", "cancel": "0x90d3252f", "publicWithdraw": "0x0af97558", "rescueFunds": "0x4649088b",
		},
		events: escrowEvents, errors: escrowErrors,
	},
	{
		contract: "EscrowSrcV11", functions: wideSrc, events: escrowEvents, errors: escrowErrors,
	},
	{
		contract: "EscrowDstV11", functions: wideDst, events: escrowEvents,
		errors: with(escrowErrors, "IndexOutOfRange", "0x1390f2a1"),
	},
	{
		contract:  "EscrowSrcBmn",
		functions: with(with(wideSrc, "publicWithdrawSigned", "0x52818c21"), "publicCancelSigned", "0x62a38edf"),
		events:    escrowEvents, errors: escrowErrors,
	},
	{
		contract:  "EscrowDstBmn",
		functions: with(with(wideDst, "publicWithdrawSigned", "0x52818c21"), "publicCancelSigned", "0x62a38edf"),
		events:    escrowEvents, errors: escrowErrors,
	},
	{
		contract:  "FactoryV1",
		functions: map[string]string{"createDstEscrow": "0xdea024e4"},
		events: map[string]string{
			"SrcEscrowCreated": "0x0e534c62f0afd2fa0f0fa71198e8aa2d549f24daf2bb47de0d5486c7ce9288ca",
			"DstEscrowCreated": "0xc30e111dcc74fddc2c3a4d98ffb97adec4485c0a687946bf5b22c2a99c7ff96d",
		},
		errors: oneInchErrors,
	},
	{
		contract:  "FactoryV11",
		functions: map[string]string{"createDstEscrow": "0xede88f38"},
		events: map[string]string{
			"SrcEscrowCreated": "0x1140dcf80f027f65ebd1c2e98c33e3ebf7ef025d944a079256037cd55271bf98",
			"DstEscrowCreated": "0xc30e111dcc74fddc2c3a4d98ffb97adec4485c0a687946bf5b22c2a99c7ff96d",
		},
		errors: oneInchErrors,
	},
	{
		contract:  "FactoryBmn",
		functions: map[string]string{"createDstEscrow": "0xc656d1c8", "createSrcEscrow": "0x1b0ee05f"},
		events: map[string]string{
			"SrcEscrowCreated":             "0x1140dcf80f027f65ebd1c2e98c33e3ebf7ef025d944a079256037cd55271bf98",
			"DstEscrowCreated":             "0xbfd5e2039d3537cb8378a5ba1d9a6170f92307d49369f6fadd6b2ee64ca254a7",
			"PostInteractionEscrowCreated": "0x50805b468bc791ab273bca5a11ee2eb5134b6658b446b9aef2ee42eea3d8f0b8",
			"EmergencyPause":               "0xb80d1ae5628c2af91424c54c87acfd15016be4bebeef0425b328238702f34831",
			"ResolverRemoved":              "0x3ae8b1488efc5effc2f9c5dc1943ec82217b537d2c5f6dce8340094446bbb353",
		},
		errors: map[string]string{"FailedDeployment": "0xb06ebf3d", "SafeTransferFromFailed": "0xf4059071"},
	},
	{
		contract:  "Resolver",
		functions: map[string]string{"arbitraryCalls": "0x1f3177ba", "exec": "0x0565bb67"},
	},
}

var (
	wideSrc = map[string]string{
		"withdraw": "0x78a5e1a1", "withdrawTo": "0x4c345901", "cancel": "0x2537a347",
		"publicWithdraw": "0x3e99ca75", "publicCancel": "0x056fb477", "rescueFunds": "0x5e504d03",
	}
	wideDst = map[string]string{
		"withdraw": "0x78a5e1a1", "cancel": "0x2537a347", "publicWithdraw": "0x3e99ca75", "rescueFunds": "0x5e504d03",
	}
	escrowEvents = map[string]string{
		"EscrowWithdrawal": "0xe346f5c97a360db5188bfa5d3ec5f0583abde420c6ba4d08b6cfe61addc17105",
		"EscrowCancelled":  "0x6e3be9294e58d10b9c8053cfd5e09871b67e442fe394d6b0870d336b9df984a9",
		"FundsRescued":     "0xc4474c2790e13695f6d2b6f1d8e164290b55370f87a542fd7711abe0a1bf40ac",
	}
	escrowErrors = map[string]string{
		"InvalidCaller": "0x48f5c3ed", "InvalidTime": "0x6f7eac26", "InvalidImmutables": "0xa269484a",
		"InvalidSecret": "0xabab6bd7", "NativeTokenSendingFailure": "0x8a0332d5", "SafeTransferFailed": "0xfb7f5079",
	}
	oneInchErrors = map[string]string{
		"InsufficientEscrowBalance": "0x34f5151d", "InvalidCreationTime": "0xf4840e96",
		"FailedDeployment": "0xb06ebf3d", "SafeTransferFromFailed": "0xf4059071",
	}
)

func with(m map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func TestPublishedInterface(t *testing.T) {
	for _, p := range published {
		t.Run(p.contract, func(t *testing.T) {
			a := contracts.ABI(p.contract)
			for name, want := range p.functions {
				if got := hexutil.Encode(a.Methods[name].ID); got != want {
					t.Errorf("function %s: %s, published %s", name, got, want)
				}
			}
			for name, want := range p.events {
				if got := a.Events[name].ID.Hex(); got != want {
					t.Errorf("event %s: %s, published %s", name, got, want)
				}
			}
			for name, want := range p.errors {
				id := a.Errors[name].ID
				if got := hexutil.Encode(id[:4]); got != want {
					t.Errorf("error %s: %s, published %s", name, got, want)
				}
			}
			// Nothing beyond the published errors, save what has no genuine model.
			if p.errors != nil {
				for name := range a.Errors {
					if p.errors[name] == "" && name != "OnlyOrderEntry" {
						t.Errorf("error %s is not published", name)
					}
				}
			}
			for name := range a.Events {
				if p.events[name] == "" {
					t.Errorf("event %s is not published", name)
				}
			}
		})
	}
}

// What the contracts say of themselves: what a start-up check
// reads.
func TestGetters(t *testing.T) {
	for _, v := range loadVectors(t) {
		t.Run(string(v.Family), func(t *testing.T) {
			w := v.build(t, 10)
			ask := func(at common.Address, contract, getter string) common.Hash {
				t.Helper()
				r := w.Try(deployer, contracts.Tx{To: &at, Data: contracts.ABI(contract).Methods[getter].ID})
				if !r.OK() || len(r.Return) != 32 {
					t.Fatalf("%s of %s: %s, %d bytes", getter, contract, r.Answer(), len(r.Return))
				}
				return common.BytesToHash(r.Return)
			}
			factory := v.Family.Factory()
			for _, got := range []struct {
				name      string
				got, want common.Hash
			}{
				{"src implementation", ask(w.Factory, factory, "ESCROW_SRC_IMPLEMENTATION"), contracts.AddressWord(v.Contracts.SrcImplementation)},
				{"dst implementation", ask(w.Factory, factory, "ESCROW_DST_IMPLEMENTATION"), contracts.AddressWord(v.Contracts.DstImplementation)},
				{"src FACTORY", ask(w.Src, v.Family.Escrow(contracts.Src), "FACTORY"), contracts.AddressWord(w.Factory)},
				{"dst FACTORY", ask(w.Dst, v.Family.Escrow(contracts.Dst), "FACTORY"), contracts.AddressWord(w.Factory)},
				{"src PROXY_BYTECODE_HASH", ask(w.Src, v.Family.Escrow(contracts.Src), "PROXY_BYTECODE_HASH"), v.Contracts.SrcProxyBytecodeHash},
				{"dst PROXY_BYTECODE_HASH", ask(w.Dst, v.Family.Escrow(contracts.Dst), "PROXY_BYTECODE_HASH"), v.Contracts.DstProxyBytecodeHash},
				{"src RESCUE_DELAY", ask(w.Src, v.Family.Escrow(contracts.Src), "RESCUE_DELAY"), contracts.UintWord(uint64(v.Contracts.SrcRescueDelay))},
				{"dst RESCUE_DELAY", ask(w.Dst, v.Family.Escrow(contracts.Dst), "RESCUE_DELAY"), contracts.UintWord(uint64(v.Contracts.DstRescueDelay))},
			} {
				if got.got != got.want {
					t.Errorf("%s: %s, recorded %s", got.name, got.got, got.want)
				}
			}
		})
	}
}
