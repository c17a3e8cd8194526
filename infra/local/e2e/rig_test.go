package e2e

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/demo"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/store"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// The functions, by folder.
const (
	stateSync          = "state-sync"
	timelockMonitor    = "timelock-monitor"
	cancellationCheck  = "cancellation-check"
	actionExecutor     = "action-executor"
	transactionTracker = "transaction-tracker"
	jobWatchdog        = "job-watchdog"
	pacer              = "pacer"
)

// raced builds the functions with the race detector, plain without it, each once
// per test binary.
var (
	raced = sync.OnceValues(func() (map[string]string, error) { return build(true) })
	plain = sync.OnceValues(func() (map[string]string, error) { return build(false) })
)

func build(race bool) (map[string]string, error) {
	root, err := stack.Root()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(root, "functions"))
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, e := range entries {
		folders = append(folders, e.Name())
	}
	return stack.Build(context.Background(), root, folders, race, os.Stderr)
}

// setup says what rig a test needs. The zero value is the plain one.
type setup struct {
	scenes []*scene.Scene
	// functions are those that run; nil: all.
	functions []string
	profile   string // "": test
	mode      string // "": live
	deliver   func(function string, payload []byte) []time.Duration
	begin     uint64                   // block time; 0: a round minute after the present
	plain     bool                     // without the race detector: for thousands of starts
	chains    func(file string) string // changes the chains file; nil: nothing
}

// rig is a stack with the chains of some scenes below it.
type rig struct {
	*stack.Stack
	t      testing.TB
	world  *scene.World
	ledger *judge.Ledger
	store  *store.Store
	begin  uint64

	mu    sync.Mutex
	found []string         // data races and panics
	told  []map[string]any // structured log lines
	bells []bell           // sent and not yet delivered
	ended []lambda.Invocation
}

// newRig starts everything; it ends with the test, which fails if any function
// raced or panicked.
func newRig(t testing.TB, o setup) *rig {
	t.Helper()
	binaries := raced
	if o.plain {
		binaries = plain
	}
	built, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	if o.begin == 0 {
		// Functions clamp ages at zero, so chains that run ahead of the wall clock
		// are always fresh.
		o.begin = uint64(time.Now().Unix())/60*60 + 60
	}
	r := &rig{t: t, begin: o.begin}
	if r.world, err = scene.Build(t.Context(), r.begin, o.scenes); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.world.Close)
	clients := map[uint64]*ethclient.Client{}
	for _, c := range r.world.Chains {
		clients[c.ID] = c.Client
	}
	r.ledger = judge.NewLedger(clients, scene.Signers())
	profile, mode := o.profile, o.mode
	if profile == "" {
		profile = "test"
	}
	if mode == "" {
		mode = "live"
	}
	file := demo.ChainsFile(r.world)
	if o.chains != nil {
		file = []byte(o.chains(string(file)))
	}
	r.Stack, err = stack.Start(t.Context(), stack.Options{
		Root: root, Profile: profile, Mode: mode, Race: !o.plain, Binaries: built, Slack: slack, Functions: o.functions, Deliver: o.deliver,
		ChainsFile: file, Keys: demo.Keys(),
		Observe: func(i lambda.Invocation) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.ended = append(r.ended, i)
		},
		Log: r.read,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		for _, f := range r.found {
			t.Error(f)
		}
	})
	tables := store.Tables{}
	for _, tb := range r.Template.Tables {
		switch tb.LogicalID {
		case "Orders":
			tables.Orders = tb.Name
		case "Actions":
			tables.Actions = tb.Name
		case "Journal":
			tables.Journal = tb.Name
		case "Jobs":
			tables.Jobs = tb.Name
		}
	}
	if r.store, err = store.New(r.DynamoDB, tables, store.Live); err != nil {
		t.Fatal(err)
	}
	return r
}

// read looks for what no function may ever print.
func (r *rig) read(l lambda.Line) {
	var fields map[string]any
	structured := json.Unmarshal([]byte(l.Text), &fields) == nil
	r.mu.Lock()
	defer r.mu.Unlock()
	if structured {
		fields["function"] = l.Function
		r.told = append(r.told, fields)
	}
	if strings.Contains(l.Text, "DATA RACE") || strings.HasPrefix(l.Text, "panic:") || strings.Contains(l.Text, `"panic"`) {
		r.found = append(r.found, l.Function+": "+l.Text)
	}
}

// lines are the log lines so far with that message.
func (r *rig) lines(message string) []map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []map[string]any
	for _, l := range r.told {
		if l["message"] == message {
			out = append(out, l)
		}
	}
	return out
}

// alerted tells whether an alert of that kind was raised.
func (r *rig) alerted(kind string) bool {
	for _, l := range r.lines("alert") {
		if l["kind"] == kind {
			return true
		}
	}
	return false
}

