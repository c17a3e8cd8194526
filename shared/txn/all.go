package txn

import (
	"context"
	"errors"
)

// TrackAll looks at every account in turn. One that cannot be read does not
// hide the others; the counts are summed, the errors joined.
func (t *Tracker) TrackAll(ctx context.Context, accounts []Account) (sum Tracked, err error) {
	var errs []error
	for _, a := range accounts {
		res, err := t.Track(ctx, a)
		errs = append(errs, err)
		sum.Open += res.Open
		sum.Confirmed += res.Confirmed
		sum.Reverted += res.Reverted
		sum.Foreign += res.Foreign
		sum.Reopened += res.Reopened
		sum.Waiting += res.Waiting
		sum.Rung = sum.Rung || res.Rung
	}
	return sum, errors.Join(errs...)
}
