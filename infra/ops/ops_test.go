package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/store"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// desk is an operator's, with a jobs table of its own on the real server.
type desk struct {
	*testing.T
	store *store.Store
	env   map[string]string
	in    string // what the command reads
	now   time.Time
	ahead time.Duration // of the database's clock, this machine's
	mute  bool          // the database does not say what time it is
	away  error         // of the connection
	dial  func(context.Context) (*dynamodb.Client, error)
}

func newDesk(t *testing.T) *desk {
	client, table := servicetest.Table(t)
	d := &desk{T: t, now: t0, env: map[string]string{"ORDERS_TABLE": "o", "ACTIONS_TABLE": "a", "JOURNAL_TABLE": "j", "JOBS_TABLE": table}}
	client = dynamodb.New(client.Options(), func(o *dynamodb.Options) { o.HTTPClient = dated{o.HTTPClient, d} })
	s, err := store.New(client, store.Tables{Orders: "o", Actions: "a", Journal: "j", Jobs: table}, store.Live)
	if err != nil {
		t.Fatal(err)
	}
	d.store, d.dial = s, func(context.Context) (*dynamodb.Client, error) { return client, nil }
	return d
}

// dated has the database say what time it is at a desk.
type dated struct {
	dynamodb.HTTPClient
	desk *desk
}

func (c dated) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.HTTPClient.Do(r)
	if err == nil {
		if c.desk.mute {
			resp.Header.Del("Date")
			return resp, nil
		}
		resp.Header.Set("Date", c.desk.now.Add(-c.desk.ahead).UTC().Format(http.TimeFormat))
	}
	return resp, err
}

// ops runs the tool and expects an exit code.
func (d *desk) ops(code int, args ...string) (out, errs string) {
	d.Helper()
	var o, e bytes.Buffer
	got := run(d.Context(), tool{in: strings.NewReader(d.in), out: &o, errs: &e, now: func() time.Time { return d.now }, connect: func(ctx context.Context) (*dynamodb.Client, error) {
		if d.away != nil {
			return nil, d.away
		}
		return d.dial(ctx)
	}, lookup: func(name string) (string, bool) { v, ok := d.env[name]; return v, ok }}, args)
	if got != code {
		d.Errorf("ops %q ended with %d, want %d\n%s%s", args, got, code, &o, &e)
	}
	return o.String(), e.String()
}

func (d *desk) says(text string, wants ...string) {
	d.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			d.Errorf("%q is not in:\n%s", want, text)
		}
	}
}

