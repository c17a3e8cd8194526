package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/guard"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// evaluated is the recorded template under one set of parameters.
func evaluated(t *testing.T, parameters map[string]string) (*template.Document, *template.Stack) {
	t.Helper()
	doc, s, err := read(encode(t, recorded(t)), parameters)
	if err != nil {
		t.Fatal(err)
	}
	return doc, s
}

// with is the document with other properties of one resource, which mutate changes.
func with(t *testing.T, doc *template.Document, id string, mutate func(properties map[string]any)) *template.Document {
	t.Helper()
	r := doc.Resources[id]
	text, err := json.Marshal(r.Properties)
	if err != nil {
		t.Fatal(err)
	}
	r.Properties = map[string]any{}
	if err := json.Unmarshal(text, &r.Properties); err != nil {
		t.Fatal(err)
	}
	mutate(r.Properties)
	out := *doc
	out.Resources = maps.Clone(doc.Resources)
	out.Resources[id] = r
	return &out
}

// documents are the policies that a resource grants things by.
func documents(typ string, properties map[string]any) (out []map[string]any) {
	switch typ {
	case "AWS::IAM::Role":
		for _, p := range asList(properties["Policies"]) {
			out = append(out, at(p, "PolicyDocument"))
		}
	case "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy":
		out = append(out, at(properties, "PolicyDocument"))
	}
	return out
}

// Every single grant of every policy is missed when it is taken away, and found when it is wider than it has to be.
func TestEveryGrantIsNeededAsItIs(t *testing.T) {
	doc, s := evaluated(t, variants[0])
	judge := func(name, id string, changed *template.Document) {
		t.Helper()
		concerned := *s
		if r := doc.Resources[id]; r.Type == "AWS::IAM::Role" {
			concerned.Functions = slices.DeleteFunc(slices.Clone(s.Functions), func(f template.Function) bool { return f.RoleARN != "arn:aws:iam::"+accountID+":role/"+r.Name })
		}
		findings := slices.Concat(privilege(changed, &concerned), roles(changed, &concerned))
		if id == "SignerPolicy" || strings.Contains(name, "all of kms") {
			findings = append(findings, signing(changed, s)...)
		}
		// A shared policy is told by the roles that have it.
		owner := id
		if doc.Resources[id].Type != "AWS::IAM::Role" {
			owner = "Role: "
		}
		if !slices.ContainsFunc(findings, func(f string) bool { return strings.Contains(f, owner) }) {
			t.Errorf("%s: %s is not found out: %q", id, name, findings)
		}
	}
	mutations := 0
	for _, id := range slices.Sorted(maps.Keys(doc.Resources)) {
		r := doc.Resources[id]
		for d, document := range documents(r.Type, r.Properties) {
			for i, raw := range asList(document["Statement"]) {
				each := func(name string, mutate func(st map[string]any)) {
					mutations++
					judge(fmt.Sprintf("statement %d, %s", i, name), id, with(t, doc, id, func(p map[string]any) {
						mutate(at(documents(r.Type, p)[d], "Statement", i))
					}))
				}
				st := raw.(map[string]any)
				actions, resources := texts(st["Action"]), texts(st["Resource"])
				for n, a := range actions {
					each("without "+a, func(st map[string]any) { st["Action"] = other(actions, n, "sts:GetCallerIdentity") })
					service, _, _ := strings.Cut(a, ":")
					each("all of "+service, func(st map[string]any) { st["Action"] = other(actions, n, service+":*") })
				}
				for n, resource := range resources {
					if resource == "*" {
						continue
					}
					each("without "+resource, func(st map[string]any) { st["Resource"] = other(resources, n, "arn:aws:s3:::none") })
					each(resource+" and what begins so", func(st map[string]any) { st["Resource"] = other(resources, n, resource+"*") })
				}
				if st["Condition"] == nil {
					continue
				}
				each("without its condition", func(st map[string]any) { delete(st, "Condition") })
				for operator, raw := range at(st, "Condition") {
					each("without "+operator, func(st map[string]any) { delete(at(st, "Condition"), operator) })
					if operator != "ForAllValues:StringLike" {
						continue
					}
					keys := texts(raw.(map[string]any)[leadingKeys])
					for n, key := range keys {
						each("without "+key, func(st map[string]any) {
							at(st, "Condition", operator)[leadingKeys] = other(keys, n, "none")
						})
						each("every key for "+key, func(st map[string]any) {
							at(st, "Condition", operator)[leadingKeys] = other(keys, n, "*")
						})
					}
				}
			}
		}
	}
	if mutations < 500 {
		t.Errorf("only %d mutations", mutations)
	}
	t.Logf("%d mutations", mutations)
}

