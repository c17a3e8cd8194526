package contracts_test

import (
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/contracts/evmtest"
)

// The recordings of the genuine contracts that shared/swap is held against too.
const vectorDir = "../../shared/swap/testdata/vectors"

type vector struct {
	Family    contracts.Family
	Contracts struct {
		Factory, SrcImplementation, DstImplementation common.Address
		SrcProxyBytecodeHash, DstProxyBytecodeHash    common.Hash
		SrcRescueDelay, DstRescueDelay                uint32
		AccessToken, LimitOrderProtocol               common.Address
	}
	Swaps   []recordedSwap
	CallsOn struct {
		Roles map[string]common.Address
		Swaps map[string]recordedSwap
	}
	Calls []recordedCall
}

type recordedSwap struct {
	Name     string
	Secret   *common.Hash
	Src, Dst recordedLeg
}

func (s recordedSwap) leg(side contracts.Side) recordedLeg {
	if side == contracts.Src {
		return s.Src
	}
	return s.Dst
}

type recordedLeg struct {
	ChainID    uint64
	Escrow     common.Address
	Runtime    hexutil.Bytes
	Immutables recordedWords
	Complement recordedWords
	Timelocks  struct{ DeployedAt uint64 }
	Creation   recordedAction
	Actions    []recordedAction
}

// recordedWords are the words of either struct by field name; parameters are
// bytes of any length.
type recordedWords map[string]hexutil.Bytes

func (w recordedWords) word(name string) common.Hash { return common.BytesToHash(w[name]) }

func (w recordedWords) immutables() contracts.Immutables {
	return contracts.Immutables{
		OrderHash: w.word("orderHash"), Hashlock: w.word("hashlock"), Maker: w.word("maker"), Taker: w.word("taker"),
		Token: w.word("token"), Amount: w.word("amount"), SafetyDeposit: w.word("safetyDeposit"),
		Timelocks: w.word("timelocks"), Parameters: w["parameters"],
	}
}

func (w recordedWords) complement() contracts.Complement {
	return contracts.Complement{
		Maker: w.word("maker"), Amount: w.word("amount"), Token: w.word("token"),
		SafetyDeposit: w.word("safetyDeposit"), ChainID: w.word("chainId"), Parameters: w["parameters"],
	}
}

type recordedAction struct {
	Call, By string
	Tx       struct {
		From, To  common.Address
		Value     *hexutil.Big
		Timestamp uint64
		GasUsed   uint64
		Input     hexutil.Bytes
	}
	Logs []struct {
		Name    string
		Address common.Address
		Topics  []common.Hash
		Data    hexutil.Bytes
	}
}

func (a recordedAction) tx() contracts.Tx {
	return contracts.Tx{To: &a.Tx.To, Value: a.Tx.Value.ToInt(), Data: a.Tx.Input}
}

type recordedCall struct {
	Swap, Call, Caller, Stage, Edge string
	Leg                             contracts.Side
	TimeOffset                      int
	At                              uint64
	Secret, Mutated, After          string
	Word                            hexutil.Bytes
	Signature, Result               string
}

