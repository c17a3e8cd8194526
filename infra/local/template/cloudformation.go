package template

import (
	"slices"
	"strings"
)

// The plain CloudFormation form of functions and what starts them, as the SAM transform writes it: one
// resource each, where SAM nests them in the function.

func plainFunction(r Declared, props *reader) Function {
	f := runtime(r, props)
	tracing := props.object("TracingConfig")
	f.Tracing = tracing.text("Mode")
	tracing.close()
	props.ignore("Code", "Tags")
	props.close()
	return f
}

// attach adds a rule, a mapping or an invoke configuration to its function.
func (s *Stack) attach(r Declared, p *problems) {
	props := newReader("Resources."+r.LogicalID+".Properties", r.Properties, p)
	switch r.Type {
	case "AWS::Events::Rule":
		targets := props.objects("Targets")
		if len(targets) != 1 {
			props.bad("Targets", "want one function, got %d targets", len(targets))
			return
		}
		f := s.target(targets[0], "Arn")
		if f == nil {
			return
		}
		rule := rule(strings.TrimPrefix(r.LogicalID, f.LogicalID), "ScheduleExpression", props)
		if targets[0].has("RetryPolicy") {
			rule.retryPolicy(targets[0].object("RetryPolicy"))
		}
		targets[0].ignore("Id")
		targets[0].close()
		f.Schedules = append(f.Schedules, rule)
	case "AWS::Lambda::EventSourceMapping":
		f := s.target(props, "FunctionName")
		if f == nil {
			return
		}
		id := strings.TrimPrefix(r.LogicalID, f.LogicalID)
		f.Queues = append(f.Queues, queueMapping(id, "EventSourceArn", props))
	case "AWS::Lambda::EventInvokeConfig":
		f := s.target(props, "FunctionName")
		if f == nil {
			return
		}
		f.Async = asyncLimits(props)
		dest := props.object("DestinationConfig")
		on := dest.object("OnFailure")
		f.Async.OnFailure = on.text("Destination")
		on.close()
		dest.close()
		props.ignore("Qualifier")
	}
	props.close()
}

// target finds the function that a property names, by ARN or name.
func (s *Stack) target(props *reader, key string) *Function {
	name := props.text(key)
	i := slices.IndexFunc(s.Functions, func(f Function) bool { return f.ARN == name || f.Name == name })
	if i < 0 {
		props.bad(key, "%q is no function of this template", name)
		return nil
	}
	return &s.Functions[i]
}
