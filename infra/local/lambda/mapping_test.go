package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

const probeQueue = "arn:aws:sqs:eu-west-1:000000000000:probe"

// fakeSQS is one queue without visibility timeouts: what is received and not deleted is left. Receive
// waits as long as it is asked to.
type fakeSQS struct {
	mu       sync.Mutex
	waiting  []types.Message
	left     map[string]types.Message // by receipt
	sent     []string
	arrived  chan struct{}
	failNext error
	refuse   bool // deletes are answered with a failure per message
}

func newFakeSQS(bodies ...string) *fakeSQS {
	q := &fakeSQS{left: map[string]types.Message{}, arrived: make(chan struct{})}
	q.put(bodies...)
	return q
}

func (q *fakeSQS) put(bodies ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, body := range bodies {
		n := len(q.left)
		m := types.Message{
			MessageId: aws.String(fmt.Sprintf("m%d", n)), ReceiptHandle: aws.String(fmt.Sprintf("r%d", n)), Body: aws.String(body),
			MD5OfBody:  aws.String("md5"),
			Attributes: map[string]string{"ApproximateReceiveCount": "1"},
			MessageAttributes: map[string]types.MessageAttributeValue{
				"reason": {DataType: aws.String("String"), StringValue: aws.String("why")},
				"raw":    {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2}},
			},
		}
		q.waiting = append(q.waiting, m)
		q.left[*m.ReceiptHandle] = m
	}
	close(q.arrived)
	q.arrived = make(chan struct{})
}

func (q *fakeSQS) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	limit := time.NewTimer(time.Duration(in.WaitTimeSeconds) * time.Second)
	defer limit.Stop()
	for {
		q.mu.Lock()
		err, arrived := q.failNext, q.arrived
		q.failNext = nil
		if err != nil {
			q.mu.Unlock()
			return nil, err
		}
		n := min(len(q.waiting), int(in.MaxNumberOfMessages))
		batch := q.waiting[:n:n]
		q.waiting = q.waiting[n:]
		q.mu.Unlock()
		if n > 0 {
			return &sqs.ReceiveMessageOutput{Messages: batch}, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-limit.C:
			return &sqs.ReceiveMessageOutput{}, nil
		case <-arrived:
		}
	}
}

func (q *fakeSQS) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := &sqs.DeleteMessageBatchOutput{}
	for _, e := range in.Entries {
		if q.refuse {
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("InternalError")})
			continue
		}
		delete(q.left, *e.ReceiptHandle)
	}
	return out, nil
}

func (q *fakeSQS) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent = append(q.sent, *in.QueueUrl+" "+*in.MessageBody)
	return &sqs.SendMessageOutput{}, nil
}

func (q *fakeSQS) bodies() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []string
	for i := range 100 {
		if m, ok := q.left[fmt.Sprintf("r%d", i)]; ok {
			out = append(out, *m.Body)
		}
	}
	return out
}

func newMapping(q SQS, report bool, invoke func([]byte) Result) (*mapping, *[]error) {
	var problems []error
	return &mapping{
		QueueMapping: template.QueueMapping{ID: "Doorbell", QueueARN: probeQueue, BatchSize: 10, ReportFailures: report, MaxConcurrency: 2},
		region:       "eu-west-1", sqs: q, url: "http://sqs.test/probe", invoke: invoke,
		problem: func(err error) { problems = append(problems, err) },
	}, &problems
}

func TestMappingDeletesOnlyWhatSucceeded(t *testing.T) {
	all := []string{"a", "b", "c"}
	tests := []struct {
		name    string
		report  bool
		outcome Outcome
		reply   string
		left    []string
		problem string
	}{
		{name: "nothing reported", report: true, reply: `{"batchItemFailures":[]}`},
		{name: "null", report: true, reply: `null`},
		{name: "empty", report: true, reply: ``},
		{name: "empty object", report: true, reply: `{}`},
		{name: "null list", report: true, reply: `{"batchItemFailures":null}`},
		{name: "one failed", report: true, reply: `{"batchItemFailures":[{"itemIdentifier":"m1"}]}`, left: []string{"b"}},
		{name: "one failed, not reported", reply: `{"batchItemFailures":[{"itemIdentifier":"m1"}]}`},
		{name: "all failed", report: true, reply: `{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m1"},{"itemIdentifier":"m2"}]}`, left: all},
		{name: "unknown message", report: true, reply: `{"batchItemFailures":[{"itemIdentifier":"m9"}]}`, left: all, problem: `names message "m9"`},
		{name: "message without id", report: true, reply: `{"batchItemFailures":[{}]}`, left: all, problem: `names message ""`},
		{name: "wrong shape", report: true, reply: `"done"`, left: all, problem: "no list of batch item failures"},
		{name: "function failed", report: true, outcome: FunctionError, reply: `{"batchItemFailures":[]}`, left: all},
		{name: "killed", outcome: Crashed, left: all},
		{name: "throttled", outcome: Throttled, left: all},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newFakeSQS(all...)
				outcome := tt.outcome
				if outcome == "" {
					outcome = OK
				}
				m, problems := newMapping(q, tt.report, func([]byte) Result { return Result{Outcome: outcome, Payload: []byte(tt.reply)} })
				m.poll(t.Context())
				if diff := cmp.Diff(tt.left, q.bodies()); diff != "" {
					t.Error(diff)
				}
				if got := fmt.Sprint(*problems); !strings.Contains(got, tt.problem) || tt.problem == "" && len(*problems) > 0 {
					t.Errorf("problems %s", got)
				}
			})
		})
	}
}

