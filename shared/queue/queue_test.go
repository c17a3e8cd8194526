package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
	"github.com/bridge-me-not/resolver-cron/shared/queue"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
)

// TestRoundTrip sends by the real client to a real queue and reads back what
// the executor and the pacer would get.
func TestRoundTrip(t *testing.T) {
	endpoint := servicetest.SQSSNS(t)
	client := sqs.New(sqs.Options{Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	created, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("round-trip")})
	if err != nil {
		t.Fatal(err)
	}
	url := *created.QueueUrl

	rings := make([]watch.Ring, 23) // more than two batches
	for i := range rings {
		rings[i] = watch.Ring{ChainID: uint64(i + 1), Signer: common.Address{byte(i)}}
	}
	if err := (queue.Doorbells{Client: client, URL: url}).Ring(t.Context(), rings); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	tick := job.Tick{Job: job.TimelockMonitor, Time: now}
	if err := (queue.Ticks{Client: client, URL: url}).SendTicks(t.Context(), []job.DueTick{{Tick: tick}}); err != nil {
		t.Fatal(err)
	}
	bells, ticks := map[job.Doorbell]int{}, 0
	for range len(rings) + 1 {
		if len(bells) == len(rings) && ticks == 1 {
			break
		}
		got, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 5})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range got.Messages {
			if b, err := job.DecodeDoorbell(*m.Body); err == nil {
				bells[b]++
				continue
			}
			back, err := job.DecodeTick(*m.Body)
			if err != nil || back != tick {
				t.Errorf("message %q: %v", *m.Body, err)
			}
			ticks++
		}
	}
	for _, r := range rings {
		want := job.Doorbell{Chain: r.ChainID, Signer: strings.ToLower(r.Signer.Hex())}
		if bells[want] != 1 {
			t.Errorf("doorbell of chain %d arrived %d times", r.ChainID, bells[want])
		}
	}
	if ticks != 1 {
		t.Errorf("tick arrived %d times", ticks)
	}
}

// service is an SQS that takes messages as it is told.
type service struct {
	calls  []*sqs.SendMessageBatchInput
	answer func(call int, e types.SendMessageBatchRequestEntry) *types.BatchResultErrorEntry
	err    error
}

func (s *service) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	s.calls = append(s.calls, in)
	if s.err != nil {
		return nil, s.err
	}
	out := &sqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		if f := s.answer(len(s.calls), e); f != nil {
			f.Id = e.Id
			out.Failed = append(out.Failed, *f)
			continue
		}
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

func take(int, types.SendMessageBatchRequestEntry) *types.BatchResultErrorEntry { return nil }

func TestDelaysAreWholeSecondsOfSQS(t *testing.T) {
	s := &service{answer: take}
	var rings []watch.Ring
	for _, after := range []time.Duration{-time.Second, 0, 999 * time.Millisecond, 2500 * time.Millisecond, 15 * time.Minute, time.Hour} {
		rings = append(rings, watch.Ring{ChainID: 1, After: after})
	}
	if err := (queue.Doorbells{Client: s, URL: "u"}).Ring(t.Context(), rings); err != nil {
		t.Fatal(err)
	}
	var got []int32
	for _, e := range s.calls[0].Entries {
		got = append(got, e.DelaySeconds)
	}
	slices.Sort(got)
	if want := []int32{0, 0, 0, 2, 900, 900}; !slices.Equal(got, want) {
		t.Errorf("delays %v, want %v", got, want)
	}
}

func TestWhatTheServiceRefusesIsSentAgain(t *testing.T) {
	busy := &types.BatchResultErrorEntry{Code: aws.String("InternalError"), Message: aws.String("busy")}
	ours := &types.BatchResultErrorEntry{Code: aws.String("InvalidMessage"), Message: aws.String("bad"), SenderFault: true}
	for _, c := range []struct {
		name   string
		answer func(int, types.SendMessageBatchRequestEntry) *types.BatchResultErrorEntry
		err    error
		calls  int
		want   string
	}{
		{name: "taken", answer: take, calls: 1},
		{name: "busy once", calls: 2, answer: func(n int, e types.SendMessageBatchRequestEntry) *types.BatchResultErrorEntry {
			if n == 1 && *e.Id == "1" {
				f := *busy
				return &f
			}
			return nil
		}},
		{name: "busy for ever", calls: 3, want: "InternalError: busy", answer: func(int, types.SendMessageBatchRequestEntry) *types.BatchResultErrorEntry {
			f := *busy
			return &f
		}},
		{name: "our fault", calls: 1, want: "InvalidMessage: bad", answer: func(int, types.SendMessageBatchRequestEntry) *types.BatchResultErrorEntry {
			f := *ours
			return &f
		}},
		{name: "our fault beside a busy one", calls: 2, want: "1 messages refused: InvalidMessage: bad", answer: func(n int, e types.SendMessageBatchRequestEntry) *types.BatchResultErrorEntry {
			f := *busy
			if *e.Id == "0" {
				f = *ours
			}
			if *e.Id == "1" && n > 1 {
				return nil
			}
			return &f
		}},
		{name: "no answer", calls: 1, want: "cut", err: errors.New("connection cut")},
	} {
		s := &service{answer: c.answer, err: c.err}
		err := queue.Doorbells{Client: s, URL: "u"}.Ring(t.Context(), []watch.Ring{{ChainID: 1}, {ChainID: 2}})
		if len(s.calls) != c.calls {
			t.Errorf("%s: %d calls, want %d", c.name, len(s.calls), c.calls)
		}
		if c.want == "" && err != nil || c.want != "" && !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestBadSignerRingsNobody(t *testing.T) {
	s := &service{answer: take}
	if err := (queue.Doorbells{Client: s, URL: "u"}).Ring(t.Context(), []watch.Ring{{}}); err == nil || len(s.calls) != 0 {
		t.Errorf("doorbell without a chain: %v after %d calls", err, len(s.calls))
	}
}

// TestMessagesNameTheirRun: what a run sends says so, beside the body, by which equal messages are one.
func TestMessagesNameTheirRun(t *testing.T) {
	for _, run := range []string{"", "A"} {
		ctx := t.Context()
		if run != "" {
			ctx = metrics.WithRun(ctx, job.TimelockMonitor, run)
		}
		s := &service{answer: take}
		if err := (queue.Doorbells{Client: s, URL: "u"}).Ring(ctx, []watch.Ring{{ChainID: 1}}); err != nil {
			t.Fatal(err)
		}
		e := s.calls[0].Entries[0]
		if got := aws.ToString(e.MessageAttributes[job.RunAttribute].StringValue); got != run || strings.Contains(*e.MessageBody, "run") {
			t.Errorf("run %q: attribute %q, body %s", run, got, *e.MessageBody)
		}
	}
}
