package devchain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

// DefaultGasLimit is the block gas limit where Config names none.
const DefaultGasLimit = 60_000_000

// indexTimeout bounds the wait for go-ethereum's transaction indexer to see
// the genesis block, which takes microseconds.
const indexTimeout = 10 * time.Second

// Config describes a chain. Only ChainID must be set.
type Config struct {
	// ChainID is what eth_chainId answers and transactions sign.
	ChainID uint64
	// GenesisTime is the timestamp of block 0 in Unix seconds. Zero is zero,
	// not the present: no block of this package reads the wall clock.
	GenesisTime uint64
	// Alloc are the accounts (code, storage, balance) of block 0, beside the
	// system contracts that the protocol itself calls.
	Alloc types.GenesisAlloc
	// Balances are added to Alloc, in wei; an account in both keeps its code
	// and gets this balance.
	Balances map[common.Address]*big.Int
	// GasLimit of every block; zero means DefaultGasLimit.
	GasLimit uint64
	// BaseFee of block 0 in wei; nil means 1 gwei. It follows EIP-1559 from
	// there on (down by an eighth per empty block, to 7 wei at the lowest).
	BaseFee *big.Int
	// FinalDepth is how many blocks behind the head "finalized" and "safe"
	// point. Zero: these tags answer "not found", as a young chain does.
	FinalDepth uint64
	// Port of the HTTP endpoint on 127.0.0.1; zero takes a free one.
	Port int
}

// Chain is a running chain. All methods may be called concurrently; those that
// change the chain run one after the other.
type Chain struct {
	id         uint64
	finalDepth uint64
	stack      *node.Node
	eth        *eth.Ethereum
	endpoint   *endpoint
	client     *ethclient.Client

	mu       sync.Mutex // held while the chain changes
	forks    uint64     // reorganisations so far; tells replacing blocks apart
	closed   bool
	closeErr error
}

// New starts a chain with its genesis block and its HTTP endpoint.
// The caller must Close it.
func New(cfg Config) (*Chain, error) {
	if cfg.ChainID == 0 {
		return nil, errors.New("start chain: chain id is zero")
	}
	stack, err := node.New(&node.Config{
		Name:              "devchain",
		P2P:               p2p.Config{NoDiscovery: true, NoDial: true},
		UseLightweightKDF: true,
	})
	if err != nil {
		return nil, fmt.Errorf("start chain %d: %w", cfg.ChainID, err)
	}
	c := &Chain{id: cfg.ChainID, finalDepth: cfg.FinalDepth, stack: stack}
	if err := c.start(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("start chain %d: %w", cfg.ChainID, err), c.Close())
	}
	return c, nil
}

func (c *Chain) start(cfg Config) error {
	var err error
	if c.eth, err = eth.New(c.stack, ethConfig(cfg)); err != nil {
		return err
	}
	if err := c.stack.Start(); err != nil {
		return err
	}
	if err := c.completeTxIndex(); err != nil {
		return err
	}
	c.setFinal()
	if c.endpoint, err = listen(c.eth, cfg.Port); err != nil {
		return err
	}
	c.client = ethclient.NewClient(rpc.DialInProc(c.endpoint.rpc))
	return nil
}

// ethConfig keeps everything in memory and switches off what runs behind the
// head's back: log index, snapshots, pruning, the journal of local transactions.
func ethConfig(cfg Config) *ethconfig.Config {
	conf := ethconfig.Defaults
	conf.Genesis = genesis(cfg)
	conf.SyncMode = ethconfig.FullSync
	conf.StateScheme = rawdb.HashScheme
	conf.NoPruning = true
	conf.NoPrefetch = true
	conf.TrieCleanCache = 0
	conf.TrieDirtyCache = 0
	conf.SnapshotCache = 0
	conf.TransactionHistory = 0 // no limit
	conf.LogNoHistory = true
	conf.TxPool.NoLocals = true
	conf.TxPool.Journal = ""
	conf.TxPool.PriceLimit = 1
	conf.TxPool.AccountSlots = 1024
	conf.TxPool.AccountQueue = 1024
	conf.Miner.GasCeil = conf.Genesis.GasLimit
	conf.Miner.GasPrice = big.NewInt(1)
	conf.Miner.Recommit = time.Minute // never cut the filling of a block short
	return &conf
}

func genesis(cfg Config) *core.Genesis {
	// The shared configuration is copied: its chain id belongs to this chain
	// alone. Forks that no public chain has reached stay off, for they change
	// gas prices.
	rules := *params.AllDevChainProtocolChanges
	rules.ChainID = new(big.Int).SetUint64(cfg.ChainID)
	rules.AmsterdamTime = nil
	rules.BogotaTime = nil

	alloc := core.SystemContractAllocs()
	maps.Copy(alloc, cfg.Alloc)
	for addr, wei := range cfg.Balances {
		account := alloc[addr]
		account.Balance = new(big.Int).Set(wei)
		alloc[addr] = account
	}
	g := &core.Genesis{
		Config:    &rules,
		Timestamp: cfg.GenesisTime,
		GasLimit:  cfg.GasLimit,
		Alloc:     alloc,
		BaseFee:   cfg.BaseFee,
	}
	if g.GasLimit == 0 {
		g.GasLimit = DefaultGasLimit
	}
	return g
}

// completeTxIndex makes lookups of unknown transactions answer "null" from the
// first moment. Until it has handled one head, go-ethereum's indexer answers
// "transaction indexing is in progress" instead.
func (c *Chain) completeTxIndex() error {
	bc := c.eth.BlockChain()
	rawdb.WriteTxIndexTail(c.eth.ChainDb(), 0)
	if _, err := bc.SetCanonical(bc.Genesis()); err != nil {
		return fmt.Errorf("announce genesis: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), indexTimeout)
	defer cancel()
	poll := time.NewTicker(100 * time.Microsecond)
	defer poll.Stop()
	for !bc.TxIndexDone() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for transaction index: %w", ctx.Err())
		}
	}
	return nil
}

// URL is the HTTP endpoint, for example http://127.0.0.1:40123.
func (c *Chain) URL() string { return c.endpoint.url }

// ChainID is the configured chain id.
func (c *Chain) ChainID() uint64 { return c.id }

// Head is the header of the newest block; the caller may keep it.
func (c *Chain) Head() *types.Header {
	return types.CopyHeader(c.eth.BlockChain().CurrentBlock())
}

// Client talks to the chain without a socket. It belongs to the chain: do not
// close it. Unlike HTTP clients it can see the moments inside a Reorg.
func (c *Chain) Client() *ethclient.Client { return c.client }

// Close stops the endpoint and the chain, and waits for both. Later calls
// return what the first returned.
func (c *Chain) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.closeErr
	}
	c.closed = true
	var errs []error
	if c.client != nil {
		c.client.Close()
	}
	if c.endpoint != nil {
		errs = append(errs, c.endpoint.close())
	}
	errs = append(errs, c.stack.Close())
	c.closeErr = errors.Join(errs...)
	return c.closeErr
}
