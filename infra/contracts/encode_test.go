package contracts_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
)

// abiImmutables is a leg as go-ethereum's encoder wants it.
type abiImmutables struct {
	OrderHash, Hashlock                                   [32]byte
	Maker, Taker, Token, Amount, SafetyDeposit, Timelocks *big.Int
	Parameters                                            []byte
}

type abiComplement struct {
	Maker, Amount, Token, SafetyDeposit, ChainId *big.Int
	Parameters                                   []byte
}

type abiFill struct {
	OrderHash, Hashlock                            [32]byte
	Maker, Token, Amount, SafetyDeposit, Timelocks *big.Int
	Dst                                            abiComplement
}

// Our encoder says the same as go-ethereum's, for every shape of arguments.
func TestCalldataEqualsStandardEncoding(t *testing.T) {
	word := func(n int64) common.Hash { return common.BigToHash(new(big.Int).Lsh(big.NewInt(n), 230)) }
	n := func(w common.Hash) *big.Int { return w.Big() }
	secret, target := common.HexToHash("0x5ec4e7"), common.HexToAddress("0x7a49e7")

	for _, length := range []int{0, 1, 31, 32, 33, 128} {
		parameters := bytes.Repeat([]byte{0xab}, length)
		im := contracts.Immutables{
			OrderHash: word(1), Hashlock: word(2), Maker: word(3), Taker: word(4), Token: word(5), Amount: word(6),
			SafetyDeposit: word(7), Timelocks: word(8), Parameters: parameters,
		}
		dst := contracts.Complement{Maker: word(9), Amount: word(10), Token: word(11), SafetyDeposit: word(12), ChainID: word(13), Parameters: parameters}
		abiIm := abiImmutables{im.OrderHash, im.Hashlock, n(im.Maker), n(im.Taker), n(im.Token), n(im.Amount), n(im.SafetyDeposit), n(im.Timelocks), parameters}
		abiDst := abiComplement{n(dst.Maker), n(dst.Amount), n(dst.Token), n(dst.SafetyDeposit), n(dst.ChainID), parameters}

		for _, family := range contracts.Families() {
			d := contracts.Setup{Family: family}.At(target)
			e := contracts.Escrow{Family: family, Side: contracts.Src, Address: target, Immutables: im}
			src := family.Escrow(contracts.Src)
			check := func(tx contracts.Tx, contract, function string, args ...any) {
				t.Helper()
				want, err := contracts.ABI(contract).Pack(function, args...)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(tx.Data, want) {
					t.Errorf("%s.%s with %d bytes of parameters:\n got %x\nwant %x", contract, function, length, tx.Data, want)
				}
			}
			check(e.Withdraw(secret), src, "withdraw", secret, abiIm)
			check(e.WithdrawTo(secret, target), src, "withdrawTo", secret, target, abiIm)
			check(e.PublicWithdraw(secret), src, "publicWithdraw", secret, abiIm)
			check(e.Cancel(), src, "cancel", abiIm)
			check(e.PublicCancel(), src, "publicCancel", abiIm)
			check(e.RescueFunds(target, big.NewInt(5)), src, "rescueFunds", target, big.NewInt(5), abiIm)
			order := contracts.Order{
				OrderHash: im.OrderHash, Hashlock: im.Hashlock, Maker: im.Maker, Token: im.Token, Amount: im.Amount,
				SafetyDeposit: im.SafetyDeposit, Timelocks: im.Timelocks, Dst: dst,
			}
			check(d.Fill(order, nil), "OrderEntry", "fill", target, abiFill{
				im.OrderHash, im.Hashlock, n(im.Maker), n(im.Token), n(im.Amount), n(im.SafetyDeposit), n(im.Timelocks), abiDst,
			})
			if family == contracts.BMNv4 {
				check(e.PublicWithdrawSigned(secret, parameters), src, "publicWithdrawSigned", secret, abiIm, parameters)
				check(e.PublicCancelSigned(parameters), src, "publicCancelSigned", abiIm, parameters)
				check(d.CreateSrc(im, dst), "FactoryBmn", "createSrcEscrow", abiIm, abiDst)
				check(d.CreateDst(im, 9), "FactoryBmn", "createDstEscrow", abiIm)
				check(d.SetWhitelistBypassed(true), "FactoryBmn", "setWhitelistBypassed", true)
				check(d.SetEmergencyPaused(false), "FactoryBmn", "setEmergencyPaused", false)
			} else {
				check(d.CreateDst(im, 9), family.Factory(), "createDstEscrow", abiIm, big.NewInt(9))
			}
			check(contracts.ArbitraryCalls(target, e.Cancel(), e.Withdraw(secret)), "Resolver", "arbitraryCalls",
				[]common.Address{target, target}, [][]byte{e.Cancel().Data, e.Withdraw(secret).Data})
			check(contracts.ArbitraryCalls(target), "Resolver", "arbitraryCalls", []common.Address{}, [][]byte{})
			check(contracts.SetOperator(target, target, true), "Resolver", "setOperator", target, true)
			check(contracts.Exec(target, e.Cancel()), "Resolver", "exec", target, new(big.Int), e.Cancel().Data)
		}
	}
}
