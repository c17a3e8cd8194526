package env

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

func lookup(m map[string]string) func(string) (string, bool) {
	return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
}

var endpoints = map[string]string{
	"BASE_RPC_URL": "https://a.example/key", "BASE_RPC_URL_2": "https://b.example/key",
	"OPTIMISM_RPC_URL": "https://c.example/key", "OPTIMISM_RPC_URL_2": "",
	"SIGNER_KEY": "alias/signer",
}

func TestPackagedChainsFileIsValid(t *testing.T) {
	file, err := os.ReadFile("../../infra/config/chains.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseChains(file, lookup(endpoints))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Chains) != 2 || len(c.Signers) != 1 {
		t.Fatalf("have %d chains and %d signers, want 2 and 1", len(c.Chains), len(c.Signers))
	}
	base := c.Chains[0]
	if got := len(base.Endpoints); got != 2 {
		t.Errorf("base has %d endpoints, want 2", got)
	}
	if got := len(c.Chains[1].Endpoints); got != 1 {
		t.Errorf("optimism has %d endpoints, want 1: the optional one is empty", got)
	}
	families := []swap.Family{}
	for _, f := range base.Factories {
		families = append(families, f.Family)
	}
	if !slices.Equal(families, swap.Families()) {
		t.Errorf("base has factories of %v, want %v", families, swap.Families())
	}
	limit := base.FeeCap[swap.Withdraw]
	if limit.Dec() != "2000000000000000" {
		t.Errorf("withdraw cap %s wei", limit.Dec())
	}
	for _, ch := range c.Chains { // by what a lag is judged
		if p := c.Policy().Chains[ch.ID]; p.BlockTime == 0 || p.BlockTime != int64(ch.BlockTime) || p.Confirmations == 0 || p.Confirmations != ch.Confirmations {
			t.Errorf("chain %d: policy with blocks of %d s, %d confirmations", ch.ID, p.BlockTime, p.Confirmations)
		}
	}
	if err := c.CheckLive(); err == nil || !strings.Contains(err.Error(), "chains[1].endpoints") {
		t.Errorf("live with one provider on optimism: %v", err)
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	const file = `
surprise: 1
warnLevels: []
signers:
  - { name: a, address: "0x1111111111111111111111111111111111111111", key: alias/a, custody: borrowed }
  - { name: a, address: "0x1111111111111111111111111111111111111111" }
chains:
  - id: 1
    name: one
    endpoints:
      - { name: x, url: "${MISSING}" }
      - { name: y, url: "ftp://example" }
      - { name: "a|b", url: "https://a.example" }
    maxFee: { withdraw: 1.5, cancel: 1, rescueFunds: 0, publicCancel: 1, fly: 2 }
    factories: [{ address: "0x123", family: bmn-v5, fromBlock: soon }]
    tokens: [{ address: "0x2222222222222222222222222222222222222222", decimals: 99 }]
    takers: [{ address: "0x0000000000000000000000000000000000000000", signer: b, path: teleport }]
    accessToken: { address: "0x4444444444444444444444444444444444444444", signer: a }
  - id: 1
    name: two
    addressChunk: 2000
    regular: perhaps
    takers: nobody
    accessToken: { address: "0x3333333333333333333333333333333333333333" }
---
chains: []
`
	_, err := ParseChains([]byte(file), lookup(nil))
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error %v is not a list of problems", err)
	}
	want := []string{
		"surprise: unknown field",
		"chains file: 2 documents",
		"warnLevels: missing",
		`signers[0].custody: unknown "borrowed"; known: exclusive, contract, shared`,
		"signers[1].key: missing",
		`signers[1].name: "a" is used twice`,
		"signers[1].address: 0x1111111111111111111111111111111111111111 is used twice",
		"chains[0].endpoints[0].url: ${MISSING} has no value",
		"chains[0].endpoints[1].url: not an http or https URL",
		`chains[0].maxFee.withdraw: want a whole number, have "1.5"`,
		"chains[0].maxFee.rescueFunds: must be more than 0 wei",
		"chains[0].maxFee.fly: unknown field",
		`chains[0].factories[0].address: want an address`,
		`chains[0].factories[0].family: unknown "bmn-v5"; known: 1inch-v1, 1inch-v1.1, bmn-v4`,
		`chains[0].factories[0].fromBlock: want a whole number`,
		"chains[0].tokens[0].symbol: missing",
		"chains[0].tokens[0].decimals: want a whole number from 0 to 77",
		"chains[0].takers[0].address: must not be the zero address",
		`chains[0].takers[0].signer: unknown signer "b"; known: a`,
		`chains[0].takers[0].path: unknown "teleport"`,
		"chains[1].id: chain 1 is listed twice",
		"chains[1].addressChunk: want a whole number from 1 to 1000",
		"chains[1].regular: want true or false",
		"chains[1].endpoints: no endpoint with a URL",
		"chains[1].factories: missing",
		`chains[0].endpoints[2].name: want at most 100 characters without "|" and line ends, have "a|b"`,
		"chains[0].maxFee.publicWithdraw: missing",
		"chains[1].maxFee: missing",
		"chains[1].takers: want a list",
		"chains[1].accessToken.signer: missing",
	}
	for _, w := range want {
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.HasPrefix(p.String(), w) }) {
			t.Errorf("not reported: %s", w)
		}
	}
	if t.Failed() {
		t.Logf("have:\n%s", problems.Error())
	}
}

