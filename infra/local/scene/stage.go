package scene

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/devchain"
)

// RescueDelay of all factories, in seconds: short enough to see a rescue in a
// demonstration, longer than every other time of a scene.
const RescueDelay = 80

var (
	ether = big.NewInt(params.Ether)
	// plenty is more of every token than any scene moves.
	plenty = new(big.Int).Exp(big.NewInt(10), big.NewInt(24), nil)
)

// Names and ids of the chains.
var chainNames = [2]string{"north", "south"}

// ChainIDs are the ids of a world's chains.
var ChainIDs = [2]uint64{7001, 7002}

// setupBlocks is how many blocks Build mines at most.
const setupBlocks = 40

// Build starts two chains and sets everything up that the scenes need, in
// blocks whose times end before start (Unix seconds). The caller closes the
// chains.
func Build(ctx context.Context, start uint64, scenes []*Scene) (_ *World, err error) {
	w := &World{takers: map[TakerKind]bool{}}
	for _, s := range scenes {
		for _, sw := range s.Swaps {
			w.takers[sw.Taker] = true
		}
	}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	for i := range w.Chains {
		c, err := newChain(i, start-setupBlocks-1, scenes)
		if err != nil {
			return nil, err
		}
		w.Chains[i] = c
		b := builder{Chain: c, ctx: ctx, time: start - setupBlocks}
		if err := b.build(i, scenes); err != nil {
			return nil, fmt.Errorf("set up chain %s: %w", c.Name, err)
		}
	}
	if w.Chains[0].Resolver != w.Chains[1].Resolver {
		return nil, fmt.Errorf("the resolver contract has two addresses: %s and %s", w.Chains[0].Resolver, w.Chains[1].Resolver)
	}
	return w, nil
}

// Close stops the chains.
func (w *World) Close() {
	for _, c := range w.Chains {
		if c != nil {
			c.Dev.Close() // nothing is kept that a failure could spoil
		}
	}
}

func newChain(i int, genesis uint64, scenes []*Scene) (*Chain, error) {
	rich := new(big.Int).Mul(big.NewInt(1_000_000), ether)
	some := new(big.Int).Mul(big.NewInt(10), ether)
	balances := map[common.Address]*big.Int{}
	for _, a := range []Account{deployer, Owner, Helper, WatchedTaker, OtherResolver, Unknown, Attacker, Holder, Listed} {
		balances[a.Address] = rich
	}
	for _, k := range Keys {
		balances[k.Address] = some
	}
	for _, s := range scenes {
		for _, sw := range s.Swaps {
			balances[sw.Maker().Address] = some
		}
		for _, a := range s.Cast {
			balances[a.Address] = rich
		}
	}
	dev, err := devchain.New(devchain.Config{ChainID: ChainIDs[i], GenesisTime: genesis, Balances: balances})
	if err != nil {
		return nil, err
	}
	return &Chain{ID: ChainIDs[i], Name: chainNames[i], Dev: dev, Client: dev.Client(), RescueDelay: RescueDelay,
		Families: map[contracts.Family]contracts.Deployment{}, tip: usualTip, nonces: map[common.Address]uint64{}, played: map[common.Hash]bool{}}, nil
}

// builder collects transactions and mines them in blocks of its own.
type builder struct {
	*Chain
	ctx     context.Context
	time    uint64 // of the next block
	pending []*types.Transaction
	gas     uint64
	err     error
}

