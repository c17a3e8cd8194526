package iam

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// Account holds every policy of a template.
type Account struct {
	id string
	// Roles by ARN.
	Roles map[string]Role
	// Guarded are the policies of resources, by the resource's ARN: buckets, queues,
	// topics and keys.
	Guarded map[string][]Statement
}

// Role is a role of the template with all that it is granted.
type Role struct {
	LogicalID string
	Grants    []Statement
	// Trust says who may take the role on.
	Trust []Statement
	Tags  map[string]string
}

// Read reads the policies of a template. account is the id that its ARNs have. The error
// joins everything that cannot be judged, each with the resource; what can be is returned
// beside it.
func Read(doc *template.Document, account string) (*Account, error) {
	a := &Account{id: account, Roles: map[string]Role{}, Guarded: map[string][]Statement{}}
	var errs []error
	bad := func(id, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{id}, args...)...))
	}
	parse := func(id string, document any) []Statement {
		s, err := Parse(document)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				bad(id, "%s", line)
			}
		}
		return s
	}
	arn := func(kind, name string) string { return fmt.Sprintf("arn:aws:iam::%s:%s/%s", account, kind, name) }
	managed := map[string][]Statement{}
	ids := slices.Sorted(maps.Keys(doc.Resources))
	for _, id := range ids {
		if r := doc.Resources[id]; r.Type == "AWS::IAM::ManagedPolicy" {
			managed[arn("policy", r.Name)] = parse(id, r.Properties["PolicyDocument"])
		}
	}
	for _, id := range ids {
		r := doc.Resources[id]
		if r.Type != "AWS::IAM::Role" {
			continue
		}
		role := Role{LogicalID: id, Trust: parse(id, r.Properties["AssumeRolePolicyDocument"]), Tags: map[string]string{}}
		for _, raw := range list(r.Properties["Policies"]) {
			p, _ := raw.(map[string]any)
			role.Grants = append(role.Grants, parse(id, p["PolicyDocument"])...)
		}
		for _, raw := range list(r.Properties["ManagedPolicyArns"]) {
			own, ok := managed[fmt.Sprint(raw)]
			if !ok {
				bad(id, "policy %v is not in this template, so it cannot be judged", raw)
			}
			role.Grants = append(role.Grants, own...)
		}
		for _, raw := range list(r.Properties["Tags"]) {
			t, _ := raw.(map[string]any)
			role.Tags[fmt.Sprint(t["Key"])] = fmt.Sprint(t["Value"])
		}
		if r.Properties["PermissionsBoundary"] != nil {
			bad(id, "has a PermissionsBoundary, which cannot be judged")
		}
		a.Roles[arn("role", r.Name)] = role
	}
	for _, id := range ids {
		r := doc.Resources[id]
		switch r.Type {
		case "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy":
			for _, name := range list(r.Properties["Roles"]) {
				role, ok := a.Roles[arn("role", fmt.Sprint(name))]
				if !ok {
					bad(id, "role %v is not in this template", name)
					continue
				}
				role.Grants = append(role.Grants, parse(id, r.Properties["PolicyDocument"])...)
				a.Roles[arn("role", fmt.Sprint(name))] = role
			}
			for _, kind := range []string{"Users", "Groups"} {
				if r.Properties[kind] != nil {
					bad(id, "attached to %s", strings.ToLower(kind))
				}
			}
		case "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy":
			policy := parse(id, r.Properties["PolicyDocument"])
			for _, target := range targets(doc, r) {
				a.Guarded[target] = append(a.Guarded[target], policy...)
			}
		case "AWS::KMS::Key":
			a.Guarded[r.ARN()] = parse(id, r.Properties["KeyPolicy"])
		}
	}
	return a, errors.Join(errs...)
}

// targets are the ARNs of what a resource's policy is attached to.
func targets(doc *template.Document, policy template.Declared) (arns []string) {
	for _, key := range []string{"Bucket", "Queues", "Topics"} {
		v, ok := policy.Properties[key]
		if !ok {
			continue
		}
		refs := list(v)
		if refs == nil {
			refs = []any{v}
		}
		for _, ref := range refs {
			for _, id := range slices.Sorted(maps.Keys(doc.Resources)) {
				if r := doc.Resources[id]; r.ARN() != "" && (ref == r.Ref() || ref == r.ARN()) {
					arns = append(arns, r.ARN())
				}
			}
		}
	}
	return arns
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// Allows decides a request of one of the template's roles within their account. The
// context has what the cloud says of every request of a role; the caller adds the keys of
// the service. The reason is "" if it is allowed.
func (a *Account) Allows(role, action, resource string, context map[string][]string) (reason string) {
	who, ok := a.Roles[role]
	if !ok {
		return "there is no role " + role
	}
	r := Request{Action: action, Resource: resource, Principal: role, Context: map[string][]string{
		"aws:principalarn":          {role},
		"aws:principalaccount":      {a.id},
		"aws:principalisawsservice": {"false"},
		"aws:securetransport":       {"true"}, // the SDK has no other way in the cloud
	}}
	for name, value := range who.Tags {
		r.Context["aws:principaltag/"+strings.ToLower(name)] = []string{value}
	}
	for key, values := range context {
		r.Context[strings.ToLower(key)] = values
	}
	own := Decide(who.Grants, r)
	if own == Denied {
		return "denied by " + who.LogicalID
	}
	guard := Silent
	for target, policy := range a.Guarded {
		if resource != target && !strings.HasPrefix(resource, target+"/") {
			continue
		}
		switch Decide(policy, r) {
		case Denied:
			return "denied by the policy of " + target
		case Allowed:
			guard = Allowed
		}
		if strings.HasPrefix(action, "kms:") && guard == Silent && !a.delegated(policy, r) {
			// A key's policy rules alone, unless it hands the decision to the account.
			return "not granted by the policy of the key"
		}
	}
	if own == Allowed || guard == Allowed {
		return ""
	}
	return "not granted to " + who.LogicalID
}

// delegated tells whether a key's policy leaves an action to the policies of the account.
func (a *Account) delegated(policy []Statement, r Request) bool {
	r.Principal = fmt.Sprintf("arn:aws:iam::%s:root", a.id)
	return Decide(policy, r) == Allowed
}
