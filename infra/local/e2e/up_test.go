package e2e

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// command builds the local command, once per test binary.
var command = sync.OnceValues(func() (string, error) {
	root, err := stack.Root()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(root, ".build", "local", "command")
	build := exec.Command("go", "build", "-o", binary, "./infra/local")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return binary, nil
})

// program is a run of the local command in a process group of its own, as a
// shell starts it.
type program struct {
	*exec.Cmd
	t      *testing.T
	lines  chan string // of standard output
	stderr bytes.Buffer
	ended  chan error
}

func run(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	binary, err := command()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{Cmd: exec.Command(binary, args...), t: t, lines: make(chan string, 100_000), ended: make(chan error, 1)}
	p.Env = append(os.Environ(), env...)
	p.Stderr = &p.stderr
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
		close(p.lines)
		p.ended <- p.Wait()
	}()
	t.Cleanup(func() { _ = syscall.Kill(-p.Process.Pid, syscall.SIGKILL) }) // an error says that it has ended
	return p
}

// until reads lines up to one that fits.
func (p *program) until(fits func(string) bool) string {
	p.t.Helper()
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("%v ended: %v\n%s", p.Args, <-p.ended, p.stderr.String())
			}
			if fits(line) {
				return line
			}
		case <-time.After(2 * time.Minute):
			p.t.Fatalf("%v says nothing more\n%s", p.Args, p.stderr.String())
		}
	}
}

// code waits for the end and returns the exit code.
func (p *program) code() int {
	p.t.Helper()
	select {
	case err := <-p.ended:
		exit, failed := errors.AsType[*exec.ExitError](err)
		if err != nil && !failed {
			p.t.Fatal(err)
		}
		if failed {
			return exit.ExitCode()
		}
		return 0
	case <-time.After(time.Minute):
		p.t.Fatalf("%v does not end\n%s", p.Args, p.stderr.String())
		return 0
	}
}

// process is a process that cannot be mistaken for a later one of its number.
type process struct {
	pid     int
	started string
}

// processes lists all processes with their parents.
func processes(t *testing.T) map[process]int {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(entries) == 0 {
		t.Fatalf("no processes in /proc: %v", err)
	}
	out := map[process]int{}
	for _, e := range entries {
		stat, err := os.ReadFile(e)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(stat), ") ") // past the name
		fields := strings.Fields(after)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(e)))
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			t.Fatalf("%s: %s", e, stat)
		}
		if fields[0] != "Z" { // dead, and nobody has asked
			out[process{pid, fields[19]}] = parent
		}
	}
	return out
}

// descendants lists what a process has started, at any depth.
func descendants(t *testing.T, pid int) []process {
	t.Helper()
	all := processes(t)
	var out []process
	for parents := []int{pid}; len(parents) > 0; parents = parents[1:] {
		for p, parent := range all {
			if parent == parents[0] {
				out = append(out, p)
				parents = append(parents, p.pid)
			}
		}
	}
	return out
}

