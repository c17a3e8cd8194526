package judge_test

import (
	"context"
	"math/big"
	"os/exec"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene/scenetest"
)

// The other opinion must not be an echo.
func TestSharesNothingWithTheProduct(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		if strings.Contains(pkg, "resolver-cron/shared") || strings.Contains(pkg, "resolver-cron/functions") {
			t.Errorf("the judge links %s", pkg)
		}
	}
}

// The moments of a leg's timelocks.
const (
	srcPublicWithdrawal = 1
	srcCancellation     = 2
	dstCancellation     = 6
)

// at calls a leg once, when the next block of its chain has the time.
func at(sw *scene.Swap, leg func() judge.Leg, when func(judge.Leg) uint64, tx func(judge.Leg) contracts.Tx) scenetest.Resolver {
	done := false
	return func(ctx context.Context, s *scenetest.Stage) error {
		l := leg()
		if done || !l.Exists() || s.Ledger.Head(l.Chain).Time+1 < when(l) {
			return nil
		}
		done = true
		return s.Send(ctx, sw, l, tx(l), false)
	}
}

func stage(slot int, plus int64) func(judge.Leg) uint64 {
	return func(l judge.Leg) uint64 { return uint64(int64(scenetest.At(l, slot)) + plus) }
}

func cancel(l judge.Leg) contracts.Tx { return l.Cancel() }

// one selects a scene by the name of a swap in it.
func one(t *testing.T, name string) *scene.Scene {
	t.Helper()
	found := scene.Select(name)
	if len(found) != 1 {
		t.Fatalf("%d scenes have a swap %s", len(found), name)
	}
	return found[0]
}

// What goes wrong is seen, and named by its kind. All of it goes wrong in one
// play: each swap is judged by itself.
func TestMistakes(t *testing.T) {
	type verdict struct{ safe, lost, late bool }
	mistakes := []struct {
		name  string
		scene string
		swap  int
		mend  bool // by somebody who otherwise does what is right
		wrong func(sw *scene.Swap) scenetest.Resolver
		want  verdict
		why   string
	}{
		{"nothing is done", "dst withdrawn, src unclaimed, 1inch-v1, EOA", 0, false, nil,
			verdict{}, "stands at open / withdrawn, wants withdrawn / withdrawn"},
		{"src is cancelled after dst was paid", "src expired after dst was paid, bmn-v4", 0, false,
			func(sw *scene.Swap) scenetest.Resolver {
				return at(sw, func() judge.Leg { return sw.Src }, func(l judge.Leg) uint64 { return scenetest.DeployedAt(l) + 50 }, cancel)
			}, verdict{lost: true}, "the maker was paid twice"},
		{"dst is cancelled after src was claimed", "reused secret", 1, false,
			func(sw *scene.Swap) scenetest.Resolver {
				sw.Windows.DstCancellation = 70
				claim := at(sw, func() judge.Leg { return sw.Src }, func(l judge.Leg) uint64 { return scenetest.DeployedAt(l) + 20 },
					func(l judge.Leg) contracts.Tx { return l.Withdraw(sw.Secret()) })
				back := at(sw, func() judge.Leg { return sw.Dst }, stage(dstCancellation, 0), cancel)
				return func(ctx context.Context, s *scenetest.Stage) error {
					if err := claim(ctx, s); err != nil {
						return err
					}
					return back(ctx, s)
				}
			}, verdict{lost: true}, "the maker was paid nothing"},
		{"src goes to a stranger", "dst withdrawn, src unclaimed, 1inch-v1.1, EOA", 0, false,
			func(sw *scene.Swap) scenetest.Resolver {
				return at(sw, func() judge.Leg { return sw.Src }, func(l judge.Leg) uint64 { return scenetest.DeployedAt(l) + 50 },
					func(l judge.Leg) contracts.Tx { return l.WithdrawTo(sw.Secret(), scene.Attacker.Address) })
			}, verdict{lost: true}, "value went to a stranger"},
		{"src is cancelled while dst can be withdrawn", "negative safety gap, 1inch-v1", 0, true,
			func(sw *scene.Swap) scenetest.Resolver {
				return at(sw, func() judge.Leg { return sw.Src }, stage(srcCancellation, 0), cancel)
			}, verdict{}, "src was cancelled while dst could be withdrawn"},
		{"src is claimed when others may", "dst withdrawn, src unclaimed, 1inch-v1, contract", 0, false,
			func(sw *scene.Swap) scenetest.Resolver {
				return at(sw, func() judge.Leg { return sw.Src }, stage(srcPublicWithdrawal, 0),
					func(l judge.Leg) contracts.Tx { return l.Withdraw(sw.Secret()) })
			}, verdict{safe: true, late: true}, ""},
		{"src is claimed just before others may", "dst withdrawn, src unclaimed, 1inch-v1.1, contract", 0, false,
			func(sw *scene.Swap) scenetest.Resolver {
				return at(sw, func() judge.Leg { return sw.Src }, stage(srcPublicWithdrawal, -1),
					func(l judge.Leg) contracts.Tx { return l.Withdraw(sw.Secret()) })
			}, verdict{safe: true}, ""},
		{"nothing is wrong", "no parameters", 0, true, nil, verdict{safe: true}, ""},
		{"a decoy is touched", "decoy dst: wrong amount", 0, true,
			func(sw *scene.Swap) scenetest.Resolver {
				return at(sw, func() judge.Leg {
					if len(sw.Others) == 0 {
						return judge.Leg{}
					}
					return sw.Others[0]
				}, stage(dstCancellation, 0), cancel)
			}, verdict{}, "which is not ours"},
		{"a foreign swap is touched", "another resolver's swap, 1inch-v1", 0, true,
			func(sw *scene.Swap) scenetest.Resolver {
				return at(sw, func() judge.Leg { return sw.Dst }, stage(dstCancellation, 0), cancel)
			}, verdict{}, "1 transactions touched what is not ours"},
		{"what cannot work is tried again and again", "receiver refuses tokens", 0, true,
			func(sw *scene.Swap) scenetest.Resolver {
				return func(ctx context.Context, s *scenetest.Stage) error {
					if !sw.Src.Exists() || s.Now%10 != 0 || s.Ledger.Head(sw.Src.Chain).Time < scenetest.At(sw.Src, srcCancellation) {
						return nil
					}
					return s.Send(ctx, sw, sw.Src, sw.Src.Cancel(), false)
				}
			}, verdict{}, "transactions where 2 are enough"},
	}
	var scenes []*scene.Scene
	var resolvers []scenetest.Resolver
	var swaps, mended []*scene.Swap
	for _, c := range mistakes {
		sc := one(t, c.scene)
		sw := sc.Swaps[c.swap]
		scenes, swaps = append(scenes, sc), append(swaps, sw)
		if c.wrong != nil {
			resolvers = append(resolvers, c.wrong(sw))
		}
		if c.mend {
			mended = append(mended, sw)
		}
	}
	s := scenetest.Run(t, scenes, append(resolvers, scenetest.Perfect(mended...))...)
	for i, c := range mistakes {
		t.Run(c.name, func(t *testing.T) {
			v := s.Judge(t, swaps[i])
			if got := (verdict{v.Safe, v.Lost, v.Late()}); got != c.want || !strings.Contains(v.Why, c.why) || c.why == "" && v.Why != "" {
				t.Errorf("%+v, want %+v: %q, want %q; ends %s, moves %+v", got, c.want, v.Why, c.why, v.Ends, v.Moves)
			}
		})
	}
}

