package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Tag tells an order as it is from all that it ever was: a checksum of what a snapshot
// says of it. The zero value is no order's: it is not known.
type Tag [12]byte

// TagOf is the tag of an order as Chains.Load reads it; wake times are no part of it.
func TagOf(o swap.Order) (t Tag, err error) {
	o.Wakes = swap.Wakes{}
	line, err := json.Marshal(&o)
	if err != nil {
		return t, fmt.Errorf("encode order %s: %w", o.ID, err)
	}
	sum := sha256.Sum256(line)
	copy(t[:], sum[:])
	return t, nil
}

// former is what the newest snapshot says of the orders, read one after the other: in
// memory are its compressed bytes, and one order ahead. nil: nothing is known.
type former struct {
	next   func() (Record, error, bool)
	stop   func()
	ahead  *swap.Order
	failed func(error)
}

// former opens the newest snapshot. One that is not there, or not as its manifest says,
// costs no more than a reading of all orders; so does one of another mode, which may
// be of long ago.
func (k *Keeper) former(ctx context.Context, m Manifest) (*former, error) {
	if m.Mode != k.Mode {
		return nil, nil
	}
	data, _, err := k.Bucket.Get(ctx, m.Key, m.Size)
	if err == nil && int64(len(data)) != m.Size {
		err = fmt.Errorf("%d bytes, its manifest says %d", len(data), m.Size)
	}
	if sum := sha256.Sum256(data); err == nil && hex.EncodeToString(sum[:]) != m.SHA256 {
		err = fmt.Errorf("checksum %x, its manifest says %s", sum, m.SHA256)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read the newest snapshot: %w", err)
		}
		k.Log.WarnContext(ctx, "the newest snapshot cannot be read, all orders are", "key", m.Key, "error", err)
		return nil, nil
	}
	f := &former{failed: func(err error) {
		k.Log.WarnContext(ctx, "the newest snapshot cannot be read to its end, the other orders are", "key", m.Key, "error", err)
	}}
	f.next, f.stop = iter.Pull2(decode(data))
	return f, nil
}

// close lets go of the snapshot. It may be called again.
func (f *former) close() {
	if f != nil {
		f.stop()
		*f = former{next: func() (Record, error, bool) { return Record{}, nil, false }, stop: func() {}}
	}
}

// among are those of the listed orders that the snapshot has with the listed tag. The
// lists are parts of one that is sorted, as the snapshot's orders are, and come in its
// order: what has been passed is not found again.
func (f *former) among(list []Listed) map[swap.OrderID]swap.Order {
	if f == nil || len(list) == 0 {
		return nil
	}
	tags := make(map[swap.OrderID]Tag, len(list))
	for _, l := range list {
		tags[l.ID] = l.Tag
	}
	last := list[len(list)-1].ID
	kept := map[swap.OrderID]swap.Order{}
	for o := f.order(); o != nil && compareOrders(o.ID, last) <= 0; o = f.order() {
		f.ahead = nil
		want := tags[o.ID]
		if want == (Tag{}) {
			continue
		}
		o.Wakes = swap.Wakes{} // former releases noted them
		if tag, err := TagOf(*o); err == nil && tag == want {
			kept[o.ID] = *o
		}
	}
	return kept
}

// order is the next order; nil if there is none. What cannot be read ends the snapshot.
func (f *former) order() *swap.Order {
	for f.ahead == nil {
		r, err, ok := f.next()
		if err != nil {
			f.failed(err)
			f.close()
			return nil
		}
		if !ok {
			return nil
		}
		f.ahead = r.Order
	}
	return f.ahead
}
