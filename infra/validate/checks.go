package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// functions checks what every function must have.
func functions(doc *template.Document, s *template.Stack) []string {
	var findings []string
	bad := func(f template.Function, format string, args ...any) {
		findings = append(findings, f.LogicalID+": "+fmt.Sprintf(format, args...))
	}
	retention := map[string]int64{}
	for _, r := range doc.Resources {
		if r.Type == "AWS::Logs::LogGroup" {
			retention[r.Name] = days(r.Properties["RetentionInDays"])
		}
	}
	roleOf := map[string]string{}
	for _, f := range s.Functions {
		if !slices.Equal(f.Architectures, []string{"arm64"}) {
			bad(f, "architectures %v, want arm64", f.Architectures)
		}
		if f.Runtime != "provided.al2023" || f.Handler != "bootstrap" {
			bad(f, "runtime %q with handler %q, want provided.al2023 with bootstrap", f.Runtime, f.Handler)
		}
		if want := tracing(doc.Parameters["Tracing"], f.Folder); f.Tracing != want {
			bad(f, "tracing %q, want %s", f.Tracing, want)
		}
		if f.LogGroup != "/aws/lambda/"+f.Name || retention[f.LogGroup] <= 0 {
			bad(f, "logs go to %q, want a group of its own in the template with a retention", f.LogGroup)
		}
		if f.LogFormat != "JSON" {
			bad(f, "log format %q, want JSON", f.LogFormat)
		}
		if f.Async.MaxAge > time.Minute || f.Async.Retries > 0 || f.Async.OnFailure == "" {
			bad(f, "asynchronous events: %v, %d retries, destination %q; want at most 1 min, none, a queue", f.Async.MaxAge, f.Async.Retries, f.Async.OnFailure)
		}
		if other, taken := roleOf[f.RoleARN]; taken {
			bad(f, "shares its role with %s", other)
		}
		roleOf[f.RoleARN] = f.LogicalID
		if period, ok := periods(s)[f.Folder]; ok && f.Timeout > period {
			bad(f, "timeout %v is longer than its period %v", f.Timeout, period)
		}
	}
	return findings
}

// tracing is the mode that the parameter Tracing gives a function. Without more, only the way of a secret is traced, from the
// logs where it is read to the transaction: whoever only passes on what others decided is not recorded itself, and an idle
// tick is looked at by nobody.
func tracing(parameter any, folder string) string {
	if parameter == "All" || parameter == "Swaps" && (folder == job.StateSync || folder == job.ActionExecutor) {
		return "Active"
	}
	return "PassThrough"
}

func days(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		var n int64
		if _, err := fmt.Sscan(v, &n); err == nil {
			return n
		}
	}
	return 0
}

// periods are the times between two runs of each job, by folder.
func periods(s *template.Stack) map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, f := range s.Functions {
		for _, rule := range f.Schedules {
			if rule.Enabled && rule.Every > 0 {
				out[f.Folder] = rule.Every
			}
		}
	}
	for _, j := range paced(s) {
		out[j.Job] = time.Duration(j.Every) * time.Second
	}
	return out
}

type pacedJob struct {
	Job, Function string
	Every         int
}

func paced(s *template.Stack) []pacedJob {
	f, ok := s.Function("pacer")
	if !ok {
		return nil
	}
	var jobs []pacedJob
	if err := json.Unmarshal([]byte(f.Env["PACER_JOBS"]), &jobs); err != nil {
		return []pacedJob{{Job: "PACER_JOBS: " + err.Error()}}
	}
	return jobs
}

// schedules checks that every job runs, by exactly one clock.
func schedules(_ *template.Document, s *template.Stack) []string {
	var findings []string
	clocks := map[string]int{}
	for _, f := range s.Functions {
		for _, rule := range f.Schedules {
			if rule.Enabled {
				clocks[f.Folder]++
			}
			if rule.MaxAge > time.Minute || rule.Retries > 0 {
				findings = append(findings, fmt.Sprintf("%s: rule %s is retried %d times within %v, want never, within 1 min", f.LogicalID, rule.ID, rule.Retries, rule.MaxAge))
			}
		}
	}
	for _, j := range paced(s) {
		f, ok := s.Function(j.Job)
		switch {
		case !ok:
			findings = append(findings, fmt.Sprintf("Pacer: %q is no job", j.Job))
		case f.Name != j.Function:
			findings = append(findings, fmt.Sprintf("Pacer: %s invokes %q, want %q", j.Job, j.Function, f.Name))
		case j.Every <= 0 || 60%j.Every != 0:
			findings = append(findings, fmt.Sprintf("Pacer: %s runs every %d s, which does not divide a minute", j.Job, j.Every))
		}
		clocks[j.Job]++
	}
	for _, f := range s.Functions {
		if n := clocks[f.Folder]; n != 1 {
			findings = append(findings, fmt.Sprintf("%s: started by %d clocks, want 1", f.LogicalID, n))
		}
	}
	return findings
}

