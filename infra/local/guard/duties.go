package guard

import (
	"strings"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// Duties are what Lambda does by a function's role though the function never asks: it
// writes the function's log lines and traces, reads the queues that start it, and hands
// over the events that failed.
func Duties(s *template.Stack) (uses []Use) {
	name := map[string]string{}
	for _, q := range s.Queues {
		name[q.ARN] = q.LogicalID
	}
	for _, f := range s.Functions {
		add := func(resource string, actions ...string) {
			for _, a := range actions {
				uses = append(uses, Use{Function: f.Folder, Action: a, Resource: resource})
			}
		}
		add(f.LogicalID+"Logs", "logs:CreateLogStream", "logs:PutLogEvents")
		if f.Tracing == "Active" {
			add("*", "xray:PutTraceSegments", "xray:PutTelemetryRecords")
		}
		for _, m := range f.Queues {
			add(name[m.QueueARN], "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
		}
		if f.Async.OnFailure != "" {
			add(name[f.Async.OnFailure], "sqs:SendMessage")
		}
	}
	return uses
}

// Parameters names those of the stack, which are none of the template's resources.
const Parameters = "Parameters/*"

// ARN is that of a resource as uses name it. ok is false where the template has no such
// resource under its parameters.
func ARN(doc *template.Document, resource string) (arn string, ok bool) {
	if resource == "*" {
		return resource, true
	}
	if resource == Parameters {
		path, ok := doc.Outputs["ParametersPath"].(string)
		jobs := strings.Split(doc.Resources["Jobs"].ARN(), ":")
		if !ok || len(jobs) < 5 {
			return "", false
		}
		return strings.Join([]string{jobs[0], jobs[1], "ssm", jobs[3], jobs[4], "parameter" + path + "/*"}, ":"), true
	}
	id, rest, more := strings.Cut(resource, "/")
	r, ok := doc.Resources[id]
	if !ok {
		return "", false
	}
	if more {
		rest = "/" + rest
	}
	return r.ARN() + rest, true
}
