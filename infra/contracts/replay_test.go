package contracts_test

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
)

// Every recorded call gets from our contracts the very answer it got from the
// genuine ones.
func TestRecordedCalls(t *testing.T) {
	total := 0
	for _, v := range loadVectors(t) {
		type key struct {
			swap string
			side contracts.Side
		}
		worlds := map[key]world{}
		escrows := map[key]contracts.Escrow{}
		for name, swap := range v.CallsOn.Swaps {
			for _, side := range []contracts.Side{contracts.Src, contracts.Dst} {
				w := v.build(t, swap.leg(side).ChainID)
				escrow, _ := w.create(swap, side)
				worlds[key{name, side}], escrows[key{name, side}] = w, escrow
			}
		}
		for i, c := range v.Calls {
			t.Run(fmt.Sprintf("%s/%d-%s-%s", v.Family, i, c.Leg, c.Call), func(t *testing.T) {
				k := key{c.Swap, c.Leg}
				w, e, swap := worlds[k], escrows[k], v.CallsOn.Swaps[c.Swap]
				w.TB = t
				if c.After != "" {
					w.Chain = w.Fork()
					w.Time = c.At - uint64(c.TimeOffset)
					if c.After != c.Call {
						w.Time = stageStart(e.Immutables, 0) // the recording says: at the start of its stage
					}
					w.must(v.CallsOn.Roles["taker"], e.Withdraw(*swap.Secret))
				}
				w.Time = c.At
				if got := w.Try(v.sender(c), v.tx(w, c, e, swap)).Answer(); got != c.Result {
					t.Errorf("%+v:\nanswered %s, the genuine contract %s", c, got, c.Result)
				}
			})
			total++
		}
	}
	if total != 334 {
		t.Errorf("%d calls, want 334", total)
	}
}

func stageStart(im contracts.Immutables, stage uint) uint64 {
	w := im.Timelocks
	at := func(n uint) uint64 { return common.BytesToHash(w[28-4*n : 32-4*n]).Big().Uint64() }
	return at(7) + at(stage)
}

func (v vector) sender(c recordedCall) common.Address {
	if c.Caller == "resolverContract" {
		return v.CallsOn.Roles["resolverContractOwner"]
	}
	return v.CallsOn.Roles[c.Caller]
}

// tx rebuilds the call that was recorded.
func (v vector) tx(w world, c recordedCall, e contracts.Escrow, swap recordedSwap) contracts.Tx {
	caller := v.CallsOn.Roles[c.Caller]
	e.Immutables = mutate(w, e.Immutables, c, swap)
	var secret common.Hash
	switch c.Secret {
	case "right":
		secret = *swap.Secret
	case "wrong":
		secret = common.HexToHash("0xbad5ec4e7")
	}
	sign := func(withdraw bool) []byte {
		bound, key := caller, listedKey
		switch c.Signature {
		case "otherCaller":
			bound = v.CallsOn.Roles["maker"]
		case "unlistedSigner":
			key = otherKey
		}
		return sign(w, key, e.Permit(w.ID(), bound, withdraw))
	}

	var tx contracts.Tx
	switch c.Call {
	case "withdraw":
		tx = e.Withdraw(secret)
	case "withdrawTo":
		tx = e.WithdrawTo(secret, v.CallsOn.Roles["withdrawToTarget"])
	case "publicWithdraw":
		tx = e.PublicWithdraw(secret)
	case "cancel":
		tx = e.Cancel()
	case "publicCancel":
		tx = e.PublicCancel()
	case "rescueFunds":
		im := swap.leg(c.Leg).Immutables.immutables()
		tx = e.RescueFunds(addressIn(im.Token), im.Amount.Big())
	case "publicWithdrawSigned":
		tx = e.PublicWithdrawSigned(secret, sign(true))
	case "publicCancelSigned":
		tx = e.PublicCancelSigned(sign(false))
	default:
		w.Fatalf("recorded call %q", c.Call)
	}
	if c.Caller == "resolverContract" {
		tx = contracts.ArbitraryCalls(caller, tx)
	}
	return tx
}

func sign(t testing.TB, key *ecdsa.PrivateKey, hash common.Hash) []byte {
	t.Helper()
	signature, err := crypto.Sign(hash[:], key)
	if err != nil {
		t.Fatal(err)
	}
	signature[64] += 27
	return signature
}

