package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/archive"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/health"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/store"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

// slow are the jobs whose period is longer than the demonstration, or nearly: each
// is fired once at its end, in an order in which the later ones see what the
// earlier ones have kept.
var slow = []string{job.BalanceMonitor, job.OrderCleanup, job.MetricsAggregator, job.HealthCheck, job.StatePersistence, job.JobWatchdog, job.DailyReport}

// firings bounds how often a job is fired until a run of it is done: one that was
// cut off with the stack keeps its lease for a while.
const firings = 30

// later are the seconds after the last block at which plans are compared.
var later = []swap.ChainTime{0, 60, 3600, 86400, 8 * 86400}

// Timetable is what the slow jobs have kept.
type Timetable struct {
	Page   string // path of the daily report
	Health health.State
	Jobs   []watchdog.Health
	Open   []alert.Entry
	Ended  []alert.Entry // resolved ones
	// Restored is the newest snapshot, as it was written into empty tables; Plans
	// counts the decisions on its open orders that are the same as those on the
	// orders it was taken of, Others those that are not.
	Restored      snapshot.Restored
	Plans, Others int
}

// timetable fires the slow jobs and reads what they kept. The chains and the
// functions' schedules stand still meanwhile.
func (r *run) timetable(ctx context.Context) (t Timetable, err error) {
	db, err := store.New(r.stack.DynamoDB, r.tables(""), store.Live)
	if err != nil {
		return t, err
	}
	for _, name := range slow {
		if err := r.fire(ctx, db, name); err != nil {
			return t, fmt.Errorf("fire %s: %w", name, err)
		}
	}
	now := time.Now()
	var errs [4]error
	t.Health, errs[0] = db.Health().Load(ctx, now)
	t.Jobs, _, errs[1] = db.Runs().JobHealth(ctx)
	t.Open, errs[2] = db.Alerts().Open(ctx, now)
	t.Ended, errs[3] = db.Alerts().Resolved(ctx, time.Unix(int64(r.begin), 0), now)
	if err := errors.Join(errs[:]...); err != nil {
		return t, err
	}
	if t.Page, err = r.page(ctx); err != nil {
		return t, err
	}
	return t, r.restore(ctx, db, &t)
}

// fire invokes a job with its event, as its schedule does, until a run of it is
// recorded as done.
func (r *run) fire(ctx context.Context, db *store.Store, name string) error {
	event, err := os.ReadFile(filepath.Join(r.Root, "events", name+".json"))
	if err != nil {
		return err
	}
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for range firings {
		tick := time.Now().UTC().Truncate(time.Second)
		res, err := r.stack.Host.Invoke(ctx, name, bytes.Replace(event, []byte("2026-01-01T00:00:00Z"), []byte(tick.Format(time.RFC3339)), 1))
		if err != nil {
			return err
		}
		if res.Outcome != lambda.OK {
			return fmt.Errorf("%s: %s", res.Outcome, res.Payload)
		}
		if done, err := db.Runs().Finished(ctx, name, tick); done || err != nil {
			return err
		}
		select {
		case <-second.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("no run was done in %d firings", firings)
}

// page brings the newest report from the archive to where a person can open it.
func (r *run) page(ctx context.Context) (string, error) {
	bucket, prefix := r.stack.Template.Buckets[0].Name, "reports/"
	list, err := r.stack.S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	if err != nil {
		return "", fmt.Errorf("list reports: %w", err)
	}
	var newest *string // the last page by its time; the records beside them are none
	for _, o := range list.Contents {
		if strings.HasSuffix(*o.Key, ".html") {
			newest = o.Key
		}
	}
	if newest == nil {
		return "", errors.New("no report was written")
	}
	object, err := r.stack.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: newest})
	if err != nil {
		return "", fmt.Errorf("read %s: %w", *newest, err)
	}
	html, err := io.ReadAll(object.Body)
	if err = errors.Join(err, object.Body.Close()); err != nil {
		return "", fmt.Errorf("read %s: %w", *newest, err)
	}
	path := filepath.Join(r.Root, ".local", "report.html")
	return path, os.WriteFile(path, html, 0o644)
}

// restore writes the newest snapshot into empty tables, and compares the plans.
func (r *run) restore(ctx context.Context, db *store.Store, t *Timetable) error {
	const suffix = "-restored"
	tables := slices.Clone(r.stack.Template.Tables)
	for i := range tables {
		tables[i].Name += suffix
	}
	if err := stack.CreateTables(ctx, r.stack.DynamoDB, tables); err != nil {
		return err
	}
	into, err := store.New(r.stack.DynamoDB, r.tables(suffix), store.Live)
	if err != nil {
		return err
	}
	objects, err := archive.New(r.stack.S3, r.stack.Template.Buckets[0].Name)
	if err != nil {
		return err
	}
	state := into.Snapshots()
	restorer := snapshot.Restorer{Bucket: objects, Tables: state, Progress: state, Ledger: state, Mode: string(store.Live), Log: slog.New(slog.DiscardHandler)}
	if t.Restored, err = restorer.Restore(ctx, snapshot.Options{}, time.Now().UTC()); err != nil {
		return err
	}
	before, err := r.plans(ctx, db)
	if err != nil {
		return err
	}
	after, err := r.plans(ctx, into)
	if err != nil {
		return err
	}
	for key, want := range before {
		if reflect.DeepEqual(want, after[key]) {
			t.Plans++
		} else {
			t.Others++
		}
	}
	t.Others += len(after) - min(len(after), len(before))
	return nil
}

