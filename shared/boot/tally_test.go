package boot_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/tally/tallytest"
)

// The function as it is deployed, from its environment and the event in events/ to
// what it stored: a swap of a moment ago is counted, and its own run is there when
// the next one looks.
func TestMetricsAggregator(t *testing.T) {
	src, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := template.Evaluate(src, template.Options{
		Pseudo:  template.Pseudo("rc", "us-east-1", "000000000000"),
		Resolve: template.Names("us-east-1", "000000000000", func(name string) string { return "http://queue.test/" + name }),
	})
	if err != nil {
		t.Fatal(err)
	}
	deployed, err := doc.Stack()
	if err != nil {
		t.Fatal(err)
	}
	function, ok := deployed.Function(job.MetricsAggregator)
	if !ok {
		t.Fatal("not in the template")
	}
	for name, value := range function.Env {
		t.Setenv(name, value)
	}
	for name, value := range map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": servicetest.DynamoDB(t), "AWS_REGION": "us-east-1",
		"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "MODE": string(env.Shadow)} {
		t.Setenv(name, value)
	}
	b, err := boot.Load(t.Context(), env.NeedTables)
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.CreateTables(t.Context(), dynamodb.NewFromConfig(b.AWS), deployed.Tables); err != nil {
		t.Fatal(err)
	}
	handler, err := b.Scheduled(job.MetricsAggregator, b.Tally)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for range 2 {
		o, _ := tallytest.Order(now.Add(-2 * tally.Step))
		if err := b.Store.Orders().Save(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		var event map[string]any
		file, err := os.ReadFile("../../events/" + job.MetricsAggregator + ".json")
		if err == nil {
			err = json.Unmarshal(file, &event)
		}
		if err != nil {
			t.Fatal(err)
		}
		event["time"] = now.Add(time.Duration(i) * time.Second)
		payload, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := handler.Invoke(t.Context(), payload); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := tally.Reader{Hours: b.Store.Tallies(), Latest: b.Store.Tallies()}.Sums(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c := sums.Hour.Swaps; c.Created != 2 || len(c.Offered) != 1 {
		t.Errorf("the last hour: %+v", c)
	}
	hour, err := b.Store.Tallies().Hour(t.Context(), tally.HourAt(now.Truncate(time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	done := uint64(0)
	for _, r := range hour.Tally.Runs {
		done += r.Done
	}
	if done != 1 {
		t.Errorf("%d runs done, want that of the first event", done)
	}
}
