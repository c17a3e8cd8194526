package chain_test

import (
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/devchain"
	"github.com/bridge-me-not/resolver-cron/shared/chain"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

func TestRealNodeBalances(t *testing.T) {
	b := newBench(t)
	token := b.create(contracts.DeployToken("TKN", 6, false))
	b.mine(b.sign(contracts.Mint(token, escrow, big.NewInt(5)), 200_000))
	then := blockOf(b.Head())
	b.mine(b.sign(contracts.Mint(token, escrow, big.NewInt(6)), 200_000))
	of := []follow.Holding{{Escrow: escrow}, {Escrow: escrow, Token: token}, {Escrow: other, Token: token}, {Escrow: escrow, Token: gate}, {Escrow: escrow, Token: common.HexToAddress("0x99")}}
	for at, want := range map[swap.Block]string{
		then:              "77/77 5/77 0/0 0/77 0/77",
		blockOf(b.Head()): "77/77 11/77 0/0 0/77 0/77",
	} {
		got, err := b.direct().Balances(t.Context(), chainID, at, of)
		if err != nil {
			t.Fatal(err)
		}
		var text []string
		for _, g := range got {
			text = append(text, g.Token.Dec()+"/"+g.Native.Dec())
			if g.Block != at {
				t.Errorf("block %+v, want %+v", g.Block, at)
			}
		}
		if strings.Join(text, " ") != want {
			t.Errorf("at %d: %v, want %s", at.Number, text, want)
		}
	}
}

func TestRealNodeTransactions(t *testing.T) {
	b := newBench(t)
	b.mine()
	tx := b.emit(escrow, withdrawal)
	client := b.direct()
	account := txn.Account{ChainID: chainID, Signer: crypto.PubkeyToAddress(alice.PublicKey)}
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	state := func(depth uint64) txn.AccountState {
		t.Helper()
		s, err := client.Account(t.Context(), account, depth)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	outcome := func() txn.Outcome {
		t.Helper()
		o, err := client.Outcomes(t.Context(), chainID, []common.Hash{tx.Hash()})
		if err != nil {
			t.Fatal(err)
		}
		return o[0]
	}

	s := state(1)
	if s.Head != blockOf(b.Head()) || s.Latest != 0 || s.Pending != 0 || s.Legacy || s.BaseFee.ToBig().Cmp(b.Head().BaseFee) != 0 || s.Balance.IsZero() {
		t.Errorf("before: %+v", s)
	}
	if o := outcome(); !reflect.DeepEqual(o, txn.Outcome{}) {
		t.Errorf("before: %+v", o)
	}
	for range 2 { // the second time it is already known
		if err := client.Send(t.Context(), chainID, raw); err != nil {
			t.Fatal(err)
		}
	}
	if o := outcome(); !reflect.DeepEqual(o, txn.Outcome{Known: true}) {
		t.Errorf("pending: %+v", o)
	}
	if s := state(1); s.Latest != 0 || s.Pending != 1 {
		t.Errorf("pending: %+v", s)
	}
	if _, err := b.Mine(genesisTime + 50); err != nil {
		t.Fatal(err)
	}
	o := outcome()
	if !o.Known || !o.Mined || !o.Success || o.Block != blockOf(b.Head()) || o.GasUsed == 0 || o.Cost.IsZero() {
		t.Errorf("mined: %+v", o)
	}
	if s := state(1); s.Latest != 1 || s.Settled != 0 {
		t.Errorf("mined: %+v", s)
	}
	if err := client.Send(t.Context(), chainID, raw); err != nil {
		t.Errorf("mined already: %v", err)
	}
	b.mine()
	if s := state(1); s.Settled != 1 {
		t.Errorf("one block later: %+v", s)
	}
	got, err := client.Transactions(t.Context(), chainID, []common.Hash{{1}, tx.Hash()})
	if err != nil || got[0].Input != nil || got[1].From != account.Signer || common.Hash(got[1].Input) != withdrawal {
		t.Errorf("%+v, %v", got, err)
	}
	if err := b.Reorg(devchain.Reorg{Depth: 2, Drop: devchain.All}); err != nil {
		t.Fatal(err)
	}
	if o := outcome(); !reflect.DeepEqual(o, txn.Outcome{}) {
		t.Errorf("reorganised away: %+v", o)
	}
	poor, err := types.SignNewTx(key("poor"), types.LatestSignerForChainID(big.NewInt(chainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(chainID), GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(params.GWei), Gas: 60_000, To: &escrow,
	})
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = poor.MarshalBinary(); err != nil {
		t.Fatal(err)
	}
	if err := client.Send(t.Context(), chainID, raw); err == nil || !strings.Contains(err.Error(), "insufficient funds") {
		t.Errorf("without funds: %v", err)
	}
}

func TestRealNodeRehearsal(t *testing.T) {
	b := newBench(t)
	b.mine()
	client := b.direct()
	call := txn.Call{ChainID: chainID, From: crypto.PubkeyToAddress(alice.PublicKey), To: gate, Gas: 100_000}
	for at, want := range map[swap.ChainTime]swap.Revert{genesisTime: swap.RevertInvalidTime, opens - 1: swap.RevertInvalidTime, opens: swap.RevertNone, opens + 1: swap.RevertNone} {
		got, err := client.Rehearse(t.Context(), call, at)
		if err != nil || got != (txn.Rehearsal{Revert: want}) {
			t.Errorf("at %d: %+v, %v", at, got, err)
		}
	}
}

func TestFactoryProof(t *testing.T) {
	b := newBench(t)
	owner := crypto.PubkeyToAddress(alice.PublicKey)
	entry := b.create(contracts.Deploy("OrderEntry"))
	access := b.create(contracts.DeployToken("ACC", 0, false))
	client := b.direct()
	for _, name := range contracts.Families() {
		family, err := swap.ParseFamily(string(name))
		if err != nil {
			t.Fatal(err)
		}
		setup := contracts.Setup{Family: name, OrderEntry: entry, AccessToken: access, Owner: owner, RescueDelay: 604_800}
		d := setup.At(b.create(setup.Deploy()))
		f, err := client.Factory(t.Context(), chainID, d.Factory, family)
		want := swap.Factory{
			ChainID: chainID, Address: d.Factory, Family: family, SrcImpl: d.Src, DstImpl: d.Dst, SrcRescueDelay: 604_800, DstRescueDelay: 604_800,
		}
		if err != nil || f != want {
			t.Errorf("%s: %+v, %v, want %+v", name, f, err, want)
		}
		// Implementations that belong to another factory.
		setup.Src, setup.Dst = d.Src, d.Dst
		stranger := b.create(setup.Deploy())
		if _, err := client.Factory(t.Context(), chainID, stranger, family); !errors.Is(err, chain.ErrFactoryProof) || !strings.Contains(err.Error(), "FACTORY") {
			t.Errorf("%s with a stranger's implementations: %v", name, err)
		}
	}
	for name, address := range map[string]common.Address{"no contract": common.HexToAddress("0x99"), "another contract": gate, "a token": access} {
		if _, err := client.Factory(t.Context(), chainID, address, swap.OneInchV1); !errors.Is(err, chain.ErrFactoryProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.Factory(t.Context(), chainID, entry, swap.FamilyUnknown); err == nil || errors.Is(err, chain.ErrFactoryProof) {
		t.Errorf("unknown family: %v", err)
	}
	// Not being able to read is no failed proof.
	down := newClient(t, chain.Config{ID: chainID + 1, Endpoints: []chain.Endpoint{{Name: "wrong", URL: b.URL()}}})
	if _, err := down.Factory(t.Context(), chainID+1, entry, swap.OneInchV1); err == nil || errors.Is(err, chain.ErrFactoryProof) {
		t.Errorf("endpoint of another chain: %v", err)
	}
}

// A real token's transfer, out of a contract that sends what it is told and then
// emits an escrow's cancellation, among other transfers of the block.
func TestRealNodePayouts(t *testing.T) {
	b := newBench(t)
	// CALLDATACOPY(0, 32, 68), CALL(GAS, CALLDATALOAD(0), 0, 0, 68, 0, 0), LOG1
	code := common.FromHex("60446020600037600060006044600060006000355af1507f" + swap.EscrowTopics()[1].Hex()[2:] + "60006000a1")
	from := b.create(contracts.Tx{Data: append([]byte{0x60, byte(len(code)), 0x80, 0x60, 11, 0x60, 0, 0x39, 0x60, 0, 0xf3}, code...)})
	coin := b.create(contracts.DeployToken("COIN", 6, false))
	us := crypto.PubkeyToAddress(alice.PublicKey)
	b.mine(b.sign(contracts.Mint(coin, from, big.NewInt(1000)), 200_000), b.sign(contracts.Mint(coin, us, big.NewInt(1000)), 200_000))
	send := contracts.Transfer(coin, other, big.NewInt(512))
	first := b.sign(contracts.Transfer(coin, from, big.NewInt(1)), 200_000)
	tx := b.sign(contracts.Tx{To: &from, Data: append(common.LeftPadBytes(coin[:], 32), send.Data...)}, 200_000)
	block := b.mine(first, tx, b.sign(send, 200_000))
	asked := follow.Payout{Tx: tx.Hash(), Block: block.Hash(), Escrow: from, Token: coin}
	before := asked
	before.Block = block.ParentHash()
	unknown := asked
	unknown.Block = common.Hash{1}
	got, err := b.direct().Payouts(t.Context(), chainID, []follow.Payout{before, asked, unknown})
	want := []follow.Paid{{}, {Known: true, Transfers: []follow.Transfer{{To: other, Amount: *uint256.NewInt(512)}}}, {}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}
