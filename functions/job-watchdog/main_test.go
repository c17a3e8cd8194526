package main

import (
	"cmp"
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/store"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

const (
	region  = "us-east-1"
	account = "000000000000"
)

// monitor is the monitor outside, and counts its pings.
func monitor(t *testing.T) (address, certificate string, pings *atomic.Int32) {
	pings = &atomic.Int32{}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ping/planted" {
			pings.Add(1)
		}
	}))
	t.Cleanup(srv.Close)
	certificate = filepath.Join(t.TempDir(), "monitor.pem")
	if err := os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return srv.URL + "/ping/planted", certificate, pings
}

// deployed reads the template as it is deployed.
func deployed(t *testing.T, root string, parameters map[string]string) *template.Stack {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"Profile": "test"}
	for k, v := range parameters {
		all[k] = v
	}
	doc, err := template.Evaluate(src, template.Options{Parameters: all, Pseudo: template.Pseudo("rc", region, account),
		Resolve: template.Names(region, account, func(name string) string { return "http://queues.test/" + name })})
	if err != nil {
		t.Fatal(err)
	}
	s, err := doc.Stack()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The binary as it is deployed: it refuses to start in live without a stated
// choice, beats only while the topic has a subscriber, leaves what others read of
// the jobs, and does nothing in mode off. Nothing that it writes shows the address.
func TestBinary(t *testing.T) {
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	binaries, err := stack.Build(t.Context(), root, []string{job.JobWatchdog}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	tables, messages := servicetest.DynamoDB(t), servicetest.SQSSNS(t)
	creds := credentials.NewStaticCredentialsProvider("any", "any", "")
	db := dynamodb.NewFromConfig(aws.Config{Region: region, BaseEndpoint: &tables, Credentials: creds})
	topics := sns.NewFromConfig(aws.Config{Region: region, BaseEndpoint: &messages, Credentials: creds})
	queues := sqs.NewFromConfig(aws.Config{Region: region, BaseEndpoint: &messages, Credentials: creds})
	plain := deployed(t, root, nil)
	if err := stack.CreateTables(t.Context(), db, plain.Tables); err != nil {
		t.Fatal(err)
	}
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &plain.Topics[slices.IndexFunc(plain.Topics, func(t template.Topic) bool { return t.LogicalID == "Alerts" })].Name})
	if err != nil {
		t.Fatal(err)
	}
	event, err := os.ReadFile(filepath.Join(root, "events", "job-watchdog.json"))
	if err != nil {
		t.Fatal(err)
	}
	address, certificate, pings := monitor(t)
	var mu sync.Mutex
	var said strings.Builder
	tick := time.Now()
	invoke := func(mode, url string) lambda.Result {
		t.Helper()
		f, _ := deployed(t, root, map[string]string{"Mode": mode, "HeartbeatUrl": cmp.Or(url, "none")}).Function(job.JobWatchdog)
		f.Env["HEARTBEAT_URL"] = url                 // the template refuses live without one
		f.Async, f.Schedules = template.Async{}, nil // what nobody calls here
		host, err := lambda.New(lambda.Config{Region: region, Account: account, Slack: 4,
			Env: func(lambda.Process) map[string]string {
				return map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": tables, "AWS_ENDPOINT_URL_SNS": messages, "SSL_CERT_FILE": certificate}
			},
			Log: func(l lambda.Line) {
				mu.Lock()
				defer mu.Unlock()
				said.WriteString(l.Text + "\n")
			},
			Problem: func(err error) { t.Error(err) },
		}, []lambda.Function{{Function: f, Binary: binaries[job.JobWatchdog]}})
		if err != nil {
			t.Fatal(err)
		}
		defer host.Close()
		tick = tick.Add(-time.Second) // no two alike
		res, err := host.Invoke(context.Background(), job.JobWatchdog, []byte(strings.Replace(string(event), "2026-01-01T00:00:00Z", tick.UTC().Format(time.RFC3339), 1)))
		if err != nil {
			t.Fatal(err)
		}
		return res
	}

	if res := invoke("live", ""); res.Outcome != lambda.InitError || !strings.Contains(string(res.Payload), "HEARTBEAT_URL: not set") {
		t.Errorf("live without a stated choice: %s %s", res.Outcome, res.Payload)
	}
	if res := invoke("live", "none"); res.Outcome != lambda.OK {
		t.Errorf("live, and nobody outside watches: %s %s", res.Outcome, res.Payload)
	}
	if res := invoke("live", address); res.Outcome != lambda.FunctionError || !strings.Contains(string(res.Payload), "nobody has confirmed") || pings.Load() != 0 {
		t.Errorf("nobody is told: %s %s, %d pings", res.Outcome, res.Payload, pings.Load())
	}
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("people")})
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: queue.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String(attributes.Attributes["QueueArn"])}); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"live", "shadow"} {
		before := pings.Load()
		if res := invoke(mode, address); res.Outcome != lambda.OK || pings.Load() != before+1 {
			t.Errorf("%s: %s %s, %d pings", mode, res.Outcome, res.Payload, pings.Load()-before)
		}
	}
	before := pings.Load()
	if res := invoke("off", address); res.Outcome != lambda.OK || pings.Load() != before {
		t.Errorf("off: %s %s, %d pings", res.Outcome, res.Payload, pings.Load()-before)
	}

	s, err := store.New(db, store.Tables{Orders: "unused", Actions: "unused", Journal: "unused", Jobs: "rc-Jobs"}, store.Live)
	if err != nil {
		t.Fatal(err)
	}
	all, at, err := s.Runs().JobHealth(t.Context())
	if err != nil || len(all) != len(job.Table) || time.Since(at) > time.Minute {
		t.Errorf("%d jobs at %s, %v", len(all), at, err)
	}
	for _, h := range all {
		if want := watchdog.New; h.Job != job.JobWatchdog && h.State != want {
			t.Errorf("%s is %s, want %s", h.Job, h.State, want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if text := said.String(); strings.Contains(text, "planted") || !strings.Contains(text, `"jobs_new":`) {
		t.Errorf("the log:\n%s", text)
	}
}
