package store

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bridge-me-not/resolver-cron/shared/job"
)

func TestLatestRuns(t *testing.T) {
	s, name := newStore(t), rand.Text()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var want []job.Record
	for i := range 5 {
		r := job.Record{Job: name, Scheduled: at.Add(time.Duration(i) * time.Minute), State: job.Failed, Token: "a", Fence: 3,
			Started: at.Add(time.Second), Ended: at.Add(2 * time.Second), Attempts: 2, Reason: "away ☂"}
		if err := s.Runs().Record(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		want = append([]job.Record{r}, want...)
	}
	for _, limit := range []int{-1, 0, 1, 4, 5, 9} {
		got, err := s.Runs().Latest(t.Context(), name, limit)
		if diff := cmp.Diff(want[:min(max(limit, 0), 5)], got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("limit %d: %v\n%s", limit, err, diff)
		}
	}
	if got, err := s.Runs().Latest(t.Context(), rand.Text(), 5); err != nil || len(got) != 0 {
		t.Errorf("of a job that never ran: %v, %v", got, err)
	}
	if got, err := s.Runs().Sums(t.Context(), rand.Text()); err != nil || got != (job.Stats{}) {
		t.Errorf("sums of a job that never ran: %v, %v", got, err)
	}
}
