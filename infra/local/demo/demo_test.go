package demo

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// The product accepts the file, and finds in it what stands on the chains.
func TestChainsFileIsValid(t *testing.T) {
	w, err := scene.Build(t.Context(), 1_800_000_000, scene.Rush())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	// The stack gives each endpoint a route of its own.
	file := strings.Replace(string(ChainsFile(w)), w.Chains[0].Dev.URL(), "http://one.example", 1)
	file = strings.Replace(file, w.Chains[1].Dev.URL(), "http://two.example", 1)
	c, err := env.ParseChains([]byte(file), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckLive(); err != nil {
		t.Error(err)
	}
	if len(c.Signers) != len(scene.Keys) || len(Keys()) != len(scene.Keys) {
		t.Errorf("%d signers and %d keys for %d accounts", len(c.Signers), len(Keys()), len(scene.Keys))
	}
	for _, s := range c.Signers {
		if key := Keys()[s.Key]; key == nil {
			t.Errorf("no key %s", s.Key)
		}
		if shared := s.Address == scene.TakerShared.Address; shared != (s.Custody == string(txn.Shared)) {
			t.Errorf("custody of %s is %s", s.Name, s.Custody)
		}
	}
	for i, chain := range c.Chains {
		if got := chain.Takers[w.Chains[i].Resolver]; got.Path != swap.PathResolver || got.Signer != scene.ContractKey.Address {
			t.Errorf("resolver contract of %s: %+v", chain.Name, got)
		}
		if got, ok := chain.Takers[scene.WatchedTaker.Address]; !ok || got.Path != swap.PathNone {
			t.Errorf("keyless taker of %s: %+v", chain.Name, got)
		}
		if _, ok := chain.Takers[scene.OtherResolver.Address]; ok {
			t.Errorf("%s takes the other resolver for one of ours", chain.Name)
		}
		if chain.Confirmations != scene.Confirmations || len(chain.Factories) != len(contracts.Families()) {
			t.Errorf("%s: %+v", chain.Name, chain)
		}
	}
}

// Who has nothing to do in the scenes is not followed.
func TestChainsFileNamesWhoTrades(t *testing.T) {
	w, err := scene.Build(t.Context(), 1_800_000_000, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	file := string(ChainsFile(w))
	for _, k := range scene.Keys {
		rush := k.Address == scene.TakerBusy.Address || k.Address == scene.TakerShared.Address
		if named := strings.Contains(file, k.Address.Hex()); named == rush {
			t.Errorf("%s is in the file: %v", k.Name, named)
		}
	}
}

func row(name string, v judge.Verdict, allowed ...judge.Ends) Row {
	return Row{&scene.Swap{Name: name, Situation: name, Family: contracts.BMNv4, Taker: scene.EOA, Allowed: allowed}, v}
}

// The last line, and the exit code, say exactly what the rows are.
func TestReport(t *testing.T) {
	done := judge.Ends{Src: judge.Withdrawn, Dst: judge.Withdrawn}
	back := judge.Ends{Src: judge.Cancelled, Dst: judge.Cancelled}
	open := judge.Ends{Src: judge.Open, Dst: judge.Withdrawn}
	move := judge.Move{Side: contracts.Src, Call: "withdraw", Tx: &judge.Tx{Hash: common.HexToHash("0xabcdef0123" + strings.Repeat("0", 54))}, BehindLegal: 7, BehindPass: -1}
	late := move
	late.Late = true
	for _, c := range []struct {
		name string
		rows []Row
		last string
		ok   bool
	}{
		{"good", []Row{row("a", judge.Verdict{Ends: done, Safe: true, Moves: []judge.Move{move, move}}, done), row("b", judge.Verdict{Ends: back, Safe: true}, done, back)},
			"demo: 2 swaps, 2 safe, 0 lost, 0 late", true},
		{"late", []Row{row("a", judge.Verdict{Ends: done, Safe: true, Moves: []judge.Move{move, late}}, done)},
			"demo: 1 swaps, 1 safe, 0 lost, 1 late", false},
		{"lost", []Row{row("a", judge.Verdict{Ends: open, Lost: true, Why: "gone"}, done)},
			"demo: 1 swaps, 0 safe, 1 lost, 0 late", false},
		{"not ended", []Row{row("a", judge.Verdict{Ends: open, Why: "waits"}, done)},
			"demo: 1 swaps, 0 safe, 0 lost, 0 late", false},
		{"nothing shown", nil, "demo: 0 swaps, 0 safe, 0 lost, 0 late", false},
	} {
		r := Report{Rows: c.rows, Alerts: []string{"1 x (info)"}, Elapsed: time.Minute, Timetable: Timetable{Plans: 5}}
		r.Timetable.Restored.Taken = time.Unix(1_800_000_000, 0)
		for _, bad := range []Timetable{{}, {Restored: r.Timetable.Restored, Plans: 4, Others: 1}} { // no snapshot, or one that decides otherwise
			if (Report{Rows: c.rows, Timetable: bad}).OK() {
				t.Errorf("%s: well with %+v", c.name, bad)
			}
		}
		unheard := r
		if unheard.Missing = []string{"a: overdue"}; unheard.OK() {
			t.Errorf("%s: well although an alert is missing", c.name)
		}
		dear := r
		dear.Overpaid = []string{"0x12 cost 7 wei"}
		var told bytes.Buffer
		if err := dear.Write(&told); err != nil || dear.OK() || !strings.Contains(told.String(), "too dear: 0x12 cost 7 wei") {
			t.Errorf("%s: with a transaction above its cap: %v, ok %v", c.name, err, dear.OK())
		}
		blind := r
		blind.Unwatched = errors.New("nobody looks at Done")
		var out bytes.Buffer
		if err := blind.Write(&out); err != nil || blind.OK() || !strings.Contains(out.String(), "alarms and dashboards: nobody looks at Done") {
			t.Errorf("%s: with a metric that nobody looks at: %v, ok %v", c.name, err, blind.OK())
		}
		out.Reset()
		if err := r.Write(&out); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if got := lines[len(lines)-1]; got != c.last || r.OK() != c.ok {
			t.Errorf("%s: %q, ok %v; want %q, %v", c.name, got, r.OK(), c.last, c.ok)
		}
		for _, row := range c.rows {
			if !row.Safe && !strings.Contains(out.String(), "not safe: a: "+row.Why) {
				t.Errorf("%s: the reason is missing in\n%s", c.name, out.String())
			}
			if len(row.Moves) > 0 && strings.Count(out.String(), "src withdraw 0xabcdef0123") != len(row.Moves) {
				t.Errorf("%s: transactions are missing in\n%s", c.name, out.String())
			}
		}
	}
}

func TestWatch(t *testing.T) {
	var out bytes.Buffer
	w, err := newWatch(t.TempDir(), &out, false)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	base := time.Unix(1000, 0)
	for _, i := range []lambda.Invocation{
		{Function: reader, Outcome: lambda.OK, Start: base.Add(time.Minute), Duration: time.Second},
		{Function: reader, Outcome: lambda.OK, Start: base, Duration: 2 * time.Second},
		{Function: reader, Outcome: lambda.TimedOut, Start: base},
		{Function: "pacer", Outcome: lambda.OK, Start: base},
	} {
		w.invocation(i)
	}
	want := []judge.Pass{{Start: base, End: base.Add(2 * time.Second)}, {Start: base.Add(time.Minute), End: base.Add(61 * time.Second)}}
	if got := w.seen(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("passes %v", got)
	}
	if len(w.failed) != 1 || !strings.Contains(out.String(), reader+": timed out") {
		t.Errorf("failed %v, printed %q", w.failed, out.String())
	}
	for range 2 {
		w.line(lambda.Line{Text: `{"message":"alert","kind":"decoy-dst","severity":"warning","state":"open","escrow":"0xAB"}`})
	}
	for _, lifted := range []string{"true", "false", "true"} {
		w.line(lambda.Line{Text: `{"message":"replacing","nonce":3,"lifted":` + lifted + `}`})
	}
	if n := w.lifts(); n != 2 {
		t.Errorf("%d transactions lifted", n)
	}
	w.line(lambda.Line{Text: `{"message":"alert","kind":"parked-dst","severity":"critical","state":"open","escrow":""}`})
	w.line(lambda.Line{Text: `{"message":"sending","kind":"none"}`})
	w.line(lambda.Line{Text: `panic: not JSON`})
	counts, about := w.kinds()
	if len(counts) != 2 || counts[0] != "1 parked-dst (critical)" || counts[1] != "1 decoy-dst (warning)" {
		t.Errorf("counts %v", counts)
	}
	if !about("decoy-dst", "0xcd", "0xab") || about("decoy-dst", "0xcd") || !about("parked-dst", "0xcd") || about("none") {
		t.Error("wrong about who was warned of")
	}
}

// Where lines can be replaced there is one for progress, always the last.
func TestProgressOnATerminal(t *testing.T) {
	var out bytes.Buffer
	w, err := newWatch(t.TempDir(), &out, true)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	w.progress("one")
	w.progress("two")
	w.say("a swap ended")
	w.done()
	const back = "\r\x1b[K"
	if want := "one" + back + "two" + back + "a swap ended\ntwo" + back; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
