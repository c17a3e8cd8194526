package scene

import (
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/devchain"
)

// Chain is one chain of a world with all that stands on it.
type Chain struct {
	ID       uint64
	Name     string
	Dev      *devchain.Chain
	Client   *ethclient.Client
	Families map[contracts.Family]contracts.Deployment
	// Rogue is a factory that looks like one of family 1inch-v1 and that nobody
	// has configured.
	Rogue contracts.Deployment
	// Resolver is the contract taker; it has the same address on all chains.
	Resolver                common.Address
	USD, Blocking, Junk     common.Address
	AccessToken, OrderEntry common.Address
	RescueDelay             uint32
	halted                  bool
	perTick                 int      // blocks at once while catching up
	tip                     *big.Int // of what scenes send, wei per gas
	rival                   *rival   // that waits for its moment; nil: none
	head                    *types.Header
	nonces                  map[common.Address]uint64
	played                  map[common.Hash]bool // what scenes sent with keys of the product
}

// Now is the time of the newest block that the play has looked at.
func (c *Chain) Now() uint64 { return c.head.Time }

// World is a pair of chains.
type World struct {
	Chains [2]*Chain

	takers map[TakerKind]bool
}

// Has reports whether a swap of the world has a taker of the kind.
func (w *World) Has(k TakerKind) bool { return w.takers[k] }

// Played reports whether scenes sent a transaction that a key of the product
// signed: it is not the product's.
func (w *World) Played(tx common.Hash) bool {
	return slices.ContainsFunc(w.Chains[:], func(c *Chain) bool { return c.played[tx] })
}

// Mine adds a block of the given time to every chain that is not held still,
// after those that it has missed.
func (w *World) Mine(ctx context.Context, now uint64) error {
	for _, c := range w.Chains {
		for mined := 0; !c.halted && c.Dev.Head().Time < now; mined++ {
			if c.perTick > 0 && mined == c.perTick {
				break
			}
			if err := c.compete(ctx); err != nil {
				return err
			}
			if _, err := c.Dev.Mine(c.Dev.Head().Time + 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// Fees of what scenes send: far above what local chains usually ask.
var (
	usualTip = big.NewInt(params.GWei)
	feeCap   = big.NewInt(200 * params.GWei)
)

const (
	gasDeploy = 8_000_000
	gasCall   = 700_000
)

func (c *Chain) sign(from Account, tx contracts.Tx, gas uint64) (*types.Transaction, error) {
	signed, err := c.signAt(c.nonces[from.Address], from, tx, gas, c.tip)
	if err == nil {
		c.nonces[from.Address]++
	}
	return signed, err
}

func (c *Chain) signAt(nonce uint64, from Account, tx contracts.Tx, gas uint64, tip *big.Int) (*types.Transaction, error) {
	signed, err := types.SignNewTx(from.Key, types.LatestSignerForChainID(new(big.Int).SetUint64(c.ID)), &types.DynamicFeeTx{
		ChainID: new(big.Int).SetUint64(c.ID), Nonce: nonce, GasTipCap: tip, GasFeeCap: feeCap, Gas: gas,
		To: tx.To, Value: tx.Value, Data: tx.Data,
	})
	if err != nil {
		return nil, fmt.Errorf("sign for %s on %s: %w", from.Name, c.Name, err)
	}
	if slices.ContainsFunc(Keys, func(k Account) bool { return k.Address == from.Address }) {
		c.played[signed.Hash()] = true
	}
	return signed, nil
}

// send puts a transaction into the pool, for the next block.
func (c *Chain) send(ctx context.Context, from Account, tx contracts.Tx) (*types.Transaction, error) {
	signed, err := c.sign(from, tx, gasCall)
	if err != nil {
		return nil, err
	}
	if err := c.Client.SendTransaction(ctx, signed); err != nil {
		c.nonces[from.Address]--
		return nil, fmt.Errorf("send for %s on %s: %w", from.Name, c.Name, err)
	}
	return signed, nil
}

func (c *Chain) look(ctx context.Context) error {
	h, err := c.Client.HeaderByNumber(ctx, nil)
	if err != nil {
		return fmt.Errorf("read head of %s: %w", c.Name, err)
	}
	c.head = h
	return nil
}

// Ours lists the accounts whose transactions are ours without being a key of
// the product.
func (w *World) Ours() []common.Address {
	return []common.Address{Owner.Address, Helper.Address}
}

// Signers lists the addresses that the product signs with.
func Signers() []common.Address {
	var out []common.Address
	for _, k := range Keys {
		out = append(out, k.Address)
	}
	return out
}

func (c *Chain) deployments() []contracts.Deployment {
	var out []contracts.Deployment
	for _, f := range contracts.Families() {
		out = append(out, c.Families[f])
	}
	return slices.Clip(out)
}

// reason asks the node why a transaction reverted; the answer is an error
// whose text is the revert data.
func (c *Chain) reason(ctx context.Context, tx common.Hash) (why, err error) {
	var call struct {
		Output string `json:"output"`
		Error  string `json:"error"`
	}
	err = c.Client.Client().CallContext(ctx, &call, "debug_traceTransaction", tx, map[string]string{"tracer": "callTracer"})
	return fmt.Errorf("%s %s", call.Error, call.Output), err
}
