package chains

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// The executor and balance-monitor speak of a dry signer under one key, so that
// either's refill ends what the other began.
func TestADrySignerIsOneAlert(t *testing.T) {
	p, m := onDuty()
	signer := common.Address{5}
	findings := []swap.Finding{
		{Code: swap.SignerDry, Severity: swap.Critical, ChainID: 10, Account: signer, Call: swap.Withdraw, Detail: "the signer's balance does not cover the gas"},
		{Code: swap.SignerDry, Severity: swap.Critical, ChainID: 10, Account: signer, Call: swap.Cancel, Detail: "the signer's balance does not cover the gas"},
	}
	if err := p.Report(t.Context(), findings); err != nil {
		t.Fatal(err)
	}
	desk := p.desk.Load()
	if err := desk.Resolve(t.Context(), balance.DryAlert(10, signer).Key(), "holds 1 at block 5", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := desk.Flush(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := subjects(m); got != "CRITICAL: signer-dry on chain 10; RESOLVED: signer-dry on chain 10" {
		t.Errorf("sent %q", got)
	}
}

func TestHoldersOfTheChainsFile(t *testing.T) {
	taker, token := common.Address{1}, common.Address{2}
	five := *uint256.NewInt(5)
	got := holders(env.Chains{Chains: []env.Chain{{ID: 10, Name: "ten", MinActions: 3, MinNative: five,
		MinBalance: map[common.Address]uint256.Int{token: five},
		TakerMin:   map[common.Address]map[common.Address]uint256.Int{taker: {token: *uint256.NewInt(6)}},
		ChainPolicy: swap.ChainPolicy{
			FeeCap: map[swap.Call]uint256.Int{swap.Withdraw: *uint256.NewInt(9), swap.Cancel: *uint256.NewInt(8)},
			Tokens: map[common.Address]swap.TokenPolicy{token: {Symbol: "T", Decimals: 6}},
			Takers: map[common.Address]swap.TakerPolicy{taker: {Signer: common.Address{7}}}}}}})
	c := got[10]
	least := c.Takers[taker].Least[token]
	if c.Name != "ten" || c.MinActions != 3 || c.MinNative != five || c.MaxFee != *uint256.NewInt(9) || least != *uint256.NewInt(6) ||
		c.Takers[taker].Signer != (common.Address{7}) || c.Tokens[token] != (balance.Token{Symbol: "T", Decimals: 6, Least: five}) {
		t.Errorf("%+v", c)
	}
}
