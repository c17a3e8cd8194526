package chains

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/devchain"
	"github.com/bridge-me-not/resolver-cron/shared/chain"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// A signer that is to make public calls and does not hold the token is told of in
// each pass, until it does; then nobody asks again.
func TestHoldsToken(t *testing.T) {
	const id, begin = 31, 1_700_000_000
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("deployer")))
	if err != nil {
		t.Fatal(err)
	}
	deployer, signer := crypto.PubkeyToAddress(key.PublicKey), common.HexToAddress("0x51")
	dev, err := devchain.New(devchain.Config{ChainID: id, GenesisTime: begin, Balances: map[common.Address]*big.Int{deployer: big.NewInt(params.Ether)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	nonce := uint64(0)
	mine := func(tx contracts.Tx) {
		t.Helper()
		signed, err := types.SignNewTx(key, types.LatestSignerForChainID(big.NewInt(id)), &types.DynamicFeeTx{ChainID: big.NewInt(id), Nonce: nonce,
			GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(10 * params.GWei), Gas: 3_000_000, To: tx.To, Data: tx.Data})
		if err == nil {
			_, err = dev.MineTxs(dev.Head().Time+1, signed)
		}
		if err != nil {
			t.Fatal(err)
		}
		nonce++
	}
	token := crypto.CreateAddress(deployer, 0)
	mine(contracts.Deploy("AccessToken"))
	client, err := chain.New([]chain.Config{{ID: id, BlockTime: time.Second, Confirmations: 1, Endpoints: []chain.Endpoint{{Name: "node", URL: dev.URL()}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	p := &Parts{Chain: client, holders: map[uint64]bool{}}
	config := env.Chain{ID: id, AccessToken: token}
	look := func(want int) {
		t.Helper()
		found, err := p.holdsToken(t.Context(), config)
		if err != nil || len(found) != want {
			t.Fatalf("%+v, %v; want %d findings", found, err, want)
		}
		if want > 0 && (found[0].Code != swap.CannotAct || found[0].Severity != swap.Critical || found[0].Escrow != token) {
			t.Errorf("%+v", found)
		}
	}
	look(0) // nobody is to make public calls
	config.AccessTokenSigner = signer
	look(1)
	look(1)
	config.AccessToken = common.HexToAddress("0x70") // there is no contract: what it does not say is not that he has none
	if found, err := p.holdsToken(t.Context(), config); err != nil || len(found) != 1 || !strings.Contains(found[0].Detail, "does not tell") {
		t.Errorf("%+v, %v", found, err)
	}
	config.AccessToken = token
	mine(contracts.MintAccess(token, signer))
	look(0)
	if err := dev.Close(); err != nil {
		t.Fatal(err)
	}
	look(0) // from what was seen
}
