package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bridge-me-not/resolver-cron/infra/local/kill"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/archive"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup/cleanuptest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot/snapshottest"
	"github.com/bridge-me-not/resolver-cron/shared/store"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// rig is a stack with the two functions that keep things.
type rig struct {
	*stack.Stack
	t      *testing.T
	store  *store.Store
	tables store.Tables
	ticks  int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	chains, err := os.ReadFile(filepath.Join(root, "infra/config/chains.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	nowhere := func(name string) (string, bool) { return "http://127.0.0.1:9", name != "" } // no chain is asked for anything
	r := &rig{t: t}
	r.Stack, err = stack.Start(t.Context(), stack.Options{Root: root, Profile: "test", Mode: "live", ChainsFile: chains, Lookup: nowhere,
		Functions: []string{job.StatePersistence, job.OrderCleanup}, Slack: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	r.tables = r.names("")
	r.store = r.open(r.tables)
	return r
}

// names are the tables of the template, with something behind their names.
func (r *rig) names(suffix string) store.Tables {
	name := func(logicalID string) string { return r.TableName(logicalID) + suffix }
	return store.Tables{Orders: name("Orders"), Actions: name("Actions"), Journal: name("Journal"), Jobs: name("Jobs")}
}

func (r *rig) open(t store.Tables) *store.Store {
	r.t.Helper()
	s, err := store.New(r.DynamoDB, t, store.Live)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// tick invokes a function as its rule does, each time for a tick of its own, and
// tells how it ended.
func (r *rig) tick(function string) (string, []byte) {
	r.t.Helper()
	if err := kill.Expire(r.t.Context(), r.DynamoDB, r.tables.Jobs); err != nil {
		r.t.Fatal(err)
	}
	event, err := os.ReadFile("../../events/" + function + ".json")
	if err != nil {
		r.t.Fatal(err)
	}
	r.ticks++
	at := time.Now().UTC().Truncate(time.Second).Add(-time.Duration(r.ticks%50) * time.Second)
	at = at.Add(time.Duration(r.ticks) * time.Microsecond)
	res, err := r.Host.Invoke(r.t.Context(), function, bytes.Replace(event, []byte("2026-01-01T00:00:00Z"), []byte(at.Format(time.RFC3339Nano)), 1))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(res.Outcome), res.Payload
}

func (r *rig) must(function string) {
	r.t.Helper()
	if how, payload := r.tick(function); how != "ok" {
		r.t.Fatalf("%s: %s: %s", function, how, payload)
	}
}

func (r *rig) bucketName() string { return r.Template.Buckets[0].Name }

func (r *rig) keys(prefix string) (keys []string) {
	r.t.Helper()
	out, err := r.S3.ListObjectsV2(r.t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(r.bucketName()), Prefix: &prefix})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// environment makes the command find the stack's services as it finds AWS's.
func (r *rig) environment() {
	for _, kv := range append(r.AWS.Env("ops"), "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null") {
		k, v, _ := strings.Cut(kv, "=")
		r.t.Setenv(k, v)
	}
}

func (r *rig) restore(t store.Tables, more ...string) (string, error) {
	var out bytes.Buffer
	err := restore(r.t.Context(), handTool(restoreCommand, &out), append(named(t, "-bucket", r.bucketName()), more...))
	return out.String(), err
}

// handTool is the tool as main makes it, but for where it writes and for what the
// environment of this process names.
func handTool(c command, out io.Writer) tool {
	return tool{out: out, errs: io.Discard, now: time.Now, lookup: func(string) (string, bool) { return "", false }, connect: connect, command: c}
}

// named are the flags that name the tables, and more.
func named(t store.Tables, more ...string) []string {
	return append([]string{"-orders-table", t.Orders, "-actions-table", t.Actions, "-journal-table", t.Journal, "-jobs-table", t.Jobs}, more...)
}

// content is the checksum of all that a snapshot of the tables would hold.
func (r *rig) content(t store.Tables, scope snapshot.Scope) string {
	r.t.Helper()
	state := r.open(t).Snapshots()
	k := snapshot.Keeper{Chains: state, Ledger: state, Progress: state, Bucket: snapshottest.NewBucket(nil), Scope: scope, Mode: "live", Log: slog.New(slog.DiscardHandler)}
	got, err := k.Take(r.t.Context(), time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return got.Content
}

// state puts three open orders between the configured chains into the tables.
func (r *rig) state() snapshottest.Sample {
	r.t.Helper()
	sample := snapshottest.NewSampleOn(8453, 10, 3)
	for _, rec := range append(sample.Records, snapshottest.Flag()) {
		if _, err := r.store.Snapshots().Put(r.t.Context(), rec); err != nil {
			r.t.Fatal(err)
		}
	}
	return sample
}

// The function takes a snapshot, the tables are lost, the command restores it.
func TestTheCommandRestoresWhatTheFunctionTook(t *testing.T) {
	r := newRig(t)
	r.environment()
	sample := r.state()
	r.must(job.StatePersistence)
	if keys := r.keys("snapshots/"); len(keys) != 3 || !slices.Contains(keys, snapshot.Latest) {
		t.Fatalf("objects %q", keys)
	}
	r.must(job.StatePersistence)
	if keys := r.keys("snapshots/"); len(keys) != 3 {
		t.Errorf("nothing has changed, and there are %q", keys)
	}
	into := r.names("-restored")
	var tables = slices.Clone(r.Template.Tables)
	for i := range tables {
		tables[i].Name += "-restored"
	}
	if err := stack.CreateTables(t.Context(), r.DynamoDB, tables); err != nil {
		t.Fatal(err)
	}
	out, err := r.restore(into)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"restored ", "orders ", "3", "chain 8453", "seen to 110", "written", "live"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if want, got := r.content(r.tables, sample.Scope), r.content(into, sample.Scope); got != want {
		t.Errorf("content %s, want %s", got, want)
	}
	if out, err = r.restore(into); err != nil || !strings.Contains(out, "nothing was written") {
		t.Errorf("again: %v\n%s", err, out)
	}
	if _, err = r.restore(r.tables); !errors.Is(err, snapshot.ErrOccupied) || !strings.Contains(err.Error(), "-force") {
		t.Errorf("into tables that are not empty: %v", err)
	}
	if out, err = r.restore(r.tables, "-force", "-json"); err != nil {
		t.Fatal(err)
	}
	var got snapshot.Restored
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Counts.Orders != 3 || got.Kept == 0 {
		t.Errorf("%v, %+v", err, got)
	}
	if _, err = r.restore(into, "-mode", "shadow"); err == nil || !strings.Contains(err.Error(), "mode") {
		t.Errorf("as shadow: %v", err)
	}
	if _, err = r.restore(into, "-manifest", "snapshots/none.json"); err == nil || !strings.Contains(err.Error(), "snapshots/none.json") {
		t.Errorf("of nothing: %v", err)
	}
}

// finished puts closed orders into the tables, closed an hour ago.
func (r *rig) finished(n int) (ids []string) {
	r.t.Helper()
	at := fmt.Sprint(time.Now().Add(-time.Hour).Unix())
	for range n {
		o := cleanuptest.Finished(time.Now(), 0).Order
		o.Version = 0
		if err := r.store.Orders().Save(r.t.Context(), o); err != nil {
			r.t.Fatal(err)
		}
		ids = append(ids, o.ID.String())
		text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
		if _, err := r.DynamoDB.UpdateItem(r.t.Context(), &dynamodb.UpdateItemInput{TableName: &r.tables.Orders,
			Key: map[string]types.AttributeValue{"pk": text("order#" + o.ID.String()), "sk": text("order")}, UpdateExpression: aws.String("SET closed_at = :at"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":at": &types.AttributeValueMemberN{Value: at}}}); err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.DynamoDB.PutItem(r.t.Context(), &dynamodb.PutItemInput{TableName: &r.tables.Orders, Item: map[string]types.AttributeValue{
			"pk": text("closed#orders"), "sk": text(fmt.Sprintf("%020s#%s", at, o.ID)), "v": &types.AttributeValueMemberN{Value: "1"}}}); err != nil {
			r.t.Fatal(err)
		}
	}
	return ids
}

// left counts the order items.
func (r *rig) left() int {
	r.t.Helper()
	out, err := r.DynamoDB.Scan(r.t.Context(), &dynamodb.ScanInput{TableName: &r.tables.Orders, FilterExpression: aws.String("sk = :sk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":sk": &types.AttributeValueMemberS{Value: "order"}}})
	if err != nil {
		r.t.Fatal(err)
	}
	return len(out.Items)
}

// Both functions, killed at each of their requests, before and after the service
// has acted, and run again: the same end.
func TestTheFunctionsKilledAtEachRequest(t *testing.T) {
	r := newRig(t)
	killer := kill.Install(r.Stack)
	sample := r.state()
	objects, err := archive.New(r.S3, r.bucketName())
	if err != nil {
		t.Fatal(err)
	}
	o := sample.Orders[0]
	for function, round := range map[string]struct {
		prepare func()
		check   func(t *testing.T, when string, final bool)
	}{
		job.StatePersistence: {
			prepare: func() {
				o.Src.Balance.Block.Number++
				if err := r.store.Orders().Save(t.Context(), o); err != nil {
					t.Fatal(err)
				}
				o.Version++
			},
			check: func(t *testing.T, when string, final bool) {
				// The newest is a whole one at every moment.
				into := snapshottest.NewState(nil)
				_, err := (&snapshot.Restorer{Bucket: objects, Tables: into, Progress: into, Ledger: into, Mode: "live", Log: slog.New(slog.DiscardHandler)}).
					Restore(context.Background(), snapshot.Options{}, time.Now())
				if err != nil {
					t.Fatalf("%s: %v", when, err)
				}
				got := into.Content().Orders
				i := slices.IndexFunc(got, func(r swap.Order) bool { return r.ID == o.ID })
				if i < 0 || final && got[i].Version != o.Version {
					t.Fatalf("%s: %d orders, not the present state", when, len(got))
				}
			},
		},
		job.OrderCleanup: {
			prepare: func() { r.finished(2) },
			check: func(t *testing.T, when string, final bool) {
				if n := r.left(); final && n != len(sample.Orders) {
					t.Fatalf("%s: %d orders are left, want the %d open ones", when, n, len(sample.Orders))
				}
				if _, under, err := r.store.Closed().Batch(t.Context()); err != nil || final && under {
					t.Fatalf("%s: a batch is under way: %t, %v", when, under, err)
				}
			},
		},
	} {
		t.Run(function, func(t *testing.T) {
			r.must(function) // whose process goes on: one that starts looks at the chains file once more
			round.prepare()
			killer.Watch(function, nil)
			r.must(function)
			round.check(t, "without a kill", true)
			requests := killer.Requests()
			if len(requests) < 12 {
				t.Fatalf("only %d requests: %v", len(requests), requests)
			}
			for _, q := range requests {
				for _, after := range []bool{false, true} {
					at := kill.Point{Request: q, After: after}
					when := "killed " + at.String()
					round.prepare()
					killer.Watch(function, &at)
					how, _ := r.tick(function)
					if !killer.Fired() || how == "ok" {
						t.Fatalf("%s: it came: %t, and ended %s; asked for %v", when, killer.Fired(), how, killer.Requests())
					}
					round.check(t, when, false)
					killer.Watch(function, nil)
					r.must(function)
					round.check(t, when+", run again", true)
				}
			}
		})
	}
	if archived := r.archived(); archived == 0 {
		t.Error("nothing was archived")
	}
}

func (r *rig) archived() int { return len(r.keys("orders/")) }

func TestWrongCommandLines(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	all := named(store.Tables{Orders: "o", Actions: "a", Journal: "j", Jobs: "r"}, "-bucket", "b")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{named(store.Tables{Orders: "o", Actions: "a", Journal: "j", Jobs: "r"}), "-bucket"},
		{[]string{"-bucket", "b"}, "orders table"},
		{append(slices.Clone(all), "-mode", "off"), `mode "off"`},
		{append(slices.Clone(all), "more"), `"more"`},
		{[]string{"-nonsense"}, "nonsense"},
	} {
		err := restore(t.Context(), handTool(restoreCommand, io.Discard), tt.args)
		if !errors.Is(err, errUsage) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want a usage error with %q", tt.args, err, tt.want)
		}
	}
	if err := restore(t.Context(), handTool(restoreCommand, io.Discard), []string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}