// mappings checks the queues that start functions.
func mappings(_ *template.Document, s *template.Stack) []string {
	var findings []string
	for _, f := range s.Functions {
		atOnce := 1 // by its clock
		for _, m := range f.Queues {
			atOnce += m.MaxConcurrency
			if f.Reserved > 0 && m.MaxConcurrency == 0 {
				findings = append(findings, fmt.Sprintf("%s: mapping %s has no bound, yet %d executions are reserved", f.LogicalID, m.ID, f.Reserved))
			}
			q, ok := s.QueueByARN(m.QueueARN)
			if !ok {
				continue // reported while reading
			}
			// AWS: "Using Lambda with Amazon SQS", queue configuration.
			if q.Visibility < 6*f.Timeout {
				findings = append(findings, fmt.Sprintf("%s: visibility %v is less than six times %s's timeout %v", q.LogicalID, q.Visibility, f.LogicalID, f.Timeout))
			}
			if !m.ReportFailures {
				findings = append(findings, fmt.Sprintf("%s: mapping %s does not report batch item failures", f.LogicalID, m.ID))
			}
			if q.DeadLetterARN == "" {
				findings = append(findings, fmt.Sprintf("%s: no dead-letter queue", q.LogicalID))
			}
			if q.Retention < time.Duration(q.MaxReceives)*q.Visibility {
				findings = append(findings, fmt.Sprintf("%s: messages expire (%v) before they can reach the dead-letter queue", q.LogicalID, q.Retention))
			}
		}
		// AWS: "Using Lambda with Amazon SQS", scaling: what is throttled counts as received, and at last is a dead letter.
		if f.Reserved > 0 && f.Reserved < atOnce {
			findings = append(findings, fmt.Sprintf("%s: %d executions are reserved, and its queues and its clock start %d at once", f.LogicalID, f.Reserved, atOnce))
		}
	}
	return findings
}

// queues checks what every queue must have.
func queues(_ *template.Document, s *template.Stack) []string {
	var findings []string
	read := map[string]bool{}
	for _, f := range s.Functions {
		for _, m := range f.Queues {
			read[m.QueueARN] = true
		}
	}
	const twoWeeks = 14 * 24 * time.Hour
	for _, q := range s.Queues {
		if !q.Encrypted {
			findings = append(findings, q.LogicalID+": not encrypted")
		}
		if !read[q.ARN] && q.Retention < twoWeeks {
			findings = append(findings, fmt.Sprintf("%s: nobody reads it, yet it forgets after %v", q.LogicalID, q.Retention))
		}
	}
	return findings
}

// tables checks the four tables against the store's layout.
func tables(_ *template.Document, s *template.Stack) []string {
	key := map[string]string{"pk": "S", "sk": "S"}
	orders := maps.Clone(key)
	maps.Copy(orders, map[string]string{"src_shard": "S", "src_wake": "N", "dst_shard": "S", "dst_wake": "N"})
	type layout struct {
		attributes map[string]string
		indexes    []template.Index
	}
	want := map[string]layout{
		"Orders": {orders, []template.Index{
			{Name: "src", KeySchema: template.KeySchema{Hash: "src_shard", Range: "src_wake"}, Projection: "KEYS_ONLY"},
			{Name: "dst", KeySchema: template.KeySchema{Hash: "dst_shard", Range: "dst_wake"}, Projection: "KEYS_ONLY"},
		}},
		"Actions": {key, nil},
		"Journal": {key, nil},
		"Jobs":    {key, nil},
	}
	var findings []string
	bad := func(id, format string, args ...any) {
		findings = append(findings, id+": "+fmt.Sprintf(format, args...))
	}
	for _, t := range s.Tables {
		w, known := want[t.LogicalID]
		delete(want, t.LogicalID)
		switch {
		case !known:
			bad(t.LogicalID, "table without a known layout")
		case t.KeySchema != template.KeySchema{Hash: "pk", Range: "sk"}:
			bad(t.LogicalID, "key %v, want pk and sk", t.KeySchema)
		case !maps.Equal(t.Attributes, w.attributes):
			bad(t.LogicalID, "attributes %v, want %v", t.Attributes, w.attributes)
		case len(t.Indexes) != len(w.indexes) || len(w.indexes) > 0 && !reflect.DeepEqual(t.Indexes, w.indexes):
			bad(t.LogicalID, "indexes %v, want %v", t.Indexes, w.indexes)
		}
		if t.TTL != "expires_at" {
			bad(t.LogicalID, "TTL attribute %q, want expires_at", t.TTL)
		}
		if !t.OnDemand || !t.PointInTime || !t.Retained {
			bad(t.LogicalID, "on demand %t, point in time recovery %t, retained %t; want all", t.OnDemand, t.PointInTime, t.Retained)
		}
		if t.PaidKey {
			bad(t.LogicalID, "encrypted by a key of KMS, whose requests no bill counts; DynamoDB's own is free")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		bad(id, "table is missing")
	}
	return findings
}

// buckets checks what every bucket must have.
func buckets(_ *template.Document, s *template.Stack) []string {
	var findings []string
	if len(s.Buckets) == 0 {
		findings = append(findings, "Archive: bucket is missing")
	}
	for _, b := range s.Buckets {
		if !b.Versioned || !b.Encrypted || !b.Private || !b.TLSOnly || !b.Retained {
			findings = append(findings, fmt.Sprintf("%s: versioned %t, encrypted %t, private %t, by TLS only %t, retained %t; want all",
				b.LogicalID, b.Versioned, b.Encrypted, b.Private, b.TLSOnly, b.Retained))
		}
		if b.FormerDays == 0 {
			findings = append(findings, b.LogicalID+": former versions are kept for ever")
		}
	}
	return findings
}