func mutate(t testing.TB, im contracts.Immutables, c recordedCall, swap recordedSwap) contracts.Immutables {
	t.Helper()
	word := common.BytesToHash(c.Word)
	switch c.Mutated {
	case "":
	case "orderHash":
		im.OrderHash = word
	case "hashlock":
		im.Hashlock = word
	case "maker":
		im.Maker = word
	case "taker", "taker=caller":
		im.Taker = word
	case "token":
		im.Token = word
	case "amount":
		im.Amount = word
	case "safetyDeposit":
		im.SafetyDeposit = word
	case "timelocks", "deployedAt":
		im.Timelocks = word
	case "parameters":
		im.Parameters = c.Word
	case "src immutables":
		im = swap.Src.Immutables.immutables()
	default:
		t.Fatalf("recorded mutation %q", c.Mutated)
	}
	return im
}

// The recorded swaps run again on our contracts: the same addresses, the same
// events to the byte. Transactions that went to contracts we have are sent as
// they were recorded; what went through a limit order protocol or a foreign
// resolver is put to our own.
func TestRecordedSwaps(t *testing.T) {
	total := 0
	for _, v := range loadVectors(t) {
		for _, swap := range v.Swaps {
			for _, side := range []contracts.Side{contracts.Src, contracts.Dst} {
				t.Run(fmt.Sprintf("%s/%s/%s", v.Family, swap.Name, side), func(t *testing.T) {
					v.replay(t, swap, side)
				})
			}
			total++
		}
	}
	if total != 18 {
		t.Errorf("%d swaps, want 18", total)
	}
}

func (v vector) replay(t *testing.T, swap recordedSwap, side contracts.Side) {
	leg := swap.leg(side)
	w := v.build(t, leg.ChainID)
	for _, account := range []common.Address{leg.Creation.Tx.From, addressIn(leg.Immutables.word("taker"))} {
		w.SetBalance(account, plenty)
	}

	// Created by our own transactions, then once more by the recorded one.
	recordedTx := leg.Creation.Tx.To == w.Factory || bytes.HasPrefix(leg.Creation.Tx.Input, execSelector)
	holders := []string{"maker", "taker", "resolverContract"}
	if side == contracts.Src {
		holders = append(holders, "withdrawToTarget")
	}
	for _, holder := range holders {
		// As recorded: whoever gets a first token makes the call dearer.
		w.endow(leg.Immutables.word("token"), v.CallsOn.Roles[holder])
	}
	before := w.Fork()
	escrow, made := w.create(swap, side)
	compareLogs(t, made.Logs, leg.Creation, w.Factory)
	if recordedTx {
		w.Chain = before
		if side == contracts.Src {
			w.must(leg.Creation.Tx.From, w.FundDeposit(side, leg.Immutables.immutables()))
		}
		w.Time = leg.Creation.Tx.Timestamp
		compareLogs(t, w.must(leg.Creation.Tx.From, leg.Creation.tx()).Logs, leg.Creation, w.Factory)
	}

	for _, action := range leg.Actions {
		w.Time = action.Tx.Timestamp
		v.prepare(w, action, escrow)
		w.SetBalance(action.Tx.From, plenty)
		r := w.must(action.Tx.From, action.tx())
		compareLogs(t, r.Logs, action, leg.Escrow)
		// Gas limits are tried on these contracts, so theirs must be near the genuine.
		if percent := 100 * float64(r.Gas) / float64(action.Tx.GasUsed); percent < 88 || percent > 112 {
			t.Errorf("%s by %s: gas %d is %.0f%% of the recorded %d", action.Call, action.By, r.Gas, percent, action.Tx.GasUsed)
		}
	}
}

// exec(address,uint256,bytes), the relay that recorded BMN takers used.
var execSelector = contracts.ABI("Resolver").Methods["exec"].ID

// prepare supplies what a recorded action found: stray tokens to rescue, a
// signer who is listed.
func (v vector) prepare(w world, action recordedAction, e contracts.Escrow) {
	w.Helper()
	switch action.Call {
	case "rescueFunds":
		token := common.BytesToHash(action.Tx.Input[4:36])
		w.endow(token, deployer)
		w.endow(token, action.Tx.From)
		w.must(deployer, contracts.Transfer(addressIn(token), e.Address, common.BytesToHash(action.Tx.Input[36:68]).Big()))
	case "publicWithdrawSigned":
		args, err := contracts.ABI(v.Family.Escrow(e.Side)).Methods[action.Call].Inputs.Unpack(action.Tx.Input[4:])
		if err != nil {
			w.Fatal(err)
		}
		signature := slices.Clone(args[2].([]byte))
		signature[64] -= 27
		hash := e.Permit(w.ID(), action.Tx.From, true)
		signer, err := crypto.SigToPub(hash[:], signature)
		if err != nil {
			w.Fatal(err)
		}
		w.must(deployer, w.AddResolver(crypto.PubkeyToAddress(*signer)))
	}
}