// hear notes the doorbells that the functions ring, on their way. Faults that
// were there before see what the functions see.
func (r *rig) hear() {
	r.AWS.Use(func(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
		reply, err := next(c)
		if err != nil || reply.Status != 200 || c.Service != "sqs" || c.Function == pacer {
			return reply, err
		}
		var sent struct {
			Entries []struct {
				MessageBody  string
				DelaySeconds uint64
			}
		}
		if err := json.Unmarshal(c.Body, &sent); err != nil {
			return reply, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range sent.Entries {
			r.bells = append(r.bells, bell{body: e.MessageBody, due: r.clock() + e.DelaySeconds})
		}
		return reply, err
	})
}

// deliveries begins to take what reaches people; what it returns waits until
// there is a message about that kind of alert. One that the cap on messages holds
// back counts too: here hours of a story pass within one of its windows.
func (r *rig) deliveries() (of func(kind string)) {
	ctx, cancel := context.WithCancel(context.Background())
	messages, ended := make(chan string, 10_000), make(chan error, 1)
	go func() {
		ended <- r.Alerts(ctx, func(a stack.Alert) { messages <- a.Subject + "\n" + a.Message })
	}()
	r.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	})
	var texts []string
	told := func(kind string) bool {
		return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, kind) })
	}
	held := func(kind string) bool {
		list, err := r.store.Alerts().Due(r.t.Context(), 10_000, time.Time{}, 0)
		if err != nil {
			r.t.Error(err)
		}
		return slices.ContainsFunc(list, func(e alert.Entry) bool { return string(e.Kind) == kind })
	}
	return func(kind string) {
		r.t.Helper()
		end, look := time.NewTimer(30*time.Second), time.NewTicker(time.Second)
		defer end.Stop()
		defer look.Stop()
		for !told(kind) {
			select {
			case s := <-messages:
				texts = append(texts, s)
			case <-look.C:
				const full = 7 // with fewer, nothing is held back
				if len(texts) >= full && held(kind) {
					return
				}
			case <-end.C:
				r.t.Errorf("no message about %s among %d, nor is one held back", kind, len(texts))
				return
			}
		}
	}
}

// invoked tells whether a function was invoked in that way.
func (r *rig) invoked(function string, by lambda.Source) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.ended, func(i lambda.Invocation) bool { return i.Function == function && i.Source == by })
}

// accounts are all signing accounts of the world.
func (r *rig) accounts() []txn.Account {
	var out []txn.Account
	for _, c := range r.world.Chains {
		for _, a := range scene.Signers() {
			out = append(out, txn.Account{ChainID: c.ID, Signer: a})
		}
	}
	return out
}

// settled checks that nothing is left in flight: no journalled nonce is open,
// and the journal knows of every nonce that the product used.
func (r *rig) settled() error {
	for _, a := range r.accounts() {
		open, _, err := r.store.Journal().Entries(r.t.Context(), a)
		if err != nil {
			return err
		}
		if len(open) > 0 {
			return fmt.Errorf("%d transactions of %s on chain %d are not settled: nonce %d is %s", len(open), a.Signer, a.ChainID, open[0].Nonce, open[0].State)
		}
	}
	return nil
}

// reverted lists the mined transactions of our signers that failed.
func (r *rig) reverted() []common.Hash {
	var out []common.Hash
	for _, tx := range r.ledger.Ours() {
		if !tx.OK {
			out = append(out, tx.Hash)
		}
	}
	return out
}

// send puts a message on a queue.
func (r *rig) send(queue, body string) {
	r.t.Helper()
	if _, err := r.SQS.SendMessage(r.t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body}); err != nil {
		r.t.Fatal(err)
	}
}

// receive takes n messages from a queue, by body.
func (r *rig) receive(queue string, n int) map[string]int {
	r.t.Helper()
	got := map[string]int{}
	for n > 0 {
		out, err := r.SQS.ReceiveMessage(r.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 20})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, m := range out.Messages {
			got[*m.Body]++
			n--
			if _, err := r.SQS.DeleteMessage(r.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	return got
}

// shortVisibility makes what was not handled come again sooner.
func (r *rig) shortVisibility(queue string, d time.Duration) {
	r.t.Helper()
	_, err := r.SQS.SetQueueAttributes(r.t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &queue,
		Attributes: map[string]string{"VisibilityTimeout": strconv.Itoa(int(d / time.Second))}})
	if err != nil {
		r.t.Fatal(err)
	}
}

// A race in a function fails the test that ran it: the binaries are built with
// the detector, and what it prints is found.
func TestRacesAreFound(t *testing.T) {
	t.Parallel()
	built, err := raced()
	if err != nil {
		t.Fatal(err)
	}
	for f, path := range built {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
			t.Errorf("%s is built without the race detector: %v", f, info.Settings)
		}
	}
	r := &rig{}
	for _, text := range []string{"WARNING: DATA RACE", "panic: runtime error: index out of range", `{"level":"ERROR","message":"message handler panicked","panic":"x"}`,
		`{"level":"INFO","message":"run ended"}`, "Found 1 data race(s)"} {
		r.read(lambda.Line{Text: text})
	}
	if len(r.found) != 3 {
		t.Errorf("found %q", r.found)
	}
}
