package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/alert"
)

// operator builds the operator command, once per test binary.
var operator = sync.OnceValues(func() (string, error) {
	root, err := stack.Root()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(root, ".build", "local", "ops")
	build := exec.Command("go", "build", "-o", binary, "./infra/ops")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return binary, nil
})

// ops runs the operator command on the stack's tables.
func (r *rig) ops(ctx context.Context, args ...string) error {
	binary, err := operator()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL_DYNAMODB="+aws.ToString(r.DynamoDB.Options().BaseEndpoint), "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "STACK_OUTPUTS=")
	for _, t := range r.Template.Tables {
		cmd.Env = append(cmd.Env, strings.ToUpper(t.LogicalID)+"_TABLE="+t.Name)
	}
	out, err := cmd.CombinedOutput()
	r.t.Logf("ops %s: %s", strings.Join(args, " "), out)
	if err != nil {
		return fmt.Errorf("ops %q: %w\n%s", args, err, out)
	}
	return nil
}

// An operator pauses a chain. What falls due there is not sent, while it is
// watched and told of as ever, the pause itself again and again; a claim whose
// secret is public goes out all the same, and so does everything on the other
// chain. When the pause is ended, what was held back is sent.
func TestAPauseFromItsBeginningToItsEnd(t *testing.T) {
	t.Parallel()
	const paused = 1 // index of the chain
	// When it begins and ends, in seconds; all that falls due does so in between.
	const from, renewed, until = 20, 70, 90
	named := func(name string, f contracts.Family, k scene.TakerKind, src int, w contracts.Timelocks, allowed judge.Ends) *scene.Swap {
		return &scene.Swap{Name: name, Family: f, Taker: k, From: src, Windows: w, Allowed: []judge.Ends{allowed}}
	}
	cancelled := judge.Ends{Src: judge.Cancelled, Dst: judge.Cancelled}
	expiring := contracts.Timelocks{SrcWithdrawal: 4, SrcPublicWithdrawal: 30, SrcCancellation: 35, SrcPublicCancellation: 200,
		DstWithdrawal: 2, DstPublicWithdrawal: 20, DstCancellation: 35}
	there := named("dst there", contracts.OneInchV1, scene.EOA, 1-paused, expiring, cancelled)
	here := named("src there", contracts.OneInchV11, scene.Contract, paused, expiring, cancelled)
	claim := named("claim there", contracts.OneInchV1, scene.Contract, paused, contracts.Timelocks{SrcWithdrawal: 4, SrcPublicWithdrawal: 100, SrcCancellation: 110,
		SrcPublicCancellation: 200, DstWithdrawal: 2, DstPublicWithdrawal: 5, DstCancellation: 80}, judge.Ends{Src: judge.Withdrawn, Dst: judge.Withdrawn})
	there.Alert = string(alert.DecoyDst)

	var r *rig
	stand := func(ctx context.Context, s *scene.Swap) judge.Ends {
		v, err := r.ledger.Judge(ctx, s.Case(), rules, nil)
		if err != nil {
			t.Error(err)
		}
		return v.Ends
	}
	told := func(state string) (n int) {
		for _, l := range r.lines("alert") {
			if l["kind"] == string(alert.Paused) && l["state"] == state {
				n++
			}
		}
		return n
	}
	id := scene.ChainIDs[paused]
	pause := scene.Step{Name: "pause", Chain: paused, After: from, Act: func(ctx context.Context, _ *scene.World) error {
		return r.ops(ctx, "pause", "-chain", strconv.FormatUint(id, 10), "-for", "2h", "-by", "anna", "-why", "its sequencer misbehaves")
	}}
	// Ten minutes pass for the alert of the pause.
	renew := scene.Step{Name: "later", Chain: paused, After: renewed, Act: func(ctx context.Context, _ *scene.World) error {
		e, err := r.store.Alerts().Load(ctx, alert.Alert{Kind: alert.Paused, Chain: id}.Key())
		if err != nil || e.State != alert.Open || e.NotifiedAt.IsZero() || told("open") != 1 {
			return fmt.Errorf("the pause was told %d times, and is %+v: %w", told("open"), e, err)
		}
		e.QuietUntil, e.Write = time.Now(), rand.Text()
		return r.store.Alerts().Save(ctx, e)
	}}
	resume := scene.Step{Name: "resume", Chain: paused, After: until, Act: func(ctx context.Context, _ *scene.World) error {
		for s, want := range map[*scene.Swap]judge.Ends{
			there: {Src: judge.Cancelled, Dst: judge.Open}, // the other chain is not paused
			here:  {Src: judge.Open, Dst: judge.Cancelled},
			claim: {Src: judge.Withdrawn, Dst: judge.Withdrawn},
		} {
			if got := stand(ctx, s); got != want {
				t.Errorf("%s stands at %s before the end of the pause, want %s", s, got, want)
			}
		}
		overdue := 0.0
		for _, l := range r.runs(cancellationCheck) {
			if n, ok := l["Overdue"].(float64); ok {
				overdue = max(overdue, n)
			}
		}
		if overdue != 2 {
			t.Errorf("%v swaps were seen to be overdue, want the two that are held back", overdue)
		}
		if !r.alerted(there.Alert) {
			t.Errorf("no alert %s during the pause", there.Alert)
		}
		if told("open") != 2 || told("resolved") != 0 {
			t.Errorf("the pause was told %d times and %d times taken back, want 2 and 0", told("open"), told("resolved"))
		}
		return r.ops(ctx, "resume", "-chain", strconv.FormatUint(id, 10))
	}}
	spoil := func(im *contracts.Immutables) { im.Amount = contracts.UintWord(1) }
	scenes := []*scene.Scene{
		{Name: there.Name, Swaps: []*scene.Swap{there}, Steps: []scene.Step{there.Fill(0), there.Open(2), there.Decoy(from+5, spoil)}},
		{Name: here.Name, Swaps: []*scene.Swap{here}, Steps: []scene.Step{here.Fill(0), here.Open(2)}},
		{Name: claim.Name, Swaps: []*scene.Swap{claim}, Steps: []scene.Step{claim.Fill(0), claim.Open(2), claim.Reveal(from + 10)}},
		{Name: "operator", Steps: []scene.Step{pause, renew, resume}},
	}
	if _, err := operator(); err != nil {
		t.Fatal(err)
	}
	r = newRig(t, setup{scenes: scenes})
	d := r.drive(scenes, func(d *driver) { d.every[actionExecutor] = 10 })
	for _, f := range d.failures {
		t.Error(f)
	}
	r.mustRun(actionExecutor, tick(actionExecutor))
	r.until(func() bool { return told("resolved") > 0 })
	if n := told("resolved"); n != 1 {
		t.Errorf("the end of the pause was told %d times", n)
	}
}
