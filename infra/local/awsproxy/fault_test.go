package awsproxy_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
)

// asCaller makes the test binary play a function that writes to DynamoDB.
const asCaller = "AWSPROXY_TEST_CALLER"

func TestMain(m *testing.M) {
	if spec := os.Getenv(asCaller); spec != "" {
		if err := caller(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const callerWrites = 3

// caller writes item 1, 2, 3 in turn.
func caller(spec string) error {
	endpoint, table, _ := strings.Cut(spec, " ")
	db := dynamodb.NewFromConfig(config(endpoint, 1))
	for i := range callerWrites {
		if err := put(context.Background(), db, table, strconv.Itoa(i+1)); err != nil {
			return err
		}
	}
	fmt.Println("done")
	return nil
}

// expect turns the wanted error into nil and any other outcome into an error.
func expect[E error](err error) error {
	var want E
	if errors.As(err, &want) {
		return nil
	}
	return fmt.Errorf("got %w, want %T", cmpErr(err), want)
}

func cmpErr(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

// The caller dies at its n-th request, for every n, on either side of the service.
func TestKillAtEachRequest(t *testing.T) {
	for _, side := range []string{"before", "after"} {
		for n := 1; n <= callerWrites; n++ {
			t.Run(fmt.Sprintf("%s request %d", side, n), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				tbl := table(t)
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), asCaller+"="+w.proxy.URL(process, "dynamodb")+" "+tbl)
				cmd.Stderr = os.Stderr
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				started := make(chan struct{}) // the child may call before Start returns
				kill := func(c *awsproxy.Call) error {
					<-started
					if c.Process != process || c.Seq != n {
						t.Errorf("killing at %v", c)
					}
					return errors.Join(awsproxy.ErrCut, cmd.Process.Kill())
				}
				fault := awsproxy.Before(kill)
				stays := n - 1
				if side == "after" {
					fault = awsproxy.After(func(c *awsproxy.Call, _ *awsproxy.Reply) error { return kill(c) })
					stays = n
				}
				w.proxy.Use(awsproxy.When(awsproxy.Match{Process: process}, awsproxy.Nth(n, fault)))
				err = cmd.Start()
				close(started)
				if err != nil {
					t.Fatal(err)
				}
				if lines := bufio.NewScanner(out); lines.Scan() {
					t.Errorf("the caller lived to say %q", lines.Text())
				}
				if err := cmd.Wait(); err == nil {
					t.Error("the caller ended well")
				}
				for i := 1; i <= callerWrites; i++ {
					if got, want := stored(t, tbl, strconv.Itoa(i)), i <= stays; got != want {
						t.Errorf("item %d stored: %v, want %v", i, got, want)
					}
				}
			})
		}
	}
}

// A lost reply makes the SDK send again and meet its own write; a lost request does not.
func TestLostReplyAndLostRequest(t *testing.T) {
	w := newWorld(t)
	tbl := table(t)
	db := dynamodb.NewFromConfig(w.config("dynamodb", 3))
	writes := awsproxy.Match{Function: function, Service: "dynamodb", Actions: []string{"PutItem"}, Resource: tbl}

	remove := w.proxy.Use(awsproxy.When(writes, awsproxy.First(1, awsproxy.LoseReply())))
	if err := expect[*types.ConditionalCheckFailedException](put(t.Context(), db, tbl, "own")); err != nil {
		t.Errorf("after a lost reply: %v", err)
	}
	remove()
	w.proxy.Use(awsproxy.When(writes, awsproxy.First(1, awsproxy.LoseRequest())))
	if err := put(t.Context(), db, tbl, "other"); err != nil {
		t.Errorf("after a lost request: %v", err)
	}
	if !stored(t, tbl, "own") || !stored(t, tbl, "other") {
		t.Error("a write is missing")
	}
	got := w.proxy.Usage()[awsproxy.Key{Function: function, Service: "dynamodb", Action: "PutItem", Resource: tbl}]
	if got.Requests != 4 || got.Forwarded != 3 || got.Refused != 1 {
		t.Errorf("usage %+v, want 4 requests, 3 forwarded, 1 refused", got)
	}
}

// calls makes one request of each service.
func (w *world) calls(tbl, queueURL, topicARN string, attempts int) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"dynamodb": func(ctx context.Context) error {
			_, err := dynamodb.NewFromConfig(w.config("dynamodb", attempts)).GetItem(ctx, &dynamodb.GetItemInput{TableName: &tbl, Key: key("a")})
			return err
		},
		"sqs": func(ctx context.Context) error {
			_, err := sqs.NewFromConfig(w.config("sqs", attempts)).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &queueURL, MessageBody: aws.String("ring")})
			return err
		},
		"sns": func(ctx context.Context) error {
			_, err := sns.NewFromConfig(w.config("sns", attempts)).Publish(ctx, &sns.PublishInput{TopicArn: &topicARN, Message: aws.String("late")})
			return err
		},
		"kms": func(ctx context.Context) error {
			_, err := kms.NewFromConfig(w.config("kms", attempts)).GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: aws.String(keyAlias)})
			return err
		},
		"lambda": func(ctx context.Context) error {
			_, err := lambda.NewFromConfig(w.config("lambda", attempts)).Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("state-sync")})
			return err
		},
		"s3": func(ctx context.Context) error {
			_, err := s3.NewFromConfig(w.config("s3", attempts)).ListBuckets(ctx, &s3.ListBucketsInput{})
			return err
		},
	}
}

