package daily

import (
	"context"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/health"
	"github.com/bridge-me-not/resolver-cron/shared/report"
)

// fitness tells the last change of the system's health, if it was of the day: of
// those before nothing is kept but their alerts.
func fitness(r health.Reader) func(context.Context, time.Time, time.Time) (report.Health, error) {
	return func(ctx context.Context, from, until time.Time) (report.Health, error) {
		s, err := r.Load(ctx, until)
		switch {
		case err != nil:
			return report.Health{}, err
		case s.Settled == health.Unknown || !s.Since.Before(until):
			return report.Health{}, nil
		case s.Since.Before(from):
			return report.Health{First: s.Settled.String()}, nil
		}
		h := report.Health{Changes: []report.HealthChange{{At: s.Since, To: s.Settled.String()}}}
		if s.Latest.At.Before(until) {
			h.Changes[0].Why = health.Summary(s.Latest.Components)
		}
		return h, nil
	}
}
