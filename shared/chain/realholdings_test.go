package chain_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/infra/local/devchain"
	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/chain"
)

// What tokens do wrong on a real EVM is an error of theirs alone.
func TestRealNodeHoldings(t *testing.T) {
	large := new(uint256.Int).Lsh(uint256.NewInt(1), 200)
	tokens := []struct {
		name, code string
		want       balance.Reading
	}{
		{"2^200", "0x600160c81b60005260206000f3", balance.Reading{Amount: *large}},
		{"300,000 bytes", "0x620493e06000f3", balance.Reading{}},
		{"reverts", "0x60006000fd", balance.Reading{Failed: "reverted", Mute: true}},
		{"answers nothing", "0x00", balance.Reading{Failed: "answers nothing", Mute: true}},
		{"has no code", "", balance.Reading{Failed: "answers nothing", Mute: true}},
		{"is a byte short", "0x601f6000f3", balance.Reading{Failed: "answers 31 bytes", Mute: true}},
		{"never ends", "0x5b600056", balance.Reading{Failed: "reverted", Mute: true}},
		{"is invalid", "0xfe", balance.Reading{Failed: "reverted", Mute: true}},
	}
	alloc := types.GenesisAlloc{}
	of := []balance.Holding{{Account: escrow}}
	for i, c := range tokens {
		at := common.BigToAddress(big.NewInt(int64(0x70000 + i)))
		of = append(of, balance.Holding{Account: escrow, Token: at})
		if c.code != "" {
			alloc[at] = types.Account{Code: common.FromHex(c.code), Balance: new(big.Int)}
		}
	}
	dev, err := devchain.New(devchain.Config{ChainID: chainID, GenesisTime: genesisTime, Alloc: alloc,
		Balances: map[common.Address]*big.Int{escrow: big.NewInt(77)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := dev.MineTxs(genesisTime + 1); err != nil {
		t.Fatal(err)
	}
	client := newClient(t, chain.Config{ID: chainID, Endpoints: []chain.Endpoint{{Name: "one", URL: dev.URL()}}})
	head, _, err := client.Head(t.Context(), chainID)
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Holdings(t.Context(), chainID, head, of)
	if err != nil {
		t.Fatal(err)
	}
	if got[0] != (balance.Reading{Amount: *uint256.NewInt(77)}) {
		t.Errorf("native: %+v", got[0])
	}
	for i, c := range tokens {
		if got[i+1] != c.want {
			t.Errorf("a token that %s: %s %q, want %s %q", c.name, &got[i+1].Amount, got[i+1].Failed, &c.want.Amount, c.want.Failed)
		}
	}
	fees, err := client.Fees(t.Context(), chainID, make([]byte, 800))
	if err != nil || fees.BaseFee.IsZero() || !fees.Data.IsZero() {
		t.Errorf("fees %+v, %v", fees, err)
	}
	ping, err := client.Ping(t.Context(), chainID, "one")
	if err != nil || ping.ChainID != chainID || ping.Head != head {
		t.Errorf("%+v, %v", ping, err)
	}
	if hash, err := client.HashAt(t.Context(), chainID, "one", head.Number); err != nil || hash != head.Hash {
		t.Errorf("%s, %v", hash, err)
	}
}
