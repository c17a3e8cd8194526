package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bridge-me-not/resolver-cron/infra/local/iam"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

const accountID = "000000000000"

// Limits of IAM, in characters without white space.
const (
	mostManaged = 6144  // of a managed policy
	mostInline  = 10240 // of all policies within a role
)

// policies reads every policy of the template. What cannot be judged is a finding.
func policies(doc *template.Document, findings *[]string) *iam.Account {
	a, err := iam.Read(doc, accountID)
	if err != nil {
		*findings = append(*findings, strings.Split(err.Error(), "\n")...)
	}
	return a
}

// grants are the statements that apply to each role of the template, by logical id.
func grants(doc *template.Document, findings *[]string) map[string][]iam.Statement {
	out := map[string][]iam.Statement{}
	for _, r := range policies(doc, findings).Roles {
		out[r.LogicalID] = r.Grants
	}
	return out
}

// texts reads one text or a list of them.
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

// roles checks that each role is for Lambda alone and grants no more than named actions on named resources.
func roles(doc *template.Document, s *template.Stack) []string {
	var findings []string
	account := policies(doc, &findings)
	for _, f := range s.Functions {
		role, ok := account.Roles[f.RoleARN]
		if !ok {
			findings = append(findings, fmt.Sprintf("%s: role %s is not in this template", f.LogicalID, f.RoleARN))
			continue
		}
		for _, st := range role.Trust {
			if !slices.Equal(st.Principals, []string{"Service:lambda.amazonaws.com"}) {
				findings = append(findings, fmt.Sprintf("%s: may be assumed by %v", role.LogicalID, st.Principals))
			}
		}
		for _, st := range role.Grants {
			if st.Deny {
				continue
			}
			for _, action := range st.Actions {
				if strings.Contains(action, "*") {
					findings = append(findings, fmt.Sprintf("%s: grants %s", role.LogicalID, action))
				}
				// X-Ray and the account's settings know no resources.
				if slices.Contains(st.Resources, "*") && !strings.HasPrefix(action, "xray:") && action != "lambda:GetAccountSettings" {
					findings = append(findings, fmt.Sprintf("%s: grants %s on every resource", role.LogicalID, action))
				}
			}
			findings = append(findings, emptySets(role.LogicalID, st)...)
		}
	}
	for _, j := range paced(s) {
		pacer, _ := s.Function("pacer")
		if f, ok := s.Function(j.Job); ok && account.Allows(pacer.RoleARN, "lambda:InvokeFunction", f.ARN, nil) != "" {
			findings = append(findings, fmt.Sprintf("Pacer: may not invoke %s", j.Job))
		}
	}
	return append(findings, sizes(doc)...)
}

// emptySets finds the trap of ForAllValues: it holds of a request without such a key, so that the same statement has
// to ask for the key.
func emptySets(id string, st iam.Statement) (findings []string) {
	for _, c := range st.Conditions {
		asked := slices.ContainsFunc(st.Conditions, func(o iam.Condition) bool {
			return o.Operator == "Null" && strings.EqualFold(o.Key, c.Key) && slices.Equal(o.Values, []string{"false"})
		})
		if c.Set == "ForAllValues" && !asked {
			findings = append(findings, fmt.Sprintf("%s: ForAllValues of %s holds of requests without it too, and no Null forbids that", id, c.Key))
		}
	}
	return findings
}

// sizes checks the policies against what IAM takes.
func sizes(doc *template.Document) (findings []string) {
	for _, id := range slices.Sorted(maps.Keys(doc.Resources)) {
		r := doc.Resources[id]
		switch r.Type {
		case "AWS::IAM::ManagedPolicy":
			if n := size(r.Properties["PolicyDocument"]); n > mostManaged {
				findings = append(findings, fmt.Sprintf("%s: %d characters, IAM takes %d", id, n, mostManaged))
			}
		case "AWS::IAM::Role":
			n := 0
			for _, raw := range asList(r.Properties["Policies"]) {
				p, _ := raw.(map[string]any)
				n += size(p["PolicyDocument"])
			}
			for _, p := range doc.Resources {
				if p.Type == "AWS::IAM::Policy" && slices.Contains(texts(p.Properties["Roles"]), r.Name) {
					n += size(p.Properties["PolicyDocument"])
				}
			}
			if n > mostInline {
				findings = append(findings, fmt.Sprintf("%s: its policies have %d characters, IAM takes %d", id, n, mostInline))
			}
		}
	}
	return findings
}

// size of a policy as it is sent. Names here are shorter than those of a deployment, whose tables have generated ones:
// a quarter is added for that.
func size(policy any) int {
	text, err := json.Marshal(policy)
	if err != nil {
		return 0 // reported as unreadable
	}
	return len(text) * 5 / 4
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

func can(statements []iam.Statement, action, resource string) bool {
	return slices.ContainsFunc(statements, func(s iam.Statement) bool {
		return !s.Deny && s.Acts(action) && slices.ContainsFunc(s.Resources, func(p string) bool { return iam.Matches(p, resource) })
	})
}

func roleID(doc *template.Document, arn string) string {
	for id, r := range doc.Resources {
		if r.Type == "AWS::IAM::Role" && arn == "arn:aws:iam::"+accountID+":role/"+r.Name {
			return id
		}
	}
	return ""
}