func TestTakerNeedsTheRightKey(t *testing.T) {
	taker := "0x1111111111111111111111111111111111111111"
	for _, c := range []struct{ path, signer, want string }{
		{"eoa", "own", ""},
		{"eoa", "other", "path eoa needs the taker's own key"},
		{"resolver-contract", "other", ""},
		{"resolver-contract", "own", "not a contract"},
		{"none", "", ""},
		{"eoa", "", "signer: missing"},
	} {
		file := `
signers:
  - { name: own, address: "` + taker + `", key: k1 }
  - { name: other, address: "0x2222222222222222222222222222222222222222", key: k2 }
chains:
  - id: 1
    name: one
    endpoints: [{ name: x, url: "http://x.example" }]
    factories: [{ address: "0x3333333333333333333333333333333333333333", family: bmn-v4 }]
    maxFee: { withdraw: 1, cancel: 1, rescueFunds: 1 }
    takers: [{ address: "` + taker + `", path: ` + c.path + `, signer: "` + c.signer + `" }]
`
		got, err := ParseChains([]byte(file), lookup(nil))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s with signer %q: %v", c.path, c.signer, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s with signer %q: %v, want %q", c.path, c.signer, err, c.want)
		case err == nil && c.path == "none" && got.Chains[0].Takers[common.HexToAddress(taker)].Path != swap.PathNone:
			t.Errorf("path none acts")
		}
	}
}

func TestLoadReportsEverything(t *testing.T) {
	_, err := Load(lookup(map[string]string{"MODE": "maybe", "CHAINS_FILE": "nowhere.yaml", "PARAMETERS_PATH": "stack"}), NeedChains|NeedEndpoints|NeedTables|NeedDoorbells|NeedArchive)
	for _, want := range []string{`MODE: unknown "maybe"`, "PROFILE: environment variable is not set", "ORDERS_TABLE:", "JOBS_TABLE:", "DOORBELL_QUEUE_URL:", "ARCHIVE_BUCKET:",
		"CHAINS_FILE: stat nowhere.yaml", `PARAMETERS_PATH: "stack" does not begin with /`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not reported: %s in %v", want, err)
		}
	}
	if _, err = Load(lookup(map[string]string{"MODE": "live", "PROFILE": "test", "JOBS_TABLE": "j", "CHAINS_FILE": "env_test.go"}), NeedChains); err != nil {
		t.Errorf("without endpoints: %v", err)
	}
	if _, err = Load(lookup(map[string]string{"MODE": "live", "PROFILE": "test", "JOBS_TABLE": "j", "CHAINS_FILE": "env_test.go"}), NeedChains|NeedEndpoints); err == nil || !strings.Contains(err.Error(), "PARAMETERS_PATH") {
		t.Errorf("no path of parameters: %v", err)
	}
}

