package template

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const goodFunction = `
Globals:
  Function:
    Runtime: provided.al2023
    Environment: { Variables: { A: global, B: global } }
    EventInvokeConfig: { MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 }
Resources:
  Queue:
    Type: AWS::SQS::Queue
  StateSync:
    Type: AWS::Serverless::Function
    Properties:
      Environment: { Variables: { B: own } }
      Events:
        Tick: { Type: Schedule, Properties: { Schedule: rate(1 minute) } }
        Ring: { Type: SQS, Properties: { Queue: !GetAtt Queue.Arn } }
`

func stackOf(t *testing.T, src string) (*Stack, error) {
	t.Helper()
	doc, err := Evaluate([]byte(src), options(nil))
	if err != nil {
		t.Fatal(err)
	}
	return doc.Stack()
}

func TestDefaultsOfTheServices(t *testing.T) {
	stack, err := stackOf(t, goodFunction)
	if err != nil {
		t.Fatal(err)
	}
	want := Function{
		LogicalID: "StateSync", Folder: "state-sync", Name: "rc-StateSync", ARN: "arn:aws:lambda:eu-west-1:000000000000:function:rc-StateSync",
		Runtime: "provided.al2023", MemoryMB: 128, Timeout: 3 * time.Second,
		Env:       map[string]string{"A": "global", "B": "own"},
		Schedules: []Schedule{{ID: "Tick", Expression: "rate(1 minute)", Every: time.Minute, Enabled: true, MaxAge: 24 * time.Hour, Retries: 185}},
		Queues:    []QueueMapping{{ID: "Ring", QueueARN: "arn:aws:sqs:eu-west-1:000000000000:rc-Queue", Enabled: true, BatchSize: 10}},
		Async:     Async{MaxAge: time.Minute},
	}
	if diff := cmp.Diff(want, stack.Functions[0]); diff != "" {
		t.Error(diff)
	}
	queue := Queue{LogicalID: "Queue", Name: "rc-Queue", ARN: "arn:aws:sqs:eu-west-1:000000000000:rc-Queue", Visibility: 30 * time.Second, Retention: 96 * time.Hour}
	if diff := cmp.Diff(queue, stack.Queues[0]); diff != "" {
		t.Error(diff)
	}
}

func TestStackProblems(t *testing.T) {
	const function = "Resources.StateSync.Properties."
	tests := []struct {
		name, old, new, want string
	}{
		{"unknown property", "      Events:", "      VpcConfig: {}\n      Events:", function + "VpcConfig: property is not understood"},
		{"unknown nested property", "Schedule: rate(1 minute)", "Schedule: rate(1 minute), Input: x", function + "Events.Tick.Properties.Input: property is not understood"},
		{"runtime", "provided.al2023", "nodejs22.x", function + `Runtime: "nodejs22.x" cannot run a bootstrap binary`},
		{"memory", "      Events:", "      MemorySize: 64\n      Events:", function + "MemorySize: 64 is not between 128 and 10240"},
		{"memory as text", "      Events:", "      MemorySize: big\n      Events:", function + "MemorySize: want a whole number"},
		{"timeout", "      Events:", "      Timeout: 901\n      Events:", function + "Timeout: 15m1s is not between"},
		{"age", "MaximumEventAgeInSeconds: 60", "MaximumEventAgeInSeconds: 59", "MaximumEventAgeInSeconds: 59s is not between 60 s and 6 h"},
		{"retries", "MaximumRetryAttempts: 0", "MaximumRetryAttempts: 3", "MaximumRetryAttempts: 3 is not between 0 and 2"},
		{"destination", "MaximumRetryAttempts: 0", "DestinationConfig: { OnFailure: { Type: SNS, Destination: x } }", `Type: destination "SNS" is not understood`},
		{"destination elsewhere", "MaximumRetryAttempts: 0", "DestinationConfig: { OnFailure: { Type: SQS, Destination: x } }", "queue x is not in this template"},
		{"event source", "Type: Schedule", "Type: Api", function + `Events.Tick.Type: event source "Api" is not understood`},
		{"schedule", "rate(1 minute)", "rate(1 minutes)", function + "Events.Tick.Properties.Schedule: schedule \"rate(1 minutes)\""},
		{"state", "Schedule: rate(1 minute)", "Schedule: rate(1 minute), State: ON", `State: "ON" is neither ENABLED nor DISABLED`},
		{"queue elsewhere", "!GetAtt Queue.Arn", "arn:aws:sqs:eu-west-1:1:other", "queue arn:aws:sqs:eu-west-1:1:other is not in this template"},
		{"batch", "Queue: !GetAtt Queue.Arn", "Queue: !GetAtt Queue.Arn, BatchSize: 11", "BatchSize: 11 is not between 1 and 10"},
		{"window", "Queue: !GetAtt Queue.Arn", "Queue: !GetAtt Queue.Arn, MaximumBatchingWindowInSeconds: 1", "MaximumBatchingWindowInSeconds: property is not understood"},
		{"response type", "Queue: !GetAtt Queue.Arn", "Queue: !GetAtt Queue.Arn, FunctionResponseTypes: [Other]", `FunctionResponseTypes: "Other" is not understood`},
		{"concurrency", "Queue: !GetAtt Queue.Arn", "Queue: !GetAtt Queue.Arn, ScalingConfig: { MaximumConcurrency: 1 }", "MaximumConcurrency: 1 is not between 2 and 1000"},
		{"flag", "Queue: !GetAtt Queue.Arn", "Queue: !GetAtt Queue.Arn, Enabled: perhaps", "Enabled: want true or false"},
		{"text", "Schedule: rate(1 minute)", "Schedule: [x]", "Schedule: want a string"},
		{"mapping", "Type: AWS::SQS::Queue", "Type: AWS::SQS::Queue\n    Properties: { RedrivePolicy: x }", "Resources.Queue.Properties.RedrivePolicy: want a mapping"},
		{"redrive", "Type: AWS::SQS::Queue", "Type: AWS::SQS::Queue\n    Properties: { RedrivePolicy: { maxReceiveCount: 3 } }", "want deadLetterTargetArn and a maxReceiveCount"},
		{"redrive elsewhere", "Type: AWS::SQS::Queue", "Type: AWS::SQS::Queue\n    Properties: { RedrivePolicy: { maxReceiveCount: 3, deadLetterTargetArn: x } }", "queue x is not in this template"},
		{"fifo", "Type: AWS::SQS::Queue", "Type: AWS::SQS::Queue\n    Properties: { FifoQueue: true }", "Resources.Queue.Properties.FifoQueue: property is not understood"},
		{"type", "Type: AWS::SQS::Queue", "Type: AWS::SQS::Queue\n  Volume:\n    Type: AWS::EC2::Volume", "Resources.Volume.Type: AWS::EC2::Volume is not understood"},
		{"bucket", "Type: AWS::SQS::Queue", "Type: AWS::SQS::Queue\n  Bucket:\n    Type: AWS::S3::Bucket\n    Properties: { AccessControl: PublicRead }", "Resources.Bucket.Properties.AccessControl: property is not understood"},
		{"lifecycle", "Type: AWS::SQS::Queue", "Type: AWS::SQS::Queue\n  Bucket:\n    Type: AWS::S3::Bucket\n    Properties: { LifecycleConfiguration: { Rules: [{ Status: Enabled, ExpirationInDays: soon }] } }", "ExpirationInDays: want a whole number"},
		{"table", "Type: AWS::SQS::Queue", "Type: AWS::SQS::Queue\n  Table:\n    Type: AWS::DynamoDB::Table\n    Properties: { KeySchema: [{ AttributeName: pk, KeyType: FIRST }], AttributeDefinitions: [{ AttributeName: sk, AttributeType: S }] }",
			"Resources.Table.Properties.AttributeDefinitions: \"sk\" is in no key\n" +
				"Resources.Table.Properties.BillingMode: want PAY_PER_REQUEST\n" +
				"Resources.Table.Properties.KeySchema: no HASH key\n" +
				"Resources.Table.Properties.KeySchema[0].KeyType: \"FIRST\" is neither HASH nor RANGE\n" +
				"Resources.Table.Properties.KeySchema[0]: attribute \"pk\" is not defined"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(goodFunction, tt.old) {
				t.Fatalf("%q is not in the template", tt.old)
			}
			stack, err := stackOf(t, strings.Replace(goodFunction, tt.old, tt.new, 1))
			if err == nil {
				t.Fatalf("no error, got %+v", stack)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q lacks %q", err, tt.want)
			}
		})
	}
}

