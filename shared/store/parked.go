package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

const (
	// parkedRoom is how many dst escrows one chain may park: anyone can create
	// them, and a true one that comes before its source is rare.
	parkedRoom = 1000
	// parkedKeep is how long one is kept: by then its source has been final for
	// hours on any chain, or will not come.
	parkedKeep = 24 * time.Hour
	// parkedWindows is how coarsely the room is counted: what expires gives its
	// room back up to parkedKeep/parkedWindows late.
	parkedWindows = 24
	// parkTries bounds how often parking is begun again after others parked.
	parkTries = 100
)

type parking struct {
	room int
	keep time.Duration
}

// window is the span of expiry times that are counted together.
func (p parking) window() int64 { return max(1, int64(p.keep/time.Second)/parkedWindows) }

// Parked is follow.Parked.
//
// Each event is an item that expires. The room is one more item that counts
// them by the window in which they expire; both are written in one
// transaction, so the count is never short, and expiry needs no counting down.
type Parked struct{ s *Store }

const (
	roomSK   = "room"
	attrUsed = "used" // how many expire in each window
)

func parkedKey(chain uint64) string { return "parked#" + strconv.FormatUint(chain, 10) }

func parkedPrefix(hashlock common.Hash) string { return strings.ToLower(hashlock.Hex()) + "#" }

// Park implements follow.Parked.
func (v Parked) Park(ctx context.Context, d swap.DstCreated) (bool, error) {
	table, pk := v.s.tables.Orders, parkedKey(d.ChainID)
	eventKey := key(pk, parkedPrefix(d.Hashlock)+strings.ToLower(d.Escrow.Hex()))
	_, packed, err := packItem(&d)
	if err != nil {
		return false, fmt.Errorf("park dst escrow %s: %w", d.Escrow, err)
	}
	for try := range parkTries {
		items, err := v.s.getAll(ctx, table, []item{eventKey, key(pk, roomSK)})
		if err != nil {
			return false, fmt.Errorf("park dst escrow %s: %w", d.Escrow, err)
		}
		now := v.s.now().Unix()
		room := newItem(pk, roomSK)
		for _, it := range items {
			if it.text(attrSK) == roomSK {
				room = it
			} else if it.int(attrExpires) > now {
				return true, nil
			}
		}
		if err := room.check(); err != nil {
			return false, fmt.Errorf("park dst escrow %s: %w", d.Escrow, err)
		}
		expires := now + int64(v.s.parked.keep/time.Second)
		version := room.uint(attrVersion)
		used, total := v.used(room, now)
		if total >= v.s.parked.room {
			return false, nil
		}
		used[strconv.FormatInt(expires/v.s.parked.window(), 10)]++

		event := newItem(pk, eventKey.text(attrSK))
		event[attrBody], event[attrExpires] = blob(packed), number(expires)
		counts := item{}
		for w, n := range used {
			counts[w] = number(n)
		}
		room = newItem(pk, roomSK)
		room[attrVersion], room[attrUsed] = number(version+1), &types.AttributeValueMemberM{Value: counts}
		free := condition{"attribute_not_exists(#pk) OR #expires_at <= :now", item{":now": number(now)}}
		switch err := v.s.write(ctx, put(table, event, free), put(table, room, since(version))); {
		case err == nil:
			return true, nil
		case !refusedAt(err, 0) && !refusedAt(err, 1):
			return false, fmt.Errorf("park dst escrow %s: %w", d.Escrow, err)
		}
		if err := pause(ctx, try); err != nil {
			return false, fmt.Errorf("park dst escrow %s: %w", d.Escrow, err)
		}
	}
	return false, fmt.Errorf("park dst escrow %s: %w", d.Escrow, swap.ErrConflict)
}

// used reads the counts of windows in which something may still be unexpired.
func (v Parked) used(room item, now int64) (counts map[string]int64, total int) {
	counts = map[string]int64{}
	m, _ := room[attrUsed].(*types.AttributeValueMemberM)
	if m == nil {
		return counts, 0
	}
	for _, w := range slices.Sorted(maps.Keys(m.Value)) {
		window, err := strconv.ParseInt(w, 10, 64)
		if err != nil || (window+1)*v.s.parked.window() <= now {
			continue
		}
		counts[w] = item(m.Value).int(w)
		total += int(counts[w])
	}
	return counts, total
}

// Parked implements follow.Parked.
func (v Parked) Parked(ctx context.Context, chain uint64, hashlock common.Hash) ([]swap.DstCreated, error) {
	return v.all(ctx, chain, parkedPrefix(hashlock))
}

// all lists the unexpired ones of a chain whose sort keys begin with the prefix.
func (v Parked) all(ctx context.Context, chain uint64, prefix string) (found []swap.DstCreated, err error) {
	now := v.s.now().Unix()
	for it, err := range v.s.query(ctx, partition(v.s.tables.Orders, parkedKey(chain), prefix)) {
		if err != nil {
			return nil, fmt.Errorf("read dst escrows parked on chain %d: %w", chain, err)
		}
		if it.text(attrSK) == roomSK || it.int(attrExpires) <= now {
			continue // the count of them, or not deleted yet
		}
		var d swap.DstCreated
		if err := it.body(&d); err != nil {
			return nil, fmt.Errorf("read dst escrows parked on chain %d: %w", chain, err)
		}
		found = append(found, d)
	}
	return found, nil
}