// twoChains is a chains file with three endpoints, whose second is no provider of its own.
const twoChains = `
signers: [{ name: own, address: "0x1111111111111111111111111111111111111111", key: "${KEY}" }]
chains:
  - id: 1
    name: one
    endpoints: [{ name: a, url: "${A}" }, { name: b, url: "https://host.example/${B}/rpc" }]
    factories: [{ address: "0x3333333333333333333333333333333333333333", family: bmn-v4 }]
    maxFee: { withdraw: 1, cancel: 1, rescueFunds: 1 }
    takers: [{ address: "0x1111111111111111111111111111111111111111", signer: own }]
  - id: 2
    name: two
    endpoints: [{ name: a, url: "${A}" }, { name: c, url: "${C}", optional: true }]
    factories: [{ address: "0x3333333333333333333333333333333333333333", family: bmn-v4 }]
    maxFee: { withdraw: 1, cancel: 1, rescueFunds: 1 }
    takers: [{ address: "0x1111111111111111111111111111111111111111", path: none }]
`

func TestVariables(t *testing.T) {
	if got := Variables([]byte(twoChains)); !slices.Equal(got, []string{"KEY", "A", "B", "C"}) {
		t.Errorf("have %q", got)
	}
	for _, file := range []string{"", "- 1", "a: [", "\tchains: ${X}"} {
		if got := Variables([]byte(file)); len(got) != 0 {
			t.Errorf("%q names %q", file, got)
		}
	}
}

// Who asks no chain needs no URL: none is kept, nor looked up.
func TestParseAccounts(t *testing.T) {
	c, err := ParseAccounts([]byte(twoChains))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Chains) != 2 || c.Signers[0].Key != "${KEY}" {
		t.Errorf("have %+v", c)
	}
	for _, ch := range c.Chains {
		for _, e := range ch.Endpoints {
			if e.URL != "" || e.Name == "" {
				t.Errorf("endpoint %+v", e)
			}
		}
	}
	if _, err := ParseAccounts([]byte("chains: []")); err == nil {
		t.Error("no chains")
	}
}

// What became of parameters since a file was taken up costs an endpoint, and
// never the last one of a chain.
func TestParseUsable(t *testing.T) {
	all := map[string]string{"KEY": "k", "A": "https://a.example/planted", "B": "planted", "C": "https://c.example/planted"}
	with := func(name, value string) map[string]string {
		m := maps.Clone(all)
		if m[name] = value; value == "" {
			delete(m, name)
		}
		return m
	}
	for name, c := range map[string]struct {
		values    map[string]string
		have      []int // endpoints by chain
		left, err string
	}{
		"all there":           {all, []int{2, 2}, "", ""},
		"one gone":            {with("B", ""), []int{1, 2}, "chains[0].endpoints[1].url: ${B} has no value", ""},
		"an optional one":     {with("C", ""), []int{2, 1}, "", ""},
		"one mistyped":        {with("C", "ftp://planted"), []int{2, 1}, "chains[1].endpoints[1].url: not an http or https URL", ""},
		"one is another":      {with("C", all["A"]), []int{2, 1}, `chains[1].endpoints[1].url: same endpoint as "a"`, ""},
		"from a file":         {with("C", " https://c.example/planted\r\n"), []int{2, 2}, "", ""},
		"the same, in lines":  {with("C", all["A"]+"\n"), []int{2, 1}, `chains[1].endpoints[1].url: same endpoint as "a"`, ""},
		"nothing but a line":  {with("A", "\n"), []int{1, 1}, "chains[0].endpoints[0].url: ${A} is empty", ""},
		"two lines":           {with("C", "https://c.example/planted\nhttps://c.example/more"), []int{2, 1}, "chains[1].endpoints[1].url: not an http or https URL", ""},
		"a key gone":          {with("KEY", ""), nil, "", "signers[0].key: ${KEY} has no value"},
		"the last of a chain": {map[string]string{"KEY": "k", "B": "x"}, nil, "", "chains[1].endpoints: no endpoint with a URL"},
	} {
		got, left, err := ParseUsable([]byte(twoChains), lookup(c.values))
		var have []int
		for _, ch := range got.Chains {
			have = append(have, len(ch.Endpoints))
		}
		if !slices.Equal(have, c.have) || !strings.HasPrefix(left.Error(), c.left) || (c.left == "") != (len(left) == 0) {
			t.Errorf("%s: %v endpoints, left out %q", name, have, left)
		}
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", name, err)
		}
		for _, ch := range got.Chains {
			for _, e := range ch.Endpoints {
				if e.URL != strings.TrimSpace(e.URL) {
					t.Errorf("%s: endpoint %s has %q", name, e.Name, e.URL)
				}
			}
		}
		if strings.Contains(fmt.Sprint(left, err), "planted") {
			t.Errorf("%s: a token is shown: %v, %v", name, left, err)
		}
	}
}

