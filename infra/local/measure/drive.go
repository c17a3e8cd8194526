package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
)

// look is how often it is asked whether a run is over, or waits for a block.
const look = 2 * time.Millisecond

// ring is a doorbell that somebody hears at a time of the chains.
type ring struct {
	at   uint64
	body string
}

// driver runs the functions by the time of the chains. It is not safe for concurrent use.
type driver struct {
	stack   *stack.Stack
	world   *scene.World
	meter   *meter
	waiting *stack.Waiting
	jobs    []clocked
	acting  *scene.Play
	now     uint64 // time of the newest block

	mu    sync.Mutex
	rings []ring
	errs  []error
}

// clocked is a function with its period in seconds.
type clocked struct {
	folder string
	every  uint64
}

func newDriver(s *stack.Stack, w *scene.World, m *meter, begin uint64) *driver {
	d := &driver{stack: s, world: w, meter: m, waiting: s.Waiting(), now: begin}
	for _, f := range s.Template.Functions {
		for _, schedule := range f.Schedules {
			if schedule.Enabled && schedule.Every > 0 {
				d.jobs = append(d.jobs, clocked{f.Folder, uint64(schedule.Every / time.Second)})
			}
		}
	}
	s.AWS.Use(func(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
		m.call(c)
		d.hear(c)
		return next(c)
	})
	s.AWS.Use(awsproxy.LoseMessages(nil)) // they are heard here, and nobody else reads them
	return d
}

// hear notes the doorbells in a request.
func (d *driver) hear(c *awsproxy.Call) {
	if c.Service != "sqs" || c.Action != "SendMessage" && c.Action != "SendMessageBatch" {
		return
	}
	type message struct {
		MessageBody  string
		DelaySeconds uint64
	}
	var in struct {
		message
		Entries []message
	}
	if err := json.Unmarshal(c.Body, &in); err != nil {
		d.fail(fmt.Errorf("read a message of %s: %w", c.Function, err))
		return
	}
	if in.MessageBody != "" {
		in.Entries = append(in.Entries, in.message)
	}
	d.meter.sent(c.Function, len(in.Entries))
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range in.Entries {
		d.rings = append(d.rings, ring{d.now + e.DelaySeconds, e.MessageBody})
	}
}

func (d *driver) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.errs = append(d.errs, err)
}

// failures are what went wrong and did not end the run.
func (d *driver) failures() []error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.meter.mu.Lock()
	defer d.meter.mu.Unlock()
	errs := slices.Clone(d.errs)
	for _, f := range d.meter.failed {
		errs = append(errs, fmt.Errorf("a function said: %s", f))
	}
	return errs
}

// settle lets every function run until it knows all that there is: proofs of factories, and what one run has no time for.
func (d *driver) settle(ctx context.Context) error {
	for range 3 {
		if err := d.block(ctx); err != nil {
			return err
		}
		if err := d.run(ctx, "state-sync", scheduled("state-sync")); err != nil {
			return err
		}
	}
	for _, j := range d.jobs {
		if err := d.run(ctx, j.folder, scheduled(j.folder)); err != nil {
			return err
		}
	}
	return nil
}

// play performs scenes, and nothing else happens.
func (d *driver) play(ctx context.Context, scenes []*scene.Scene) (err error) {
	if d.acting, err = scene.NewPlay(d.world, scenes, d.now+1); err != nil {
		return err
	}
	for !d.acting.Over() {
		if err := d.block(ctx); err != nil {
			return err
		}
	}
	d.acting = nil
	return nil
}

// block adds one to each chain.
func (d *driver) block(ctx context.Context) error {
	next := d.now + blockTime
	for _, c := range d.world.Chains {
		if _, err := c.Dev.Mine(next); err != nil {
			return err
		}
	}
	d.mu.Lock()
	d.now = next
	d.mu.Unlock()
	d.waiting.Block()
	if d.acting == nil {
		return nil
	}
	return d.acting.Tick(ctx)
}

