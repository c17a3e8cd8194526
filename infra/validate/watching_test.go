package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
	watched "github.com/bridge-me-not/resolver-cron/infra/watching"
)

// mutated reads the nested application after a change of its text.
func mutated(t *testing.T, old, now string) *watched.Watching {
	t.Helper()
	w, err := watched.Read("../..", "mainnet")
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile("../watching/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(src), old) {
		t.Fatalf("the template has no %q", old)
	}
	m, err := watched.Parse([]byte(strings.ReplaceAll(string(src), old, now)), w.Main.Nested[0].Parameters)
	if err != nil {
		t.Fatal(err)
	}
	m.Main = w.Main
	return m
}

func TestAlarms(t *testing.T) {
	for _, c := range []struct{ name, old, now, want string }{
		{"as it is", "Period: 300", "Period: 300", ""},
		{"nobody is told", "AlarmActions: [!Ref AlarmsTopic]", "AlarmActions: []", "ActionsOverdue: AlarmActions tell nobody"},
		{"nobody is told of the end", "OKActions: [!Ref AlarmsTopic]", "OKActions: []", "SwapsAtRisk: OKActions tell nobody"},
		{"the topic of alerts", "Actions: [!Ref AlarmsTopic]", "Actions: [!Ref AlertsTopicName]", "Unhealthy: AlarmActions tell nobody"},
		{"silence is fine", "TreatMissingData: breaching", "TreatMissingData: ignore", "JobWatchdog: no alarm goes off when it is silent"},
		{"nobody watches the watchdog", "${Stack}-job-watchdog", "${Stack}-state-sync", "JobWatchdog: no alarm goes off when it is silent"},
		{"failed events", "!Ref FailedEventsName", "!Ref DoorbellsName", "no alarm looks at FailedEvents, where failed events go"},
		{"dead doorbells", "!Ref DoorbellsDeadName", "!Ref DoorbellsName", "ActionExecutor: no alarm looks at DoorbellsDead, where dead messages of Doorbells go"},
	} {
		got := strings.Join(alarms(mutated(t, c.old, c.now)), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Every topic that people are to hear of has the same three subscribers.
func TestAlarmsReachEverybody(t *testing.T) {
	src, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, stack, err := read(src, variants[1])
	if err != nil {
		t.Fatal(err)
	}
	of := map[string][]template.Subscription{}
	for _, topic := range stack.Topics {
		of[topic.LogicalID] = topic.Subscriptions
	}
	if len(of["Alarms"]) != 3 || len(of["Alerts"]) != 3 {
		t.Fatalf("subscriptions %v", of)
	}
	for _, s := range of["Alarms"] {
		same := func(o template.Subscription) bool { return s.Endpoint == o.Endpoint && s.Protocol == o.Protocol }
		if s.FilterPolicy != "" || !slices.ContainsFunc(of["Alerts"], same) {
			t.Errorf("alarms: %+v, want one of %+v, unfiltered", s, of["Alerts"])
		}
	}
}