func TestLiveNeedsSomebodyToActFor(t *testing.T) {
	live := func(file string) error {
		c, err := ParseChains([]byte(file), lookup(map[string]string{"KEY": "k", "A": "https://a.example", "B": "b", "C": "https://c.example"}))
		if err != nil {
			t.Fatal(err)
		}
		return c.CheckLive()
	}
	if err := live(twoChains); err != nil {
		t.Error(err)
	}
	if err := live(strings.Replace(twoChains, "signer: own }]\n", "path: none }]\n", 1)); err == nil || !strings.Contains(err.Error(), "live needs a taker with a signer") {
		t.Errorf("nobody acts: %v", err)
	}
}

// A file that is no YAML is told without its lines, which may hold a token.
func TestBrokenFilesAreNotShown(t *testing.T) {
	_, err := ParseChains([]byte("chains:\n  - url: https://host.example/planted\n  [\n"), lookup(nil))
	if err == nil || strings.Contains(err.Error(), "planted") {
		t.Errorf("error %v", err)
	}
}

func TestPacerFunctions(t *testing.T) {
	for value, want := range map[string]string{
		"":                       "PACER_JOBS: environment variable is not set",
		"jobs":                   "PACER_JOBS: no JSON list of jobs and functions",
		`[{"job":"state-sync"}]`: "PACER_JOBS: entry 0 without a job or a function",
		`[{"job":"a","function":"x"},{"job":"a","function":"y"}]`: `PACER_JOBS: "a" is listed twice`,
		`[{"job":"a","function":"x","every":10}]`:                 "",
	} {
		c, err := Load(lookup(map[string]string{"MODE": "live", "PROFILE": "test", "JOBS_TABLE": "jobs", "PACER_QUEUE_URL": "q", "PACER_JOBS": value}), NeedPacer)
		switch {
		case want == "" && (err != nil || len(c.PacerFunctions) != 1 || c.PacerFunctions["a"] != "x"):
			t.Errorf("%s: %v, %v", value, c.PacerFunctions, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%s: %v, want %q", value, err, want)
		}
	}
}

func TestProblemsNeverShowAnEndpoint(t *testing.T) {
	file := `
chains:
  - id: 1
    name: one
    endpoints: [{ name: x, url: "${TOKEN_URL}" }]
`
	_, err := ParseChains([]byte(file), lookup(map[string]string{"TOKEN_URL": "wss://host.example/planted"}))
	if err == nil || strings.Contains(err.Error(), "planted") {
		t.Errorf("problems: %v", err)
	}
}

// Leaving the monitor outside away is a choice that live has to state, and no
// problem shows its address.
func TestHeartbeat(t *testing.T) {
	const address = "https://monitor.example/planted"
	for _, c := range []struct {
		mode, value string
		need        Need
		url, want   string
	}{
		{"live", address, NeedHeartbeat, address, ""},
		{"live", " " + address + "\n", NeedHeartbeat, address, ""},
		{"shadow", address, NeedHeartbeat, address, ""},
		{"live", "none", NeedHeartbeat, "", ""},
		{"live", "", NeedHeartbeat, "", "HEARTBEAT_URL: not set"},
		{"shadow", "", NeedHeartbeat, "", ""},
		{"off", "", NeedHeartbeat, "", ""},
		{"live", "", 0, "", ""}, // every other function
		{"live", "http://monitor.example/planted", NeedHeartbeat, "", "HEARTBEAT_URL: not an https URL"},
		{"shadow", "monitor.example/planted", NeedHeartbeat, "", "HEARTBEAT_URL: not an https URL"},
		{"live", "https:///planted", NeedHeartbeat, "", "HEARTBEAT_URL: not an https URL"},
		{"live", "https://monitor.example/planted%zz", NeedHeartbeat, "", "HEARTBEAT_URL: not an https URL"},
	} {
		got, err := Load(lookup(map[string]string{"MODE": c.mode, "PROFILE": "test", "JOBS_TABLE": "jobs", "HEARTBEAT_URL": c.value}), c.need)
		switch {
		case c.want == "" && (err != nil || got.HeartbeatURL != c.url):
			t.Errorf("%s %q: %q, %v", c.mode, c.value, got.HeartbeatURL, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "planted")):
			t.Errorf("%s %q: %v, want %q", c.mode, c.value, err, c.want)
		}
	}
}