// TestMappingEvent holds the event against the recorded one that the functions are tested with.
func TestMappingEvent(t *testing.T) {
	recorded, err := os.ReadFile("../../../events/action-executor.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Records []map[string]any }
	if err := json.Unmarshal(recorded, &want); err != nil {
		t.Fatal(err)
	}
	m, _ := newMapping(newFakeSQS("x"), true, nil)
	var got struct{ Records []map[string]any }
	if err := json.Unmarshal(m.event(m.sqs.(*fakeSQS).waiting), &got); err != nil {
		t.Fatal(err)
	}
	for key := range want.Records[0] {
		if _, ok := got.Records[0][key]; !ok {
			t.Errorf("no %s", key)
		}
	}
	if diff := cmp.Diff(map[string]any{
		"messageId": "m0", "receiptHandle": "r0", "body": "x", "md5OfBody": "md5",
		"attributes": map[string]any{"ApproximateReceiveCount": "1"},
		"messageAttributes": map[string]any{
			"reason": map[string]any{"dataType": "String", "stringValue": "why"},
			"raw":    map[string]any{"dataType": "Binary", "binaryValue": "AQI="},
		},
		"eventSource": "aws:sqs", "eventSourceARN": probeQueue, "awsRegion": "eu-west-1",
	}, got.Records[0]); diff != "" {
		t.Error(diff)
	}
}

func TestMappingConcurrencyAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS()
		release := make(chan struct{})
		var mu sync.Mutex
		now, most := 0, 0
		m, _ := newMapping(q, true, func([]byte) Result {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-release
			mu.Lock()
			now--
			mu.Unlock()
			return Result{Outcome: OK}
		})
		m.BatchSize = 1
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			m.run(ctx)
			close(ended)
		}()
		synctest.Wait()
		q.put("a", "b", "c")
		synctest.Wait()
		if now != 2 {
			t.Errorf("%d at once, want 2", now)
		}
		release <- struct{}{}
		synctest.Wait()
		if now != 2 {
			t.Errorf("%d at once after the first is done, want 2", now)
		}
		cancel()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("ended with batches in hand")
		default:
		}
		close(release)
		<-ended
		if most != 2 || len(q.bodies()) != 0 {
			t.Errorf("most %d, left %v", most, q.bodies())
		}
	})
}

func TestMappingGoesOnAfterErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeSQS("a")
		q.failNext = errors.New("endpoint gone")
		var seen int
		m, problems := newMapping(q, true, func([]byte) Result { seen++; return Result{Outcome: OK} })
		begin := time.Now()
		m.poll(t.Context())
		if d := time.Since(begin); d != receivePause {
			t.Errorf("paused %v", d)
		}
		q.refuse = true
		m.poll(t.Context())
		if seen != 1 || len(*problems) != 2 || !strings.Contains((*problems)[1].Error(), "1 of 1 messages stay") {
			t.Errorf("seen %d, problems %v", seen, *problems)
		}
	})
}

// TestQueueToProcess takes messages through a real process: one is killed, one fails, one succeeds.
func TestQueueToProcess(t *testing.T) {
	g := newGate(t)
	q := newFakeSQS(g.event(), `{"Do":"fail"}`, `{}`)
	w := start(t, Config{SQS: q, QueueURL: func(string) string { return "http://sqs.test/probe" }}, function(func(f *Function) {
		f.Queues = []template.QueueMapping{
			{ID: "Doorbell", QueueARN: probeQueue, Enabled: true, BatchSize: 1, ReportFailures: true, MaxConcurrency: 2},
			{ID: "Off", QueueARN: probeQueue, BatchSize: 1},
		}
	}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		w.Run(ctx)
		close(ended)
	}()
	_, open := g.arrival()
	defer open()
	w.until("the other two", func() bool { return len(w.invocations) == 2 })
	if n := w.Kill("probe"); n != 1 {
		t.Errorf("%d busy", n)
	}
	w.until("all three", func() bool { return len(w.invocations) == 3 })
	cancel()
	<-ended
	if diff := cmp.Diff([]string{g.event(), `{"Do":"fail"}`}, q.bodies()); diff != "" {
		t.Error(diff)
	}
	if r := w.record(2); r.Outcome != Crashed || r.Source != SourceQueue {
		t.Errorf("record %+v", r)
	}
}

// TestRuleToDestination takes a rule's event through a real process that dies, to the failure destination.
func TestRuleToDestination(t *testing.T) {
	q := newFakeSQS()
	w := start(t, Config{
		SQS: q, QueueURL: func(arn string) string { return "http://sqs.test/" + arn },
		Env: func(Process) map[string]string { return map[string]string{"INIT": "exit"} },
	}, function(func(f *Function) {
		f.Schedules = []template.Schedule{{ID: "Tick", Every: time.Hour, Enabled: true}, {ID: "Off", Every: time.Millisecond}}
		f.Async = template.Async{MaxAge: time.Minute, OnFailure: probeQueue}
	}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		w.Run(ctx)
		close(ended)
	}()
	if r := w.record(0); r.Outcome != InitError || r.Source != SourceAsync {
		t.Errorf("record %+v", r)
	}
	cancel()
	<-ended
	if len(q.sent) != 1 || !strings.HasPrefix(q.sent[0], "http://sqs.test/"+probeQueue+" ") ||
		!strings.Contains(q.sent[0], `"condition":"RetriesExhausted"`) || !strings.Contains(q.sent[0], `"detail-type":"Scheduled Event"`) {
		t.Errorf("sent %v", q.sent)
	}
}
