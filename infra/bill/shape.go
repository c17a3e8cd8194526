package bill

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// Shape is what of a stack costs something, whatever it does.
type Shape struct {
	Functions []Runs
	// Mappings are the queues that are polled for functions.
	Mappings int
	Keys     int
	// AlarmMetrics are the metrics in alarms, CompositeAlarms those that are made of others.
	AlarmMetrics, CompositeAlarms int
	Dashboards                    int
	// LogQueries are the queries that dashboards make when they are looked at.
	LogQueries int
	// LogDays and SnapshotDays are how long those are kept; ArchiveDays, finished swaps.
	LogDays, SnapshotDays, ArchiveDays int
	// FormerDays is how long an object that has expired stays as a former version.
	FormerDays int
}

// Runs is a function and how often it starts.
type Runs struct {
	Name     string
	MemoryMB int64
	Traced   bool
	// Secrets: it may read the parameters of the stack, and does when a process of it starts.
	Secrets bool
	// Period is the shortest time between two of its scheduled runs.
	Period time.Duration
	// Scheduled are the runs in a month that clocks start, Ticks those of them that come by a queue.
	Scheduled, Ticks int64
}

const month = 30 * 24 * time.Hour

// priced says of each type of resource how it is paid for. A template with another type has no bill.
var priced = map[string]string{
	"AWS::Serverless::Function":       "runs",
	"AWS::Serverless::Application":    "what it holds",
	"AWS::DynamoDB::Table":            "requests and bytes, as measured",
	"AWS::S3::Bucket":                 "requests and bytes, as measured",
	"AWS::SQS::Queue":                 "requests, and the polls of its mapping",
	"AWS::SNS::Topic":                 "notifications",
	"AWS::SNS::Subscription":          "notifications",
	"AWS::KMS::Key":                   "by the month, and its requests",
	"AWS::Logs::LogGroup":             "bytes",
	"AWS::CloudWatch::Alarm":          "metrics in it",
	"AWS::CloudWatch::CompositeAlarm": "by the month",
	"AWS::CloudWatch::Dashboard":      "by the month, and its queries",
	// These cost nothing.
	"AWS::IAM::Role":                "",
	"AWS::IAM::Policy":              "",
	"AWS::IAM::ManagedPolicy":       "",
	"AWS::KMS::Alias":               "",
	"AWS::S3::BucketPolicy":         "",
	"AWS::SNS::TopicPolicy":         "",
	"AWS::SQS::QueuePolicy":         "",
	"AWS::Logs::QueryDefinition":    "",
	"AWS::XRay::SamplingRule":       "",
	"AWS::XRay::Group":              "",
	"AWS::ResourceGroups::Group":    "",
	"AWS::Lambda::Permission":       "",
	"AWS::SSM::Parameter":           "", // of the standard tier
	"AWS::Logs::SubscriptionFilter": "",
}

// Read reads the shape of the template at path under some parameters, with those that it is made of.
func Read(path string, parameters map[string]string) (Shape, error) {
	var s Shape
	if err := s.add(path, parameters, true); err != nil {
		return Shape{}, err
	}
	return s, nil
}

// add adds a template. Only the root's functions are known to what was measured.
func (s *Shape) add(path string, parameters map[string]string, root bool) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	doc, err := template.Evaluate(src, template.Options{Parameters: parameters, Pseudo: template.Pseudo("resolver-cron", "us-east-1", "000000000000"),
		Resolve: resolve})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(doc.Resources)) {
		r := doc.Resources[id]
		if _, known := priced[r.Type]; !known {
			errs = append(errs, fmt.Errorf("%s: %s: what a %s costs is not known", path, id, r.Type))
			continue
		}
		if err := s.resource(path, r, root); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", path, id, err))
		}
	}
	if err := errors.Join(errs...); err != nil || !root {
		return err
	}
	s.SnapshotDays, s.ArchiveDays = count(doc.Parameters["SnapshotRetentionDays"]), count(doc.Parameters["ArchiveRetentionDays"])
	stack, err := doc.Stack()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return s.runs(stack, readers(doc))
}

// readers are the names of the roles that may read parameters, by a managed policy.
func readers(doc *template.Document) map[string]bool {
	policies := map[string]bool{}
	for _, r := range doc.Resources {
		if r.Type == "AWS::IAM::ManagedPolicy" && strings.Contains(fmt.Sprint(r.Properties["PolicyDocument"]), "ssm:GetParameters") {
			policies[r.Name] = true
		}
	}
	roles := map[string]bool{}
	for _, r := range doc.Resources {
		arns, _ := r.Properties["ManagedPolicyArns"].([]any)
		for _, arn := range arns {
			name := fmt.Sprint(arn)
			if r.Type == "AWS::IAM::Role" && policies[name[strings.LastIndexByte(name, '/')+1:]] {
				roles[r.Name] = true
			}
		}
	}
	return roles
}

