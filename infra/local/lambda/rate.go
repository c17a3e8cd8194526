package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// runRate fires at once and then each period until ctx is done. A tick carries the time it was due; ticks that a
// stalled machine missed are skipped, as the service's are.
func runRate(ctx context.Context, every time.Duration, fire func(tick time.Time)) {
	start := time.Now()
	for n := time.Duration(0); ; {
		fire(start.Add(n * every).Round(0))
		n = max(n, time.Since(start)/every) + 1
		wait := time.NewTimer(time.Until(start.Add(n * every)))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// runSchedule fires a rate, or once a day, until ctx is done.
func runSchedule(ctx context.Context, s template.Schedule, fire func(tick time.Time)) {
	if !s.Daily {
		runRate(ctx, s.Every, fire)
		return
	}
	for {
		now := time.Now().UTC()
		next := now.Truncate(s.Every).Add(s.At)
		if !next.After(now) {
			next = next.Add(s.Every)
		}
		wait := time.NewTimer(next.Sub(now))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
		fire(next)
	}
}

// scheduledEvent is what EventBridge sends for a schedule; time has whole seconds, in UTC.
func scheduledEvent(region, account, rule string, tick time.Time) []byte {
	event, err := json.Marshal(struct {
		Version    string   `json:"version"`
		ID         string   `json:"id"`
		DetailType string   `json:"detail-type"`
		Source     string   `json:"source"`
		Account    string   `json:"account"`
		Time       string   `json:"time"`
		Region     string   `json:"region"`
		Resources  []string `json:"resources"`
		Detail     struct{} `json:"detail"`
	}{
		Version: "0", ID: newRequestID(), DetailType: "Scheduled Event", Source: "aws.events",
		Account: account, Time: tick.UTC().Truncate(time.Second).Format(time.RFC3339), Region: region,
		Resources: []string{fmt.Sprintf("arn:aws:events:%s:%s:rule/%s", region, account, rule)},
	})
	if err != nil {
		panic(err) // strings always encode
	}
	return event
}