func TestErrorsOfEachService(t *testing.T) {
	w := newWorld(t)
	_, queueURL := queue(t)
	topic, err := w.topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("alerts")})
	if err != nil {
		t.Fatal(err)
	}
	tbl := table(t)
	once, thrice := w.calls(tbl, queueURL, *topic.TopicArn, 1), w.calls(tbl, queueURL, *topic.TopicArn, 3)
	throttled := retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}
	typed := map[string]map[string]func(error) error{
		"throttle": {"dynamodb": expect[*types.ProvisionedThroughputExceededException], "sqs": expect[*sqstypes.RequestThrottled], "lambda": expect[*lambdatypes.TooManyRequestsException]},
		"500":      {"dynamodb": expect[*types.InternalServerError], "kms": expect[*kmstypes.KMSInternalException], "lambda": expect[*lambdatypes.ServiceException]},
	}
	for name, fault := range map[string]awsproxy.Fault{
		"throttle": awsproxy.Throttle(),
		"500":      awsproxy.ServerError(),
		"denied":   awsproxy.Fail(400, "AccessDeniedException", "not allowed to <do> this"),
		"no right": awsproxy.Deny("not allowed"),
	} {
		for service, call := range once {
			t.Run(name+" "+service, func(t *testing.T) {
				w.proxy.ResetUsage()
				remove := w.proxy.Use(awsproxy.When(awsproxy.Match{Service: service}, awsproxy.First(1, fault)))
				defer remove()
				err := call(t.Context())
				var api smithy.APIError
				if !errors.As(err, &api) || api.ErrorMessage() == "" {
					t.Fatalf("got %v, want an error of the API", err)
				}
				if isThrottle := throttled.IsErrorThrottle(err) == aws.TrueTernary; isThrottle != (name == "throttle") {
					t.Errorf("code %s taken as throttle: %v", api.ErrorCode(), isThrottle)
				}
				if name == "denied" && (api.ErrorCode() != "AccessDeniedException" || api.ErrorMessage() != "not allowed to <do> this") {
					t.Errorf("got %q %q", api.ErrorCode(), api.ErrorMessage())
				}
				if code := map[string]string{"sns": "AuthorizationError", "s3": "AccessDenied"}[service]; name == "no right" && api.ErrorCode() != cmp.Or(code, "AccessDeniedException") {
					t.Errorf("%s refuses by %q", service, api.ErrorCode())
				}
				if check := typed[name][service]; check != nil {
					if err := check(err); err != nil {
						t.Error(err)
					}
				}
				if got := awsproxy.Sum(w.proxy.Usage(), nil); got.Requests != 1 || got.Forwarded != 0 {
					t.Errorf("usage %+v: want one request, not forwarded", got)
				}
			})
			if name == "denied" || name == "no right" {
				continue
			}
			t.Run(name+" "+service+" is retried", func(t *testing.T) {
				remove := w.proxy.Use(awsproxy.When(awsproxy.Match{Service: service}, awsproxy.First(1, fault)))
				defer remove()
				if err := thrice[service](t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestDelays(t *testing.T) {
	w := newWorld(t)
	tbl := table(t)
	const d = 60 * time.Millisecond
	for name, fault := range map[string]awsproxy.Fault{"request": awsproxy.Delay(d), "reply": awsproxy.DelayReply(d)} {
		remove := w.proxy.Use(fault)
		begin := time.Now()
		if err := put(t.Context(), w.db, tbl, name); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < d {
			t.Errorf("%s: took %v, want at least %v", name, took, d)
		}
		remove()
	}
	for name, tt := range map[string]struct {
		fault awsproxy.Fault
		want  bool
	}{"left early": {awsproxy.Delay(time.Hour), false}, "left late": {awsproxy.DelayReply(time.Hour), true}} {
		over := make(chan error, 1)
		removeOuter := w.proxy.Use(func(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
			reply, err := next(c)
			over <- err
			return reply, err
		})
		remove := w.proxy.Use(tt.fault)
		ctx, cancel := context.WithTimeout(t.Context(), d)
		if err := put(ctx, w.db, tbl, name); err == nil {
			t.Errorf("%s: answered", name)
		}
		cancel()
		select {
		case err := <-over:
			if !errors.Is(err, awsproxy.ErrCut) || !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(patience):
			t.Fatalf("%s: still held for a caller that left", name)
		}
		if got := stored(t, tbl, name); got != tt.want {
			t.Errorf("%s: stored %v, want %v", name, got, tt.want)
		}
		remove()
		removeOuter()
	}
}

func TestFaultsNestInOrderOfUse(t *testing.T) {
	w := newWorld(t)
	tbl := table(t)
	var mu sync.Mutex
	var log []string
	note := func(name string) awsproxy.Fault {
		say := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, what+" "+name)
		}
		return func(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
			say("into")
			defer say("out of")
			return next(c)
		}
	}
	w.proxy.Use(note("outer"))
	remove := w.proxy.Use(note("removed"))
	w.proxy.Use(awsproxy.Double())
	w.proxy.Use(note("inner"))
	remove()
	if err := expect[*types.ConditionalCheckFailedException](put(t.Context(), w.db, tbl, "a")); err != nil {
		t.Error(err)
	}
	want := []string{"into outer", "into inner", "out of inner", "into inner", "out of inner", "out of outer"}
	if !slices.Equal(log, want) {
		t.Errorf("%q, want %q", log, want)
	}
}

func TestMatch(t *testing.T) {
	w := newWorld(t)
	tbl := table(t)
	for _, tt := range []struct {
		name  string
		match awsproxy.Match
		want  bool
	}{
		{"everything", awsproxy.Match{}, true},
		{"process", awsproxy.Match{Process: process}, true},
		{"other process", awsproxy.Match{Process: function + "@2"}, false},
		{"function", awsproxy.Match{Function: function}, true},
		{"other function", awsproxy.Match{Function: "state-sync"}, false},
		{"service", awsproxy.Match{Service: "dynamodb"}, true},
		{"other service", awsproxy.Match{Service: "sqs"}, false},
		{"one of actions", awsproxy.Match{Actions: []string{"GetItem", "PutItem"}}, true},
		{"other actions", awsproxy.Match{Actions: []string{"GetItem"}}, false},
		{"resource", awsproxy.Match{Resource: tbl}, true},
		{"other resource", awsproxy.Match{Resource: "orders"}, false},
		{"where", awsproxy.Match{Where: func(c *awsproxy.Call) bool { return strings.Contains(string(c.Body), "where") }}, true},
		{"not where", awsproxy.Match{Where: func(*awsproxy.Call) bool { return false }}, false},
	} {
		remove := w.proxy.Use(awsproxy.When(tt.match, awsproxy.LoseRequest()))
		if err := put(t.Context(), w.db, tbl, tt.name); (err != nil) != tt.want {
			t.Errorf("%s: error %v, want one: %v", tt.name, err, tt.want)
		}
		remove()
	}
}

func TestSometimesFollowsItsSeed(t *testing.T) {
	draw := func(p float64, seed uint64) (hits int, pattern string) {
		f := awsproxy.Sometimes(p, seed, awsproxy.LoseRequest())
		for range 200 {
			_, err := f(&awsproxy.Call{}, func(*awsproxy.Call) (*awsproxy.Reply, error) { return &awsproxy.Reply{}, nil })
			if err != nil {
				hits++
				pattern += "x"
			} else {
				pattern += "."
			}
		}
		return hits, pattern
	}
	half, pattern := draw(0.5, 7)
	if _, again := draw(0.5, 7); again != pattern {
		t.Error("the same seed draws otherwise")
	}
	if half < 60 || half > 140 {
		t.Errorf("%d of 200 at one half", half)
	}
	if never, _ := draw(0, 7); never != 0 {
		t.Errorf("%d of 200 at zero", never)
	}
	if always, _ := draw(1, 7); always != 200 {
		t.Errorf("%d of 200 at one", always)
	}
}
