package chains

import (
	"context"
	"slices"
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
		for _, probe := range p.probes(func(context.Context, string) (health.Depth, error) { return health.Depth{}, nil }, time.Now()) {
			out = append(out, probe.Name)
		}
		return out
	}
	all := []string{"store", "subscriptions", "outbox", "jobs", "alarm subscriptions", "queue doorbells", "queue doorbells-dead", "queue failed-events",
		"chain 10", "factories 10", "balances 10", "chain 8453", "factories 8453", "balances 8453", "capacity"}
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
