package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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
	attrRank  = "rank" // the state as a number, in the order in which states replace each other
	runPrefix = "run#"
)

func runKey(name string, scheduled time.Time) item {
	return key(runPrefix+name, scheduled.UTC().Format(tickLayout))
}

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

// Record implements job.Recorder.
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
	if r.Cause.Queued {
		it["queued"], it["sent_by"] = flag(true), text(r.Cause.SentBy)
	}
	if ms := r.RPC.Busy.Milliseconds(); ms != 0 {
		it["rpc_ms"] = number(ms)
	}
	if ms := r.RPC.Slowest.Milliseconds(); ms != 0 {
		it["rpc_max_ms"] = number(ms)
	}
	it[attrExpires] = number(r.Ended.Add(job.Kept(r.Job)).Unix())
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
		return nil // another run's end of the same tick stands, or it was written before
	}
	if err != nil {
		return fmt.Errorf("%s: %w", words, err)
	}
	return nil
}

// Latest reads how the job's latest runs ended, by their scheduled time, the
// newest first, at most limit of them; consistent. They are kept for job.Kept.
func (v Runs) Latest(ctx context.Context, name string, limit int) ([]job.Record, error) {
	if limit <= 0 {
		return nil, nil
	}
	in := partition(v.s.tables.Jobs, runPrefix+name, "")
	in.ScanIndexForward, in.Limit = aws.Bool(false), aws.Int32(int32(min(limit, 1000)))
	var out []job.Record
	for it, err := range v.s.query(ctx, in) {
		if err != nil {
			return nil, fmt.Errorf("read runs of %s: %w", name, err)
		}
		r, err := readRecord(it)
		if err != nil {
			return nil, fmt.Errorf("read runs of %s: %w", name, err)
		}
		if out = append(out, r); len(out) == limit {
			break
		}
	}
	return out, nil
}

// Since lists the recorded runs of a job whose tick is after the given time,
// consistently, in the order of their ticks. One that has expired and is not
// deleted yet is listed like the others: after bounds what is asked for.
func (v Runs) Since(ctx context.Context, name string, after time.Time) (out []job.Record, err error) {
	pk := runPrefix + name
	first := after.UTC().Add(1).Format(tickLayout)
	for it, err := range v.s.query(ctx, between(v.s.tables.Jobs, pk, first, "9")) {
		var r job.Record
		if err == nil {
			r, err = readRecord(it)
		}
		if err != nil {
			return nil, fmt.Errorf("read runs of %s since %s: %w", name, after.UTC().Format(time.RFC3339), err)
		}
		out = append(out, r)
	}
	return out, nil
}

// Sums counts the recorded runs of the job that are kept; zero if none is. One that has
// expired and is not deleted yet is counted like the others. It reads all of them, which
// is for operators: a sum that is kept would be one more write of each run.
func (v Runs) Sums(ctx context.Context, name string) (sums job.Stats, err error) {
	for it, err := range v.s.query(ctx, partition(v.s.tables.Jobs, runPrefix+name, "")) {
		var r job.Record
		if err == nil {
			r, err = readRecord(it)
		}
		if err != nil {
			return job.Stats{}, fmt.Errorf("count the runs of %s: %w", name, err)
		}
		sums.Add(r)
	}
	return sums, nil
}

// readRecord reads a run item. What a former release did not write is zero.
func readRecord(it item) (r job.Record, err error) {
	if err := it.check(); err != nil {
		return r, err
	}
	at, err := time.Parse(tickLayout, it.text(attrSK))
	if err != nil {
		return r, fmt.Errorf("item %s: its tick %q is no time", it.text(attrPK), it.text(attrSK))
	}
	r = job.Record{Job: strings.TrimPrefix(it.text(attrPK), runPrefix), Scheduled: at, State: job.State(it.int(attrRank)), Token: it.text("holder"),
		Fence: it.int("fence"), Attempts: int(it.int("attempts")), Reason: it.text("reason"), Class: job.Class(it.text("class")), Cause: causeOf(it, ""),
		RPC: job.RPC{Busy: time.Duration(it.int("rpc_ms")) * time.Millisecond, Slowest: time.Duration(it.int("rpc_max_ms")) * time.Millisecond}}
	for name, n := range rpcOf(&r.RPC) {
		*n = it.int(name)
	}
	if r.State < job.Abandoned || r.State > job.Done {
		return r, fmt.Errorf("item %s %s: %s", it.text(attrPK), it.text(attrSK), r.State)
	}
	for name, into := range map[string]*time.Time{"started": &r.Started, "ended": &r.Ended} {
		if *into, err = time.Parse(time.RFC3339Nano, it.text(name)); err != nil {
			return r, fmt.Errorf("item %s %s: %s %q is no time", it.text(attrPK), it.text(attrSK), name, it.text(name))
		}
	}
	return r, nil
}

// rpcOf are the counts of a run's requests, by attribute.
func rpcOf(r *job.RPC) map[string]*int64 {
	return map[string]*int64{"rpc": &r.Calls, "rpc_failed": &r.Failed, "rpc_timeout": &r.TimedOut, "rpc_throttled": &r.Throttled}
}
