package chains

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/health"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/notify"
	"github.com/bridge-me-not/resolver-cron/shared/store"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Every part has its probe, the pacer's queues only where there is a pacer.
func TestEveryPartHasItsProbe(t *testing.T) {
	s, err := store.New(dynamodb.NewFromConfig(aws.Config{}), store.Tables{Orders: "o", Actions: "a", Journal: "j", Jobs: "jobs"}, store.Live)
	if err != nil {
		t.Fatal(err)
	}
	topic, err := notify.New(sns.NewFromConfig(aws.Config{}), "arn:aws:sns:us-east-1:000000000000:alerts")
	if err != nil {
		t.Fatal(err)
	}
	names := func(pacer string) (out []string) {
		p := &Parts{Base: &boot.Base{Profile: job.Mainnet, Store: s, Config: env.Config{DoorbellQueueURL: "d", DoorbellDeadURL: "dd", FailedEventsURL: "f",
			PacerQueueURL: pacer, PacerDeadURL: pacer, Chains: env.Chains{MaxOpenSwaps: 5, Chains: []env.Chain{{ID: 10}, {ID: 8453}}}}}, topic: topic, alarms: topic}
		for _, probe := range p.probes(func(context.Context, string) (health.Depth, error) { return health.Depth{}, nil }, nil, time.Now()) {
			out = append(out, probe.Name)
		}
		return out
	}
	all := []string{"store", "subscriptions", "outbox", "jobs", "alarm subscriptions", "queue doorbells", "queue doorbells-dead", "queue failed-events",
		"chain 10", "factories 10", "balances 10", "chain 8453", "factories 8453", "balances 8453", "capacity", "concurrency"}
	if got := names(""); !slices.Equal(got, all) {
		t.Errorf("have %q, want %q", got, all)
	}
	if got, want := names("p"), slices.Insert(slices.Clone(all), 8, "queue pacer-ticks", "queue pacer-ticks-dead"); !slices.Equal(got, want) {
		t.Errorf("with a pacer %q, want %q", got, want)
	}
}

// A signer of several takers is one, and each has the custody that the chains file says.
func TestSignersThatAreLookedAt(t *testing.T) {
	one, two := common.Address{1}, common.Address{2}
	p := &Parts{Base: &boot.Base{Config: env.Config{Chains: env.Chains{Signers: []env.Signer{{Address: one, Custody: "exclusive"}, {Address: two, Custody: "shared"}}}}},
		Policy: swap.Policy{Chains: map[uint64]swap.ChainPolicy{10: {Takers: map[common.Address]swap.TakerPolicy{{7}: {Signer: one}, {8}: {Signer: one}, {9}: {Signer: two}}}}}}
	got := p.signers(time.Now())[10]
	if len(got) != 2 || got[0].Address != one || got[0].Custody != "exclusive" || got[1].Address != two || got[1].Custody != "shared" {
		t.Fatalf("%+v", got)
	}
	// What others send is expected of a shared key: nothing is asked.
	if foreign, err := got[1].Foreign(t.Context()); foreign || err != nil {
		t.Errorf("%v, %v", foreign, err)
	}
}

// What is to be done about a queue fits into an alert, whatever the queue is called, and names it where
// there is a command to be run on it.
func TestWhatToDoAboutQueues(t *testing.T) {
	url := "https://sqs.ap-southeast-2.amazonaws.com/123456789012/" + strings.Repeat("q", 80)
	all := queues(env.Config{DoorbellQueueURL: url, DoorbellDeadURL: url, FailedEventsURL: url, PacerQueueURL: url, PacerDeadURL: url})
	if len(all) != 5 {
		t.Fatalf("%d queues", len(all))
	}
	for _, q := range all {
		commands := strings.Contains(q.ToDo, "receive-message --queue-url "+url) && strings.Contains(q.ToDo, "purge-queue --queue-url "+url)
		if q.ToDo == "" || len(q.ToDo) > 500 || q.Dead != commands {
			t.Errorf("%s: %d bytes, %q", q.Name, len(q.ToDo), q.ToDo)
		}
	}
}

// Every job counts with its schedule and its queue's mapping, in its own profile only. A new account's 10
// executions do for the jobs of mainnet that are never deferred, and for no more.
func TestDemand(t *testing.T) {
	for profile, want := range map[job.Profile]health.Demand{job.Mainnet: {Prompt: 10, All: 16}, job.Test: {Prompt: 13, All: 19}} {
		if got := demand(profile); got != want {
			t.Errorf("%s: %+v, want %+v", profile, got, want)
		}
	}
}
