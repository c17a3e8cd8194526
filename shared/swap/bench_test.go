package swap

import (
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

func BenchmarkHash(b *testing.B) {
	for _, f := range Families() {
		im := testLeg(OneInchV11, Dst).Immutables
		b.Run(f.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Hash(im)
			}
		})
	}
}

func BenchmarkEscrow(b *testing.B) {
	for _, fam := range Families() {
		f, im := testFactory(fam), testImmutables()
		b.Run(fam.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Escrow(Dst, im)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, fam := range Families() {
		f := testFactory(fam)
		for name, l := range map[string]Log{
			"src": srcLog(b, f, testImmutables(), Complement{}),
			"dst": dstLog(f, wordOf(named("escrow")), common.Hash{1}, wordOf(taker)),
		} {
			b.Run(fam.String()+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if e, err := f.Decode(l); e == nil || err != nil {
						b.Fatal(e, err)
					}
				}
			})
		}
	}
	l := Log{Address: stranger, Topics: []common.Hash{topicWithdrawal}, Data: make([]byte, 32)}
	b.Run("escrow", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok, err := DecodeEscrow(l); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
}

func BenchmarkFindImmutables(b *testing.B) {
	r := rand.New(rand.NewPCG(15, 16))
	for _, fam := range Families() {
		f := testFactory(fam)
		im := testLeg(fam, Dst).Immutables.WithDeployedAt(createdAt)
		escrow := f.Escrow(Dst, im)
		for name, c := range map[string]struct {
			calldata []byte
			lock     common.Hash
		}{
			"typical":      {planted(fam, im, 68, r), im.Hashlock},
			"128KiB":       {planted(fam, im, searchBytes-1000, r), im.Hashlock},
			"any-hashlock": {planted(fam, im, 4<<10, r), common.Hash{}},
		} {
			b.Run(fam.String()+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, ok := f.FindImmutables(Dst, c.calldata, escrow, c.lock, createdAt, nil); !ok {
						b.Fatal("not found")
					}
				}
			})
		}
	}
	hostile, lock := hostileCalldata()
	params := [][]byte{make([]byte, MaxParameters), make([]byte, 64<<10)}
	params[0][0], params[1][0] = 1, 1
	b.Run("hostile", func(b *testing.B) {
		b.ReportAllocs()
		f := testFactory(BMNv4)
		for b.Loop() {
			if _, ok := f.FindImmutables(Dst, hostile, stranger, lock, 0, params); ok {
				b.Fatal("found")
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	l := testLeg(OneInchV11, Dst)
	r, _ := ruleOf(OneInchV11, Dst, Withdraw)
	a := attempt(b, l, r, r.opens())
	b.ReportAllocs()
	for b.Loop() {
		if rv := l.Check(a); rv != RevertNone {
			b.Fatal(rv)
		}
	}
}
