package spike

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/params"

	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// The whole of it: every claim is in time, prices were what they are said to
// have been, and fixed fees would have lost what they are said to lose.
func TestRun(t *testing.T) {
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r, err := Run(t.Context(), Options{Root: root, Out: &out})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	if !r.OK() || len(r.Rows) != 50 || len(r.Failed) > 0 {
		t.Errorf("%d claims, OK %v", len(r.Rows), r.OK())
	}
	if got := steepest(r.Blocks, rise); got < 2000 {
		t.Errorf("the base fee rose to %d %%", got)
	}
	lost := 0
	for _, row := range r.Rows {
		if row.Price.Sign() <= 0 || row.cost().Cmp(big.NewInt(maxFee)) > 0 {
			t.Errorf("%s paid %s wei per gas, %s in all", row.Name, row.Price, row.cost())
		}
		if !row.fixedSafe() {
			lost++
		}
	}
	if lost == 0 {
		t.Error("fixed fees would have done as well")
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// The last line and the verdict say what the rows are.
func TestReport(t *testing.T) {
	row := func(margin uint32, at, deadline, fixed uint64, why string) Row {
		return Row{Claim: Claim{&scene.Swap{Name: "a", Taker: scene.EOA}, margin}, Worth: big.NewInt(100_000_000), Deadline: deadline, At: at, Why: why,
			Gas: 50_000, Price: big.NewInt(3 * params.GWei), Fixed: fixed}
	}
	blocks := []Market{{Time: 88, Base: calm}, {Time: 100, Base: 2 * calm}, {Time: 112, Base: 20 * calm}, {Time: 124, Base: 20 * calm}}
	for name, c := range map[string]struct {
		rows []Row
		ok   bool
		want []string
	}{
		"all in time": {[]Row{row(480, 112, 580, 0, ""), row(480, 112, 580, 112, "")}, true, []string{
			"▁▃██\n  2\n", "EOA    480 s           2       2        468 s        468 s   3.0         50000        0.00015 ether  1 %         0         1 lost",
			"base fee: 1.0 to 20.0 gwei, times 20", "spike: 2 claims, 2 in time, 0 lost; with fixed fees 1 would be lost, and 100.00 USD with them"}},
		"never included":     {[]Row{row(480, 0, 580, 112, "still open")}, false, []string{"lost: a: still open", "1 claims, 0 in time, 1 lost; with fixed fees 0 would be lost, and 0.00 USD"}},
		"at the deadline":    {[]Row{row(480, 580, 580, 579, "")}, false, []string{"lost: a: included after its deadline", "0 in time, 1 lost; with fixed fees 0 would be"}},
		"one second earlier": {[]Row{row(480, 579, 580, 580, "")}, true, []string{"1 in time, 0 lost; with fixed fees 1 would be"}},
		"none":               {nil, false, []string{"spike: 0 claims, 0 in time, 0 lost"}},
	} {
		r := Report{Rows: c.rows, Blocks: blocks}
		var out bytes.Buffer
		if err := r.Write(&out); err != nil {
			t.Fatal(err)
		}
		if r.OK() != c.ok {
			t.Errorf("%s: OK %v", name, r.OK())
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, out.String())
			}
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, c := range []struct {
		v                int64
		decimals, digits int
		want             string
	}{{0, 9, 1, "0.0"}, {999_999, 9, 1, "0.0"}, {100_000_000, 9, 1, "0.1"}, {20_150_000_000, 9, 1, "20.1"}, {1_480_000_000_000_000, 18, 5, "0.00148"}, {4_001_430_000, 6, 2, "4001.43"}} {
		if got := decimal(big.NewInt(c.v), c.decimals, c.digits); got != c.want {
			t.Errorf("%d of %d decimals: %s, want %s", c.v, c.decimals, got, c.want)
		}
	}
}
