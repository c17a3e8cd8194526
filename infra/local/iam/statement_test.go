package iam

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// document reads a policy as a template writes it.
func document(t testing.TB, text string) any {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func policy(t testing.TB, statements string) []Statement {
	t.Helper()
	out, err := Parse(document(t, "Version: '2012-10-17'\nStatement:\n"+statements))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestParse(t *testing.T) {
	got := policy(t, `
- Sid: One
  Effect: Allow
  Action: [sns:Publish, sns:GetTopicAttributes]
  Resource: arn
  Condition:
    ForAllValues:StringLike: { "dynamodb:LeadingKeys": ["a#*", b] }
    Bool: { "aws:SecureTransport": true }
- { Effect: Deny, Principal: "*", Action: "s3:*", Resource: [a, b] }
- { Effect: Allow, Principal: { Service: x.amazonaws.com, AWS: [r1, r2] }, Action: kms:Sign, Resource: "*", Condition: { StringNotEqualsIfExists: { k: v } } }
`)
	want := []Statement{
		{Sid: "One", Actions: []string{"sns:Publish", "sns:GetTopicAttributes"}, Resources: []string{"arn"}, Conditions: []Condition{
			{Operator: "Bool", Key: "aws:SecureTransport", Values: []string{"true"}},
			{Operator: "StringLike", Set: "ForAllValues", Key: "dynamodb:LeadingKeys", Values: []string{"a#*", "b"}},
		}},
		{Deny: true, Principals: []string{"*"}, Actions: []string{"s3:*"}, Resources: []string{"a", "b"}},
		{Principals: []string{"AWS:r1", "AWS:r2", "Service:x.amazonaws.com"}, Actions: []string{"kms:Sign"}, Resources: []string{"*"},
			Conditions: []Condition{{Operator: "StringNotEquals", IfExists: true, Key: "k", Values: []string{"v"}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
}

// What cannot be judged is said, and what can be is kept.
func TestParseRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":           {`{ Version: "2012-10-17" }`, "no list of statements"},
		"text":              {`hello`, "no list of statements"},
		"old version":       {`{ Version: "2008-10-17", Statement: [{}] }`, "version 2008-10-17"},
		"no effect":         {`{ Version: "2012-10-17", Statement: [{ Action: a:b, Resource: r }] }`, "statement 0 has no Effect"},
		"no action":         {`{ Version: "2012-10-17", Statement: [{ Effect: Allow, Resource: r }] }`, "no Action"},
		"effect":            {`{ Version: "2012-10-17", Statement: [{ Effect: Maybe, Action: a:b, Resource: r }] }`, "Effect"},
		"all but":           {`{ Version: "2012-10-17", Statement: [{ Effect: Allow, NotAction: a:b, Resource: r }] }`, "uses NotAction, which: cannot be judged"},
		"all but resource":  {`{ Version: "2012-10-17", Statement: [{ Effect: Allow, Action: a:b, NotResource: r }] }`, "uses NotResource"},
		"all but principal": {`{ Version: "2012-10-17", Statement: [{ Effect: Allow, Action: a:b, Resource: r, NotPrincipal: { AWS: x } }] }`, "uses NotPrincipal"},
		"principal":         {`{ Version: "2012-10-17", Statement: [{ Effect: Allow, Action: a:b, Resource: r, Principal: x }] }`, "is no principal"},
		"operator":          {`{ Version: "2012-10-17", Statement: [{ Effect: Allow, Action: a:b, Resource: r, Condition: { DateGreaterThan: { k: v } } }] }`, "DateGreaterThan is not known"},
		"set":               {`{ Version: "2012-10-17", Statement: [{ Effect: Allow, Action: a:b, Resource: r, Condition: { "ForSome:StringLike": { k: v } } }] }`, "ForSome:StringLike is not known"},
		"no values":         {`{ Version: "2012-10-17", Statement: [{ Effect: Allow, Action: a:b, Resource: r, Condition: { StringLike: { k: [] } } }] }`, "is empty"},
		"nested":            {`{ Version: "2012-10-17", Statement: [{ Effect: Allow, Action: [[a]], Resource: r }] }`, "for a text"},
		"the second":        {`{ Version: "2012-10-17", Statement: [{ Effect: Allow, Action: a:b, Resource: r }, { Effect: Allow, NotAction: x }] }`, "statement 1 uses NotAction"},
	} {
		_, err := Parse(document(t, tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
