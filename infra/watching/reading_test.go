package watching_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
	"github.com/bridge-me-not/resolver-cron/infra/watching"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

// changed reads the template after a change of its text.
func changed(t *testing.T, old, now string) (*watching.Watching, error) {
	t.Helper()
	src, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(src), old) {
		t.Fatalf("the template has no %q", old)
	}
	return watching.Parse([]byte(strings.Replace(string(src), old, now, 1)), read(t, "mainnet").Main.Nested[0].Parameters)
}

// What the service would refuse, or show as a hole, or what nobody here could judge.
func TestWhatIsWrongInTheTemplate(t *testing.T) {
	for _, c := range []struct{ name, old, now, want string }{
		{"as it is", "Period: 300", "Period: 300", ""},
		{"a period of seconds", "Period: 300", "Period: 90", "ActionsOverdue: period 1m30s: want whole minutes"},
		{"too long a memory", "EvaluationPeriods: 12", "EvaluationPeriods: 300", "MarginThin: 2 of 300 windows of 5m0s"},
		{"more of than there are", "DatapointsToAlarm: 2", "DatapointsToAlarm: 13", "MarginThin: 13 of 12 windows"},
		{"silence unsaid", "TreatMissingData: ignore", "TreatMissingData: missing", `ActionsOverdue: missing data "missing"`},
		{"comparison", "GreaterThanThreshold", "MoreOrLess", `HeadsOld: comparison "MoreOrLess"`},
		{"statistic", "Statistic: Maximum", "Statistic: p99", `ActionsOverdue: statistic "p99"`},
		{"no text", "AlarmDescription: An action", "Tags: An action", "ActionsOverdue: without a name or a description"},
		{"property", "Statistic: Maximum", "ExtendedStatistic: p99", "ActionsOverdue: ExtendedStatistic is not understood"},
		{"math", `FILL(done, 0)`, `SEARCH(done, 0)`, `StateSyncSilent.Metrics[0]: expression "SEARCH(done, 0)": "SEARCH" is not understood`},
		{"math of nobody", `FILL(done, 0)`, `FILL(gone, 0)`, `StateSyncSilent: expression: "gone" is no metric of the alarm`},
		{"math of too much", "FILL(begun, 0) - FILL(failed, 0)", "FILL(begun, 0) - FILL(failed, 0) 7", `"7" is too much`},
		{"two results", "ReturnData: false", "ReturnData: true", "only the expression may be returned"},
		{"rule", `ALARM("${HeadsOld}")`, `OK("${HeadsOld}")`, "SwapsAtRisk: rule: "},
		{"rule open", `ALARM("${CancellationCheckSilent}"))`, `ALARM("${CancellationCheckSilent}")`, "SwapsAtRisk: rule: a parenthesis is not closed"},

		{"body", `{"widgets": [`, `{"widgets" [`, "Overview: body: "},
		{"off the grid", `"x": 16, "y": 9, "width": 8`, `"x": 17, "y": 9, "width": 8`, "is not on the grid"},
		{"overlap", `"x": 8, "y": 9,`, `"x": 7, "y": 9,`, "widget 4 lies on widget 3"},
		{"type", `{"type": "alarm"`, `{"type": "alarms"`, `widget 1: type "alarms"`},
		{"unknown word", `"markdown"`, `"markup"`, `text: want markdown`},
		{"view", `"view": "singleValue"`, `"view": "gauge"`, "metric Now: want a title"},
		{"colour", `"color": "#d62728"`, `"color": "red"`, "metric Overdue and at risk: "},
		{"odd dimensions", `["ResolverCron", "Done", "Job", "state-sync",`, `["ResolverCron", "Done", "Job",`, "dimensions in pairs"},
		{"query", `| sort told desc`, `| sort heard desc`, `query: sorts by heard, which it does not have`},
		{"command", `| limit 30"}`, `| dedup 30"}`, `query command `},
	} {
		_, err := changed(t, c.old, c.now)
		if got := message(err); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// The check of names fails for what dangles and for what nobody looks at.
func TestCheckFindsWhatDangles(t *testing.T) {
	for _, c := range []struct{ old, now, want string }{
		{"MetricName: HeadAge", "MetricName: HeadsAge", "rc-heads-old: nobody emits ResolverCron HeadsAge"},
		{"Value: state-sync", "Value: state-syncs", "nobody emits ResolverCron Done Job=state-syncs"},
		{`["ResolverCron", "AtRisk", {"label": "Swaps`, `["ResolverCron", "AtRisc", {"label": "Swaps`, "rc-overview: nobody emits ResolverCron AtRisc"},
		{"min(hard_left_s)", "min(hard_left)", `rc-overview, Left to the hard deadline when done (s): no line that it finds has the field "hard_left"`},
		{`filter message = \"job health\"`, `filter message = \"jobs health\"`, `no line has the message "jobs health"`},
		{"/aws/lambda/${Stack}-state-sync\n", "/aws/lambda/${Stack}\n", "is no log group of ours"},
		{"fields @timestamp, message, chain, order, escrow", "fields @timestamp, message, chain, swap, escrow", `rc/transaction: no line that it finds has the field "swap"`},
	} {
		w, err := changed(t, c.old, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := message(recorded(t).Check(w, metrics.Namespace, true)); !strings.Contains(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	e := recorded(t)
	e.Metrics = append(e.Metrics, watching.EmittedMetric{Namespace: metrics.Namespace, Name: "New", Unit: "Count"})
	if got := message(e.Check(read(t, "test"), metrics.Namespace, true)); got != "nobody looks at ResolverCron New" {
		t.Errorf("a metric for nobody: %q", got)
	}
	// Of one run only the messages are judged that it has.
	e = recorded(t)
	e.Lines = map[string]map[string][]string{"transaction-tracker": {"settled": {"message", "chain", "action"}}}
	if got := message(e.Check(read(t, "test"), metrics.Namespace, false)); !strings.Contains(got, `"hard_left_s"`) || strings.Contains(got, "no line has the message") {
		t.Errorf("one run: %q", got)
	}
}

const someLog = `11:28:42.000 state-sync@1 {"timestamp":"2026-03-01T00:00:01Z","level":"INFO","message":"run ended","job":"state-sync","duration_ms":20,"Job":"state-sync","Done":1,"HeadAge":4,"drained_1_0xab":1,"_aws":{"Timestamp":1772323201000,"CloudWatchMetrics":[{"Namespace":"ResolverCron","Dimensions":[["Job"]],"Metrics":[{"Name":"Done","Unit":"Count"}]},{"Namespace":"ResolverCron","Dimensions":[[]],"Metrics":[{"Name":"HeadAge","Unit":"Seconds"}]}]}}
11:28:43.000 TOPIC a subject
a body {of three}
11:28:44.000 state-sync@2 {"timestamp":"2026-03-01T01:00:02Z","message":"run ended","job":"state-sync","duration_ms":40,"error":"read"}
11:28:44.000 pacer@1 {"timestamp":"2026-03-01T00:00:02Z","message":"run ended","job":"pacer","duration_ms":1}
11:28:45.000 pacer@1 panic: {not json
`

func TestReadLog(t *testing.T) {
	rec, err := watching.ReadLog(strings.NewReader(someLog))
	if err != nil || len(rec.Entries) != 3 {
		t.Fatalf("%v, %d lines", err, len(rec.Entries))
	}
	want := []watching.EmittedMetric{{"ResolverCron", "Done", "Job=state-sync", "Count"}, {"ResolverCron", "HeadAge", "", "Seconds"}}
	if diff := cmp.Diff(want, rec.Metrics); diff != "" {
		t.Error(diff)
	}
	if got := rec.Data[custom("HeadAge")]; len(got) != 1 || got[0].Value != 4 || !got[0].At.Equal(midnight.Add(1e9)) {
		t.Errorf("points %v", got)
	}
	if got := rec.Lines["state-sync"]["run ended"]; !slices.Contains(got, "error") || slices.Contains(got, "drained_1_0xab") || !slices.IsSorted(got) {
		t.Errorf("fields %v", got)
	}
	for bad, want := range map[string]string{
		`x f@1 {"timestamp":"noon"}`: `line 1: timestamp "noon"`,
		`x f@1 {"timestamp":"2026-03-01T00:00:01Z","_aws":{"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[["Job"]]}]}}`:                     "dimension Job has no value",
		`x f@1 {"timestamp":"2026-03-01T00:00:01Z","_aws":{"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[[]],"Metrics":[{"Name":"M"}]}]}}`: "metric M has no value",
		`x f@1 {"timestamp":"2026-03-01T00:00:01Z","_aws":{"Metrics":[]}}`:                                                                       "_aws: ",
	} {
		if _, err := watching.ReadLog(strings.NewReader(bad)); !strings.Contains(message(err), want) {
			t.Errorf("%s: %v, want %q", bad, err, want)
		}
	}
}

func TestQueries(t *testing.T) {
	rec, err := watching.ReadLog(strings.NewReader(someLog))
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string][][]string{
		`fields @timestamp, job | sort @timestamp desc`:                                                                      {{"2026-03-01 01:00:02", "state-sync"}, {"2026-03-01 00:00:02", "pacer"}, {"2026-03-01 00:00:01", "state-sync"}},
		`fields job, HeadAge | filter ispresent(HeadAge) and job in ["pacer", "state-sync"]`:                                 {{"state-sync", "4"}},
		`fields job | filter job != "state-sync" | limit 5`:                                                                  {{"pacer"}},
		`fields job | filter duration_ms = 40`:                                                                               {{"state-sync"}},
		`stats count(*) as n, avg(duration_ms) as mean, max(duration_ms) as most, sum(HeadAge) as ages by job | sort n desc`: {{"state-sync", "2", "30", "40", "4"}, {"pacer", "1", "1", "1", ""}},
		`stats min(duration_ms) as least, max(@timestamp) as newest by bin(1h) | sort least asc | limit 1`:                   {{"2026-03-01 00:00", "1", "2026-03-01 00:00:02"}},
		`filter job = "nobody" | stats count(*) as n by job`:                                                                 nil,
	} {
		q, err := watching.ParseQuery(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := q.Run(rec.Entries); !cmp.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	for _, bad := range []string{"", "filter a = 1", "fields", "fields a |", "fields a, | limit 1", "fields a | sort a", "fields a | limit none", "fields a | limit 0",
		"fields a | filter a", "fields a | filter a = b", "fields a | filter a like 1", "fields a | filter a in [1", "fields a | filter ispresent a",
		"stats median(a) as m", "stats sum(a)", "stats sum(a) as s by", "stats sum(a) as s by bin(often)", "stats sum(a as s", "fields a | parse b"} {
		if q, err := watching.ParseQuery(bad); err == nil {
			t.Errorf("%q is taken as %+v", bad, q)
		}
	}
}

// The pages are drawn whole, and nothing of a log line gets into them as markup.
func TestRender(t *testing.T) {
	log := someLog + `11:28:46.000 action-executor@1 {"timestamp":"2026-03-01T01:30:02Z","message":"refused","chain":1,"action":"cancel","order":"1:0x","reason":"<script>alert(1)</script>"}` + "\n"
	rec, err := watching.ReadLog(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	w := read(t, "test")
	pages, err := w.Render(rec)
	if err != nil || len(pages) != len(w.Dashboards) {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, d := range w.Dashboards {
		html := pages[short(d.Name)+".html"]
		for _, widget := range d.Widgets {
			title := ""
			switch {
			case widget.Log != nil:
				title = widget.Log.Title
			case widget.Metric != nil:
				title = widget.Metric.Title
			}
			if !bytes.Contains(html, []byte("<h2>"+title+"</h2>")) && title != "" {
				t.Errorf("%s: no %q", d.Name, title)
			}
		}
		if n := bytes.Count(html, []byte("<section")); n != len(d.Widgets) || bytes.Contains(html, []byte("<script")) {
			t.Errorf("%s: %d of %d widgets, script %t", d.Name, n, len(d.Widgets), bytes.Contains(html, []byte("<script")))
		}
	}
	if !bytes.Contains(pages["transactions.html"], []byte("&lt;script&gt;")) || !bytes.Contains(pages["overview.html"], []byte(`<div class="alarm ALARM" `)) {
		t.Error("the refusal or the state of the alarms is missing")
	}
	if _, err := w.Render(watching.Record{}); err == nil {
		t.Error("a log without lines is drawn")
	}
}

// What the dashboards cost: nothing, up to three of fifty metrics each, for the first stack of an account.
func TestDashboardsStayFree(t *testing.T) {
	const said, free = 17, 50
	for _, profile := range profiles {
		w := read(t, profile)
		if len(w.Dashboards) > 3 {
			t.Errorf("%d dashboards", len(w.Dashboards))
		}
		for _, d := range w.Dashboards {
			if n := len(d.Series()); n > free {
				t.Errorf("%s: %d metrics", d.Name, n)
			}
		}
		looked := 0
		for _, a := range w.Alarms {
			looked += len(a.Stats)
		}
		if looked != said {
			t.Errorf("alarms look at %d metrics, the template's comment says %d", looked, said)
		}
	}
}

// What AWS itself measures, of what alarms and dashboards show: names and dimensions of its documentation.
func TestMetricsOfAWSExist(t *testing.T) {
	w := read(t, "mainnet")
	names := map[string][]string{
		"AWS/Lambda":   {"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"},
		"AWS/SQS":      {"NumberOfMessagesSent", "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
		"AWS/SNS":      {"NumberOfNotificationsFailed"},
		"AWS/DynamoDB": {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"},
	}
	ours := map[string]bool{"": true} // of the account
	for _, f := range w.Main.Functions {
		ours["AWS/Lambda FunctionName="+f.Name] = true
	}
	for _, q := range w.Main.Queues {
		ours["AWS/SQS QueueName="+q.Name] = true
	}
	for _, topic := range w.Main.Topics {
		ours["AWS/SNS TopicName="+topic.Name] = true
	}
	for _, table := range w.Main.Tables {
		ours["AWS/DynamoDB TableName="+table.Name] = true
	}
	check := func(where string, s watching.Series) {
		if s.Namespace == metrics.Namespace {
			return
		}
		of := s.Namespace + " " + s.Dimensions
		account := s.Dimensions == "" && s.Namespace == "AWS/Lambda"
		if !slices.Contains(names[s.Namespace], s.Name) || !ours[of] && !account {
			t.Errorf("%s: %s is nothing of this stack", where, s)
		}
	}
	for _, a := range w.Alarms {
		for _, s := range a.Stats {
			check(a.Name, s.Series)
		}
	}
	for _, d := range w.Dashboards {
		for _, s := range d.Series() {
			check(d.Name, s)
		}
		for _, widget := range d.Widgets {
			if widget.Alarms == nil {
				continue
			}
			for _, arn := range widget.Alarms.Alarms {
				name := arn[strings.LastIndexByte(arn, ':')+1:]
				if !slices.ContainsFunc(w.Alarms, func(a watching.Alarm) bool { return a.Name == name }) && name != watching.Stack+"-swaps-at-risk" {
					t.Errorf("%s: %s is no alarm", d.Name, arn)
				}
			}
			if len(widget.Alarms.Alarms) != len(w.Alarms)+len(w.Composites) {
				t.Errorf("%s shows %d of %d alarms", d.Name, len(widget.Alarms.Alarms), len(w.Alarms)+len(w.Composites))
			}
		}
	}
	// The groups of the queries are those of the functions.
	for _, q := range w.Queries {
		for _, g := range q.Groups {
			if !slices.ContainsFunc(w.Main.Functions, func(f template.Function) bool { return f.LogGroup == g }) {
				t.Errorf("%s: no function writes to %s", q.Name, g)
			}
		}
	}
}