// step goes on by a block, and runs what is due.
func (d *driver) step(ctx context.Context) error {
	before := d.now
	if err := d.block(ctx); err != nil {
		return err
	}
	for {
		r, ok := d.next()
		if !ok {
			break
		}
		d.meter.rang("action-executor")
		if err := d.run(ctx, "action-executor", message("Doorbells", r.body)); err != nil {
			return err
		}
	}
	if err := d.age(ctx, before); err != nil {
		return err
	}
	// What a run that waited has let go by is due as well.
	for _, j := range d.jobs {
		if d.now/j.every > before/j.every {
			if err := d.run(ctx, j.folder, scheduled(j.folder)); err != nil {
				return err
			}
		}
	}
	return nil
}

// age ends what the functions go by the wall clock with, and what would be over by that of the chains: the windows in
// which messages are counted, and the hour that a snapshot stands for.
func (d *driver) age(ctx context.Context, before uint64) error {
	over := func(seconds uint64) bool { return d.now/seconds > before/seconds }
	for prefix, seconds := range map[string]uint64{"alert-rate#messages@": 600, "alert-rate#summary": 200, "alert-rate#outbox@": 15} {
		if !over(seconds) {
			continue
		}
		jobs := d.stack.TableName("Jobs")
		pages := dynamodb.NewScanPaginator(d.stack.DynamoDB, &dynamodb.ScanInput{TableName: &jobs, ProjectionExpression: aws.String("pk, sk"),
			FilterExpression: aws.String("begins_with(pk, :prefix)"), ExpressionAttributeValues: map[string]types.AttributeValue{":prefix": &types.AttributeValueMemberS{Value: prefix}}})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, k := range page.Items {
				if _, err := d.stack.DynamoDB.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &jobs, Key: k}); err != nil {
					return err
				}
			}
		}
	}
	if !over(3600) {
		return nil
	}
	_, err := d.stack.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(d.stack.Template.Buckets[0].Name), Key: aws.String(snapshot.Latest)})
	return err
}

// next takes a doorbell that is heard by now.
func (d *driver) next() (ring, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.rings, func(r ring) bool { return r.at <= d.now })
	if i < 0 {
		return ring{}, false
	}
	r := d.rings[i]
	d.rings = slices.Delete(d.rings, i, i+1)
	return r, true
}

// run runs a function to its end; while it waits for a block, there is one.
func (d *driver) run(ctx context.Context, function string, event []byte) error {
	type ended struct {
		lambda.Result
		err error
	}
	done := make(chan ended, 1)
	go func() {
		r, err := d.stack.Host.Invoke(ctx, function, event)
		done <- ended{r, err}
	}()
	ticks := time.NewTicker(look)
	defer ticks.Stop()
	for {
		select {
		case e := <-done:
			switch {
			case e.err != nil:
				return fmt.Errorf("invoke %s: %w", function, e.err)
			case e.Failed():
				return fmt.Errorf("%s: %s %s", function, e.Outcome, e.Payload)
			}
			return nil
		case <-ticks.C:
			if d.waiting.Count(function) == 0 {
				continue
			}
			d.meter.waited(function)
			if err := d.block(ctx); err != nil {
				return err
			}
		}
	}
}

// scheduled is an event of the present.
func scheduled(function string) []byte {
	return fmt.Appendf(nil, `{"version":"0","id":"%s@%d","detail-type":"Scheduled Event","source":"aws.events","account":"000000000000","time":%q,"region":"us-east-1","resources":[%q],"detail":{}}`,
		function, time.Now().UnixNano(), time.Now().UTC().Format(time.RFC3339Nano), function)
}

// message is an event with one message of a queue.
func message(queue, body string) []byte {
	return fmt.Appendf(nil, `{"Records":[{"messageId":"%d","receiptHandle":"r","body":%q,"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:local-%s","awsRegion":"us-east-1"}]}`,
		time.Now().UnixNano(), body, queue)
}
