package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func queueURL(name string) string { return "http://sqs.test/" + name }

func options(parameters map[string]string) Options {
	return Options{
		Parameters: parameters,
		Pseudo:     Pseudo("rc", "eu-west-1", "000000000000"),
		Resolve:    Names("eu-west-1", "000000000000", queueURL),
	}
}

// read evaluates the project's own template.
func read(t *testing.T, parameters map[string]string) *Stack {
	t.Helper()
	src, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := Evaluate(src, options(parameters))
	if err != nil {
		t.Fatal(err)
	}
	stack, err := doc.Stack()
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

func TestOwnTemplate(t *testing.T) {
	stack := read(t, map[string]string{"Profile": "mainnet", "Mode": "live", "HeartbeatUrl": "none"})
	got, ok := stack.Function("action-executor")
	if !ok {
		t.Fatal("no action-executor")
	}
	want := Function{
		LogicalID: "ActionExecutor", Folder: "action-executor", Name: "rc-action-executor",
		ARN:     "arn:aws:lambda:eu-west-1:000000000000:function:rc-action-executor",
		Handler: "bootstrap", Runtime: "provided.al2023", Architectures: []string{"arm64"},
		MemoryMB: 256, Timeout: 60 * time.Second,
		RoleARN:  "arn:aws:iam::000000000000:role/rc-ActionExecutorRole",
		LogGroup: "/aws/lambda/rc-action-executor", LogFormat: "JSON", LogLevel: "INFO",
		Tracing: "Active",
		Env: map[string]string{
			"PROFILE": "mainnet", "MODE": "live", "LOG_LEVEL": "INFO", "CHAINS_FILE": "/var/task/chains.yaml",
			"ORDERS_TABLE": "rc-Orders", "ACTIONS_TABLE": "rc-Actions", "JOURNAL_TABLE": "rc-Journal", "JOBS_TABLE": "rc-Jobs",
			"DOORBELL_QUEUE_URL": queueURL("rc-Doorbells"),
			"ALERTS_TOPIC_ARN":   "arn:aws:sns:eu-west-1:000000000000:rc-Alerts",
			"ARCHIVE_BUCKET":     "rc-archive",
			"SIGNER_KEY":         "alias/rc-signer",
			"PARAMETERS_PATH":    "/rc",
		},
		Schedules: []Schedule{{ID: "Tick", Expression: "rate(1 minute)", Every: time.Minute, Enabled: true, MaxAge: time.Minute}},
		Queues: []QueueMapping{{
			ID: "Doorbell", QueueARN: "arn:aws:sqs:eu-west-1:000000000000:rc-Doorbells", Enabled: true,
			BatchSize: 10, ReportFailures: true, MaxConcurrency: 4,
		}},
		Async: Async{MaxAge: time.Minute, Retries: 0, OnFailure: "arn:aws:sqs:eu-west-1:000000000000:rc-FailedEvents"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	orders := Table{
		LogicalID: "Orders", Name: "rc-Orders", ARN: "arn:aws:dynamodb:eu-west-1:000000000000:table/rc-Orders",
		Attributes: map[string]string{"pk": "S", "sk": "S", "src_shard": "S", "src_wake": "N", "dst_shard": "S", "dst_wake": "N"},
		KeySchema:  KeySchema{"pk", "sk"},
		Indexes: []Index{
			{"src", KeySchema{"src_shard", "src_wake"}, "KEYS_ONLY"},
			{"dst", KeySchema{"dst_shard", "dst_wake"}, "KEYS_ONLY"},
		},
		TTL: "expires_at", OnDemand: true, PointInTime: true, DeletionProtected: true, Retained: true,
	}
	if diff := cmp.Diff(orders, stack.Tables[3]); diff != "" {
		t.Error(diff)
	}
	doorbells := Queue{
		LogicalID: "Doorbells", Name: "rc-Doorbells", ARN: "arn:aws:sqs:eu-west-1:000000000000:rc-Doorbells",
		Visibility: 6 * time.Minute, Retention: time.Hour,
		DeadLetterARN: "arn:aws:sqs:eu-west-1:000000000000:rc-DoorbellsDead", MaxReceives: 5, Encrypted: true,
	}
	if diff := cmp.Diff(doorbells, stack.Queues[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Key{{
		LogicalID: "SignerKey", ARN: "arn:aws:kms:eu-west-1:000000000000:key/rc-SignerKey",
		Spec: "ECC_SECG_P256K1", Usage: "SIGN_VERIFY", Aliases: []string{"alias/rc-signer"}, Retained: true,
	}}, stack.Keys); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Bucket{{
		LogicalID: "Archive", Name: "rc-archive", ARN: "arn:aws:s3:::rc-archive", Versioned: true, Encrypted: true, Private: true, TLSOnly: true, Retained: true,
		Expires: map[string]int{"snapshots/data/": 30, "orders/": 2555, "reports/": 400}, FormerDays: 7,
	}}, stack.Buckets); diff != "" {
		t.Error(diff)
	}
}

func TestProfiles(t *testing.T) {
	type rule struct {
		Every   time.Duration
		Enabled bool
		Timeout time.Duration
	}
	for profile, want := range map[string]map[string]rule{
		"mainnet": {
			"timelock-monitor":    {time.Minute, true, 50 * time.Second},
			"cancellation-check":  {2 * time.Minute, true, 100 * time.Second},
			"state-sync":          {2 * time.Minute, true, 110 * time.Second},
			"action-executor":     {time.Minute, true, 60 * time.Second},
			"transaction-tracker": {time.Minute, true, 50 * time.Second},
			"job-watchdog":        {2 * time.Minute, true, time.Minute},
			"balance-monitor":     {15 * time.Minute, true, time.Minute},
			"health-check":        {5 * time.Minute, true, time.Minute},
			"state-persistence":   {5 * time.Minute, true, 120 * time.Second},
			"order-cleanup":       {30 * time.Minute, true, 120 * time.Second},
			"metrics-aggregator":  {15 * time.Minute, true, 2 * time.Minute},
			"daily-report":        {24 * time.Hour, true, 120 * time.Second},
		},
		"test": {
			"timelock-monitor":    {time.Minute, false, 9 * time.Second},
			"cancellation-check":  {time.Minute, false, 14 * time.Second},
			"state-sync":          {time.Minute, false, 29 * time.Second},
			"action-executor":     {time.Minute, false, 30 * time.Second},
			"transaction-tracker": {time.Minute, false, 14 * time.Second},
			"job-watchdog":        {time.Minute, true, 30 * time.Second},
			"balance-monitor":     {5 * time.Minute, true, time.Minute},
			"health-check":        {time.Minute, true, 30 * time.Second},
			"state-persistence":   {time.Minute, true, 50 * time.Second},
			"order-cleanup":       {5 * time.Minute, true, 60 * time.Second},
			"metrics-aggregator":  {5 * time.Minute, true, time.Minute},
			"daily-report":        {24 * time.Hour, true, 120 * time.Second},
			"pacer":               {time.Minute, true, 10 * time.Second},
		},
	} {
		t.Run(profile, func(t *testing.T) {
			got := map[string]rule{}
			for _, f := range read(t, map[string]string{"Profile": profile}).Functions {
				for _, s := range f.Schedules {
					got[f.Folder] = rule{s.Every, s.Enabled, f.Timeout}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestModeIsAStatedChoice(t *testing.T) {
	f, _ := read(t, nil).Function("action-executor")
	if f.Env["MODE"] != "shadow" || f.Env["PROFILE"] != "mainnet" {
		t.Errorf("a deploy that states nothing runs mode %s, profile %s", f.Env["MODE"], f.Env["PROFILE"])
	}
}

func TestPacerJobs(t *testing.T) {
	f, _ := read(t, map[string]string{"Profile": "test"}).Function("pacer")
	want := `[{"job":"timelock-monitor","function":"rc-timelock-monitor","every":10}, ` +
		`{"job":"cancellation-check","function":"rc-cancellation-check","every":15}, ` +
		`{"job":"state-sync","function":"rc-state-sync","every":30}, ` +
		`{"job":"action-executor","function":"rc-action-executor","every":30}, ` +
		`{"job":"transaction-tracker","function":"rc-transaction-tracker","every":15}]`
	if got := f.Env["PACER_JOBS"]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func alerts(s *Stack) []Subscription {
	i := slices.IndexFunc(s.Topics, func(t Topic) bool { return t.LogicalID == "Alerts" })
	return s.Topics[i].Subscriptions
}

func TestWhoIsToldOfAlerts(t *testing.T) {
	if got := alerts(read(t, nil)); got != nil {
		t.Errorf("without addresses: %v", got)
	}
	got := alerts(read(t, map[string]string{"AlertEmail": "ops@example.org", "ChatEndpoint": "https://chat.example.org/a?b=c", "PagerEndpoint": "https://pager.example.org"}))
	want := []Subscription{
		{"email", "ops@example.org", ""},
		{"https", "https://chat.example.org/a?b=c", `{"severity":["warning","critical"]}`},
		{"https", "https://pager.example.org", `{"severity":["critical"]}`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAddressesOfAlertsAreChecked(t *testing.T) {
	src, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string][]string{
		"AlertEmail":    {"ops", "ops@example", "a b@example.org", "ops@example.org "},
		"ChatEndpoint":  {"http://chat.example.org/", "chat.example.org", "https://", "https://chat.example.org/ x", "https://localhost/x"},
		"PagerEndpoint": {"ftp://pager.example.org", "https:///path"},
	} {
		for _, v := range values {
			_, err := Evaluate(src, options(map[string]string{name: v}))
			if err == nil || !strings.Contains(err.Error(), "Parameters."+name+": does not match AllowedPattern") {
				t.Errorf("%s %q: %v", name, v, err)
			}
		}
	}
}

// What makes no sense is refused before anything is changed, with the reason and without the value.
func TestNonsenseIsRefused(t *testing.T) {
	src, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		parameters map[string]string
		want       string // "": it makes sense
	}{
		{map[string]string{"Mode": "live"}, "Rules.LiveStatesItsHeartbeat: Mode live needs HeartbeatUrl"},
		{map[string]string{"Mode": "live", "Profile": "test"}, "Rules.LiveStatesItsHeartbeat"},
		{map[string]string{"Mode": "live", "HeartbeatUrl": "none"}, ""},
		{map[string]string{"Mode": "live", "HeartbeatUrl": "https://monitor.example.org/ping/abc?d=e"}, ""},
		{map[string]string{"Mode": "live", "HeartbeatUrl": "https://monitor.example.org"}, ""},
		{map[string]string{"HeartbeatUrl": "nobody"}, "Parameters.HeartbeatUrl: does not match"},
		{map[string]string{"HeartbeatUrl": "http://monitor.example.org"}, "Parameters.HeartbeatUrl: does not match"},
		{map[string]string{"HeartbeatUrl": "https://monitor.example.org/a b"}, "Parameters.HeartbeatUrl: does not match"},
		{map[string]string{"HeartbeatUrl": "https:///ping"}, "Parameters.HeartbeatUrl: does not match"},
	} {
		_, err := Evaluate(src, options(c.parameters))
		switch {
		case (err != nil) != (c.want != ""), err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%v: %v, want %q", c.parameters, err, c.want)
		case err != nil && strings.Contains(err.Error(), "monitor.example.org"):
			t.Errorf("%v: a secret is shown: %v", c.parameters, err)
		}
	}
}

// The nested application is read as far as the stack that names it goes.
func TestNestedApplication(t *testing.T) {
	got := read(t, map[string]string{"Profile": "test"}).Nested
	if len(got) != 1 || got[0].LogicalID != "Watching" || got[0].Location != "infra/watching/template.yaml" {
		t.Fatalf("nested: %+v", got)
	}
	for name, want := range map[string]string{"Stack": "rc", "Profile": "test", "AlarmsTopic": "arn:aws:sns:eu-west-1:000000000000:rc-Alarms",
		"AlarmsTopicName": "rc-Alarms", "DoorbellsName": "rc-Doorbells", "JobsName": "rc-Jobs"} {
		if got[0].Parameters[name] != want {
			t.Errorf("%s is %q, want %q", name, got[0].Parameters[name], want)
		}
	}
	if _, err := os.Stat("../../../" + got[0].Location); err != nil {
		t.Error(err)
	}
}

// The README's table of invocations is what the schedules make in 30 days.
func TestInvocationsInTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const month = 30 * 24 * time.Hour
	count := map[string]map[string]int64{}
	for _, profile := range []string{"test", "mainnet"} {
		sum := map[string]int64{}
		for _, f := range read(t, map[string]string{"Profile": profile}).Functions {
			for _, s := range f.Schedules {
				if s.Enabled {
					sum[f.Folder] += int64(month / s.Every)
				}
			}
			if f.Env["PACER_JOBS"] == "" {
				continue
			}
			var paced []struct {
				Job   string
				Every int64
			}
			if err := json.Unmarshal([]byte(f.Env["PACER_JOBS"]), &paced); err != nil {
				t.Fatal(err)
			}
			for _, p := range paced {
				ticks := int64(month/time.Second) / p.Every
				sum[p.Job] += ticks
				sum[f.Folder] += ticks // it is woken by each
			}
		}
		count[profile] = sum
	}
	all := map[string]int64{}
	for _, name := range slices.Sorted(maps.Keys(count["test"])) {
		row := fmt.Sprintf("| `%s` | %d | %d |\n", name, count["test"][name], count["mainnet"][name])
		if !strings.Contains(string(readme), row) {
			t.Errorf("the README lacks %s", row)
		}
		for profile := range count {
			all[profile] += count[profile][name]
		}
	}
	if row := fmt.Sprintf("| all | %d | %d |\n", all["test"], all["mainnet"]); !strings.Contains(string(readme), row) {
		t.Errorf("the README lacks %s", row)
	}
}