func loadVectors(t testing.TB) []vector {
	t.Helper()
	var all []vector
	for _, family := range contracts.Families() {
		b, err := os.ReadFile(filepath.Join(vectorDir, string(family)+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var v vector
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatalf("%s: %v", family, err)
		}
		if v.Family != family {
			t.Fatalf("%s.json is of family %s", family, v.Family)
		}
		all = append(all, v)
	}
	return all
}

var (
	deployer  = common.HexToAddress("0xde9107e4000000000000000000000000000000ff")
	plenty    = new(big.Int).Lsh(big.NewInt(1), 100)
	listedKey = crypto.ToECDSAUnsafe(crypto.Keccak256([]byte("listed resolver")))
	otherKey  = crypto.ToECDSAUnsafe(crypto.Keccak256([]byte("unlisted resolver")))
)

// world is a recorded deployment, rebuilt from our code at the recorded
// addresses on a chain in memory.
type world struct {
	testing.TB
	*evmtest.Chain
	contracts.Deployment
}

// build places the family's contracts where the recording has them. Code that
// is created at the recorded address by the recorded factory has the recorded
// FACTORY and PROXY_BYTECODE_HASH, so escrows get their recorded addresses.
func (v vector) build(t testing.TB, chainID uint64) world {
	t.Helper()
	setup := contracts.Setup{
		Family: v.Family, OrderEntry: v.Contracts.LimitOrderProtocol, AccessToken: v.Contracts.AccessToken,
		Owner: deployer, RescueDelay: v.Contracts.SrcRescueDelay,
		Src: v.Contracts.SrcImplementation, Dst: v.Contracts.DstImplementation,
	}
	w := world{t, evmtest.NewChain(chainID), setup.At(v.Contracts.Factory)}
	w.Time = 1_700_000_000 // before every recording
	w.place(w.OrderEntry, deployer, contracts.Deploy("OrderEntry"))
	if w.AccessToken != (common.Address{}) {
		w.place(w.AccessToken, deployer, contracts.Deploy("AccessToken"))
	}
	w.place(w.Src, w.Factory, setup.DeployImplementation(contracts.Src, w.Factory))
	w.place(w.Dst, w.Factory, setup.DeployImplementation(contracts.Dst, w.Factory))
	w.place(w.Factory, deployer, setup.Deploy())
	roles := v.CallsOn.Roles
	w.place(roles["resolverContract"], deployer, contracts.DeployResolver(roles["resolverContractOwner"]))
	for name, account := range roles {
		w.SetBalance(account, plenty)
		if w.AccessToken != (common.Address{}) && (name == "taker" || name == "accessTokenHolder") {
			w.must(account, contracts.MintAccess(w.AccessToken, account))
		}
	}
	if v.Family == contracts.BMNv4 {
		w.must(deployer, w.AddResolver(crypto.PubkeyToAddress(listedKey.PublicKey)))
	}
	return w
}

func (w world) place(at, creator common.Address, creation contracts.Tx) {
	w.Helper()
	if err := w.Place(at, creator, creation); err != nil {
		w.Fatal(err)
	}
}

func (w world) must(from common.Address, tx contracts.Tx) evmtest.Result {
	w.Helper()
	r := w.Send(from, tx)
	if !r.OK() {
		w.Fatalf("preparation failed: %s", r.Answer())
	}
	return r
}

// endow makes sure that there is a token at the address and that the account
// has plenty of it, free for the order entry and the factory to take.
func (w world) endow(token common.Hash, account common.Address) {
	w.Helper()
	at := common.BytesToAddress(token[:])
	if at == (common.Address{}) {
		return
	}
	if len(w.Code(at)) == 0 {
		w.place(at, deployer, contracts.DeployToken("TOKEN", 18, false))
	}
	w.must(account, contracts.Mint(at, account, plenty))
	w.must(account, contracts.Approve(at, w.OrderEntry, plenty))
	w.must(account, contracts.Approve(at, w.Factory, plenty))
}

func addressIn(word common.Hash) common.Address { return common.BytesToAddress(word[:]) }

// create makes a recorded leg, in a block of its time, and returns its handle
// and what its creation came to.
func (w world) create(s recordedSwap, side contracts.Side) (contracts.Escrow, evmtest.Result) {
	w.Helper()
	leg := s.leg(side)
	im := leg.Immutables.immutables()
	maker, taker := addressIn(im.Maker), addressIn(im.Taker)
	deposit := w.FundDeposit(side, im)
	w.Time = leg.Timelocks.DeployedAt

	var r evmtest.Result
	switch {
	case side == contracts.Dst:
		w.endow(im.Token, taker)
		r = w.must(taker, w.CreateDst(im, 1<<40))
	case w.Family == contracts.BMNv4 && s.Name != "order-fill":
		w.endow(im.Token, maker)
		w.must(taker, deposit)
		r = w.must(maker, w.CreateSrc(im, leg.Complement.complement()))
	default:
		w.endow(im.Token, maker)
		w.must(taker, deposit)
		r = w.must(taker, w.Fill(leg.order(w.Family), nil))
	}
	escrow := w.Escrow(side, im)
	if escrow.Address != leg.Escrow {
		w.Fatalf("escrow computed %s, recorded %s", escrow.Address, leg.Escrow)
	}
	if got := w.Code(leg.Escrow); hexutil.Encode(got) != leg.Runtime.String() {
		w.Fatalf("code of the escrow is %x, recorded %x", got, []byte(leg.Runtime))
	}
	return escrow, r
}

// order returns the order that a src leg must have come from.
func (l recordedLeg) order(family contracts.Family) contracts.Order {
	im := l.Immutables.immutables()
	o := contracts.Order{
		OrderHash: im.OrderHash, Hashlock: im.Hashlock, Maker: im.Maker, Token: im.Token, Amount: im.Amount,
		SafetyDeposit: im.SafetyDeposit, Timelocks: im.Timelocks, Dst: l.Complement.complement(),
	}
	if family == contracts.BMNv4 {
		offset := func(stage uint) uint64 {
			return new(big.Int).Rsh(im.Timelocks.Big(), 32*stage).Uint64() & 0xffffffff
		}
		const srcCancellation, dstWithdrawal = 2, 4
		o.Timelocks = contracts.BMNOrderTimelocks(
			l.Timelocks.DeployedAt+offset(srcCancellation), l.Timelocks.DeployedAt+offset(dstWithdrawal))
	}
	return o
}