func FuzzParseChains(f *testing.F) {
	f.Add([]byte("chains: [{id: 1, endpoints: [{url: '${A}'}]}]"))
	f.Add([]byte("chains: {a: b}"))
	f.Add([]byte("- 1"))
	f.Add([]byte("signers: [[[]]]\nchains:\n  - *a"))
	f.Fuzz(func(t *testing.T, file []byte) {
		c, err := ParseChains(file, lookup(endpoints))
		if err == nil && len(c.Chains) == 0 {
			t.Error("a file without chains is no configuration")
		}
	})
}

// balances is a chains file with one chain, to whose tokens and takers more can be added.
const balances = `
signers: [{ name: own, address: "0x1111111111111111111111111111111111111111", key: k1 }]
chains:
  - id: 1
    name: one
    endpoints: [{ name: x, url: "http://x.example" }]
    factories: [{ address: "0x3333333333333333333333333333333333333333", family: bmn-v4 }]
    maxFee: { withdraw: 1, cancel: 1, rescueFunds: 1 }
    %s
    tokens:
      - { address: "0x2222222222222222222222222222222222222222", symbol: T, decimals: %s, minBalance: %s }
    takers: [{ address: "0x1111111111111111111111111111111111111111", signer: own, minBalance: %s }]
`

func TestThresholdsOfBalances(t *testing.T) {
	token, taker := common.HexToAddress("0x2222222222222222222222222222222222222222"), common.HexToAddress("0x1111111111111111111111111111111111111111")
	const large = "340282366920938463463374607431768211456" // 2^128
	c, err := ParseChains(fmt.Appendf(nil, balances, "minActions: 7\n    minNative: 5_000", "77", large, `{ "0x2222222222222222222222222222222222222222": 12, native: 3 }`), lookup(nil))
	if err != nil {
		t.Fatal(err)
	}
	one := c.Chains[0]
	least, own, coin := one.MinBalance[token], one.TakerMin[taker][token], one.TakerMin[taker][common.Address{}]
	if one.MinActions != 7 || one.MinNative.Dec() != "5000" || least.Dec() != large || own.Dec() != "12" || coin.Dec() != "3" || one.Tokens[token].Decimals != 77 {
		t.Errorf("have %d actions, %s wei, %s, %s, %s, %d decimals", one.MinActions, &one.MinNative, &least, &own, &coin, one.Tokens[token].Decimals)
	}
	// An address without quotes is a number to YAML, and means the same.
	if c, err = ParseChains(fmt.Appendf(nil, balances, "", "0", "0", "{ 0x2222222222222222222222222222222222222222: 12 }"), lookup(nil)); err != nil || len(c.Chains[0].TakerMin[taker]) != 1 {
		t.Errorf("without quotes: %v, %v", c.Chains, err)
	}
	if c, err = ParseChains(fmt.Appendf(nil, balances, "", "0", "0", "{}"), lookup(nil)); err != nil || c.Chains[0].MinActions != 20 || len(c.Chains[0].MinBalance) != 0 || c.Chains[0].Tokens[token].Decimals != 0 {
		t.Errorf("by default: %+v, %v", c, err)
	}
	for _, bad := range []struct{ chain, decimals, least, taker, want string }{
		{"", "255", "1", "{}", "chains[0].tokens[0].decimals: want a whole number from 0 to 77, have \"255\""},
		{"", "78", "1", "{}", "chains[0].tokens[0].decimals: want a whole number from 0 to 77"},
		{"", "-1", "1", "{}", "chains[0].tokens[0].decimals: want a whole number from 0 to 77"},
		{"", "18", "1.5", "{}", "chains[0].tokens[0].minBalance: want a whole number"},
		{"", "18", "-1", "{}", "chains[0].tokens[0].minBalance: want a whole number"},
		{"minActions: many", "18", "1", "{}", "chains[0].minActions: want a whole number"},
		{"minNative: 0.1", "18", "1", "{}", "chains[0].minNative: want a whole number"},
		{"", "18", "1", "{ T: 5 }", "chains[0].takers[0].minBalance.T: want an address"},
		{"", "18", "1", `{ "0x4444444444444444444444444444444444444444": 5 }`, "chains[0].takers[0].minBalance.0x4444444444444444444444444444444444444444: token 0x4444444444444444444444444444444444444444 is not listed on this chain"},
		{"", "18", "1", `{ "0x0000000000000000000000000000000000000000": 5 }`, "chains[0].takers[0].minBalance.0x0000000000000000000000000000000000000000: want the address of a token, or native"},
		{"", "18", "1", "{ native: lots }", "chains[0].takers[0].minBalance.native: want a whole number"},
		{"", "18", "1", "[1]", "chains[0].takers[0].minBalance: want entries"},
	} {
		_, err := ParseChains(fmt.Appendf(nil, balances, bad.chain, bad.decimals, bad.least, bad.taker), lookup(nil))
		if err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("not reported: %s in %v", bad.want, err)
		}
	}
}

