package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
)

// Balances is balance.Book and balance.History.
//
// A snapshot is one item, of about a tenth of a kilobyte for each holding, under
// the tick that it was taken for. The latest is the last of its partition.
type Balances struct{ s *Store }

// attrMissing is how many readings a snapshot has none of.
const attrMissing = "missing"

func balanceKey(chain uint64) string { return "balance#" + strconv.FormatUint(chain, 10) }

func tickSK(t time.Time) string { return t.UTC().Format(tickLayout) }

// Save implements balance.Book.
func (v Balances) Save(ctx context.Context, s balance.Snapshot) error {
	if s.ChainID == 0 || s.At.IsZero() {
		return errors.New("keep balances: without a chain or a time")
	}
	_, packed, err := packItem(&s)
	if err != nil {
		return fmt.Errorf("keep balances of chain %d: %w", s.ChainID, err)
	}
	it := newItem(balanceKey(s.ChainID), tickSK(s.At))
	it[attrBody], it[attrMissing] = blob(packed), number(s.Missing())
	it[attrExpires] = number(s.At.Add(balance.Keep).Unix())
	fuller := condition{"attribute_not_exists(#pk) OR #missing > :missing", item{":missing": number(s.Missing())}}
	err = v.s.write(ctx, put(v.s.tables.Jobs, it, fuller))
	if refusedAt(err, 0) {
		return nil // of the same tick, and as full: ours, or as good
	}
	if err != nil {
		return fmt.Errorf("keep balances of chain %d: %w", s.ChainID, err)
	}
	return nil
}

// Latest implements balance.Book.
func (v Balances) Latest(ctx context.Context, chain uint64, now time.Time) (balance.Snapshot, error) {
	in := between(v.s.tables.Jobs, balanceKey(chain), tickSK(now.Add(-balance.Keep)), tickSK(lastTick))
	in.ScanIndexForward, in.Limit = aws.Bool(false), aws.Int32(1)
	for it, err := range v.s.query(ctx, in) {
		if err != nil {
			return balance.Snapshot{}, fmt.Errorf("read balances of chain %d: %w", chain, err)
		}
		return readSnapshot(it, chain)
	}
	return balance.Snapshot{}, nil
}

// lastTick is after every tick.
var lastTick = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Snapshots implements balance.History.
func (v Balances) Snapshots(ctx context.Context, chain uint64, first, last, now time.Time) ([]balance.Snapshot, error) {
	if oldest := now.Add(-balance.Keep); first.Before(oldest) {
		first = oldest
	}
	if last.Before(first) {
		return nil, nil
	}
	var out []balance.Snapshot
	var errs []error
	for it, err := range v.s.query(ctx, between(v.s.tables.Jobs, balanceKey(chain), tickSK(first), tickSK(last))) {
		if err != nil {
			return nil, fmt.Errorf("read balances of chain %d: %w", chain, err)
		}
		s, err := readSnapshot(it, chain)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, s)
	}
	return out, errors.Join(errs...)
}

func readSnapshot(it item, chain uint64) (s balance.Snapshot, err error) {
	if err := it.body(&s); err != nil {
		return balance.Snapshot{}, err
	}
	if s.ChainID != chain || tickSK(s.At) != it.text(attrSK) {
		return balance.Snapshot{}, fmt.Errorf("item %s %s holds balances of chain %d at %s", it.text(attrPK), it.text(attrSK), s.ChainID, s.At)
	}
	return s, nil
}