func TestHelpAndMistakes(t *testing.T) {
	d := newDesk(t)
	out, _ := d.ops(exitDone, "help")
	for _, c := range commands {
		d.says(out, "  "+c.name+" ")
		_, errs := d.ops(exitDone, c.name, "-h")
		d.says(errs, "usage: ops "+c.name+" "+c.args, "-json")
		if c.name != billCommand.name {
			d.says(errs, "-jobs-table name")
		}
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"usage: ops", nil}, {`no command "fire"`, []string{"fire"}},
		{"flag provided but not defined: -x", []string{"alerts", "-x"}}, {`unexpected ["all"]`, []string{"alerts", "all"}},
		{"want the key", []string{"ack", "-by", "a"}}, {"want the key", []string{"ack", "a", "b", "-by", "a"}}, {"-by is missing", []string{"ack", "a"}},
		{"-by is missing", []string{"resolve", "a", "-proof", "x"}}, {"-proof is missing", []string{"resolve", "a", "-by", "x", "-proof", " "}},
		{"want one of", []string{"pause", "-for", "1h", "-by", "a", "-why", "b"}},
		{"want one of", []string{"pause", "-all", "-chain", "10", "-for", "1h", "-by", "a", "-why", "b"}},
		{"does not say who", []string{"pause", "-all", "-for", "1h", "-why", "b"}},
		{"does not say why", []string{"pause", "-all", "-for", "1h", "-by", "a"}},
		{"for how long", []string{"pause", "-all", "-by", "a", "-why", "b"}},
		{"4h0m0s is the most", []string{"pause", "-all", "-for", "4h1s", "-by", "a", "-why", "b"}},
		{`job "fire" is not in the table`, []string{"pause", "-job", "fire", "-for", "1h", "-by", "a", "-why", "b"}},
		{"watching is never paused", []string{"pause", "-job", job.StateSync, "-for", "1h", "-by", "a", "-why", "b"}},
		{"watching is never paused", []string{"pause", "-job", job.PacerJob, "-for", "1h", "-by", "a", "-why", "b"}},
		{"want one of", []string{"resume"}}, {"-runs 0", []string{"jobs", "-runs", "0"}},
		{"invalid value", []string{"pause", "-chain", "-1"}},
		{"want show, check, put or back", []string{"chains"}}, {`unknown "look"`, []string{"chains", "look"}}, {"put: want one argument, have 0", []string{"chains", "put"}},
		{"does not say who", []string{"chains", "put", "chains.yaml", "-why", "b"}}, {"does not say why", []string{"chains", "back", "1", "-by", "a"}},
		{"nowhere.yaml", []string{"chains", "put", "nowhere.yaml", "-by", "a", "-why", "b"}}, {`have "one"`, []string{"chains", "back", "one", "-by", "a", "-why", "b"}},
		{`have "-1"`, []string{"chains", "back", "-by", "a", "-why", "b", "--", "-1"}}, {"-mode", []string{"chains", "show", "-mode", "off"}}, {"have 2", []string{"chains", "show", "1", "2"}},
	} {
		_, errs := d.ops(exitUsage, c.args...)
		d.says(errs, c.want)
	}
	if s, err := d.store.Control().Load(t.Context()); err != nil || len(s.Pauses) != 0 {
		t.Errorf("a mistake was stored: %+v, %v", s, err)
	}
	delete(d.env, "JOBS_TABLE")
	for _, c := range commands {
		if c.name == addressCommand.name || c.name == billCommand.name { // they read no table
			continue
		}
		args := map[string][]string{"ack": {"k", "-by", "a"}, "resolve": {"k", "-by", "a", "-proof", "b"}, "pause": {"-all", "-for", "1h", "-by", "a", "-why", "b"}, "resume": {"-all"}, "order": {"1:0x1111111111111111111111111111111111111111"}, "chains": {"show"}}[c.name]
		_, errs := d.ops(exitUsage, append([]string{c.name}, args...)...)
		d.says(errs, "no name for the jobs table")
	}
	d.away = errors.New("no credentials")
	_, errs := d.ops(exitFailed, "alerts")
	d.says(errs, "no credentials")
}

