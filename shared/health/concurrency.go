package health

import "context"

// Concurrency is how many executions of functions Lambda allows at once, in one account and region.
type Concurrency struct {
	Limit      int // of the account
	Unreserved int // of that, for all functions without a reserve of their own
}

// Demand is how many executions a stack has at once when everything falls due in the same moment, as it does
// in the minute in which its schedules meet.
type Demand struct {
	Prompt int // of jobs that are never deferred
	All    int // those included
}

// ConcurrencyProbe compares what the account allows with what the stack needs. What is above the limit is
// throttled: EventBridge and SQS deliver it again seconds or a minute later, and late is what a deadline is
// lost by. Too little for all is degraded; too little even for the jobs that are never deferred is
// unhealthy. New accounts are allowed 10.
//
// It says what is certain and costs nothing to ask. How much other stacks of the account take of it is
// not known here: throttles are counted by Lambda itself, and an alarm watches them. What a function has
// reserved for itself is not in Unreserved, so a stack whose executor has a reserve needs a little less than
// this asks for.
func ConcurrencyProbe(read func(context.Context) (Concurrency, error), need Demand) Probe {
	return Probe{Name: "concurrency", Look: func(ctx context.Context) []Component {
		c := Component{Name: "concurrency", Status: Healthy, ToDo: "Ask for more, which costs nothing: " +
			"aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000. " +
			"Or take back what other functions have reserved."}
		var is Concurrency
		if asked(&c, Degraded, func() (err error) { is, err = read(ctx); return err }) {
			c.Numbers = map[string]int64{"limit": int64(is.Limit), "unreserved": int64(is.Unreserved), "prompt": int64(need.Prompt), "need": int64(need.All)}
			switch {
			case is.Unreserved < need.Prompt:
				c.worsen(Unhealthy, "the account lets %d executions run at once, and the jobs that are never deferred need %d", is.Unreserved, need.Prompt)
			case is.Unreserved < need.All:
				c.worsen(Degraded, "the account lets %d executions run at once, and all jobs together need %d", is.Unreserved, need.All)
			}
		}
		return []Component{c}
	}}
}
