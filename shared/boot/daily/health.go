package daily

import (
	"context"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/health"
	"github.com/bridge-me-not/resolver-cron/shared/report"
)

// fitness tells how the system's health changed in the day, and what it was when that began: not known
// where that change is not kept any more.
func fitness(r health.Reader) func(context.Context, time.Time, time.Time) (report.Health, error) {
	return func(ctx context.Context, from, until time.Time) (report.Health, error) {
		s, err := r.Load(ctx, until)
		if err != nil {
			return report.Health{}, err
		}
		var h report.Health
		for _, c := range s.Changes {
			switch {
			case c.At.Before(from):
				h.First = c.To.String()
			case c.At.Before(until):
				h.Changes = append(h.Changes, report.HealthChange{At: c.At, To: c.To.String(), Why: c.Why})
			}
		}
		return h, nil
	}
}
