package chains

import (
	"context"
	"log/slog"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/metrics"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// margins measures how much time was left when our transactions were included:
// the block time of each against the deadlines of its action, once, when it is
// settled for good. It stands between the tracker and what that reads and
// writes, since there the two meet, and changes neither. One serves one run; it
// is safe for concurrent use.
type margins struct {
	txn.Backend
	txn.Journal
	set *metrics.Set
	log *slog.Logger

	mu    sync.Mutex
	mined map[common.Hash]swap.Block
}

func newMargins(b txn.Backend, j txn.Journal, set *metrics.Set, log *slog.Logger) *margins {
	return &margins{Backend: b, Journal: j, set: set, log: log, mined: map[common.Hash]swap.Block{}}
}

// Outcomes implements txn.Backend.
func (m *margins) Outcomes(ctx context.Context, chain uint64, hashes []common.Hash) ([]txn.Outcome, error) {
	out, err := m.Backend.Outcomes(ctx, chain, hashes)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, o := range out {
		if o.Mined && i < len(hashes) {
			m.mined[hashes[i]] = o.Block
		}
	}
	return out, nil
}

// Settle implements txn.Journal. The log line has the seconds left to each
// deadline that the action has; negative means too late. The metric is about
// principal: the least time left to a hard deadline.
func (m *margins) Settle(ctx context.Context, e txn.Entry, w *swap.Work) error {
	if err := m.Journal.Settle(ctx, e, w); err != nil {
		return err
	}
	if w == nil || w.State != swap.WorkConfirmed {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range e.Txs {
		at, ok := m.mined[t.Hash]
		if !ok {
			continue
		}
		attrs := []slog.Attr{slog.String("order", w.Order.String()), slog.Uint64("chain", w.ChainID), slog.String("escrow", w.Escrow.Hex()),
			slog.String("action", w.Call.String()), slog.String("tx", t.Hash.Hex()), slog.String("included", at.Time.String())}
		if w.Hard != 0 {
			left := w.Hard.Sub(at.Time)
			attrs = append(attrs, slog.Int64("hard_left_s", left))
			m.set.Min(metrics.MarginLeft, left)
		}
		if w.Soft != 0 {
			attrs = append(attrs, slog.Int64("soft_left_s", w.Soft.Sub(at.Time)))
		}
		m.log.LogAttrs(ctx, slog.LevelInfo, "margin", attrs...)
		return nil
	}
	return nil
}
