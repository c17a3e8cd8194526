package bill

import (
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

// The parameters that have no default.
func parameters(profile, mode string) map[string]string {
	return map[string]string{"Profile": profile, "Mode": mode, "HeartbeatUrl": "none", "AlertEmail": "alerts@example.org"}
}

// What is small enough to be computed by hand: one function of 1,769 MB (a whole core) that runs once an hour.
func small(t *testing.T) (Prices, Measured, Shape) {
	t.Helper()
	prices := Prices{Region: "here", Date: "now", Assumed: Assumed{RPCMillis: 100, AWSMillis: 10, BlockMillis: 2000, FullCoreMB: 1024, ColdHours: 2, IdleMinutes: 10, Secrets: 4,
		SystemLogBytes: 500, RPCRequestBytes: 1000, LogCompression: "0.5", PollsPerMinute: 15, TracedShare: 1, AlertsPerDay: 2}}
	for name, price := range map[string]Price{
		"lambda-requests": {USD: "0.20", Per: 1000}, "lambda-gbs": {USD: "0.001", Per: 1, Free: 100},
		"ddb-writes": {USD: "1", Per: 1000}, "ddb-reads": {USD: "1", Per: 10000, Free: 5000},
		"ddb-storage": {USD: "1", Per: 1}, "ddb-backup": {USD: "1", Per: 1}, "sqs-requests": {USD: "1", Per: 100000, Free: 700000},
		"sns-publishes": {USD: "1", Per: 100}, "sns-mails": {USD: "1", Per: 1000, Free: 1000}, "sns-https": {USD: "1", Per: 100},
		"s3-puts": {USD: "1", Per: 1}, "s3-gets": {USD: "1", Per: 1}, "s3-storage": {USD: "1", Per: 1},
		"kms-keys": {USD: "1.00", Per: 1}, "kms-asymmetric": {USD: "0.15", Per: 100}, "kms-symmetric": {USD: "0.03", Per: 100, Free: 2000}, "log-bytes": {USD: "0.50", Per: 1}, "log-storage": {USD: "1", Per: 1}, "log-scans": {USD: "1", Per: 1},
		"metrics": {USD: "0.30", Per: 1, Free: 1}, "alarms": {USD: "0.10", Per: 1, Free: 10}, "composite-alarms": {USD: "0.50", Per: 1}, "dashboards": {USD: "3", Per: 1, Free: 3},
		"traces": {USD: "5", Per: 1000, Free: 1000}, "traffic": {USD: "1", Per: 1},
	} {
		price.Name = name
		prices.Prices = append(prices.Prices, price)
	}
	measured := Measured{Metrics: []string{"a", "b", "c"}, Functions: map[string]Function{"one": {
		Idle:  Cost{CPUMillis: "20", RPCRequests: "2", AWSRequests: "4", ReadUnits: "10", WriteUnits: "4"},
		Open:  Cost{ReadUnits: "0.5"},
		Swap:  Cost{CPUMillis: "100", Blocks: "0.5", WriteUnits: "7", KMS: "2", Messages: "3", Notes: "0.2"},
		Rings: "1.5", FirstCPU: "30",
	}}}
	shape := Shape{Functions: []Runs{{Name: "one", MemoryMB: 512, Traced: true, Secrets: true, Period: time.Hour, Scheduled: 720}}, Mappings: 1, Keys: 2, AlarmMetrics: 12, CompositeAlarms: 1, Dashboards: 4}
	return prices, measured, shape
}

func TestByHand(t *testing.T) {
	prices, measured, shape := small(t)
	b, err := Compute(prices, measured, shape, Load{Open: 6, Swaps: 10, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	// 720 runs by the clock, 300 swaps in 30 days with 1.5 rings each.
	want := map[string][3]string{ // quantity, cost, cost without what is free
		"lambda-requests": {"1170", "0.234", "0.234"},
		// On a core: 720 * 20 + 300 * 100, and 30 for each of the 720, as none finds the process of an hour ago: 66,000 ms,
		// twice as long on half a core; 720 * (2 * 100 + 4 * 10) and 300 * 0.5 * 2000: 604,800 ms of 512 MB.
		"lambda-gbs":     {"302.4", "0.2024", "0.3024"},
		"ddb-writes":     {"4980", "4.98", "4.98"},   // 720 * 4 + 300 * 7
		"ddb-reads":      {"9360", "0.436", "0.936"}, // 720 * (10 + 6 * 0.5)
		"sqs-requests":   {"650700", "0", "6.507"},   // 15 a minute, and 300 * 3 sent, received and deleted
		"kms-keys":       {"2", "2", "2"},
		"kms-asymmetric": {"600", "0.9", "0.9"},
		"kms-symmetric":  {"2880", "0.264", "0.864"},             // 4 for each of 720 cold starts
		"log-bytes":      {"0.000585", "0.0002925", "0.0002925"}, // 1170 * 500
		"sns-publishes":  {"120", "1.2", "1.2"},                  // 300 * 0.2, and 2 a day
		"sns-mails":      {"150", "0", "0.15"},                   // and the daily report
		"sns-https":      {"120", "1.2", "1.2"},
		"metrics":        {"3", "0.6", "0.9"},
		"alarms":         {"12", "0.2", "1.2"},

		"composite-alarms": {"1", "0.5", "0.5"},
		"dashboards":       {"4", "3", "12"},
		"traces":           {"1170", "0.85", "5.85"},
		"traffic":          {"0.00144", "0.00144", "0.00144"}, // 720 * 2 requests of 1,000 bytes
	}
	cost, full := new(big.Rat), new(big.Rat)
	for _, l := range b.Lines {
		w, ok := want[l.Name]
		if !ok {
			w = [3]string{"0", "0", "0"}
		}
		for i, got := range []*big.Rat{l.Quantity, l.Cost, l.Full} {
			r, _ := new(big.Rat).SetString(w[i])
			if got.Cmp(r) != 0 {
				t.Errorf("%s[%d] = %s, want %s", l.Name, i, got.FloatString(9), w[i])
			}
			switch i {
			case 1:
				cost.Add(cost, r)
			case 2:
				full.Add(full, r)
			}
		}
	}
	if b.Cost.Cmp(cost) != 0 || b.Full.Cmp(full) != 0 {
		t.Errorf("sums %s and %s, want %s and %s", b.Cost.FloatString(6), b.Full.FloatString(6), cost.FloatString(6), full.FloatString(6))
	}
	if len(b.Functions) != 1 || b.Functions[0].Runs.Cmp(whole(1170)) != 0 || usd(b.Functions[0].Full) != "14.70" {
		t.Errorf("functions %+v", b.Functions)
	}
}

// What is signed and stays warm depends on how the stack is used.
func TestLoad(t *testing.T) {
	prices, measured, shape := small(t)
	quantity := func(name string, s Shape, l Load) string {
		t.Helper()
		b, err := Compute(prices, measured, s, l)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(b.Lines, func(l Line) bool { return l.Name == name })
		return b.Lines[i].Quantity.FloatString(3)
	}
	if got := quantity("kms-asymmetric", shape, Load{Swaps: 10}); got != "0.000" {
		t.Errorf("shadow signs %s times", got)
	}
	often := shape
	often.Functions = []Runs{{Name: "one", MemoryMB: 2048, Period: time.Minute, Scheduled: 720}}
	// 360 cold starts in a month, and no less than a core's time on more than a core: (720 * 20 + 360 * 30 + 720 * 240) ms * 2 GB.
	if got := quantity("lambda-gbs", often, Load{}); got != "396.000" {
		t.Errorf("%s GB-seconds", got)
	}
	if got := quantity("traces", often, Load{}); got != "0.000" {
		t.Errorf("%s traces of a function that is not traced", got)
	}
	// A doorbell of who is traced brings its trace, another one brings that there is none.
	ringing := shape
	ringing.Functions = append(ringing.Functions, Runs{Name: "two", MemoryMB: 128, Period: time.Hour, Scheduled: 10})
	measured.Functions["two"] = Function{Swap: Cost{Messages: "1"}}
	if got := quantity("traces", ringing, Load{Swaps: 10}); got != "1057.500" { // 720, and three quarters of 450
		t.Errorf("%s traces of what two ring for of which one is traced", got)
	}
	if _, err := Compute(prices, measured, Shape{Functions: []Runs{{Name: "other", MemoryMB: 128}}}, Load{}); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("a function that was not measured: %v", err)
	}
	prices.Prices = prices.Prices[1:]
	if _, err := Compute(prices, measured, shape, Load{}); err == nil {
		t.Error("a price is missing, and nobody says so")
	}
}

// Every part of the template has a price, under every profile, and every price is of something in it.
func TestTemplateIsPriced(t *testing.T) {
	prices, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	measured, err := DefaultMeasured()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{"composite-alarms": true, "dashboards": true, "log-scans": true} // of infra/watching
	for _, p := range [][2]string{{"mainnet", "live"}, {"mainnet", "shadow"}, {"test", "live"}} {
		s, err := Read("../../template.yaml", parameters(p[0], p[1]))
		if err != nil {
			t.Fatal(err)
		}
		b, err := Compute(prices, measured, s, Load{Open: 1000, Swaps: 300, Live: p[1] == "live"})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range b.Lines {
			used[l.Name] = used[l.Name] || l.Quantity.Sign() > 0
		}
		if b.Cost.Sign() <= 0 || b.Full.Cmp(b.Cost) < 0 {
			t.Errorf("%v: %s, without free %s", p, usd(b.Cost), usd(b.Full))
		}
	}
	for _, p := range prices.Prices {
		if !used[p.Name] {
			t.Errorf("nothing needs %s", p.Name)
		}
	}
}

// What was measured is what there is.
func TestMeasuredIsCurrent(t *testing.T) {
	m, err := DefaultMeasured()
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob("../../functions/*")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range dirs {
		names = append(names, filepath.Base(d))
	}
	if got := slices.Sorted(maps.Keys(m.Functions)); !slices.Equal(got, names) {
		t.Errorf("measured %v, there are %v", got, names)
	}
	emitted := map[string]bool{}
	for _, s := range m.Metrics {
		name, _, _ := strings.Cut(strings.TrimPrefix(s, metrics.Namespace+"/"), ",")
		emitted[name] = true
	}
	for _, metric := range metrics.All {
		if !emitted[metric.Name()] {
			t.Errorf("metric %s is not among the measured ones: go run ./infra/local measure", metric.Name())
		}
		delete(emitted, metric.Name())
	}
	if len(emitted) > 0 {
		t.Errorf("metrics %v were measured and are no more", emitted)
	}
}

// The README's table of cold starts and memory is what was measured, of every function.
func TestReadmeHasTheFigures(t *testing.T) {
	prices, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	m, err := DefaultMeasured()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Read("../../template.yaml", parameters("test", "live")) // which has the pacer too
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	if err := WriteFigures(&want, prices, m, s); err != nil {
		t.Fatal(err)
	}
	if rows := strings.Count(want.String(), "\n") - 2; rows != len(m.Functions) {
		t.Errorf("%d rows for %d functions", rows, len(m.Functions))
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "\n\n"+want.String()+"\n") {
		t.Errorf("the README lacks this table, which `go run ./infra/ops bill -figures -profile test` prints:\n%s", want.String())
	}
}

// By hand: half a core takes twice as long, and more than a core no less than one.
func TestFigures(t *testing.T) {
	prices := Prices{Assumed: Assumed{FullCoreMB: 1024}}
	m := Measured{Functions: map[string]Function{"b": {InitMillis: "12.4", FirstCPU: "30", PeakMB: "31"}, "a": {InitMillis: "7", FirstCPU: "20.2", PeakMB: "9"}}}
	var out strings.Builder
	if err := WriteFigures(&out, prices, m, Shape{Functions: []Runs{{Name: "b", MemoryMB: 512}, {Name: "a", MemoryMB: 2048}}}); err != nil {
		t.Fatal(err)
	}
	if want := "|---|---|---|---|---|---|\n| `a` | 2048 | 9 | 7 | 20 | 20 |\n| `b` | 512 | 31 | 12 | 30 | 60 |\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("printed %s", out.String())
	}
	if err := WriteFigures(&out, prices, m, Shape{Functions: []Runs{{Name: "c", MemoryMB: 128}}}); err == nil || !strings.Contains(err.Error(), "c was not measured") {
		t.Errorf("a function that was not measured: %v", err)
	}
}

// What has expired lies in the bucket for a while: of 60 objects in a month, those of a month and of half a month more.
func TestFormerVersions(t *testing.T) {
	s, err := Read("../../template.yaml", parameters("mainnet", "live"))
	if err != nil || s.FormerDays != 7 {
		t.Fatalf("former versions stay for %d days, %v", s.FormerDays, err)
	}
	prices, measured, _ := small(t)
	measured.Functions["state-persistence"] = Function{}
	measured.SnapshotBytes = "1000"
	b, err := Compute(prices, measured, Shape{Functions: []Runs{{Name: "state-persistence", MemoryMB: 128, Period: time.Hour, Scheduled: 60}}, SnapshotDays: 30, FormerDays: 15}, Load{Open: 1})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(b.Lines, func(l Line) bool { return l.Name == "s3-storage" })
	if got := b.Lines[i].Quantity.FloatString(6); got != "0.000090" {
		t.Errorf("%s GB", got)
	}
}

func TestNestedTemplate(t *testing.T) {
	var s Shape
	// Not as the root, whose functions are read by what the local stack understands.
	if err := s.add("testdata/outer.yaml", nil, false); err != nil {
		t.Fatal(err)
	}
	if s.AlarmMetrics != 3 || s.CompositeAlarms != 1 || s.Dashboards != 1 || s.LogQueries != 1 || s.LogDays != 14 {
		t.Errorf("shape %+v", s)
	}
}

// Those who ask chains decrypt the endpoints of the packaged file when they start, and nobody else does.
func TestWhoReadsSecrets(t *testing.T) {
	s, err := Read("../../template.yaml", parameters("mainnet", "live"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range s.Functions {
		if f.Secrets {
			got = append(got, f.Name)
		}
	}
	slices.Sort(got)
	if want := []string{"action-executor", "balance-monitor", "cancellation-check", "health-check", "state-sync", "timelock-monitor", "transaction-tracker"}; !slices.Equal(got, want) {
		t.Errorf("%v read parameters, want %v", got, want)
	}
	file, err := os.ReadFile("../config/chains.yaml")
	if err != nil {
		t.Fatal(err)
	}
	prices, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	names := slices.DeleteFunc(env.Variables(file), func(name string) bool { return name == "SIGNER_KEY" }) // which is in the environment
	if int64(len(names)) != prices.Assumed.Secrets {
		t.Errorf("the packaged chains file wants %v, the bill assumes %d", names, prices.Assumed.Secrets)
	}
}

// A type of resource without a price is told by name, and nothing is guessed.
func TestUnpriced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "template.yaml")
	for name, src := range map[string]string{
		"Big: {Type: AWS::RDS::DBInstance}":                                                     "AWS::RDS::DBInstance",
		"Big: {Type: AWS::EC2::NatGateway}":                                                     "AWS::EC2::NatGateway",
		"Big: {Type: AWS::SQS::Queue, X: [}}":                                                   "yaml",
		"Far: {Type: AWS::Serverless::Application, Properties: {Location: {ApplicationId: a}}}": "Location",
		"Far: {Type: AWS::Serverless::Application, Properties: {Location: none.yaml}}":          "none.yaml",
		"Board: {Type: AWS::CloudWatch::Dashboard, Properties: {DashboardBody: '{'}}":           "DashboardBody",
	} {
		if err := os.WriteFile(path, []byte("Resources:\n  "+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path, nil); err == nil || !strings.Contains(err.Error(), src) {
			t.Errorf("%s: %v, want %s", name, err, src)
		}
	}
}

func TestReadPrices(t *testing.T) {
	good := `region: r
date: d
prices: [{ name: a, part: p, unit: u, usd: "1", per: 1, source: s }]
assumed: { rpcMillis: 1, awsMillis: 1, blockMillis: 1, fullCoreMB: 1, coldHours: 1, idleMinutes: 1, secretParameters: 1, systemLogBytes: 1, rpcRequestBytes: 1, logCompression: "1", pollsPerMinute: 1 }
`
	if _, err := ReadPrices([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]string{
		{`usd: "1"`, `usd: "-1"`, "usd"}, {`usd: "1"`, `usd: "1/3"`, "usd"}, {`usd: "1"`, `usd: "1e9"`, "usd"}, {`usd: "1"`, `usd: ""`, "usd"}, {`usd: "1"`, `usd: "0"`, "usd"},
		{"per: 1", "per: 0", "per 0"}, {"unit: u, ", "", "unit"}, {"source: s", "source: s, free: -1", "free -1"},
		{"rpcMillis: 1", "rpcMillis: 0", "rpcMillis"}, {`logCompression: "1"`, `logCompression: x`, "logCompression"}, {"date: d", "date: ''", "date"},
		{"region: r", "region: r\nother: 1", "other"},
		{`source: s }]`, `source: s }, { name: a, part: p, unit: u, usd: "1", per: 1, source: s }]`, "twice"},
	} {
		if _, err := ReadPrices([]byte(strings.Replace(good, c[0], c[1], 1))); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: %v, want %s", c[1], err, c[2])
		}
	}
}

func TestReadMeasured(t *testing.T) {
	for _, bad := range []string{"", "{}", `{"date":"d","functions":{}}`, `{"date":"d","functions":{"a":{"idle":{"cpuMs":-1}}}}`, `{"date":"d","functions":{"a":{"idle":{"cpuMs":"x"}}}}`} {
		if _, err := ReadMeasured([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestWrite(t *testing.T) {
	prices, measured, shape := small(t)
	load := Load{Open: 6, Swaps: 10, Live: true}
	b, err := Compute(prices, measured, shape, load)
	if err != nil {
		t.Fatal(err)
	}
	trades, err := Trades(prices, measured, shape, load)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := b.Write(&out, trades); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`\ntotal: 16\.57 USD a month\n$`).MatchString(out.String()) {
		t.Errorf("printed %s", out.String())
	}
	for _, x := range trades {
		if strings.Contains(x.What, "None") && usd(x.Saves) != "0.85" || strings.Contains(x.What, "composite") && usd(x.Full) != "0.50" || strings.Contains(x.What, "1,000 more") && x.Saves.Sign() >= 0 {
			t.Errorf("%s: saves %s, %s", x.What, usd(x.Saves), usd(x.Full))
		}
	}
}
