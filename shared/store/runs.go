package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
)

// Runs is job.Recorder.
type Runs struct{ s *Store }

// tickLayout sorts as text in the order of time.
const tickLayout = "2006-01-02T15:04:05.000000000Z"

// lateRun is how long after its tick a run may be recorded without a mark: the
// runs of an hour are counted in the hour after it too.
const lateRun = time.Hour

const (
	attrRank = "rank" // the state as a number, in the order in which states replace each other
	statsSK  = "sum"
)

func runKey(name string, scheduled time.Time) item {
	return key("run#"+name, scheduled.UTC().Format(tickLayout))
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
	if r.Job == "" || r.Scheduled.IsZero() || r.State < job.Abandoned || r.State > job.Done || len(r.Reason) > job.MaxReason ||
		r.Class != "" && !r.Class.Known() {
		return fmt.Errorf("%s: malformed record", words)
	}
	k := runKey(r.Job, r.Scheduled)
	it := newItem(k.text(attrPK), k.text(attrSK))
	it[attrRank], it[attrState], it["holder"], it["fence"] = number(r.State), text(r.State.String()), text(r.Token), number(r.Fence)
	it["started"], it["ended"] = text(tickText(r.Started)), text(tickText(r.Ended))
	it["attempts"], it["reason"] = number(r.Attempts), text(r.Reason)
	for name, n := range rpcOf(&r.RPC) {
		if *n != 0 {
			it[name] = number(*n)
		}
	}
	if r.Class != "" {
		it["class"] = text(string(r.Class))
	}
	if ms := r.RPC.Busy.Milliseconds(); ms != 0 {
		it["rpc_ms"] = number(ms)
	}
	if ms := r.RPC.Slowest.Milliseconds(); ms != 0 {
		it["rpc_max_ms"] = number(ms)
	}
	it[attrExpires] = number(r.Ended.Add(job.RunTTL).Unix())
	c := condition{"attribute_not_exists(#pk) OR #rank < :rank", item{":rank": number(r.State)}}
	ops := []types.TransactWriteItem{put(v.s.tables.Jobs, it, c)}
	if r.Ended.Sub(r.Scheduled) > lateRun {
		// Its hour may have been counted for good.
		mark := v.s.mark(runMarks, fmt.Sprintf("%s#%s#%s", r.Job, k.text(attrSK), r.Token), []tally.Hour{tally.HourAt(r.Scheduled)})
		ops = append(ops, overwrite(v.s.tables.Jobs, mark))
	}
	err := v.s.write(ctx, ops...)
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

// Since lists the recorded runs of a job whose tick is after the given time,
// consistently, in the order of their ticks, without those that have expired.
func (v Runs) Since(ctx context.Context, name string, after time.Time) (out []job.Record, err error) {
	pk := "run#" + name
	first := after.UTC().Add(1).Format(tickLayout)
	for it, err := range v.s.query(ctx, between(v.s.tables.Jobs, pk, first, "9")) {
		var r job.Record
		if err == nil {
			r, err = readRun(it)
		}
		if err != nil {
			return nil, fmt.Errorf("read runs of %s since %s: %w", name, after.UTC().Format(time.RFC3339), err)
		}
		if it.int(attrExpires) > v.s.now().Unix() {
			out = append(out, r)
		}
	}
	return out, nil
}

// readRun reads a run item. What a former release did not write is zero.
func readRun(it item) (r job.Record, err error) {
	if err = it.check(); err != nil {
		return r, err
	}
	at, err := time.Parse(tickLayout, it.text(attrSK))
	if err != nil {
		return r, fmt.Errorf("run %s: tick: %w", it.text(attrPK), err)
	}
	r = job.Record{Job: strings.TrimPrefix(it.text(attrPK), "run#"), Scheduled: at, State: job.State(it.int(attrRank)), Token: it.text("holder"),
		Fence: it.int("fence"), Started: tick(it.text("started")), Ended: tick(it.text("ended")), Attempts: int(it.int("attempts")),
		Reason: it.text("reason"), Class: job.Class(it.text("class")),
		RPC: job.RPC{Busy: time.Duration(it.int("rpc_ms")) * time.Millisecond, Slowest: time.Duration(it.int("rpc_max_ms")) * time.Millisecond}}
	for name, n := range rpcOf(&r.RPC) {
		*n = it.int(name)
	}
	if r.State < job.Abandoned || r.State > job.Done {
		return r, fmt.Errorf("run %s at %s: %s", r.Job, it.text(attrSK), r.State)
	}
	return r, nil
}

// rpcOf are the counts of a run's requests, by attribute.
func rpcOf(r *job.RPC) map[string]*int64 {
	return map[string]*int64{"rpc": &r.Calls, "rpc_failed": &r.Failed, "rpc_timeout": &r.TimedOut, "rpc_throttled": &r.Throttled}
}