// other is a list with another text in one place.
func other(list []string, at int, text string) []any {
	var out []any
	for i, s := range list {
		if i == at {
			s = text
		}
		out = append(out, s)
	}
	return out
}

// No two functions could have each other's role.
func TestRolesCannotBeSwapped(t *testing.T) {
	doc, s := evaluated(t, variants[0])
	for i, a := range s.Functions {
		for j, b := range s.Functions[:i] {
			swapped := *s
			swapped.Functions = slices.Clone(s.Functions)
			swapped.Functions[i].RoleARN, swapped.Functions[j].RoleARN = b.RoleARN, a.RoleARN
			got := strings.Join(privilege(doc, &swapped), "\n")
			if !strings.Contains(got, a.LogicalID+"Role: "+b.Folder+" uses") || !strings.Contains(got, b.LogicalID+"Role: "+a.Folder+" uses") {
				t.Errorf("%s and %s: %s", a.Folder, b.Folder, got)
			}
		}
	}
}

// Nothing of the template can go without a finding, whatever the linters say of references to it.
func TestEveryResourceIsNeeded(t *testing.T) {
	found := map[string][]string{}
	for _, v := range variants[:2] { // they take both profiles
		doc, _ := evaluated(t, v)
		for id := range doc.Resources {
			rest := *doc
			rest.Resources = maps.Clone(doc.Resources)
			delete(rest.Resources, id)
			if s, err := rest.Stack(); err != nil {
				found[id] = append(found[id], lines("translated template", err)...)
			} else {
				found[id] = append(found[id], inspect(&rest, s)...)
			}
		}
	}
	for id, findings := range found {
		if !told(findings, id) {
			t.Errorf("without %s: %q", id, findings)
		}
	}
}

// told tells whether a finding names a resource, or that which it belongs to.
func told(findings []string, id string) bool {
	names := []string{id, map[string]string{
		"ArchivePolicy": "Archive", "QueuePolicy": "Doorbells", "AlertsPolicy": "Alerts", "SignerPolicy": "ActionExecutorRole", "SignerAlias": "SignerKey",
		"AlertEmailSubscription": "Alerts: email", "ChatSubscription": "Alerts: https", "PagerSubscription": "Alerts: https", "AlarmsPolicy": "Alarms",
		"AlarmEmailSubscription": "Alarms: email", "AlarmChatSubscription": "Alarms: https", "AlarmPagerSubscription": "Alarms: https",
	}[id]}
	// What belongs to a function is told of the function.
	for _, suffix := range []string{"Logs", "EventInvokeConfig", "Tick", "Minute", "Doorbell", "TickPermission", "MinutePermission"} {
		if name, ok := strings.CutSuffix(id, suffix); ok {
			names = append(names, name)
		}
	}
	return slices.ContainsFunc(findings, func(f string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return n != "" && strings.Contains(f, n) })
	})
}

// The exceptions are no pretext: each is granted, has a reason, and is not about a use that the record shows of all its
// functions.
func TestExceptions(t *testing.T) {
	seen, err := guard.Recorded()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range exceptions {
		if len(e.why) < 20 || len(e.functions) == 0 || len(e.uses) == 0 {
			t.Errorf("%q: no reason, or nothing that it is for", e.why)
		}
		for _, u := range e.uses {
			if !slices.ContainsFunc(e.functions, func(f string) bool {
				u.Function = f
				return !slices.Contains(seen, u)
			}) {
				t.Errorf("%s is recorded of every function of the exception %q", u, e.why)
			}
		}
	}
}

// The record is kept as it is written, so that a change of it shows what changed.
func TestRecordIsSorted(t *testing.T) {
	text, err := os.ReadFile("../local/guard/used.txt")
	if err != nil {
		t.Fatal(err)
	}
	uses, err := guard.Recorded()
	if err != nil {
		t.Fatal(err)
	}
	if guard.Format(uses) != string(text) {
		t.Error("used.txt is not as `go run ./infra/local used` writes it")
	}
}
