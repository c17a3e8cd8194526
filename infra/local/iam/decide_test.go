package iam

import "testing"

func TestConditions(t *testing.T) {
	const key = "dynamodb:LeadingKeys"
	for name, tt := range map[string]struct {
		condition string
		values    []string
		want      bool
	}{
		"equal":                        {`StringEquals: { "dynamodb:LeadingKeys": [a, b] }`, []string{"b"}, true},
		"equal to none":                {`StringEquals: { "dynamodb:LeadingKeys": [a, b] }`, []string{"c"}, false},
		"equal is no pattern":          {`StringEquals: { "dynamodb:LeadingKeys": "a*" }`, []string{"ab"}, false},
		"equal to a star":              {`StringEquals: { "dynamodb:LeadingKeys": "a*" }`, []string{"a*"}, true},
		"equal to a key's value":       {`StringEquals: { "dynamodb:LeadingKeys": "job#${aws:PrincipalTag/job}" }`, []string{"job#x"}, true},
		"absent":                       {`StringEquals: { "dynamodb:LeadingKeys": a }`, nil, false},
		"absent, if it exists":         {`StringEqualsIfExists: { "dynamodb:LeadingKeys": a }`, nil, true},
		"present, if it exists":        {`StringEqualsIfExists: { "dynamodb:LeadingKeys": a }`, []string{"b"}, false},
		"many for one":                 {`StringEquals: { "dynamodb:LeadingKeys": [a, b] }`, []string{"a", "b"}, false},
		"not equal":                    {`StringNotEquals: { "dynamodb:LeadingKeys": [a, b] }`, []string{"c"}, true},
		"not equal to one of them":     {`StringNotEquals: { "dynamodb:LeadingKeys": [a, b] }`, []string{"b"}, false},
		"absent is not equal":          {`StringNotEquals: { "dynamodb:LeadingKeys": a }`, nil, true},
		"not like":                     {`StringNotLike: { "dynamodb:LeadingKeys": "a*" }`, []string{"ab"}, false},
		"every one":                    {`"ForAllValues:StringLike": { "dynamodb:LeadingKeys": ["a#*", b] }`, []string{"a#1", "b"}, true},
		"all but one":                  {`"ForAllValues:StringLike": { "dynamodb:LeadingKeys": ["a#*", b] }`, []string{"a#1", "c"}, false},
		"every one of none":            {`"ForAllValues:StringLike": { "dynamodb:LeadingKeys": a }`, nil, true}, // the trap
		"every one of none, with Null": {`{ "ForAllValues:StringLike": { "dynamodb:LeadingKeys": a }, "Null": { "dynamodb:LeadingKeys": false } }`, nil, false},
		"every one, with Null":         {`{ "ForAllValues:StringLike": { "dynamodb:LeadingKeys": a }, "Null": { "dynamodb:LeadingKeys": "false" } }`, []string{"a"}, true},
		"any":                          {`"ForAnyValue:StringLike": { "dynamodb:LeadingKeys": a }`, []string{"b", "a"}, true},
		"any of none":                  {`"ForAnyValue:StringLike": { "dynamodb:LeadingKeys": a }`, nil, false},
		"null":                         {`"Null": { "dynamodb:LeadingKeys": true }`, nil, true},
		"not null":                     {`"Null": { "dynamodb:LeadingKeys": true }`, []string{"a"}, false},
		"keys ignore case":             {`StringEquals: { "DynamoDB:leadingkeys": a }`, []string{"a"}, true},
		"bool":                         {`Bool: { "dynamodb:LeadingKeys": "False" }`, []string{"false"}, true},
		"ARN":                          {`ArnLike: { "dynamodb:LeadingKeys": "arn:aws:sns:*:rc-*" }`, []string{"arn:aws:sns:eu-west-1:0:rc-a"}, true},
		"conditions are all to be met": {`{ StringEquals: { "dynamodb:LeadingKeys": a }, StringLike: { "dynamodb:LeadingKeys": "b*" } }`, []string{"a"}, false},
		"a key that the request lacks": {`StringEquals: { "dynamodb:LeadingKeys": "${aws:PrincipalTag/none}" }`, []string{""}, false},
		"a key of which there are two": {`StringEquals: { "dynamodb:LeadingKeys": "${two}" }`, []string{"a"}, false},
	} {
		s := policy(t, "- { Effect: Allow, Action: a:b, Resource: r, Condition: "+braced(tt.condition)+" }")
		r := Request{Action: "a:b", Resource: "r", Context: map[string][]string{"aws:principaltag/job": {"x"}, "two": {"a", "b"}}}
		if tt.values != nil {
			r.Context["dynamodb:leadingkeys"] = tt.values
		}
		if got := s[0].Covers(r); got != tt.want {
			t.Errorf("%s: %s of %v %v: %t, want %t", name, tt.condition, key, tt.values, got, tt.want)
		}
	}
}

func braced(s string) string {
	if s[0] == '{' {
		return s
	}
	return "{ " + s + " }"
}

func TestDecide(t *testing.T) {
	s := policy(t, `
- { Effect: Allow, Action: ["dynamodb:Get*", "sns:Publish"], Resource: "arn:t/*" }
- { Effect: Deny, Action: "dynamodb:*", Resource: arn:t/secret }
- { Effect: Allow, Principal: { AWS: me }, Action: kms:Sign, Resource: "*" }
- { Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: kms:Verify, Resource: "*" }
`)
	for name, tt := range map[string]struct {
		action, resource string
		want             Verdict
	}{
		"granted":             {"dynamodb:GetItem", "arn:t/a", Allowed},
		"actions ignore case": {"DynamoDB:getitem", "arn:t/a", Allowed},
		"resources do not":    {"dynamodb:GetItem", "ARN:t/a", Silent},
		"another action":      {"dynamodb:PutItem", "arn:t/a", Silent},
		"another resource":    {"sns:Publish", "arn:u/a", Silent},
		"denied above all":    {"dynamodb:GetItem", "arn:t/secret", Denied},
		"to this role":        {"kms:Sign", "k", Allowed},
		"to a service":        {"kms:Verify", "k", Silent},
	} {
		if got := Decide(s, Request{Action: tt.action, Resource: tt.resource, Principal: "me"}); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	if got := Decide(s, Request{Action: "kms:Sign", Resource: "k", Principal: "you"}); got != Silent {
		t.Errorf("another role: %s", got)
	}
}
