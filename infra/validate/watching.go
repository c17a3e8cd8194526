package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
	watched "github.com/bridge-me-not/resolver-cron/infra/watching"
)

// watchdog is the function that watches the others.
const watchdog = "job-watchdog"

// watcher checks that the watchdog may do no more than it has to, and alone knows the monitor's address.
func watcher(doc *template.Document, s *template.Stack) []string {
	var findings []string
	dog, ok := s.Function(watchdog)
	if !ok {
		return []string{"no function " + watchdog}
	}
	for _, f := range s.Functions {
		if _, told := f.Env["HEARTBEAT_URL"]; told != (f.Folder == watchdog) {
			findings = append(findings, fmt.Sprintf("%s: is told the heartbeat's address: %t", f.LogicalID, told))
		}
	}

	role := roleID(doc, dog.RoleARN)
	granted := grants(doc, &findings)[role]
	for _, t := range s.Topics {
		if t.LogicalID != "Alerts" {
			continue
		}
		for _, action := range []string{"sns:Publish", "sns:GetTopicAttributes"} {
			if !can(granted, action, t.ARN) {
				findings = append(findings, fmt.Sprintf("%s: may not %s on %s", role, action, t.LogicalID))
			}
		}
	}
	for _, t := range s.Tables {
		if t.LogicalID != "Jobs" && can(granted, "dynamodb:GetItem", t.ARN) {
			findings = append(findings, fmt.Sprintf("%s: may read %s", role, t.LogicalID))
		}
	}

	return findings
}

// alarms checks the nested application that watches the stack: each alarm tells the people, beginning and end, and says
// what silence means; the watchdog's silence is one of them; and whatever a function leaves undone is seen by one.
func alarms(w *watched.Watching) []string {
	var findings []string
	bad := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	told := map[string]bool{}
	for _, t := range w.Main.Topics {
		told[t.ARN] = t.LogicalID == "Alarms"
	}
	tells := func(id string, lists map[string][]string) {
		for _, name := range slices.Sorted(maps.Keys(lists)) {
			if !slices.ContainsFunc(lists[name], func(arn string) bool { return told[arn] }) {
				bad("%s: %s tell nobody", id, name)
			}
		}
	}
	guarded := false
	seen := map[string]bool{} // queues
	for _, a := range w.Alarms {
		tells(a.ID, map[string][]string{"AlarmActions": a.Actions, "OKActions": a.OKActions})
		for _, s := range a.Stats {
			if name, ok := strings.CutPrefix(s.Dimensions, "QueueName="); ok {
				seen[name] = true
			}
			if s.Dimensions == "FunctionName="+watched.Stack+"-"+watchdog && a.Missing == "breaching" {
				guarded = true
			}
		}
	}
	if !guarded {
		bad("JobWatchdog: no alarm goes off when it is silent")
	}
	for _, c := range w.Composites {
		tells(c.ID, map[string][]string{"AlarmActions": c.Actions, "OKActions": c.OKActions})
	}
	for _, f := range w.Main.Functions {
		for what, arn := range undone(w.Main, f) {
			if q, ok := w.Main.QueueByARN(arn); ok && !seen[q.Name] {
				bad("%s: no alarm looks at %s, where %s go", f.LogicalID, q.LogicalID, what)
			}
		}
	}
	slices.Sort(findings)
	return findings
}

// undone are the queues that take what a function could not do. The pacer's are seen by health-check alone: it exists
// only where chains are for tests.
func undone(s *template.Stack, f template.Function) map[string]string {
	out := map[string]string{"failed events": f.Async.OnFailure}
	for _, m := range f.Queues {
		if q, ok := s.QueueByARN(m.QueueARN); ok && f.Folder != "pacer" {
			out["dead messages of "+q.LogicalID] = q.DeadLetterARN
		}
	}
	return out
}