// An action without a soft deadline is late after a period of the net.
func TestLateWithoutSoftDeadline(t *testing.T) {
	var scenes []*scene.Scene
	var resolvers []scenetest.Resolver
	rows := []struct {
		scene string
		plus  int64
		late  bool
	}{
		{"no parameters", 14, false},
		{"dst unclaimed, 1inch-v1, EOA", 15, true},
	}
	for _, c := range rows {
		sc := one(t, c.scene)
		sw := sc.Swaps[0]
		scenes = append(scenes, sc)
		resolvers = append(resolvers, at(sw, func() judge.Leg { return sw.Dst }, stage(dstCancellation, c.plus), cancel))
	}
	s := scenetest.Run(t, scenes, resolvers...)
	for i, c := range rows {
		v := s.Judge(t, scenes[i].Swaps[0])
		if len(v.Moves) != 1 || v.Late() != c.late || v.Moves[0].BehindLegal != int(c.plus) {
			t.Errorf("%d s after: late %v, want %v; moves %+v", c.plus, v.Late(), c.late, v.Moves)
		}
	}
}

// Transactions that came too early are told from those that failed otherwise.
func TestEarlyReverts(t *testing.T) {
	scenes := scene.Select("dst unclaimed, 1inch-v1.1, contract")
	sw := scenes[0].Swaps[0]
	dst := func() judge.Leg { return sw.Dst }
	s := scenetest.Run(t, scenes,
		at(sw, dst, stage(dstCancellation, -1), cancel),
		at(sw, dst, stage(dstCancellation, -3), func(l judge.Leg) contracts.Tx {
			return l.RescueFunds(common.Address{}, big.NewInt(0))
		}),
		scenetest.Perfect(),
		at(sw, dst, stage(dstCancellation, 3), cancel)) // a second time: no funds
	var early, other int
	for _, tx := range s.Ledger.Ours() {
		switch {
		case tx.Early && !tx.OK:
			early++
		case !tx.OK:
			other++
		}
	}
	if early != 2 || other != 1 {
		t.Errorf("%d early reverts and %d others, want 2 and 1", early, other)
	}
	if v := s.Judge(t, sw); v.Safe || !strings.Contains(v.Why, "transactions where 4 are enough") {
		t.Errorf("verdict %+v", v)
	}
}

// A transaction that somebody else made with a key of ours is not ours: what it
// did counts as done by others.
func TestTransactionsOfOthersWithOurKey(t *testing.T) {
	scenes := scene.Select("dst unclaimed, 1inch-v1.1, contract")
	sw := scenes[0].Swaps[0]
	s := scenetest.Run(t, scenes, scenetest.Perfect())
	ours := s.Ledger.Ours()
	if v := s.Judge(t, sw); len(ours) != 2 || len(v.Moves) != 2 {
		t.Fatalf("%d transactions of ours, moves %+v", len(ours), v.Moves)
	}
	theirs := ours[0].Hash
	clients := map[uint64]*ethclient.Client{}
	for _, c := range s.Chains {
		clients[c.ID] = c.Client
	}
	s.Ledger = judge.NewLedger(clients, scene.Signers())
	s.Ledger.Theirs = func(tx common.Hash) bool { return tx == theirs }
	if err := s.Ledger.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := s.Ledger.Ours()
	if v := s.Judge(t, sw); !v.Safe || len(v.Moves) != 1 || len(left) != 1 || left[0].Hash != ours[1].Hash {
		t.Errorf("%d transactions of ours, verdict %+v", len(left), v)
	}
	for most, want := range map[int64]int{1: 1, 1e18: 0} {
		if dear, err := s.Ledger.Overpaid(t.Context(), big.NewInt(most)); err != nil || len(dear) != want {
			t.Errorf("caps of %d wei: %q, %v; want %d", most, dear, err, want)
		}
	}
	if tx := left[0]; tx.Gas < 21_000 || tx.Price.Sign() <= 0 {
		t.Errorf("gas %d at %v wei", tx.Gas, tx.Price)
	}
}
