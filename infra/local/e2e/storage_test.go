package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

// Every situation on a bad day of AWS: DynamoDB throttles, loses answers, leaves
// parts of batches undone and lags behind with its indexes; doorbells are lost,
// doubled and late; KMS takes up to two seconds. It costs time and nothing else.
func TestBadDayOfAWS(t *testing.T) {
	t.Parallel()
	scenes := scene.All()
	r := newRig(t, setup{scenes: scenes})
	var lost, throttled, cut, hidden atomic.Int64
	count := func(n *atomic.Int64, f awsproxy.Fault) awsproxy.Fault {
		return func(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
			n.Add(1)
			return f(c, next)
		}
	}
	dynamo := func(f awsproxy.Fault, actions ...string) awsproxy.Fault {
		return awsproxy.When(awsproxy.Match{Service: "dynamodb", Actions: actions}, f)
	}
	r.AWS.Use(dynamo(awsproxy.Sometimes(0.02, 1, count(&lost, awsproxy.LoseReply()))))
	r.AWS.Use(dynamo(awsproxy.Sometimes(0.02, 2, count(&throttled, awsproxy.Throttle()))))
	r.AWS.Use(dynamo(awsproxy.Sometimes(0.3, 3, count(&cut, awsproxy.CutBatches())), "BatchGetItem"))
	// What was written in the last moments is not in the index yet.
	r.AWS.Use(dynamo(awsproxy.Sometimes(0.3, 4, awsproxy.HideFromIndex(func(string, awsproxy.Item) bool {
		hidden.Add(1)
		return true
	}))))
	d := r.drive(scenes, func(d *driver) {
		d.every[actionExecutor] = 30
		d.patience = time.Second // then a slow signature costs blocks
		random := rand.New(rand.NewPCG(1, 2))
		d.deliver = func(_ string, queued bool) []uint64 {
			if d.now%5 == 0 { // from 30 ms, which is usual, to two seconds
				d.KMS.SetSignDelay(30*time.Millisecond + time.Duration(random.Int64N(int64(2*time.Second)))*time.Duration(d.now%10/5))
			}
			if !queued {
				return []uint64{0}
			}
			switch random.IntN(4) {
			case 0:
				return nil
			case 1:
				return []uint64{0, 0}
			case 2:
				return []uint64{random.Uint64N(10), random.Uint64N(10)}
			}
			return []uint64{0}
		}
	})
	t.Logf("%d answers lost, %d calls throttled, %d batches cut, %d rows hidden from indexes; %d invocations failed", lost.Load(), throttled.Load(), cut.Load(), hidden.Load(), len(d.failures))
	for what, n := range map[string]*atomic.Int64{"lost answer": &lost, "throttled call": &throttled, "cut batch": &cut, "hidden row": &hidden} {
		if n.Load() == 0 {
			t.Errorf("no %s: the test tests nothing", what)
		}
	}
}

// A message that nobody understands goes to the dead-letter queue, and the rest
// of its batch proceeds.
func TestUnknownMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{functions: []string{actionExecutor}})
	queue, dead := r.QueueURL("Doorbells"), r.QueueURL("DoorbellsDead")
	r.shortVisibility(queue, time.Second) // instead of three minutes
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	bad := []string{"ring", `{"chain":7001,"signer":"0x1"}`, `{"chain":1,"signer":"` + scene.TakerV1.Address.Hex() + `"}`,
		`{"chain":7001,"signer":"` + scene.Attacker.Address.Hex() + `"}`, `{"chain":7001,"signer":"` + scene.TakerV1.Address.Hex() + `","more":1}`}
	good := `{"chain":7001,"signer":"` + scene.TakerV1.Address.Hex() + `"}`
	for _, body := range append(bad, good) {
		r.send(queue, body)
	}
	go func() { done <- r.Run(ctx) }()
	got := r.receive(dead, len(bad))
	served := fmt.Sprintf("drained_7001_%s", strings.ToLower(scene.TakerV1.Address.Hex()))
	r.until(func() bool {
		return slices.ContainsFunc(r.lines("run ended"), func(l map[string]any) bool { return l[served] != nil })
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, body := range bad {
		if got[body] != 1 {
			t.Errorf("%s is %d times in the dead-letter queue", body, got[body])
		}
	}
	if len(got) != len(bad) {
		t.Errorf("dead letters %v", got)
	}
	reasons := map[any]bool{}
	for _, l := range r.lines("message refused") {
		reasons[l["reason"]] = true
	}
	if len(reasons) != len(bad) {
		t.Errorf("reasons %v, want one for each of %d messages", reasons, len(bad))
	}
}