func (b *builder) build(i int, scenes []*Scene) error {
	// First, so that it has the same address on both chains.
	b.Resolver = b.deploy(contracts.DeployResolver(Owner.Address))
	for range i {
		b.deploy(contracts.Deploy("Refuser")) // and nothing else has
	}
	b.OrderEntry = b.deploy(contracts.Deploy("OrderEntry"))
	b.AccessToken = b.deploy(contracts.Deploy("AccessToken"))
	b.USD = b.deploy(contracts.DeployToken("USD", 6, false))
	b.Blocking = b.deploy(contracts.DeployToken("BLK", 6, true))
	b.Junk = b.deploy(contracts.DeployToken("JUNK", 18, false))
	for _, f := range contracts.Families() {
		setup := contracts.Setup{Family: f, OrderEntry: b.OrderEntry, Owner: deployer.Address, RescueDelay: RescueDelay}
		if f != contracts.BMNv4 {
			setup.AccessToken = b.AccessToken
		}
		b.Families[f] = setup.At(b.deploy(setup.Deploy()))
	}
	rogue := contracts.Setup{Family: contracts.OneInchV1, OrderEntry: b.OrderEntry, AccessToken: b.AccessToken, RescueDelay: RescueDelay}
	b.Rogue = rogue.At(b.deploy(rogue.Deploy()))

	for _, a := range []Account{Holder, AccessKey} {
		b.do(deployer, contracts.MintAccess(b.AccessToken, a.Address))
	}
	b.do(deployer, b.Families[contracts.BMNv4].AddResolver(Listed.Address))
	b.do(Owner, contracts.SetOperator(b.Resolver, ContractKey.Address, true))
	for _, s := range scenes {
		for _, a := range s.Cast {
			b.do(deployer, contracts.MintAccess(b.AccessToken, a.Address))
			b.do(Owner, contracts.SetOperator(b.Resolver, a.Address, true))
		}
	}
	b.payers(scenes)
	b.makers(i, scenes)
	b.flush()
	if b.err != nil {
		return b.err
	}
	return b.look(b.ctx)
}

// payers lets those who make dst legs do so in every family.
func (b *builder) payers(scenes []*Scene) {
	cast := []Account{Helper, Unknown, Attacker, OtherResolver}
	for _, s := range scenes {
		cast = append(cast, s.Cast...)
	}
	for _, token := range []common.Address{b.USD, b.Blocking, b.Junk} {
		b.do(deployer, contracts.Mint(token, b.Resolver, plenty))
		for _, a := range cast {
			b.do(deployer, contracts.Mint(token, a.Address, plenty))
		}
		for _, d := range append(b.deployments(), b.Rogue) {
			b.do(Owner, contracts.ArbitraryCalls(b.Resolver, contracts.Approve(token, d.Factory, plenty)))
			for _, a := range cast {
				b.do(a, contracts.Approve(token, d.Factory, plenty))
			}
		}
	}
}

// makers gives each maker what he sells, and his consent.
func (b *builder) makers(i int, scenes []*Scene) {
	for _, s := range scenes {
		for _, sw := range s.Swaps {
			if sw.From != i {
				continue
			}
			token := sw.srcToken(b.Chain)
			b.do(deployer, contracts.Mint(token, sw.Maker().Address, sw.amount()))
			spender := b.OrderEntry
			if sw.Direct {
				spender = b.Families[sw.Family].Factory
			}
			b.do(sw.Maker(), contracts.Approve(token, spender, sw.amount()))
		}
	}
}

func (b *builder) deploy(tx contracts.Tx) common.Address {
	at := crypto.CreateAddress(deployer.Address, b.nonces[deployer.Address])
	b.add(deployer, tx, gasDeploy)
	return at
}

func (b *builder) do(from Account, tx contracts.Tx) { b.add(from, tx, gasCall) }

func (b *builder) add(from Account, tx contracts.Tx, gas uint64) {
	if b.err != nil {
		return
	}
	var signed *types.Transaction
	if signed, b.err = b.sign(from, tx, gas); b.err != nil {
		return
	}
	// A block must have room for the limit of its last transaction; what is
	// used is less.
	if b.gas += 200_000; gas == gasDeploy {
		b.gas += gas - 2_000_000
	}
	b.pending = append(b.pending, signed)
	if b.gas > devchain.DefaultGasLimit-2*gasDeploy {
		b.flush()
	}
}

func (b *builder) flush() {
	if b.err != nil || len(b.pending) == 0 {
		return
	}
	block, err := b.Dev.MineTxs(b.time, b.pending...)
	if err != nil {
		b.err = err
		return
	}
	receipts, err := b.Client.BlockReceipts(b.ctx, rpc.BlockNumberOrHashWithHash(block.Hash(), true))
	if err != nil {
		b.err = err
		return
	}
	for i, r := range receipts {
		if r.Status != types.ReceiptStatusSuccessful {
			b.err = fmt.Errorf("transaction %d of setup block %d reverted", i, block.NumberU64())
			return
		}
	}
	b.time++
	b.pending, b.gas = nil, 0
}
