package cleanup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// damage is why an object that is there cannot be read.
type damage struct{ error }

func (d damage) Unwrap() error { return d.error }

func damagedBy(err error) error {
	if err == nil {
		return nil
	}
	return damage{err}
}

// setAside gives a batch up whose object is damaged. The object stays as it is, for
// what has been deleted for it before is nowhere else; what has not is due, and goes
// into another object. First the key is noted, so that a run that comes after a
// crash knows of it, and the batch is taken away last.
func (c *Cleaner) setAside(ctx context.Context, b Batch, bad Damaged, why error) (Damaged, error) {
	if !slices.Contains(bad.Keys, b.Key) {
		if len(bad.Keys) >= maxDamaged {
			return bad, fmt.Errorf("%d archived objects are damaged, and no more are set aside: %w", len(bad.Keys), why)
		}
		err := c.Damages.SetDamaged(ctx, Damaged{Keys: append(slices.Clone(bad.Keys), b.Key), Version: bad.Version})
		if err == nil {
			bad, err = c.Damages.Damaged(ctx)
		}
		if err != nil {
			return bad, fmt.Errorf("note that %s is damaged: %w", b.Key, err)
		}
	}
	if err := c.Tell(ctx, b.Key, why); err != nil {
		return bad, fmt.Errorf("tell of %s: %w", b.Key, err)
	}
	if err := c.Batches.End(ctx, b.Key); err != nil {
		return bad, fmt.Errorf("end the batch: %w", err)
	}
	return bad, nil
}

// mend looks again at the objects that could not be read. One that a person has
// brought back is finished like any batch: it says again what was archived, and so
// what may be deleted, and histories whose orders were deleted before go too. One that
// is gone is nobody's any more. It returns those that are still damaged, which are
// told; what could not be looked at stays among them.
func (c *Cleaner) mend(ctx context.Context, bad Damaged, sum *Cleaned) (Damaged, error) {
	var errs []error
	var still []string
	for _, key := range bad.Keys {
		if over, err := c.mendOne(ctx, key, sum); err != nil {
			errs = append(errs, fmt.Errorf("look at the damaged %s: %w", key, err))
			still = append(still, key)
		} else if !over {
			still = append(still, key)
		}
	}
	if len(still) < len(bad.Keys) {
		err := c.Damages.SetDamaged(ctx, Damaged{Keys: still, Version: bad.Version})
		if err == nil {
			bad, err = c.Damages.Damaged(ctx)
		}
		errs = append(errs, err)
	}
	return bad, errors.Join(errs...)
}

func (c *Cleaner) mendOne(ctx context.Context, key string, sum *Cleaned) (over bool, err error) {
	body, _, err := c.Bucket.Get(ctx, key, maxObject)
	if errors.Is(err, fs.ErrNotExist) {
		return true, c.Tell(ctx, key, nil)
	}
	if err != nil {
		return false, err
	}
	archived, why := decode(body)
	if why != nil {
		return false, c.Tell(ctx, key, why)
	}
	if err := c.remove(ctx, archived, sum); err != nil {
		return false, err
	}
	return true, c.Tell(ctx, key, nil)
}
