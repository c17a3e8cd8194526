package evmtest

import (
	"crypto/ecdsa"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
)

// Rich is more wei and more of every token than any test needs, and small
// enough that sums of it stay far from overflow.
var Rich = new(big.Int).Lsh(big.NewInt(1), 120)

// Accounts of every sandbox. Each has Rich wei.
var (
	Maker    = Account("maker")
	Taker    = Account("taker")
	Stranger = Account("stranger")
	Holder   = Account("access token holder") // holds one, and so does Taker
	Admin    = Account("admin")               // deploys, owns the BMN factory and the resolver contract
	// ListedKey signs permits for BMN's public calls; its account is on the
	// factory's whitelist.
	ListedKey = key("listed resolver")
)

// Account returns the address that a name stands for.
func Account(name string) common.Address { return crypto.PubkeyToAddress(key(name).PublicKey) }

func key(name string) *ecdsa.PrivateKey { return crypto.ToECDSAUnsafe(crypto.Keccak256([]byte(name))) }

// Sandbox is one family ready for use on a chain of its own.
type Sandbox struct {
	*Chain
	contracts.Deployment
	Token    common.Address // an ERC-20
	Blocking common.Address // an ERC-20 whose receivers can be barred
	Refuser  common.Address // a contract that takes no native coin
	Resolver common.Address // a contract taker, owned by Admin
}

// NewSandbox deploys a family with the rescue delay of its live deployment.
func NewSandbox(family contracts.Family, chainID uint64) (*Sandbox, error) {
	s := &Sandbox{Chain: NewChain(chainID)}
	s.Time = 1_700_000_000
	for _, a := range []common.Address{Maker, Taker, Stranger, Holder, Admin} {
		s.SetBalance(a, Rich)
	}
	setup := contracts.Setup{Family: family, Owner: Admin, RescueDelay: family.RescueDelay()}
	d := deployer{chain: s.Chain}
	setup.OrderEntry = d.deploy(contracts.Deploy("OrderEntry"))
	if family != contracts.BMNv4 {
		setup.AccessToken = d.deploy(contracts.Deploy("AccessToken"))
		d.send(contracts.MintAccess(setup.AccessToken, Holder))
		d.send(contracts.MintAccess(setup.AccessToken, Taker))
	}
	s.Deployment = setup.At(d.deploy(setup.Deploy()))
	s.Token = d.deploy(contracts.DeployToken("TOKEN", 18, false))
	s.Blocking = d.deploy(contracts.DeployToken("BLOCKING", 6, true))
	s.Refuser = d.deploy(contracts.Deploy("Refuser"))
	s.Resolver = d.deploy(contracts.DeployResolver(Admin))
	s.SetBalance(s.Resolver, Rich)
	if family == contracts.BMNv4 {
		d.send(s.AddResolver(crypto.PubkeyToAddress(ListedKey.PublicKey)))
	}
	if d.err != nil {
		return nil, fmt.Errorf("sandbox of %s: %w", family, d.err)
	}
	return s, nil
}

// Fork returns an independent copy.
func (s *Sandbox) Fork() *Sandbox {
	fork := *s
	fork.Chain = s.Chain.Fork()
	return &fork
}

// OpenSrc makes a src leg of exactly these words: it sets the clock to their
// deployedAt, supplies the tokens, and sends the deposit beforehand if funded.
// A 1inch leg comes from an order fill by its taker, so its taker word is clean
// and it has no parameters; without deposit it is refused. A BMN leg is created
// by its maker.
func (s *Sandbox) OpenSrc(im contracts.Immutables, dst contracts.Complement, funded bool) (contracts.Escrow, error) {
	s.Time = deployedAt(im)
	maker, taker := low20(im.Maker), low20(im.Taker)
	if err := s.supply(im, maker, s.OrderEntry, s.Factory); err != nil {
		return contracts.Escrow{}, fmt.Errorf("open src leg: %w", err)
	}
	if funded {
		s.SetBalance(Admin, Rich)
		if r := s.Send(Admin, s.FundDeposit(contracts.Src, im)); !r.OK() {
			return contracts.Escrow{}, fmt.Errorf("open src leg: deposit: %s", r.Answer())
		}
	}
	creator := maker
	var tx contracts.Tx
	if s.Family == contracts.BMNv4 {
		tx = s.CreateSrc(im, dst)
	} else {
		creator = taker
		tx = s.Fill(contracts.Order{
			OrderHash: im.OrderHash, Hashlock: im.Hashlock, Maker: im.Maker, Token: im.Token, Amount: im.Amount,
			SafetyDeposit: im.SafetyDeposit, Timelocks: im.Timelocks, Dst: dst,
		}, nil)
	}
	return s.open(contracts.Src, im, creator, tx)
}

// OpenDst makes a dst leg of exactly these words, created and paid by its
// taker. srcCancellation is not in its way.
func (s *Sandbox) OpenDst(im contracts.Immutables) (contracts.Escrow, error) {
	s.Time = deployedAt(im)
	taker := low20(im.Taker)
	if err := s.supply(im, taker, s.Factory); err != nil {
		return contracts.Escrow{}, fmt.Errorf("open dst leg: %w", err)
	}
	s.SetBalance(taker, Rich)
	return s.open(contracts.Dst, im, taker, s.CreateDst(im, 1<<40))
}

func (s *Sandbox) open(side contracts.Side, im contracts.Immutables, creator common.Address, tx contracts.Tx) (contracts.Escrow, error) {
	if r := s.Send(creator, tx); !r.OK() {
		return contracts.Escrow{}, fmt.Errorf("open %s leg: %s", side, r.Answer())
	}
	escrow := s.Escrow(side, im)
	if len(s.Code(escrow.Address)) == 0 {
		return contracts.Escrow{}, fmt.Errorf("open %s leg: created, but not at the computed address", side)
	}
	return escrow, nil
}

// supply gives an account the tokens of a leg and lets the spenders take them.
func (s *Sandbox) supply(im contracts.Immutables, account common.Address, spenders ...common.Address) error {
	token := low20(im.Token)
	if token == (common.Address{}) {
		return nil
	}
	d := deployer{chain: s.Chain}
	d.send(contracts.Mint(token, account, im.Amount.Big()))
	for _, spender := range spenders {
		d.sendAs(account, contracts.Approve(token, spender, im.Amount.Big()))
	}
	return d.err
}

func low20(word common.Hash) common.Address { return common.BytesToAddress(word[:]) }

func deployedAt(im contracts.Immutables) uint64 {
	return uint64(binary.BigEndian.Uint32(im.Timelocks[:4]))
}

// deployer sends preparations until one fails.
type deployer struct {
	chain *Chain
	err   error
}

func (d *deployer) deploy(tx contracts.Tx) common.Address { return d.send(tx).Created }

func (d *deployer) send(tx contracts.Tx) Result { return d.sendAs(Admin, tx) }

func (d *deployer) sendAs(from common.Address, tx contracts.Tx) Result {
	if d.err != nil {
		return Result{}
	}
	r := d.chain.Send(from, tx)
	if !r.OK() {
		d.err = fmt.Errorf("preparation: %s", r.Answer())
	}
	return r
}