// planned is one order at one time.
type planned struct {
	order swap.OrderID
	after swap.ChainTime
}

// plans is what would be decided on every open order, now and later.
func (r *run) plans(ctx context.Context, db *store.Store) (map[planned]swap.Decision, error) {
	file := string(ChainsFile(r.world))
	for _, c := range r.world.Chains { // one node is no second opinion; the functions see the proxy's two addresses
		node := c.Dev.URL()
		file = strings.Replace(file, fmt.Sprintf("%s-2, url: %q", c.Name, node), fmt.Sprintf("%s-2, url: %q", c.Name, node+"/2"), 1)
	}
	conf, err := env.ParseChains([]byte(file), os.LookupEnv)
	if err != nil {
		return nil, err
	}
	policy := conf.Policy()
	policy.Horizon, policy.SyncLag, policy.Overdue = 25, 75, 15
	facts, ids := map[uint64]swap.Provisional{}, map[swap.OrderID]bool{}
	for _, c := range conf.Chains {
		if facts[c.ID], err = db.Facts().Provisional(ctx, c.ID); err != nil {
			return nil, err
		}
		rows, err := db.Orders().Watched(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			ids[row.Order] = true
		}
	}
	var open []swap.OrderID
	for id := range ids {
		open = append(open, id)
	}
	orders, err := db.Orders().Load(ctx, open)
	if err != nil {
		return nil, err
	}
	out := map[planned]swap.Decision{}
	for _, after := range later {
		views := swap.Views{}
		for id, p := range facts {
			head := p.To
			head.Time += after
			views[id] = swap.ChainView{ChainID: id, Head: head, SyncedTo: head, Final: p.From}
		}
		for _, o := range orders {
			if out[planned{o.ID, after}], err = swap.Plan(swap.Fold(o, facts), views, policy); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// tables are the template's, with something behind their names.
func (r *run) tables(suffix string) store.Tables {
	name := func(logicalID string) string { return r.stack.TableName(logicalID) + suffix }
	return store.Tables{Orders: name("Orders"), Actions: name("Actions"), Journal: name("Journal"), Jobs: name("Jobs")}
}

// Same reports whether the restored orders are decided on as the others were.
func (t Timetable) Same() bool { return t.Others == 0 && !t.Restored.Taken.IsZero() }

// Write prints what the jobs have kept.
func (t Timetable) Write(w io.Writer) error {
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := watchdog.WriteTable(w, t.Jobs); err != nil {
		return err
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	well := 0
	fmt.Fprintf(tab, "\nhealth: %s\n", t.Health.Latest.Found)
	for _, c := range t.Health.Latest.Components {
		if c.Status == health.Healthy {
			well++
			continue
		}
		fmt.Fprintf(tab, "  %s\t%s\t%s\n", c.Name, c.Status, c.Detail)
	}
	fmt.Fprintf(tab, "  %d parts\t%s\t\n", well, health.Healthy)
	fmt.Fprintf(tab, "\nalerts: %d open, %d ended\n", len(t.Open), len(t.Ended))
	lives := map[string]int{}
	for _, e := range slices.Concat(t.Open, t.Ended) {
		lives[fmt.Sprintf("%s\t%s\t%s", e.Severity, e.Kind, e.State)]++
	}
	for _, line := range sorted(lives) {
		fmt.Fprintf(tab, "  %d\t%s\n", lives[line], line)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	for _, e := range t.Ended[:min(3, len(t.Ended))] {
		fmt.Fprintf(w, "  such as %s: open since %s, ended by %q\n", e.Kind, e.OpenedAt.UTC().Format(time.TimeOnly), e.Proof)
	}
	fmt.Fprintf(w, "\nsnapshot: %s, verified and restored into empty tables: %d orders, %d pieces of work, %d journal entries\n",
		t.Restored.Key, t.Restored.Counts.Orders, t.Restored.Counts.Works, t.Restored.Counts.Entries)
	fmt.Fprintf(w, "plans on the restored orders, now and until eight days later: %d the same, %d others\n", t.Plans, t.Others)
	_, err := fmt.Fprintf(w, "report: %s\n", t.Page)
	return err
}

func sorted(of map[string]int) []string {
	var out []string
	for line := range of {
		out = append(out, line)
	}
	slices.SortFunc(out, strings.Compare)
	return out
}