// The proposal's sub-minute crons have six fields, seconds first: nothing takes them.
func TestSixFieldCronsWithSeconds(t *testing.T) {
	for _, expr := range []string{"*/10 * * * * *", "cron(*/10 * * * * *)", "rate(10 seconds)"} {
		if rule, err := ParseSchedule(expr); err == nil {
			t.Errorf("%q is read as %+v", expr, rule)
		}
	}
	for _, profile := range []string{"test", "mainnet"} {
		for _, f := range read(t, map[string]string{"Profile": profile}).Functions {
			for _, s := range f.Schedules {
				if s.Every < time.Minute {
					t.Errorf("%s, %s: %s fires every %s, and EventBridge no more often than every minute", profile, f.Folder, s.Expression, s.Every)
				}
			}
		}
	}
}

func TestParseSchedule(t *testing.T) {
	const day = 24 * time.Hour
	for expr, want := range map[string]Rule{
		"rate(1 minute)": {Every: time.Minute}, "rate(2 minutes)": {Every: 2 * time.Minute},
		"rate(1 hour)": {Every: time.Hour}, "rate(12 hours)": {Every: 12 * time.Hour}, "rate(1 day)": {Every: day}, "rate(7 days)": {Every: 7 * day},
		"cron(0 0 * * ? *)": {Every: day, Daily: true}, "cron(30 23 ? * * *)": {Every: day, Daily: true, At: 23*time.Hour + 30*time.Minute},
		"cron(0 */2 * * ? *)": {}, "cron(0 0 1 * ? *)": {}, "cron(0 0 ? * MON *)": {}, "cron(0 0 * 6 ? *)": {}, "cron(0 0 * * ? 2027)": {}, "cron(0 24 * * ? *)": {},
	} {
		if got, err := ParseSchedule(expr); err != nil || got != want {
			t.Errorf("%s: %v, %v", expr, got, err)
		}
	}
	for expr, want := range map[string]string{
		"rate(1 minutes)":         "unit in the singular",
		"rate(2 minute)":          "unit in the plural",
		"rate(0 minutes)":         "neither",
		"rate(01 minute)":         "neither",
		"rate(10 seconds)":        "neither",
		"rate(1  minute)":         "neither",
		"rate(1 minute) ":         "neither",
		"rate(999999999 minutes)": "out of range",
		"cron(0 0 * * *)":         "6 fields",
		"cron(*/10 * * * * *)":    "must be ?",
		"cron(0 0 ? * ? *)":       "must be ?",
		"at(2026-01-01T00:00:00)": "neither",
		"":                        "neither",
	} {
		if _, err := ParseSchedule(expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

func TestFolder(t *testing.T) {
	for id, want := range map[string]string{"Pacer": "pacer", "StateSync": "state-sync", "TransactionTracker": "transaction-tracker"} {
		if got := Folder(id); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
}
