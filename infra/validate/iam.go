package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// statement is one statement of a policy, lists made uniform.
type statement struct {
	Sid        string
	Effect     string
	Actions    []string
	Resources  []string
	Principals []string // "AWS:arn…", "Service:…", or "*"
	Condition  map[string]any
}

// statements reads a policy document. What it cannot judge (NotAction and the like) is a finding.
func statements(where string, document any, findings *[]string) []statement {
	doc, _ := document.(map[string]any)
	list, ok := doc["Statement"].([]any)
	if !ok {
		*findings = append(*findings, where+": no list of statements")
		return nil
	}
	var out []statement
	for i, raw := range list {
		m, _ := raw.(map[string]any)
		for _, key := range []string{"NotAction", "NotResource", "NotPrincipal"} {
			if m[key] != nil {
				*findings = append(*findings, fmt.Sprintf("%s: statement %d uses %s, which cannot be judged", where, i, key))
			}
		}
		s := statement{Actions: texts(m["Action"]), Resources: texts(m["Resource"])}
		s.Sid, _ = m["Sid"].(string)
		s.Effect, _ = m["Effect"].(string)
		s.Condition, _ = m["Condition"].(map[string]any)
		switch p := m["Principal"].(type) {
		case string:
			s.Principals = []string{p}
		case map[string]any:
			for _, kind := range slices.Sorted(maps.Keys(p)) {
				for _, who := range texts(p[kind]) {
					s.Principals = append(s.Principals, kind+":"+who)
				}
			}
		}
		out = append(out, s)
	}
	return out
}

func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			s, _ := item.(string)
			out = append(out, s)
		}
		return out
	}
	return nil
}

// matches tells whether an action or resource pattern (with * and ?) covers a value. Actions ignore case.
func matches(pattern, value string) bool {
	expr := regexp.QuoteMeta(strings.ToLower(pattern))
	expr = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(expr)
	return regexp.MustCompile(`^` + expr + `$`).MatchString(strings.ToLower(value))
}

func (s statement) allows(action string) bool {
	return s.Effect == "Allow" && slices.ContainsFunc(s.Actions, func(p string) bool { return matches(p, action) })
}

// grants are the statements that apply to each role of the template, by logical id.
func grants(doc *template.Document, findings *[]string) map[string][]statement {
	out := map[string][]statement{}
	byName := map[string]string{}
	managed := map[string][]statement{}
	for id, r := range doc.Resources {
		switch r.Type {
		case "AWS::IAM::Role":
			byName[r.Name] = id
		case "AWS::IAM::ManagedPolicy":
			managed["arn:aws:iam::000000000000:policy/"+r.Name] = statements(id, r.Properties["PolicyDocument"], findings)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(doc.Resources)) {
		r := doc.Resources[id]
		switch r.Type {
		case "AWS::IAM::Role":
			policies, _ := r.Properties["Policies"].([]any)
			for _, p := range policies {
				m, _ := p.(map[string]any)
				out[id] = append(out[id], statements(id, m["PolicyDocument"], findings)...)
			}
			for _, arn := range texts(r.Properties["ManagedPolicyArns"]) {
				own, ok := managed[arn]
				if !ok {
					*findings = append(*findings, fmt.Sprintf("%s: policy %s is not in this template, so it cannot be judged", id, arn))
				}
				out[id] = append(out[id], own...)
			}
		case "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy":
			for _, name := range texts(r.Properties["Roles"]) {
				role, ok := byName[name]
				if !ok {
					*findings = append(*findings, fmt.Sprintf("%s: role %s is not in this template", id, name))
					continue
				}
				out[role] = append(out[role], statements(id, r.Properties["PolicyDocument"], findings)...)
			}
			for _, kind := range []string{"Users", "Groups"} {
				if r.Properties[kind] != nil {
					*findings = append(*findings, fmt.Sprintf("%s: attached to %s", id, strings.ToLower(kind)))
				}
			}
		}
	}
	return out
}

// roles checks that each role is for Lambda alone and grants no more than named actions on named resources.
func roles(doc *template.Document, s *template.Stack) []string {
	var findings []string
	granted := grants(doc, &findings)
	for _, f := range s.Functions {
		id := roleID(doc, f.RoleARN)
		if id == "" {
			findings = append(findings, fmt.Sprintf("%s: role %s is not in this template", f.LogicalID, f.RoleARN))
			continue
		}
		for _, st := range statements(id, doc.Resources[id].Properties["AssumeRolePolicyDocument"], &findings) {
			if !slices.Equal(st.Principals, []string{"Service:lambda.amazonaws.com"}) {
				findings = append(findings, fmt.Sprintf("%s: may be assumed by %v", id, st.Principals))
			}
		}
		for _, st := range granted[id] {
			if st.Effect != "Allow" {
				continue
			}
			for _, action := range st.Actions {
				if strings.Contains(action, "*") {
					findings = append(findings, fmt.Sprintf("%s: grants %s", id, action))
				}
				// X-Ray and the account's settings know no resources.
				if slices.Contains(st.Resources, "*") && !strings.HasPrefix(action, "xray:") && action != "lambda:GetAccountSettings" {
					findings = append(findings, fmt.Sprintf("%s: grants %s on every resource", id, action))
				}
			}
		}
		logs := "arn:aws:logs:eu-west-1:000000000000:log-group:" + f.LogGroup + ":*"
		for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} {
			if !can(granted[id], action, logs) {
				findings = append(findings, fmt.Sprintf("%s: may not %s", id, action))
			}
		}
		for _, m := range f.Queues {
			for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
				if !can(granted[id], action, m.QueueARN) {
					findings = append(findings, fmt.Sprintf("%s: may not %s on its own queue", id, action))
				}
			}
		}
		if f.Async.OnFailure != "" && !can(granted[id], "sqs:SendMessage", f.Async.OnFailure) {
			findings = append(findings, fmt.Sprintf("%s: may not send to its failure destination", id))
		}
	}
	for _, j := range paced(s) {
		pacer, _ := s.Function("pacer")
		if f, ok := s.Function(j.Job); ok && !can(granted[roleID(doc, pacer.RoleARN)], "lambda:InvokeFunction", f.ARN) {
			findings = append(findings, fmt.Sprintf("Pacer: may not invoke %s", j.Job))
		}
	}
	return findings
}

func can(statements []statement, action, resource string) bool {
	return slices.ContainsFunc(statements, func(s statement) bool {
		return s.allows(action) && slices.ContainsFunc(s.Resources, func(p string) bool { return matches(p, resource) })
	})
}

func roleID(doc *template.Document, arn string) string {
	for id, r := range doc.Resources {
		if r.Type == "AWS::IAM::Role" && arn == "arn:aws:iam::000000000000:role/"+r.Name {
			return id
		}
	}
	return ""
}
