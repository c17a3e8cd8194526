package iam

import (
	"slices"
	"strings"
)

// Request is one action on one resource.
type Request struct {
	// Action as IAM calls it, "dynamodb:GetItem"; Resource is an ARN.
	Action, Resource string
	// Principal is the ARN of the role that asks, or the name of a service
	// ("cloudwatch.amazonaws.com").
	Principal string
	// Context are the values of condition keys, by lower-case name.
	Context map[string][]string
}

func (r Request) values(key string) []string { return r.Context[strings.ToLower(key)] }

// lookup is the value of a key of which there is one.
func (r Request) lookup(key string) (string, bool) {
	v := r.values(key)
	if len(v) != 1 {
		return "", false
	}
	return v[0], true
}

// Acts tells whether the statement is about an action, whatever else it says.
func (s Statement) Acts(action string) bool {
	return slices.ContainsFunc(s.Actions, func(p string) bool {
		return strings.EqualFold(p, action) || strings.Contains(p, "*") && Matches(strings.ToLower(p), strings.ToLower(action))
	})
}

// Covers tells whether all of the statement holds for a request.
func (s Statement) Covers(r Request) bool {
	if !s.Acts(r.Action) || !slices.ContainsFunc(s.Resources, func(p string) bool { return matches(p, r.Resource, r.lookup) }) {
		return false
	}
	if s.Principals != nil && !s.names(r.Principal) {
		return false
	}
	return !slices.ContainsFunc(s.Conditions, func(c Condition) bool { return !c.Holds(r) })
}

// names tells whether a statement of a resource's policy is about somebody.
func (s Statement) names(who string) bool {
	return slices.ContainsFunc(s.Principals, func(p string) bool {
		return p == "*" || p == "AWS:*" || p == "AWS:"+who || p == "Service:"+who
	})
}

// Holds tells whether a request meets the condition.
func (c Condition) Holds(r Request) bool {
	got := r.values(c.Key)
	if c.Operator == "Null" {
		absent := "false"
		if len(got) == 0 {
			absent = "true"
		}
		return slices.Contains(c.Values, absent)
	}
	op := operators[c.Operator]
	one := func(value string) bool {
		return op.negated != slices.ContainsFunc(c.Values, func(want string) bool { return op.holds(want, value, r.lookup) })
	}
	switch {
	case c.Set == "ForAllValues":
		return !slices.ContainsFunc(got, func(v string) bool { return !one(v) })
	case c.Set == "ForAnyValue":
		return slices.ContainsFunc(got, one)
	case len(got) == 0:
		return c.IfExists || op.negated
	case len(got) > 1:
		return false
	}
	return one(got[0])
}

// Verdict is what a set of statements says of a request.
type Verdict int

// The verdicts. Silent is a refusal too, if nothing else allows.
const (
	Silent Verdict = iota
	Allowed
	Denied
)

func (v Verdict) String() string { return [...]string{"silent", "allowed", "denied"}[v] }

// Decide is the verdict of one policy.
func Decide(statements []Statement, r Request) Verdict {
	v := Silent
	for _, s := range statements {
		if !s.Covers(r) {
			continue
		}
		if s.Deny {
			return Denied
		}
		v = Allowed
	}
	return v
}
