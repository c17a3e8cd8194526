package balancetest

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Store is what the suite proves.
type Store interface {
	balance.Book
	balance.History
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Chain is a chain that no other test has.
func Chain() uint64 { return 1<<40 + rand.Uint64N(1<<40) }

// Snapshot is one with everything in it, of which so many readings are missing.
func Snapshot(chain uint64, at time.Time, missing int) balance.Snapshot {
	large := *new(uint256.Int).SetAllOne()
	s := balance.Snapshot{ChainID: chain, At: at, Head: swap.Block{Number: 12, Time: 1_772_366_400, Hash: common.Hash{1}},
		Holdings: []balance.Held{{Account: common.Address{1}, Decimals: 18, Amount: *uint256.NewInt(5), Level: balance.Critical}},
		Gas: []balance.Gas{{Signer: common.Address{1}, Balance: *uint256.NewInt(5), Price: large, Payable: 3, Owed: 2, Reserve: large,
			Level: balance.Low, Read: true, Priced: true, Counted: true}}}
	for i := range 3 {
		h := balance.Held{Account: common.Address{1}, Token: common.Address{2, byte(i)}, Symbol: "☂", Decimals: 77, Amount: large, Least: large, Level: balance.OK}
		if i < missing {
			h.Amount, h.Failed = uint256.Int{}, "reverted"
		}
		s.Holdings = append(s.Holdings, h)
	}
	return s
}

// TestStore runs the guarantees of balance.Book and balance.History against an
// implementation. open is called once per subtest; what it returns may share one
// store.
func TestStore(t *testing.T, open func(t *testing.T) Store) {
	save := func(t *testing.T, s Store, snaps ...balance.Snapshot) {
		t.Helper()
		for _, snap := range snaps {
			if err := s.Save(t.Context(), snap); err != nil {
				t.Fatal(err)
			}
		}
	}
	latest := func(t *testing.T, s Store, chain uint64, now time.Time) balance.Snapshot {
		t.Helper()
		got, err := s.Latest(t.Context(), chain, now)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	same := func(t *testing.T, what string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	t.Run("what was never kept is zero", func(t *testing.T) {
		s := open(t)
		same(t, "latest", latest(t, s, Chain(), epoch), balance.Snapshot{})
		got, err := s.Snapshots(t.Context(), Chain(), epoch, epoch.Add(time.Hour), epoch)
		if err != nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
	})

	t.Run("a snapshot reads back as kept, the newest first asked for", func(t *testing.T) {
		s, chain := open(t), Chain()
		first, second := Snapshot(chain, epoch, 0), Snapshot(chain, epoch.Add(5*time.Minute), 2)
		save(t, s, second, first, Snapshot(Chain(), epoch.Add(time.Hour), 0))
		same(t, "latest", latest(t, s, chain, epoch.Add(time.Hour)), second)
		got, err := s.Snapshots(t.Context(), chain, epoch, epoch.Add(5*time.Minute), epoch)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "both", got, []balance.Snapshot{first, second})
	})

	t.Run("a tick has one snapshot, the fullest and of those the first", func(t *testing.T) {
		s, chain := open(t), Chain()
		other := func(missing int, block uint64) balance.Snapshot {
			snap := Snapshot(chain, epoch, missing)
			snap.Head.Number = block
			return snap
		}
		save(t, s, other(2, 100), other(2, 101), other(3, 102))
		same(t, "as full or less", latest(t, s, chain, epoch), other(2, 100))
		save(t, s, other(1, 103), other(2, 104), other(0, 105), other(0, 106))
		same(t, "the fullest", latest(t, s, chain, epoch), other(0, 105))
		got, err := s.Snapshots(t.Context(), chain, epoch.Add(-time.Hour), epoch.Add(time.Hour), epoch)
		if err != nil || len(got) != 1 {
			t.Errorf("%d snapshots, %v", len(got), err)
		}
	})

	t.Run("what is older than seven days is not read, whatever is stored", func(t *testing.T) {
		s, chain := open(t), Chain()
		save(t, s, Snapshot(chain, epoch, 0))
		end := epoch.Add(balance.Keep)
		same(t, "at the end", latest(t, s, chain, end), Snapshot(chain, epoch, 0))
		same(t, "after it", latest(t, s, chain, end.Add(time.Nanosecond)), balance.Snapshot{})
		for now, want := range map[time.Time]int{end: 1, end.Add(time.Nanosecond): 0} {
			got, err := s.Snapshots(t.Context(), chain, epoch.Add(-time.Hour), end, now)
			if err != nil || len(got) != want {
				t.Errorf("at %s: %d snapshots, %v, want %d", now, len(got), err, want)
			}
		}
	})

	t.Run("the bounds of a history are included", func(t *testing.T) {
		s, chain := open(t), Chain()
		for i := range 5 {
			save(t, s, Snapshot(chain, epoch.Add(time.Duration(i)*time.Minute), 0))
		}
		got, err := s.Snapshots(t.Context(), chain, epoch.Add(time.Minute), epoch.Add(3*time.Minute), epoch.Add(time.Hour))
		if err != nil || len(got) != 3 || !got[0].At.Equal(epoch.Add(time.Minute)) || !got[2].At.Equal(epoch.Add(3*time.Minute)) {
			t.Errorf("%v, %v", got, err)
		}
		if got, err = s.Snapshots(t.Context(), chain, epoch.Add(time.Hour), epoch, epoch); err != nil || len(got) != 0 {
			t.Errorf("last before first: %v, %v", got, err)
		}
	})

	t.Run("without a chain or a time nothing is kept", func(t *testing.T) {
		s := open(t)
		for _, bad := range []balance.Snapshot{Snapshot(0, epoch, 0), Snapshot(Chain(), time.Time{}, 0)} {
			if err := s.Save(t.Context(), bad); err == nil {
				t.Errorf("kept one of chain %d at %s", bad.ChainID, bad.At)
			}
		}
	})

	t.Run("of concurrent writers of a tick the fullest stays", func(t *testing.T) {
		s, chain := open(t), Chain()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if err := s.Save(t.Context(), Snapshot(chain, epoch, i%4)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := latest(t, s, chain, epoch).Missing(); got != 0 {
			t.Errorf("%d missing", got)
		}
	})
}
