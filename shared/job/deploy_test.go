package job_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// What is deployed runs as the table says.
func TestTemplateKeepsToTheTable(t *testing.T) {
	src, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, profile := range []job.Profile{job.Test, job.Mainnet} {
		doc, err := template.Evaluate(src, template.Options{
			Parameters: map[string]string{"Profile": string(profile)},
			Pseudo:     template.Pseudo("rc", "eu-west-1", "000000000000"),
			Resolve:    template.Names("eu-west-1", "000000000000", func(name string) string { return "http://queues.test/" + name }),
		})
		if err != nil {
			t.Fatal(err)
		}
		stack, err := doc.Stack()
		if err != nil {
			t.Fatal(err)
		}
		var paced []struct {
			Job   string
			Every int64 // seconds
		}
		if pacer, ok := stack.Function(job.PacerJob); ok {
			if err := json.Unmarshal([]byte(pacer.Env["PACER_JOBS"]), &paced); err != nil {
				t.Fatalf("PACER_JOBS: %v", err)
			}
		}
		periods := map[string]time.Duration{}
		for _, p := range paced {
			periods[p.Job] = time.Duration(p.Every) * time.Second
		}
		for _, f := range stack.Functions {
			s, err := job.Lookup(f.Folder)
			if err != nil {
				t.Errorf("%s: %v", profile, err)
				continue
			}
			c := s.Cadence(profile)
			if f.Timeout != c.Timeout {
				t.Errorf("%s in %s: timeout %s, want %s", s.Name, profile, f.Timeout, c.Timeout)
			}
			for _, schedule := range f.Schedules {
				if schedule.Enabled {
					periods[s.Name] = schedule.Every
				}
			}
			if periods[s.Name] != c.Period {
				t.Errorf("%s in %s: every %s, want %s", s.Name, profile, periods[s.Name], c.Period)
			}
			if s.Queue != (len(f.Queues) > 0) {
				t.Errorf("%s in %s: %d queues", s.Name, profile, len(f.Queues))
			}
			for _, mapping := range f.Queues {
				if mapping.MaxConcurrency != s.Mapping {
					t.Errorf("%s in %s: %d executions for its queue at once, want %d", s.Name, profile, mapping.MaxConcurrency, s.Mapping)
				}
				queue, ok := stack.QueueByARN(mapping.QueueARN)
				if !ok || queue.Visibility < 6*f.Timeout || !mapping.ReportFailures {
					t.Errorf("%s in %s: visibility %s for a timeout of %s, reports failures %v", s.Name, profile, queue.Visibility, f.Timeout, mapping.ReportFailures)
				}
			}
			delete(periods, s.Name)
		}
		for name := range periods {
			t.Errorf("%s in %s is paced, but not deployed", name, profile)
		}
	}
}