// gone waits until none of the processes is left.
func gone(t *testing.T, family []process) {
	t.Helper()
	var left []process
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		alive := processes(t)
		left = slices.DeleteFunc(slices.Clone(family), func(p process) bool { _, ok := alive[p]; return !ok })
		if len(left) == 0 {
			return
		}
		select {
		case <-t.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Errorf("still there: %v of %v", left, family)
}

// outside is a chain that another process offers by JSON-RPC.
type outside struct {
	*scene.Chain
	t   *testing.T
	url string
}

func newOutside(t *testing.T, id uint64, rich ...scene.Account) *outside {
	t.Helper()
	args := []string{"chain", "-id", strconv.FormatUint(id, 10)}
	for _, a := range rich {
		args = append(args, "-fund", a.Address.Hex())
	}
	node := run(t, nil, args...)
	line := node.until(func(l string) bool { return strings.Contains(l, " at http") })
	url := line[strings.Index(line, "http"):]
	client, err := ethclient.DialContext(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &outside{t: t, url: url, Chain: &scene.Chain{ID: id, Name: "chain-" + strconv.FormatUint(id, 10), Client: client,
		Families: map[contracts.Family]contracts.Deployment{}, RescueDelay: 3600}}
}

// send sends a transaction and waits for its block.
func (o *outside) send(from scene.Account, tx contracts.Tx) (*types.Receipt, uint64) {
	o.t.Helper()
	ctx, id := o.t.Context(), new(big.Int).SetUint64(o.ID)
	nonce, err := o.Client.PendingNonceAt(ctx, from.Address)
	if err != nil {
		o.t.Fatal(err)
	}
	signed, err := types.SignNewTx(from.Key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{ChainID: id, Nonce: nonce,
		GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(100 * params.GWei), Gas: 8_000_000, To: tx.To, Value: tx.Value, Data: tx.Data})
	if err != nil {
		o.t.Fatal(err)
	}
	if err := o.Client.SendTransaction(ctx, signed); err != nil {
		o.t.Fatal(err)
	}
	for {
		r, err := o.Client.TransactionReceipt(ctx, signed.Hash())
		if errors.Is(err, ethereum.NotFound) {
			select {
			case <-ctx.Done():
				o.t.Fatal(ctx.Err())
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		if err != nil {
			o.t.Fatal(err)
		}
		if r.Status != types.ReceiptStatusSuccessful {
			o.t.Fatalf("transaction of %s on chain %d reverted", from.Name, o.ID)
		}
		h, err := o.Client.HeaderByHash(ctx, r.BlockHash)
		if err != nil {
			o.t.Fatal(err)
		}
		return r, h.Time
	}
}

// deploy puts one family and what it takes on the chain.
func (o *outside) deploy(by scene.Account, family contracts.Family, makers ...scene.Account) {
	o.t.Helper()
	create := func(tx contracts.Tx) common.Address { r, _ := o.send(by, tx); return r.ContractAddress }
	o.Resolver = create(contracts.DeployResolver(scene.Owner.Address))
	o.OrderEntry = create(contracts.Deploy("OrderEntry"))
	o.AccessToken = create(contracts.Deploy("AccessToken"))
	o.USD = create(contracts.DeployToken("USD", 6, false))
	setup := contracts.Setup{Family: family, OrderEntry: o.OrderEntry, AccessToken: o.AccessToken, Owner: by.Address, RescueDelay: o.RescueDelay}
	o.Families[family] = setup.At(create(setup.Deploy()))
	plenty := big.NewInt(1_000_000_000_000)
	o.send(by, contracts.Mint(o.USD, o.Resolver, plenty))
	o.send(scene.Owner, contracts.SetOperator(o.Resolver, scene.ContractKey.Address, true))
	o.send(scene.Owner, contracts.ArbitraryCalls(o.Resolver, contracts.Approve(o.USD, o.Families[family].Factory, plenty)))
	for _, m := range makers {
		o.send(by, contracts.Mint(o.USD, m.Address, plenty))
		o.send(m, contracts.Approve(o.USD, o.OrderEntry, plenty))
	}
}

// do takes a step of a scene on chains that are elsewhere.
func do(t *testing.T, w *scene.World, chains [2]*outside, s scene.Step) {
	t.Helper()
	txs, err := s.Send(w, uint64(time.Now().Unix()))
	if err != nil {
		t.Fatal(err)
	}
	var at uint64
	for _, tx := range txs {
		_, at = chains[s.Chain].send(tx.From, tx.Tx)
	}
	if s.Done != nil {
		if err := s.Done(w, at); err != nil {
			t.Fatal(err)
		}
	}
}

// operatorsFile is what an operator would write for these chains.
func operatorsFile(t *testing.T, family contracts.Family, chains [2]*outside) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "signers: [{name: resolver, address: %q, key: alias/resolver, custody: contract}]\nchains:\n", scene.ContractKey.Address)
	for i, c := range chains {
		fmt.Fprintf(&b, `  - id: %d
    name: %s
    blockTime: 1
    regular: true
    confirmations: 3
    singleProvider: true
    endpoints: [{name: node, url: "${NODE_%d}"}]
    maxFee: {withdraw: 500000000000000, cancel: 500000000000000, rescueFunds: 500000000000000}
    factories: [{address: %q, family: %s}]
    tokens: [{address: %q, symbol: USD, decimals: 6, weiPerUnit: 300000000000000, dust: 100}]
    takers: [{address: %q, signer: resolver, path: resolver-contract}]
    helpers: [%q]
`, c.ID, c.Name, i, c.Families[family].Factory, family, c.USD, c.Resolver, scene.Owner.Address)
	}
	path := filepath.Join(t.TempDir(), "chains.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The up command, pointed at chains that other processes offer by plain JSON-RPC,
// brings swaps to their right end; what it prints with -json is JSON; Ctrl-C
// ends everything that it started, and so does its own death.
func TestUp(t *testing.T) {
	t.Parallel()
	deployer := scene.NewAccount("deployer of the outside")
	owed := &scene.Swap{Name: "owed", Family: contracts.OneInchV11, Taker: scene.Contract, From: 0, Allowed: []judge.Ends{{Src: judge.Withdrawn, Dst: judge.Withdrawn}},
		Windows: contracts.Timelocks{SrcWithdrawal: 2, SrcPublicWithdrawal: 600, SrcCancellation: 700, SrcPublicCancellation: 800,
			DstWithdrawal: 1, DstPublicWithdrawal: 300, DstCancellation: 400}}
	alone := &scene.Swap{Name: "alone", Family: contracts.OneInchV11, Taker: scene.Contract, From: 1, Allowed: []judge.Ends{{Src: judge.Cancelled, Dst: judge.Absent}},
		Windows: contracts.Timelocks{SrcWithdrawal: 2, SrcPublicWithdrawal: 3, SrcCancellation: 20, SrcPublicCancellation: 800,
			DstWithdrawal: 1, DstPublicWithdrawal: 2, DstCancellation: 10}}
	w := &scene.World{}
	var chains [2]*outside
	for i, id := range []uint64{7101, 7102} {
		chains[i] = newOutside(t, id, deployer, scene.Owner, scene.ContractKey, owed.Maker(), alone.Maker())
		w.Chains[i] = chains[i].Chain
		chains[i].deploy(deployer, contracts.OneInchV11, []scene.Account{owed.Maker(), alone.Maker()}[i])
	}
	for _, s := range []scene.Step{owed.Fill(0), owed.Open(0), alone.Fill(0), owed.Reveal(0)} {
		do(t, w, chains, s)
	}

	file := operatorsFile(t, contracts.OneInchV11, chains)
	env := []string{"NODE_0=" + chains[0].url, "NODE_1=" + chains[1].url, "RESOLVER_KEY=" + hex.EncodeToString(crypto.FromECDSA(scene.ContractKey.Key))}
	up := run(t, env, "up", "-chains", file, "-profile", "test", "-mode", "live", "-key", "alias/resolver=RESOLVER_KEY", "-json")
	said := map[any]bool{}
	heard := func(line string) bool {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("no JSON: %s", line)
		}
		if strings.Contains(line, hex.EncodeToString(crypto.FromECDSA(scene.ContractKey.Key))) {
			t.Errorf("the key is told: %s", line)
		}
		said[fields["message"]] = true
		return fields["message"] == "sending"
	}
	ledger := judge.NewLedger(map[uint64]*ethclient.Client{7101: chains[0].Client, 7102: chains[1].Client}, []common.Address{scene.ContractKey.Address})
	for range 2 { // one for each swap
		up.until(heard)
	}
	for _, s := range []*scene.Swap{owed, alone} {
		var why string
		for end := time.Now().Add(time.Minute); ; {
			if err := ledger.Update(t.Context()); err != nil {
				t.Fatal(err)
			}
			v, err := ledger.Judge(t.Context(), s.Case(), rules, nil)
			if err != nil {
				t.Fatal(err)
			}
			if why = v.Why; v.Safe || time.Now().After(end) {
				break
			}
			select {
			case <-t.Context().Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
		if why != "" {
			t.Errorf("%s: %s", s, why)
		}
	}
	family := descendants(t, up.Process.Pid)
	if len(family) < 4 {
		t.Errorf("%d processes: want two servers and functions", len(family))
	}
	if err := syscall.Kill(-up.Process.Pid, syscall.SIGINT); err != nil { // Ctrl-C reaches the group
		t.Fatal(err)
	}
	for line := range up.lines {
		heard(line)
	}
	if code := up.code(); code != 0 {
		t.Errorf("exit code %d after Ctrl-C\n%s", code, up.stderr.String())
	}
	gone(t, family)
	for _, m := range []string{"sending", "run ended"} {
		if !said[m] {
			t.Errorf("nothing said of %q", m)
		}
	}

	again := run(t, env, "up", "-chains", file, "-mode", "shadow")
	again.until(func(l string) bool { return len(descendants(t, again.Process.Pid)) >= 4 })
	family = descendants(t, again.Process.Pid)
	if err := again.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	gone(t, family)
}

// A chains file with mistakes is refused with all of them, each with its path,
// before anything starts.
func TestUpRefusesBadFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chains.yaml")
	err := os.WriteFile(path, []byte(`signers: [{name: a, address: "0x1", key: k, custody: exclusive}]
chains:
  - id: 0
    name: x
    endpoints: [{name: n, url: "ftp://x"}]
    maxFee: {withdraw: 1}
    factories: [{address: "0xa7bcb4eac8964306f9e3764f67db6a7af6ddf99a", family: bmn-v5}]
    takers: [{address: "0xa7bcb4eac8964306f9e3764f67db6a7af6ddf99a", signer: nobody, path: eoa}]
    surprise: 1
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"up", "-chains", path, "-mode", "live"}, []string{"signers[0].address", "chains[0].id", "chains[0].endpoints[0].url", "chains[0].maxFee.cancel",
			`chains[0].factories[0].family: unknown "bmn-v5"`, "chains[0].takers[0].signer", "chains[0].surprise"}},
		{[]string{"up", "-chains", filepath.Join(t.TempDir(), "none")}, []string{"-chains"}},
		{[]string{"up", "-chains", path, "-profile", "fast"}, []string{"-profile"}},
		{[]string{"up", "-chains", path, "-key", "alias=NOT_SET_ANYWHERE"}, []string{"NOT_SET_ANYWHERE"}},
		{[]string{"chain"}, []string{"-id"}},
		{[]string{"fly"}, []string{"usage"}},
	} {
		p := run(t, nil, tt.args...)
		if code := p.code(); code != 2 {
			t.Errorf("%v: exit code %d, want 2", tt.args, code)
		}
		for _, want := range tt.want {
			if !strings.Contains(p.stderr.String(), want) {
				t.Errorf("%v: nothing about %q in\n%s", tt.args, want, p.stderr.String())
			}
		}
	}
}