// resource adds one resource.
func (s *Shape) resource(path string, r template.Declared, root bool) error {
	switch r.Type {
	case "AWS::Serverless::Function":
		if !root {
			return errors.New("a function of a nested template is not read")
		}
	case "AWS::Serverless::Application":
		location, ok := r.Properties["Location"].(string)
		if !ok {
			return errors.New("property Location: only files of this repository are read")
		}
		inner := map[string]string{}
		given, _ := r.Properties["Parameters"].(map[string]any)
		for name, v := range given {
			inner[name] = fmt.Sprint(v)
		}
		return s.add(filepath.Join(filepath.Dir(path), location), inner, false)
	case "AWS::S3::Bucket":
		s.FormerDays = max(s.FormerDays, formerDays(r.Properties))
	case "AWS::KMS::Key":
		s.Keys++
	case "AWS::Logs::LogGroup":
		s.LogDays = max(s.LogDays, count(r.Properties["RetentionInDays"]))
	case "AWS::CloudWatch::Alarm":
		s.AlarmMetrics += alarmMetrics(r.Properties)
	case "AWS::CloudWatch::CompositeAlarm":
		s.CompositeAlarms++
	case "AWS::CloudWatch::Dashboard":
		s.Dashboards++
		body, _ := r.Properties["DashboardBody"].(string)
		var board struct{ Widgets []struct{ Type string } }
		if err := json.Unmarshal([]byte(body), &board); err != nil {
			return fmt.Errorf("DashboardBody: %w", err)
		}
		for _, w := range board.Widgets {
			if w.Type == "log" {
				s.LogQueries++
			}
		}
	}
	return nil
}

// formerDays is how long a bucket keeps versions that are not the present ones.
func formerDays(properties map[string]any) (days int) {
	lifecycle, _ := properties["LifecycleConfiguration"].(map[string]any)
	rules, _ := lifecycle["Rules"].([]any)
	for _, rule := range rules {
		rule, _ := rule.(map[string]any)
		expiration, _ := rule["NoncurrentVersionExpiration"].(map[string]any)
		if n := expiration["NoncurrentDays"]; n != nil {
			days = max(days, count(n))
		}
	}
	return days
}

// alarmMetrics is how many metrics an alarm looks at, each of which is paid for.
func alarmMetrics(properties map[string]any) int {
	list, ok := properties["Metrics"].([]any)
	if !ok {
		return 1
	}
	n := 0
	for _, m := range list {
		if m, ok := m.(map[string]any); ok && m["MetricStat"] != nil {
			n++
		}
	}
	return n
}

// runs adds the functions.
func (s *Shape) runs(stack *template.Stack, readers map[string]bool) error {
	ticks := int64(0)
	paced := map[string]time.Duration{}
	if f, ok := stack.Function("pacer"); ok {
		var jobs []struct {
			Job   string
			Every int64
		}
		if err := json.Unmarshal([]byte(f.Env["PACER_JOBS"]), &jobs); err != nil {
			return fmt.Errorf("PACER_JOBS: %w", err)
		}
		for _, j := range jobs {
			if j.Every < 1 {
				return fmt.Errorf("PACER_JOBS: %s runs every %d s", j.Job, j.Every)
			}
			paced[j.Job] = time.Duration(j.Every) * time.Second
			ticks += int64(month / paced[j.Job])
		}
	}
	for _, f := range stack.Functions {
		r := Runs{Name: f.Folder, MemoryMB: int64(f.MemoryMB), Traced: f.Tracing == "Active", Secrets: readers[f.RoleARN[strings.LastIndexByte(f.RoleARN, '/')+1:]], Period: month}
		add := func(every time.Duration) {
			r.Scheduled += int64(month / every)
			r.Period = min(r.Period, every)
		}
		for _, rule := range f.Schedules {
			switch {
			case !rule.Enabled:
			case rule.Every <= 0:
				return fmt.Errorf("%s: how often %s comes is not known", f.LogicalID, rule.Expression)
			default:
				add(rule.Every)
			}
		}
		if every, ok := paced[f.Folder]; ok {
			add(every)
		}
		if f.Folder == "pacer" {
			r.Ticks = ticks
			r.Scheduled += ticks
		}
		for _, m := range f.Queues {
			if m.Enabled {
				s.Mappings++
			}
		}
		s.Functions = append(s.Functions, r)
	}
	return nil
}

// resolve answers any reference: what things are called costs nothing.
func resolve(r template.Resource, attr string) (string, error) {
	known := template.Names("us-east-1", "000000000000", func(name string) string { return "https://sqs.us-east-1.amazonaws.com/000000000000/" + name })
	if v, err := known(r, attr); err == nil {
		return v, nil
	}
	return r.Name + "." + attr, nil
}

func count(v any) int {
	var n int
	if _, err := fmt.Sscan(fmt.Sprint(v), &n); err != nil {
		return 0
	}
	return n
}
