package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bridge-me-not/resolver-cron/infra/local/guard"
	"github.com/bridge-me-not/resolver-cron/infra/local/iam"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// privilege compares what each role grants with what its function uses, as it was recorded, and finds both what is
// used and not granted and what is granted and not used. A pattern wider than what is used is not used.
func privilege(doc *template.Document, s *template.Stack) []string {
	recorded, err := guard.Recorded()
	if err != nil {
		return []string{"record of use: " + err.Error()}
	}
	var findings []string
	account := policies(doc, &findings)
	var uses []guard.Use
	for _, u := range slices.Concat(recorded, seldom(), guard.Duties(s)) {
		u.Key = guard.InMode(u.Key, doc.Parameters["Mode"])
		uses = append(uses, u)
	}
	for _, f := range s.Functions {
		role, ok := account.Roles[f.RoleARN]
		if !ok {
			continue // reported by roles
		}
		own := map[string][]string{} // keys by action and resource
		for _, u := range uses {
			arn, exists := guard.ARN(doc, u.Resource)
			if u.Function != f.Folder || !exists {
				continue
			}
			own[u.Action+" "+arn] = append(own[u.Action+" "+arn], u.Key)
			if reason := account.Allows(f.RoleARN, u.Action, arn, context(u)); reason != "" {
				findings = append(findings, fmt.Sprintf("%s: %s uses %s on %s %s: %s", role.LogicalID, f.Folder, u.Action, u.Resource, u.Key, reason))
			}
		}
		for _, g := range role.Grants {
			if !g.Deny {
				findings = append(findings, unused(role, g, own)...)
			}
		}
	}
	return findings
}

// unused finds what a statement grants beyond what is used.
func unused(role iam.Role, g iam.Statement, own map[string][]string) (findings []string) {
	keys := leading(g, role.Tags)
	for _, action := range g.Actions {
		for _, resource := range g.Resources {
			used, any := own[action+" "+resource]
			if !any {
				findings = append(findings, fmt.Sprintf("%s: grants %s on %s, which nothing uses", role.LogicalID, action, resource))
				continue
			}
			if keys == nil && slices.ContainsFunc(used, func(k string) bool { return k != "" }) {
				findings = append(findings, fmt.Sprintf("%s: grants %s on all of %s, of which it uses %v", role.LogicalID, action, resource, used))
			}
			for _, key := range keys {
				if !slices.Contains(used, key) {
					findings = append(findings, fmt.Sprintf("%s: grants %s on %s with key %s, which nothing uses", role.LogicalID, action, resource, key))
				}
			}
		}
	}
	return findings
}

const leadingKeys = "dynamodb:LeadingKeys"

// leading are the patterns of partition keys that a statement is bound to, nil for none.
func leading(g iam.Statement, tags map[string]string) (keys []string) {
	for _, c := range g.Conditions {
		if !strings.EqualFold(c.Key, leadingKeys) || c.Operator == "Null" {
			continue
		}
		for _, v := range c.Values {
			for name, value := range tags {
				v = strings.ReplaceAll(v, "${aws:PrincipalTag/"+name+"}", value)
			}
			keys = append(keys, v)
		}
	}
	return keys
}

// context is what a recorded use had for conditions to look at.
func context(u guard.Use) map[string][]string {
	switch {
	case u.Key != "":
		return map[string][]string{leadingKeys: {u.Key}}
	case u.Action == "kms:Sign":
		return map[string][]string{"kms:MessageType": {"DIGEST"}, "kms:SigningAlgorithm": {"ECDSA_SHA_256"}}
	}
	return nil
}

// closed checks that queues and topics take nothing from other accounts and nothing that comes without TLS, and that
// alarms reach the topics.
func closed(doc *template.Document, s *template.Stack) []string {
	var findings []string
	account := policies(doc, &findings)
	check := func(id, arn, send string) {
		ask := func(principal, owner, tls string) iam.Verdict {
			r := iam.Request{Action: send, Resource: arn, Principal: principal, Context: map[string][]string{
				"aws:securetransport": {tls}, "aws:principalisawsservice": {"false"}, "aws:principalaccount": {owner}}}
			return iam.Decide(account.Guarded[arn], r)
		}
		const other = "111111111111"
		if ask("arn:aws:iam::"+other+":role/other", other, "true") != iam.Denied {
			findings = append(findings, fmt.Sprintf("%s: other accounts are not denied %s", id, send))
		}
		if ask("arn:aws:iam::"+accountID+":role/own", accountID, "false") != iam.Denied {
			findings = append(findings, fmt.Sprintf("%s: %s without TLS is not denied", id, send))
		}
		if v := ask("arn:aws:iam::"+accountID+":role/own", accountID, "true"); v != iam.Silent {
			findings = append(findings, fmt.Sprintf("%s: its policy says %s of %s by any role of the account, want that left to the role", id, v, send))
		}
	}
	for _, q := range s.Queues {
		for _, action := range []string{"sqs:SendMessage", "sqs:ReceiveMessage"} {
			check(q.LogicalID, q.ARN, action)
		}
	}
	for _, t := range s.Topics {
		for _, action := range []string{"sns:Publish", "sns:Subscribe"} {
			check(t.LogicalID, t.ARN, action)
		}
		own := iam.Silent
		if t.LogicalID == "Alarms" {
			own = iam.Allowed
		}
		for owner, want := range map[string]iam.Verdict{accountID: own, "111111111111": iam.Silent} {
			r := iam.Request{Action: "sns:Publish", Resource: t.ARN, Principal: "cloudwatch.amazonaws.com", Context: map[string][]string{
				"aws:securetransport": {"true"}, "aws:principalisawsservice": {"true"}, "aws:sourceaccount": {owner},
				"aws:sourcearn": {"arn:aws:cloudwatch:eu-west-1:" + owner + ":alarm:rc-swaps-at-risk"}}}
			if got := iam.Decide(account.Guarded[t.ARN], r); got != want {
				findings = append(findings, fmt.Sprintf("%s: alarms of account %s are %s, want %s", t.LogicalID, owner, got, want))
			}
		}
	}
	return findings
}