func TestAlerts(t *testing.T) {
	d := newDesk(t)
	behind := alert.Alert{Kind: alert.ChainBehind, Chain: 10, What: "head 5 min old"}
	late := alert.Alert{Kind: alert.FundsGone, Chain: 8453, Order: "8453:0xa", AtStake: "12 USDC"}
	for i, a := range []alert.Alert{behind, late} {
		e, _, err := alert.Raise(t.Context(), d.store.Alerts(), a, t0.Add(time.Duration(i)*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			e.NotifiedAt, e.Write = t0, rand.Text()
			if err := d.store.Alerts().Save(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.now = t0.Add(3 * time.Minute)
	out, _ := d.ops(exitDone, "alerts")
	d.says(out, "SEVERITY", behind.Key(), late.Key(), "1 not delivered yet, the oldest due for 2m0s")
	if strings.Index(out, late.Key()) > strings.Index(out, behind.Key()) {
		t.Errorf("the critical is not first:\n%s", out)
	}
	out, _ = d.ops(exitDone, "ack", behind.Key(), "-by", "anna", "-note", "on it")
	d.says(out, behind.Key()+" is acknowledged by anna since 2026-03-01 12:03:00Z")
	out, _ = d.ops(exitDone, "ack", "-json", "-by", "bob", behind.Key()) // flags first, and again
	d.says(out, `"state": "acknowledged"`, `"ackedBy": "anna"`)
	_, errs := d.ops(exitFailed, "ack", "nothing", "-by", "anna")
	d.says(errs, "no such alert is open")

	var list struct {
		Alerts      []alertView
		Undelivered int
	}
	out, _ = d.ops(exitDone, "alerts", "-json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Alerts) != 2 || list.Undelivered != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	if a := list.Alerts[1]; a.Key != behind.Key() || a.AckedBy != "anna" || a.AckNote != "on it" || a.Announced != 1 || !a.Delivered || !a.OpenedAt.Equal(t0) {
		t.Errorf("%+v", a)
	}
	d.now = t0.Add(4 * time.Minute)
	out, _ = d.ops(exitDone, "resolve", late.Key(), "-by", "anna", "-proof", "found in 0x1")
	d.says(out, late.Key()+" is resolved")
	_, errs = d.ops(exitFailed, "resolve", late.Key(), "-by", "anna", "-proof", "again")
	d.says(errs, "no such alert is open")
	d.now = t0.Add(5 * time.Minute)
	out, _ = d.ops(exitDone, "alerts", "-resolved")
	d.says(out, late.Key(), "resolved", "anna: found in 0x1")
	if strings.Contains(out, behind.Key()) {
		t.Errorf("open, and listed as resolved:\n%s", out)
	}
}

func TestPauses(t *testing.T) {
	d := newDesk(t)
	out, _ := d.ops(exitDone, "pause", "-chain", "10", "-for", "2h", "-by", "anna", "-why", "reorg")
	d.says(out, "sending on chain 10 is paused until 2026-03-01 14:00:00Z, for 2h0m0s", "claimed all the same")
	out, _ = d.ops(exitDone, "pause", "-all", "-for", "4h", "-by", "bob", "-why", "keys", "-claims", "-json")
	d.says(out, `"scope": "all sending"`, `"claims": true`, `"until": "2026-03-01T16:00:00Z"`)
	s, err := d.store.Control().Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := s.Allows(control.Work{Job: job.ActionExecutor, Chain: 8453, Claim: true}, t0); ok || p.By != "bob" {
		t.Errorf("a claim is held back by %q", p.By)
	}
	out, _ = d.ops(exitDone, "pauses")
	d.says(out, "all sending", "sending on chain 10", "anna", "stop", "go on", "reorg")
	d.now = t0.Add(time.Hour)
	out, _ = d.ops(exitDone, "resume", "-all")
	d.says(out, "all sending goes on", "still paused: sending on chain 10 until 2026-03-01 14:00:00Z, by anna: reorg")
	out, _ = d.ops(exitDone, "resume", "-all")
	d.says(out, "all sending was not paused")
	out, _ = d.ops(exitDone, "pause", "-chain", "10", "-for", "2h", "-by", "bob", "-why", "still")
	d.says(out, "until 2026-03-01 15:00:00Z")
	out, _ = d.ops(exitDone, "pauses", "-json")
	var list []pauseView
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 || list[0].By != "bob" || !list[0].Since.Equal(t0) {
		t.Errorf("%v\n%s", err, out)
	}
	d.now = t0.Add(3 * time.Hour)
	if out, _ = d.ops(exitDone, "pauses", "-json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("over, and listed: %s", out)
	}
	out, _ = d.ops(exitDone, "pause", "-job", job.ActionExecutor, "-for", "1h", "-by", "a", "-why", "b")
	d.says(out, "job action-executor is paused", "claimed all the same")
	if strings.Contains(out, "clock") {
		t.Errorf("nothing is wrong with the clock:\n%s", out)
	}
}

// Where the database does not say what time it is, no pause is said to be over.
func TestPausesWithoutAClock(t *testing.T) {
	d := newDesk(t)
	d.ops(exitDone, "pause", "-job", job.DailyReport, "-for", "1h", "-by", "anna", "-why", "a look at it")
	d.mute = true
	for _, args := range [][]string{{"pauses"}, {"pauses", "-json"}, {"jobs"}, {"jobs", "-json"}, {"resume", "-all"}} {
		if _, errs := d.ops(exitFailed, args...); !strings.Contains(errs, "did not say what time it is") {
			t.Errorf("%q: %s", args, errs)
		}
	}
	d.mute = false
	out, _ := d.ops(exitDone, "jobs")
	d.says(out, "2026-03-01 13:00:00Z")
}

// A machine whose clock is off pauses for as long as it was asked to, ends what it paused, and says whose clock counts.
func TestPausesByAClockThatIsOff(t *testing.T) {
	for ahead, words := range map[time.Duration]string{24 * time.Hour: "24h0m0s ahead", -5 * time.Hour: "5h0m0s behind"} {
		d := newDesk(t)
		d.now, d.ahead = t0.Add(ahead), ahead
		out, _ := d.ops(exitDone, "pause", "-all", "-for", "2h", "-by", "anna", "-why", "reorg")
		d.says(out, "all sending is paused until 2026-03-01 14:00:00Z, for 2h0m0s", words)
		s, err := d.store.Control().Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for after, want := range map[time.Duration]bool{0: false, 2*time.Hour - 1: false, 2 * time.Hour: true} {
			if _, ok := s.Allows(control.Work{Job: job.ActionExecutor, Chain: 10}, t0.Add(after)); ok != want {
				t.Errorf("%s, after %s: allowed %t", words, after, ok)
			}
		}
		out, _ = d.ops(exitDone, "pauses")
		d.says(out, "all sending")
		out, _ = d.ops(exitDone, "resume", "-all")
		d.says(out, "all sending goes on")
		out, _ = d.ops(exitDone, "pauses", "-json")
		if strings.TrimSpace(out) != "[]" {
			t.Errorf("%s: ended, and listed: %s", words, out)
		}
	}
}

func TestJobs(t *testing.T) {
	d := newDesk(t)
	for i, state := range []job.State{job.Done, job.Failed} {
		at := t0.Add(time.Duration(i) * time.Minute)
		if err := d.store.Runs().Record(t.Context(), job.Record{Job: job.StateSync, Scheduled: at, State: state, Token: "x", Started: at, Ended: at.Add(1500 * time.Millisecond),
			Attempts: 1, Reason: map[job.State]string{job.Failed: "endpoint\naway"}[state]}); err != nil {
			t.Fatal(err)
		}
	}
	d.ops(exitDone, "pause", "-job", job.ActionExecutor, "-for", "1h", "-by", "a", "-why", "b")
	d.now = t0.Add(2 * time.Minute)
	out, _ := d.ops(exitDone, "jobs", "-runs", "2")
	for _, line := range []string{
		"state-sync 2026-03-01 12:01:00Z 1m0s failed 1.5s 1 1 0 endpoint away", "2026-03-01 12:00:00Z 2m0s done 1.5s",
		"action-executor no run 0 0 0 2026-03-01 13:00:00Z", "pacer no run 0 0 0",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), line) {
			t.Errorf("%q is not in:\n%s", line, out)
		}
	}
	out, _ = d.ops(exitDone, "jobs", "-json")
	var list []jobView
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != len(job.Table) {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, v := range list {
		if v.Job == job.StateSync && (len(v.Runs) != 1 || v.Runs[0].State != "failed" || v.Runs[0].Millis != 1500 || v.Done != 1 || v.Failed != 1 || !v.Critical) {
			t.Errorf("%+v", v)
		}
	}
}

// The tables can be named by what describes the stack; what is named beside it
// comes first.
func TestTablesOfAStack(t *testing.T) {
	d := newDesk(t)
	jobs := d.env["JOBS_TABLE"]
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "stack.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	outputs := func(jobs string) string {
		return file(`{"Stacks":[{"StackName":"rc","Outputs":[{"OutputKey":"OrdersTable","OutputValue":"o"},{"OutputKey":"ActionsTable","OutputValue":"a"},
			{"OutputKey":"JournalTable","OutputValue":"j"},{"OutputKey":"JobsTable","OutputValue":"` + jobs + `"},{"OutputKey":"AlertsTopic","OutputValue":"x"}]}]}`)
	}
	d.env = map[string]string{"STACK_OUTPUTS": outputs(jobs)}
	d.ops(exitDone, "alerts")
	d.ops(exitDone, "alerts", "-outputs", outputs("no-such-table"), "-jobs-table", jobs)
	for want, path := range map[string]string{"no such file": "nowhere.json", "invalid character": file("x"), "describes 0 stacks": file("{}"), "no name for the jobs table": file(`{"Stacks":[{}]}`)} {
		_, errs := d.ops(exitUsage, "alerts", "-outputs", path)
		d.says(errs, want)
	}
}

// What fails in the middle is an error, and what could be read is printed.
func TestAStoreThatIsAway(t *testing.T) {
	d := newDesk(t)
	d.env["JOBS_TABLE"] = "no-such-table"
	for _, args := range [][]string{{"alerts"}, {"alerts", "-resolved"}, {"alerts", "-json"}, {"pauses"}, {"jobs"}, {"ack", "k", "-by", "a"}, {"resolve", "k", "-by", "a", "-proof", "b"}, {"resume", "-all"},
		{"pause", "-all", "-for", "1h", "-by", "a", "-why", "b"}} {
		_, errs := d.ops(exitFailed, args...)
		d.says(errs, "ops "+args[0]+": ")
	}
}
