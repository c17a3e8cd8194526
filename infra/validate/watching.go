package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// watchdog is the function that watches the others.
const watchdog = "job-watchdog"

// watching checks that the watchdog is watched itself, may do no more than it has to, and alone knows the monitor's
// address.
func watching(doc *template.Document, s *template.Stack) []string {
	var findings []string
	dog, ok := s.Function(watchdog)
	if !ok {
		return []string{"no function " + watchdog}
	}
	for _, f := range s.Functions {
		if _, told := f.Env["HEARTBEAT_URL"]; told != (f.Folder == watchdog) {
			findings = append(findings, fmt.Sprintf("%s: is told the heartbeat's address: %t", f.LogicalID, told))
		}
	}

	role := roleID(doc, dog.RoleARN)
	granted := grants(doc, &findings)[role]
	topics := map[string]bool{}
	for _, t := range s.Topics {
		topics[t.ARN] = true
		for _, action := range []string{"sns:Publish", "sns:GetTopicAttributes"} {
			if !can(granted, action, t.ARN) {
				findings = append(findings, fmt.Sprintf("%s: may not %s on %s", role, action, t.LogicalID))
			}
		}
	}
	for _, t := range s.Tables {
		if t.LogicalID != "Jobs" && can(granted, "dynamodb:GetItem", t.ARN) {
			findings = append(findings, fmt.Sprintf("%s: may read %s", role, t.LogicalID))
		}
	}

	watched := false
	for _, id := range slices.Sorted(maps.Keys(doc.Resources)) {
		r := doc.Resources[id]
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		for _, list := range []string{"AlarmActions", "OKActions"} {
			actions := texts(r.Properties[list])
			if !slices.ContainsFunc(actions, func(arn string) bool { return topics[arn] }) {
				findings = append(findings, fmt.Sprintf("%s: %s tell nobody", id, list))
			}
		}
		if r.Properties["TreatMissingData"] == nil {
			findings = append(findings, id+": does not say what silence means")
		}
		if slices.Contains(functionsOf(r.Properties), dog.Name) && r.Properties["TreatMissingData"] == "breaching" {
			watched = true
		}
	}
	if !watched {
		findings = append(findings, dog.LogicalID+": no alarm goes off when it is silent")
	}
	return findings
}

// functionsOf are the names of the functions whose metrics an alarm looks at.
func functionsOf(alarm map[string]any) (names []string) {
	add := func(dimensions any) {
		list, _ := dimensions.([]any)
		for _, raw := range list {
			d, _ := raw.(map[string]any)
			if name, ok := d["Value"].(string); ok && d["Name"] == "FunctionName" {
				names = append(names, name)
			}
		}
	}
	add(alarm["Dimensions"])
	list, _ := alarm["Metrics"].([]any)
	for _, raw := range list {
		m, _ := raw.(map[string]any)
		stat, _ := m["MetricStat"].(map[string]any)
		metric, _ := stat["Metric"].(map[string]any)
		add(metric["Dimensions"])
	}
	return names
}
