package bench

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// BenchmarkIdlePass reports what a run of each function costs when nothing has
// happened since the last one: DynamoDB requests that write, read and write
// units, all AWS requests and JSON-RPC calls, over two chains with three
// factories each.
func BenchmarkIdlePass(b *testing.B) {
	now := uint64(time.Now().Unix())
	world, err := scene.Build(b.Context(), now, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer world.Close()
	root, err := stack.Root()
	if err != nil {
		b.Fatal(err)
	}
	var failed []string
	s, err := stack.Start(b.Context(), stack.Options{Root: root, Profile: "test", Mode: "live", ChainsFile: chainsOf(world),
		Keys: map[string]*ecdsa.PrivateKey{"alias/s": scene.ContractKey.Key},
		Log: func(l lambda.Line) {
			if strings.Contains(l.Text, `"ERROR"`) {
				failed = append(failed, l.Text)
			}
		}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	tick := time.Now().UTC().Truncate(time.Second)
	invoke := func(function string) {
		tick = tick.Add(time.Millisecond) // every run a tick of its own
		event, err := json.Marshal(events.EventBridgeEvent{Version: "0", ID: "idle", DetailType: "Scheduled Event", Source: "aws.events", Time: tick, Detail: json.RawMessage("{}")})
		if err != nil {
			b.Fatal(err)
		}
		res, err := s.Host.Invoke(context.Background(), function, event)
		if err != nil || res.Outcome != lambda.OK {
			b.Fatalf("%s: %s %s %v", function, res.Outcome, res.Payload, err)
		}
	}
	invoke("state-sync") // reads the chains to their heads
	for _, f := range s.Template.Functions {
		if f.Folder == "pacer" || f.Folder == "job-watchdog" {
			continue // they have no idle: each minute has its ticks, and what the others ran is read (BenchmarkWatchdogPass)
		}
		b.Run(f.Folder, func(b *testing.B) {
			invoke(f.Folder) // start, proofs of factories
			s.AWS.ResetUsage()
			s.RPC.Reset()
			runs := 0
			for b.Loop() {
				invoke(f.Folder)
				runs++
			}
			var aws, writes, read, write float64
			for k, u := range s.AWS.Usage() {
				aws += float64(u.Requests)
				read += u.ReadUnits
				write += u.WriteUnits
				if k.Service == "dynamodb" && (strings.HasPrefix(k.Action, "Put") || strings.HasPrefix(k.Action, "Update") ||
					strings.HasPrefix(k.Action, "Delete") || strings.HasPrefix(k.Action, "Transact")) {
					writes += float64(u.Requests)
				}
			}
			rpc := 0
			for _, n := range s.RPC.Counts() {
				rpc += n
			}
			requests := 0
			for _, n := range s.RPC.Requests() {
				requests += n
			}
			n := float64(runs)
			b.ReportMetric(writes/n, "writes/op")
			b.ReportMetric(read/n, "RCU/op")
			b.ReportMetric(write/n, "WCU/op")
			b.ReportMetric(aws/n, "aws-requests/op")
			b.ReportMetric(float64(rpc)/n, "rpc-calls/op")
			b.ReportMetric(float64(requests)/n, "rpc-requests/op")
		})
	}
	for _, line := range failed {
		b.Error(line)
	}
}

// chainsOf is a chains file for a world in which nothing happens.
func chainsOf(w *scene.World) []byte {
	var f strings.Builder
	fmt.Fprintf(&f, "signers: [{ name: s, address: %q, key: alias/s, custody: contract }]\nchains:\n", scene.ContractKey.Address)
	for _, c := range w.Chains {
		fmt.Fprintf(&f, "  - id: %d\n    name: %s\n    blockTime: 1\n    minBlockTime: 1\n    regular: true\n    confirmations: %d\n", c.ID, c.Name, scene.Confirmations)
		fmt.Fprintf(&f, "    endpoints:\n      - { name: a, url: %q }\n      - { name: b, url: %q }\n", c.Dev.URL(), c.Dev.URL()+"/")
		f.WriteString("    maxFee: { withdraw: 1000000000000000, cancel: 1000000000000000, rescueFunds: 1000000000000000 }\n    factories:\n")
		for _, family := range contracts.Families() {
			fmt.Fprintf(&f, "      - { address: %q, family: %s }\n", c.Families[family].Factory, family)
		}
		fmt.Fprintf(&f, "    takers: [{ address: %q, signer: s, path: resolver-contract }]\n", c.Resolver)
	}
	return []byte(f.String())
}
