package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// Runs is job.Recorder.
type Runs struct{ s *Store }

// tickLayout sorts as text in the order of time.
const tickLayout = "2006-01-02T15:04:05.000000000Z"

const (
	attrRank  = "rank" // the state as a number, in the order in which states replace each other
	runPrefix = "run#"
	statsSK   = "sum"
)

func runKey(name string, scheduled time.Time) item {
	return key(runPrefix+name, scheduled.UTC().Format(tickLayout))
}

func statsKey(name string) item { return key("stats#"+name, statsSK) }

// Finished implements job.Recorder.
func (v Runs) Finished(ctx context.Context, name string, scheduled time.Time) (bool, error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, runKey(name, scheduled))
	if err != nil {
		return false, fmt.Errorf("read run of %s at %s: %w", name, scheduled, err)
	}
	if it == nil {
		return false, nil
	}
	if err := it.check(); err != nil {
		return false, fmt.Errorf("read run of %s at %s: %w", name, scheduled, err)
	}
	return job.State(it.int(attrRank)) == job.Done, nil
}

// Record implements job.Recorder. The sums follow in a write of their own: a
// transaction would make them exact, and an idle run dearer by half.
func (v Runs) Record(ctx context.Context, r job.Record) error {
	words := fmt.Sprintf("record run of %s at %s", r.Job, r.Scheduled)
	if r.Job == "" || r.Scheduled.IsZero() || r.State < job.Abandoned || r.State > job.Done || len(r.Reason) > job.MaxReason {
		return fmt.Errorf("%s: malformed record", words)
	}
	k := runKey(r.Job, r.Scheduled)
	it := newItem(k.text(attrPK), k.text(attrSK))
	it[attrRank], it[attrState], it["holder"], it["fence"] = number(r.State), text(r.State.String()), text(r.Token), number(r.Fence)
	it["started"], it["ended"] = text(tickText(r.Started)), text(tickText(r.Ended))
	it["attempts"], it["reason"] = number(r.Attempts), text(r.Reason)
	it[attrExpires] = number(r.Ended.Add(job.Kept(r.Job)).Unix())
	c := condition{"attribute_not_exists(#pk) OR #rank < :rank", item{":rank": number(r.State)}}
	err := v.s.write(ctx, put(v.s.tables.Jobs, it, c))
	var refused *refusal
	if errors.As(err, &refused) {
		there := refused.stored[0]
		if there.text("holder") != r.Token || job.State(there.int(attrRank)) != r.State {
			return nil // another run's end of the same tick stands
		}
		err = nil // written before; whether it was counted nobody knows
	}
	if err != nil {
		return fmt.Errorf("%s: %w", words, err)
	}
	update := fmt.Sprintf("ADD #%s :one, #busy_ms :busy SET #v = :v", r.State)
	_, err = v.s.updateItem(ctx, v.s.tables.Jobs, statsKey(r.Job), update, condition{},
		item{":one": number(1), ":busy": number(r.Ended.Sub(r.Started).Milliseconds()), ":v": number(schema)})
	if err != nil {
		return fmt.Errorf("%s: count it: %w", words, err)
	}
	return nil
}
