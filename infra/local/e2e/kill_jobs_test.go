package e2e

import (
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/kill"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup/cleanuptest"
	"github.com/bridge-me-not/resolver-cron/shared/health"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

// keeper is a rig whose functions look and tell, and send nothing: what they leave
// behind is in the tables and the archive, and in what was published.
type keeper struct {
	*rig
	*kill.Killer
	since time.Time // what was stored before is no work of the lives

	mu   sync.Mutex
	told map[string]int // deliveries of each alert, and of reports
}

// item is a stored item, and its key without what changes from life to life.
type item = map[string]types.AttributeValue

// tables are what the jobs write to.
var tables = []string{"Jobs", "Orders"}

// state is what a life leaves: items by table and key, objects by key.
type state map[string]string

func newKeeper(t *testing.T) *keeper {
	low := func(file string) string {
		watched := fmt.Sprintf("address: %q, path: none", scene.WatchedTaker.Address.Hex())
		return strings.Replace(file, watched, watched+", minBalance: { native: 2000000000000000000000000 }", 1)
	}
	r := newRig(t, setup{plain: true, profile: string(job.Mainnet), chains: low,
		functions: []string{job.BalanceMonitor, job.HealthCheck, job.MetricsAggregator, job.JobWatchdog, job.DailyReport}})
	r.AWS.Use(longAgo)
	k := &keeper{rig: r, Killer: kill.Install(r.Stack), told: map[string]int{}}
	r.AWS.Use(k.listen)
	return k
}

var feedDay = regexp.MustCompile(`"feed#([0-9-]+)#`)

// longAgo answers what the feed holds of days in which nothing has happened here,
// as the service would: the daily report asks for those of a month, in each run.
func longAgo(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
	day := feedDay.FindSubmatch(c.Body)
	if c.Action != "Query" || day == nil || string(day[1]) > time.Now().Add(-48*time.Hour).UTC().Format(time.DateOnly) {
		return next(c)
	}
	return &awsproxy.Reply{Status: 200, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: []byte(`{"Count":0,"Items":[],"ScannedCount":0}`)}, nil
}

// listen counts what is published, by what it tells of. It sees what a process
// publishes that does not live to learn of it.
func (k *keeper) listen(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
	reply, err := next(c)
	if err != nil || reply.Status != 200 || c.Service != "sns" || c.Action != "Publish" {
		return reply, err
	}
	form, err := url.ParseQuery(string(c.Body))
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, what := range toldBy(form.Get("Subject"), form.Get("Message")) {
		k.told[what]++
	}
	return reply, nil
}

var (
	subjectKind = regexp.MustCompile(`^[A-Z, ]+: ([a-z-]+)`)
	whereLine   = regexp.MustCompile(`(?m)^Where: .*$`)
)

// toldBy names what a message tells of: alerts by kind and place, whatever else is in the same message.
func toldBy(subject, message string) (all []string) {
	kind := subjectKind.FindStringSubmatch(subject)
	if kind == nil {
		return []string{"report"}
	}
	over := ""
	if strings.HasPrefix(subject, "RESOLVED") {
		over = "end of "
	}
	places := whereLine.FindAllString(message, -1)
	if len(places) == 0 {
		places = []string{""}
	}
	for _, p := range places {
		all = append(all, over+kind[1]+strings.TrimPrefix(p, "Where:"))
	}
	return all
}

// untold are the alerts of which nobody has noted that they were delivered.
func (k *keeper) untold() ([]alert.Entry, error) {
	return k.store.Alerts().Due(k.t.Context(), 1000, time.Time{}, 0)
}

// mayRepeat names what may be told once more, because a process died after it was
// told and before that was noted; before are the deliveries when the process began.
func (k *keeper) mayRepeat(before map[string]int) (again []string, err error) {
	open, err := k.untold()
	if err != nil {
		return nil, err
	}
	waits := map[string]bool{}
	for _, e := range open {
		over := ""
		if e.State == alert.Resolved {
			over = "end of "
		}
		place := ""
		if e.Account != "" {
			place = " account " + e.Account
		}
		waits[over+string(e.Kind)+place] = true
	}
	noted := false
	now, err := k.items("Jobs")
	if err != nil {
		return nil, err
	}
	for key := range now {
		noted = noted || strings.HasPrefix(key, "report#")
	}
	waits["report"] = !noted
	for what, n := range k.deliveries() {
		if n > before[what] && waits[what] {
			again = append(again, what)
		}
	}
	return again, nil
}

func (k *keeper) deliveries() map[string]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.told)
}