func TestReport(t *testing.T) {
	base := map[string]string{"MODE": "live", "PROFILE": "test", "JOBS_TABLE": "jobs"}
	for _, c := range []struct{ zone, link, want string }{
		{"", "", ""}, {"UTC", "https://reports.example/", ""}, {"Europe/Berlin", "https://eu-west-1.console.example/s3/object/a?prefix=", ""},
		{"Local", "", `REPORT_TIME_ZONE: unknown "Local"`}, {"Mars/Olympus", "", "REPORT_TIME_ZONE"}, {"../../etc/passwd", "", "REPORT_TIME_ZONE"},
		{"", "http://reports.example/", "REPORT_LINK"}, {"", "javascript:alert(1)", "REPORT_LINK"}, {"", "https://", "REPORT_LINK"},
	} {
		vars := maps.Clone(base)
		vars["REPORT_TIME_ZONE"], vars["REPORT_LINK"] = c.zone, c.link
		got, err := Load(lookup(vars), NeedReport)
		switch {
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q, %q: %v, want %q", c.zone, c.link, err, c.want)
		case c.want == "" && (err != nil || got.ReportLink != c.link || got.ReportZone.String() != cmp.Or(c.zone, "UTC")):
			t.Errorf("%q, %q: %+v, %v", c.zone, c.link, got, err)
		}
	}
}
