package iam

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Statement is one statement of a policy.
type Statement struct {
	Sid string
	// Deny: what it covers is refused, whatever else allows it.
	Deny bool
	// Actions and Resources are patterns.
	Actions, Resources []string
	// Principals are "AWS:arn…", "Service:…" or "*"; nil in the policy of a role, which
	// is about that role.
	Principals []string
	// Conditions must all hold.
	Conditions []Condition
}

// Condition compares the values of a key of the request with its own.
type Condition struct {
	// Operator as AWS calls it, without what the next two say.
	Operator string
	// Set is "ForAllValues", "ForAnyValue" or "".
	Set string
	// IfExists: it holds where the request has no such key.
	IfExists bool
	Key      string
	Values   []string
}

// operators compare one value of a request with one of a policy. Those that deny are
// the opposite of the other.
var operators = map[string]struct {
	negated bool
	holds   func(want, got string, lookup func(string) (string, bool)) bool
}{
	"StringEquals":    {holds: equal},
	"StringNotEquals": {negated: true, holds: equal},
	"StringLike":      {holds: matches},
	"StringNotLike":   {negated: true, holds: matches},
	"ArnEquals":       {holds: matches},
	"ArnLike":         {holds: matches},
	"Bool": {holds: func(want, got string, _ func(string) (string, bool)) bool {
		return strings.EqualFold(want, got)
	}},
}

// equal compares as text; of a pattern only ${…} is understood.
func equal(want, got string, lookup func(string) (string, bool)) bool {
	quoted := strings.NewReplacer("*", "${*}", "?", "${?}").Replace(want)
	if strings.Contains(want, "${") {
		quoted = want // a key's name has none of the two, and they may be quoted already
	}
	return matches(quoted, got, lookup)
}

// Parse reads a policy document as a template holds it: maps, slices, strings, numbers
// and booleans. The error joins everything that cannot be judged; the statements that
// can be are returned beside it.
func Parse(document any) ([]Statement, error) {
	doc, _ := document.(map[string]any)
	var list []any
	switch s := doc["Statement"].(type) {
	case []any:
		list = s
	case map[string]any:
		list = []any{s}
	}
	if len(list) == 0 {
		return nil, errors.New("no list of statements")
	}
	if v := doc["Version"]; v != "2012-10-17" {
		return nil, fmt.Errorf("version %v, want 2012-10-17", v)
	}
	var out []Statement
	var errs []error
	for i, raw := range list {
		s, err := statement(raw)
		if err != nil {
			errs = append(errs, fmt.Errorf("statement %d %w", i, err))
			continue
		}
		out = append(out, s)
	}
	return out, errors.Join(errs...)
}

func statement(raw any) (Statement, error) {
	m, ok := raw.(map[string]any)
	if !ok {
		return Statement{}, errors.New("is no mapping")
	}
	var s Statement
	for _, key := range slices.Sorted(maps.Keys(m)) {
		v := m[key]
		var err error
		switch key {
		case "Sid":
			s.Sid, _ = v.(string)
		case "Effect":
			s.Deny = v == "Deny"
			if !s.Deny && v != "Allow" {
				err = fmt.Errorf("%v is neither Allow nor Deny", v)
			}
		case "Action":
			s.Actions, err = texts(v)
		case "Resource":
			s.Resources, err = texts(v)
		case "Principal":
			s.Principals, err = principals(v)
		case "Condition":
			s.Conditions, err = conditions(v)
		default:
			err = errors.New("cannot be judged")
		}
		if err != nil {
			return Statement{}, fmt.Errorf("uses %s, which: %w", key, err)
		}
	}
	if m["Effect"] == nil || len(s.Actions) == 0 {
		return Statement{}, errors.New("has no Effect or no Action")
	}
	return s, nil
}

func principals(v any) ([]string, error) {
	if s, ok := v.(string); ok {
		if s != "*" {
			return nil, fmt.Errorf("%q is no principal", s)
		}
		return []string{s}, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("is no mapping")
	}
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(m)) {
		who, err := texts(m[kind])
		if err != nil {
			return nil, err
		}
		for _, w := range who {
			out = append(out, kind+":"+w)
		}
	}
	return out, nil
}

func conditions(v any) ([]Condition, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("is no mapping")
	}
	var out []Condition
	for _, name := range slices.Sorted(maps.Keys(m)) {
		keys, ok := m[name].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s is no mapping", name)
		}
		var c Condition
		c.Operator = name
		if set, op, found := strings.Cut(name, ":"); found {
			c.Set, c.Operator = set, op
			if set != "ForAllValues" && set != "ForAnyValue" {
				return nil, fmt.Errorf("%s is not known", name)
			}
		}
		if op, found := strings.CutSuffix(c.Operator, "IfExists"); found {
			c.Operator, c.IfExists = op, true
		}
		if _, known := operators[c.Operator]; !known && name != "Null" {
			return nil, fmt.Errorf("%s is not known", name)
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			c.Key = key
			var err error
			if c.Values, err = texts(keys[key]); err != nil {
				return nil, fmt.Errorf("%s of %s: %w", name, key, err)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// texts reads one value or a list of them.
func texts(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []string
	for _, item := range list {
		switch item := item.(type) {
		case string:
			out = append(out, item)
		case bool, int64, float64:
			out = append(out, fmt.Sprint(item))
		default:
			return nil, fmt.Errorf("has %T for a text", item)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("is empty")
	}
	return out, nil
}
