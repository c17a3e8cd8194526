// Package iam decides as AWS does whether a policy allows a request: statements with
// actions, resources, principals and conditions, policies of roles and of resources,
// an explicit denial above all. It knows no AWS protocol and does nothing by itself.
//
// It knows as much of the policy language as deployment templates here use. Whatever
// else a policy says (NotAction, another operator) is an error of Parse, never ignored:
// a rule that cannot be judged must not pass for one that was.
//
// Where it is known to differ from AWS: a * in an ARN also runs across colons, and a
// condition key of which the request has several values is refused by operators that
// compare one.
package iam
