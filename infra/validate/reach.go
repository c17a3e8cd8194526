package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// subscribed checks that everybody who was named is told: an address by mail of everything, a chat of what is worth a
// warning, a pager of what is critical, and all of them of every alarm, which the nested application raises.
func subscribed(doc *template.Document, s *template.Stack) (findings []string) {
	for _, want := range []struct{ parameter, protocol, filter string }{
		{"AlertEmail", "email", ""},
		{"ChatEndpoint", "https", `{"severity":["warning","critical"]}`},
		{"PagerEndpoint", "https", `{"severity":["critical"]}`},
	} {
		endpoint := doc.Parameters[want.parameter]
		if endpoint == "" {
			continue
		}
		for _, t := range s.Topics {
			filter := want.filter
			if t.LogicalID == "Alarms" {
				filter = ""
			}
			if !slices.Contains(t.Subscriptions, template.Subscription{Protocol: want.protocol, Endpoint: endpoint, FilterPolicy: filter}) {
				findings = append(findings, fmt.Sprintf("%s: %s of %s is not subscribed as it should be", t.LogicalID, want.protocol, endpoint))
			}
		}
	}
	if len(s.Nested) == 0 {
		findings = append(findings, "Watching: nobody raises alarms")
	}
	return findings
}

// invocable checks that EventBridge may invoke what its rules name, and nobody else may. Only the translated template
// has the permissions: SAM writes them.
func invocable(doc *template.Document, s *template.Stack) (findings []string) {
	named := map[string]string{} // logical id by name or ARN
	for _, f := range s.Functions {
		named[f.Name], named[f.ARN] = f.LogicalID, f.LogicalID
	}
	allowed := map[string]bool{} // rule and function
	rules := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(doc.Resources)) {
		r := doc.Resources[id]
		switch r.Type {
		case "AWS::Events::Rule":
			for _, raw := range asList(r.Properties["Targets"]) {
				target, _ := raw.(map[string]any)
				arn, _ := target["Arn"].(string)
				rules[id] = named[arn]
			}
		case "AWS::Lambda::Permission":
			source, _ := r.Properties["SourceArn"].(string)
			function, _ := r.Properties["FunctionName"].(string)
			if source == "" || r.Properties["Principal"] != "events.amazonaws.com" || r.Properties["Action"] != "lambda:InvokeFunction" {
				findings = append(findings, fmt.Sprintf("%s: lets every rule or service of any account invoke %s", id, named[function]))
			}
			allowed[source+" "+named[function]] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(rules)) {
		if !allowed[doc.Resources[id].ARN()+" "+rules[id]] {
			findings = append(findings, fmt.Sprintf("%s: may not invoke %s", id, rules[id]))
		}
	}
	return findings
}