// later lets so much time go by that nobody holds a dead process's lease, that its
// alerts are taken up by others, and that messages may be sent again.
func (k *keeper) later() error {
	ctx := k.t.Context()
	if err := k.expire(); err != nil {
		return err
	}
	open, err := k.untold()
	if err != nil {
		return err
	}
	jobs, err := k.items("Jobs")
	if err != nil {
		return err
	}
	ended := map[string]bool{} // rows of lives, by the key that they have before that
	for _, e := range open {
		if e.State == alert.Resolved {
			ended["resolved-alerts "+e.RaisedAt.UTC().Format("2006-01-02T15:04:05.000Z")+"#"+e.Key()] = true
		}
		e.RaisedAt, e.Write = e.RaisedAt.Add(-20*time.Second), rand.Text()
		if err := k.store.Alerts().Save(ctx, e); err != nil {
			return err
		}
	}
	for key, it := range jobs {
		if strings.HasPrefix(key, "alert-rate#") || ended[key] {
			if err := k.remove("Jobs", it); err != nil {
				return err
			}
		}
	}
	return nil
}

// items reads a table, by key.
func (k *keeper) items(table string) (map[string]item, error) {
	name, out := k.TableName(table), map[string]item{}
	pages := dynamodb.NewScanPaginator(k.DynamoDB, &dynamodb.ScanInput{TableName: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(k.t.Context())
		if err != nil {
			return nil, err
		}
		for _, it := range page.Items {
			out[it["pk"].(*types.AttributeValueMemberS).Value+" "+it["sk"].(*types.AttributeValueMemberS).Value] = it
		}
	}
	return out, nil
}

func (k *keeper) remove(table string, it item) error {
	name := k.TableName(table)
	_, err := k.DynamoDB.DeleteItem(k.t.Context(), &dynamodb.DeleteItemInput{TableName: &name, Key: item{"pk": it["pk"], "sk": it["sk"]}})
	return err
}

// memory is what the tables held at a moment.
type memory map[string]map[string]item

func (k *keeper) remember() (memory, error) {
	m := memory{}
	for _, table := range tables {
		var err error
		if m[table], err = k.items(table); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// restore makes the tables what they were, and empties the archive. The functions
// begin cold.
func (k *keeper) restore(m memory, function string) error {
	k.Host.Kill(function)
	ctx := k.t.Context()
	for _, table := range tables {
		now, err := k.items(table)
		if err != nil {
			return err
		}
		for key, it := range now {
			if m[table][key] == nil {
				if err := k.remove(table, it); err != nil {
					return err
				}
			}
		}
		name := k.TableName(table)
		for key, it := range m[table] {
			if !reflect.DeepEqual(it, now[key]) {
				if _, err := k.DynamoDB.PutItem(ctx, &dynamodb.PutItemInput{TableName: &name, Item: it}); err != nil {
					return err
				}
			}
		}
	}
	bucket := k.Template.Buckets[0].Name
	objects, err := k.S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		return err
	}
	for _, o := range objects.Contents {
		if _, err := k.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: o.Key}); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.told = map[string]int{}
	return nil
}

// passing are the attributes and fields that say when, how quickly or by whom
// something was written, and not what.
var passing = map[string]bool{"w": true, "n": true, "run": true, "expires_at": true, "Write": true, "holder": true, "started": true, "ended": true, "fence": true,
	"ms": true, "age_s": true, "took_ms": true, "waiting": true, "version": true, "Usual": true, "Lately": true, "Token": true, "Fence": true}

var ages = regexp.MustCompile(`\d+(\.\d+)?[hms][0-9hms.]* (ago|in the future)`)

var stamped = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?Z)?`)

// plain writes a value without what differs between lives that are alike: the times
// of the life itself.
func (k *keeper) plain(v any, ticks map[string]string) any {
	switch v := v.(type) {
	case string:
		return stamped.ReplaceAllStringFunc(ages.ReplaceAllString(v, "$2"), func(s string) string {
			at, err := time.Parse(time.RFC3339Nano, s)
			tick := ticks[at.UTC().Format(time.RFC3339Nano)]
			if err != nil || tick == "" && at.Before(k.since) {
				return s
			}
			return cmp.Or(tick, "now")
		})
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = k.plain(v[i], ticks)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name, field := range v {
			if !passing[name] {
				out[k.plain(name, ticks).(string)] = k.plain(field, ticks)
			}
		}
		return out
	}
	return v
}

// look reads what is there now. ticks names those of the life.
func (k *keeper) look(ticks map[string]string) (state, error) {
	out := state{}
	for _, table := range tables {
		all, err := k.items(table)
		if err != nil {
			return nil, err
		}
		for key, it := range all {
			kind, _, _ := strings.Cut(key, "#")
			if kind == "alert-rate" {
				continue // they count what was tried
			}
			fields := map[string]any{}
			for name, value := range it {
				switch v := value.(type) {
				case *types.AttributeValueMemberS:
					fields[name] = v.Value
				case *types.AttributeValueMemberN:
					fields[name] = v.Value
				case *types.AttributeValueMemberBOOL:
					fields[name] = v.Value
				case *types.AttributeValueMemberB:
					if name != "b" {
						continue
					}
					content, err := io.ReadAll(flate.NewReader(bytes.NewReader(v.Value)))
					if err != nil {
						return nil, fmt.Errorf("%s: %w", key, err)
					}
					d := json.NewDecoder(bytes.NewReader(content))
					d.UseNumber()
					var body any
					if err := d.Decode(&body); err != nil {
						return nil, fmt.Errorf("%s: %w", key, err)
					}
					fields[name] = body
				}
			}
			switch {
			case fields["sk"] == "lease": // that it is free, whoever had it
				ends, err := strconv.ParseInt(fmt.Sprint(fields["ends"]), 10, 64)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", key, err)
				}
				fields = map[string]any{"held": fields["held"] == true && time.UnixMilli(ends).After(time.Now())}
			case kind == "run": // not how it came to its end
				fields = map[string]any{"state": fields["state"]}
			case strings.HasPrefix(key, "run-fresh "): // a mark of each try
				key = key[:strings.LastIndex(key, "#")]
				fields["sk"] = nil
			}
			delete(fields, "since") // milliseconds of an announcement
			text, err := json.Marshal(k.plain(fields, ticks))
			if err != nil {
				return nil, err
			}
			out[table+" "+k.plain(key, ticks).(string)] = string(text)
		}
	}
	bucket := k.Template.Buckets[0].Name
	objects, err := k.S3.ListObjectsV2(k.t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		return nil, err
	}
	for _, o := range objects.Contents {
		object, err := k.S3.GetObject(k.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(object.Body)
		if err = errors.Join(err, object.Body.Close()); err != nil {
			return nil, err
		}
		out["archive "+*o.Key] = fmt.Sprintf("%x", sha256.Sum256(content))
	}
	return out, nil
}

// differs tells the first differences of two states.
func differs(got, want state) error {
	var errs []error
	all := maps.Clone(want)
	maps.Copy(all, got)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if got[key] != want[key] {
			errs = append(errs, fmt.Errorf("%s is\n%s, want\n%s", key, cmp.Or(got[key], "missing"), cmp.Or(want[key], "missing")))
		}
	}
	return errors.Join(errs...)
}

// watched says how a job is held against itself.
type watched struct {
	function string
	// tick chooses two ticks for a life; without a second one there is only one.
	tick func(now time.Time) (first, second time.Time)
	// itself is the beginning of a key under which the job tells, until it runs
	// again, that a run of its own died.
	itself string
	// tells counts the alerts, or reports, that an undisturbed life tells of.
	tells int
	// dear: it asks thousands of times for what does not change. Of those requests
	// with one name it is killed before the first, the last and one between.
	dear bool
}

// outcome is what one tick of a job and the next one leave.
type outcome struct {
	first, second state
	told          map[string]int
}

// pass is a job at work on what was prepared for it.
type pass struct {
	*keeper
	watched
	from  memory
	met   []kill.Request
	wants map[time.Time]outcome // of undisturbed lives, by the time that they were in
}

// span is for how long the wall clock changes nothing about what there is to do.
const span = 5 * time.Minute

func (p *pass) invoke(tick time.Time, target *kill.Point) (ok bool, err error) {
	p.Watch(p.function, target)
	res, err := p.Host.Invoke(p.t.Context(), p.function, tickAt(p.function, tick))
	if err != nil {
		return false, err
	}
	if res.Failed() && !p.Fired() {
		return false, fmt.Errorf("%s: %s", res.Outcome, res.Payload)
	}
	return !res.Failed(), nil
}

// live lives through two ticks of the job, the first of which is killed at the
// points in turn and then let be. Points that did not come are returned.
func (p *pass) live(points []kill.Point, twice bool) (got outcome, repeats map[string]int, missed []kill.Point, err error) {
	fail := func(err error) (outcome, map[string]int, []kill.Point, error) { return got, repeats, missed, err }
	if err := p.restore(p.from, p.function); err != nil {
		return fail(err)
	}
	first, second := p.tick(time.Now())
	ticks := map[string]string{first.UTC().Format(time.RFC3339Nano): "first", second.UTC().Format(time.RFC3339Nano): "second"}
	repeats = map[string]int{}
	for i, at := range points {
		before := p.deliveries()
		ok, err := p.invoke(first, &at)
		if err != nil {
			return fail(err)
		}
		if ok && p.Fired() {
			return fail(fmt.Errorf("killed %s, and yet it ended well", at))
		}
		if ok {
			missed = points[i:]
			break
		}
		again, err := p.mayRepeat(before)
		if err != nil {
			return fail(err)
		}
		for _, what := range again {
			repeats[what]++
		}
		if err := p.later(); err != nil {
			return fail(err)
		}
	}
	if _, err := p.invoke(first, nil); err != nil {
		return fail(err)
	}
	if points == nil && !twice {
		p.met = p.Requests()
	}
	if twice { // for one scheduled time
		if _, err := p.invoke(first, nil); err != nil {
			return fail(err)
		}
	}
	if got.first, err = p.look(ticks); err != nil {
		return fail(err)
	}
	if p.itself != "" {
		maps.DeleteFunc(got.first, func(key, _ string) bool { return strings.HasPrefix(key, p.itself) })
	}
	if !second.IsZero() {
		if _, err := p.invoke(second, nil); err != nil {
			return fail(err)
		}
		if got.second, err = p.look(ticks); err != nil {
			return fail(err)
		}
	}
	got.told = p.deliveries()
	return got, repeats, missed, nil
}

// try is live, held against a life without a kill within the same minutes.
func (p *pass) try(points []kill.Point, twice bool) (missed []kill.Point, err error) {
	for {
		began := time.Now().Truncate(span)
		want, known := p.wants[began]
		if !known {
			if want, _, _, err = p.live(nil, false); err != nil {
				return nil, fmt.Errorf("undisturbed: %w", err)
			}
			p.wants[began] = want
		}
		got, repeats, missed, err := p.live(points, twice)
		if err != nil {
			return nil, err
		}
		if !time.Now().Truncate(span).Equal(began) {
			continue // neither of then nor of now
		}
		errs := []error{differs(got.first, want.first), differs(got.second, want.second)}
		all := maps.Clone(want.told)
		maps.Copy(all, got.told)
		for what := range all {
			if n, least := got.told[what], want.told[what]; n < least || n > least+repeats[what] {
				errs = append(errs, fmt.Errorf("%q was told %d times, want %d, and at most %d more", what, n, least, repeats[what]))
			}
		}
		return missed, errors.Join(errs...)
	}
}

// changes tells whether a request changes anything.
func changes(q kill.Request) bool {
	return !strings.Contains(q.Name, " eth_") && !strings.Contains(q.Name, ":Get") && !strings.Contains(q.Name, ":Query") && !strings.Contains(q.Name, ":BatchGet") &&
		!strings.Contains(q.Name, ":List")
}

// crowded is how many kills a life has, but for those after a change: each of them
// has a life of its own, or shares it with a few others where runs are dear.
const crowded, shared = 12, 4

// lives spreads the points over lives. Without other parts of the run at work, a
// kill before a request leaves what one after the request before it leaves.
func (p *pass) lives() (all [][]kill.Point) {
	count, seen := map[string]int{}, map[string]int{}
	for _, q := range p.met {
		count[q.Name]++
	}
	var changed, others []kill.Point
	for _, q := range p.met {
		if strings.HasSuffix(q.Name, " #ends") {
			continue // a renewal, by the clock: on another day it does not come
		}
		before, after := kill.Point{Request: q}, kill.Point{Request: q, After: true}
		n, i := count[q.Name], seen[q.Name]
		seen[q.Name]++
		switch {
		case changes(q):
			changed, others = append(changed, after), append(others, before)
		case !p.dear:
			others = append(others, before, after)
		case i == 0 || i == n/2 || i == n-1:
			others = append(others, before)
		}
	}
	own := 1
	if p.dear {
		own = shared
	}
	return append(spread(changed, own), spread(others, crowded)...)
}

// spread deals points to lives of so many, those of a life in their order.
func spread(points []kill.Point, of int) [][]kill.Point {
	n := (len(points) + of - 1) / of
	all := make([][]kill.Point, n)
	for i, at := range points {
		all[i%n] = append(all[i%n], at)
	}
	return all
}

func TestKillJobsThatTell(t *testing.T) {
	k := newKeeper(t)
	recent := func(now time.Time) (first, second time.Time) {
		now = now.UTC().Truncate(time.Millisecond)
		return now.Add(-time.Second), now
	}
	// Chains that are ahead of the wall clock are fresh, however long this takes.
	if err := k.mine(uint64(time.Now().Add(time.Hour).Unix())); err != nil {
		t.Fatal(err)
	}
	k.prepare()
	from, err := k.remember()
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range []watched{
		{function: job.BalanceMonitor, tick: recent, tells: 2},
		{function: job.HealthCheck, tick: recent, tells: 1},
		{function: job.MetricsAggregator, tick: recent, itself: "Jobs tally"},
		{function: job.JobWatchdog, tick: recent, itself: "Jobs watchdog", tells: 3},
		{function: job.DailyReport, tick: func(now time.Time) (first, second time.Time) { return now.UTC().Truncate(24 * time.Hour), time.Time{} },
			itself: "Jobs tally", tells: 1, dear: true},
	} {
		t.Run(j.function, func(t *testing.T) {
			k.t = t
			p := &pass{keeper: k, watched: j, from: from, wants: map[time.Time]outcome{}}
			start := time.Now()
			if _, err := p.try(nil, true); err != nil {
				t.Fatalf("twice for one tick: %v", err)
			}
			lives, points, kills, gone := 0, 0, 0, 0
			misses := map[kill.Point]int{}
			left := p.lives()
			for _, of := range left {
				points += len(of)
			}
			for ; len(left) > 0 && !t.Failed(); lives++ {
				of := left[0]
				left = left[1:]
				missed, err := p.try(of, false)
				if err != nil {
					t.Errorf("killed %v: %v", of[:len(of)-len(missed)], err)
				}
				kills += len(of) - len(missed)
				for _, at := range missed { // something earlier has seen to it
					// A request that is sent again, because its answer took too long, comes in one life only.
					if misses[at]++; misses[at] > mostMisses {
						if at.Nth == 0 {
							t.Errorf("did not come: %s of %v", at, p.met)
						}
						gone++
						continue
					}
					left = append(left, []kill.Point{at})
				}
			}
			if !t.Failed() && (kills+gone != points || gone > points/50) {
				t.Errorf("%d kills of %d, %d of them not met again", kills, points, gone)
			}
			t.Logf("killed at %d points of %d requests in %d lives, %.1f s", kills, len(p.met), lives, time.Since(start).Seconds())
			for _, w := range p.wants {
				if len(w.told) != j.tells {
					t.Errorf("undisturbed, it tells %v", w.told)
				}
			}
		})
	}
}

// prepare leaves every job something to find: a taker that is low and one that is
// not any more, jobs that are missing and one that is back, swaps that ended.
func (k *keeper) prepare() {
	t, ctx := k.t, k.t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now().UTC()
	old := now.Add(-2 * time.Hour).Truncate(time.Second)
	told := func(a alert.Alert) {
		e, _, err := alert.Raise(ctx, k.store.Alerts(), a, old)
		must(err)
		e.NotifiedAt, e.Write = old, rand.Text()
		must(k.store.Alerts().Save(ctx, e))
	}
	k.since = now.Add(-5 * time.Minute)
	k.mustRun(job.MetricsAggregator, tickAt(job.MetricsAggregator, now)) // the first counts a whole day
	for range 3 {
		o := cleanuptest.Finished(now, 0).Order
		o.Version = 0
		must(k.store.Orders().Save(ctx, o))
	}
	c := k.world.Chains[0]
	refilled := balance.DryAlert(c.ID, scene.TakerV1.Address)
	refilled.What = "it was dry"
	told(refilled)
	must(k.store.Health().Save(ctx, health.State{Settled: health.Healthy, Since: old, Latest: health.Report{At: old, Found: health.Healthy}}))
	book := watchdog.Book{At: old, Pages: map[string]watchdog.Page{}}
	for _, s := range job.Table {
		if period := s.Cadence(job.Mainnet).Period; period > 0 {
			book.Pages[s.Name] = watchdog.Page{Since: now.Add(24 * time.Hour), Period: period} // nothing is missed before
		}
	}
	for _, name := range []string{job.TimelockMonitor, job.StatePersistence} {
		book.Pages[name] = watchdog.Page{Since: old, Period: book.Pages[name].Period}
	}
	back := alert.Alert{Kind: alert.JobMissing, Account: job.OrderCleanup, What: "it was missing"}
	told(back)
	page := book.Pages[job.OrderCleanup]
	page.Open = map[alert.Kind]time.Time{alert.JobMissing: old}
	book.Pages[job.OrderCleanup] = page
	ran := func(name string, at time.Time) {
		must(k.store.Runs().Record(ctx, job.Record{Job: name, Scheduled: at, State: job.Done, Token: name, Started: at, Ended: at, Attempts: 1}))
	}
	ran(job.OrderCleanup, now.Add(-time.Minute))
	ran(job.TimelockMonitor, old)
	must(k.store.Runs().SaveBook(context.WithoutCancel(ctx), book))
}
