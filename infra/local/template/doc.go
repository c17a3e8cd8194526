// Package template reads the deployment template (AWS SAM, YAML or the CloudFormation JSON made from it)
// so that what the local stack runs is what gets deployed.
//
// Reading has two steps. [Evaluate] resolves parameters, mappings, conditions and intrinsic functions into plain
// values; references to resources are answered by a [Resolve] of the caller, because only the stack
// knows where its queues and tables live. [Document.Stack] then yields typed resources.
//
// Only what the local stack can honour is accepted: a property that would change behaviour and is
// not understood is a problem, never ignored. All problems of a step are reported together, each with its path.
package template
