package template

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

// Defaults of the services where a template states nothing.
const (
	defaultMemoryMB     = 128
	defaultTimeout      = 3 * time.Second
	defaultAsyncAge     = 6 * time.Hour
	defaultAsyncRetries = 2
	defaultRuleAge      = 24 * time.Hour
	defaultRuleRetries  = 185
	defaultBatchSize    = 10
)

// serverless reads an AWS::Serverless::Function after the template's Globals are merged in.
func serverless(d *Document, r Declared, p *problems) Function {
	properties := r.Properties
	if g, ok := d.globals["Function"].(map[string]any); ok {
		properties = merge(g, properties)
	}
	props := newReader("Resources."+r.LogicalID+".Properties", properties, p)
	f := runtime(r, props)
	f.Tracing = props.text("Tracing")
	props.ignore("CodeUri")
	if props.has("EventInvokeConfig") {
		f.Async = invokeConfig(props.object("EventInvokeConfig"))
	}
	events := props.object("Events")
	for _, id := range events.keys() {
		f.addEvent(id, events.object(id))
	}
	props.close()
	return f
}

// runtime reads what the SAM and the CloudFormation resource have in common.
func runtime(r Declared, props *reader) Function {
	f := Function{
		LogicalID:     r.LogicalID,
		Folder:        Folder(r.LogicalID),
		Name:          r.Name,
		ARN:           r.arn,
		Handler:       props.text("Handler"),
		Runtime:       props.text("Runtime"),
		Architectures: props.strings("Architectures"),
		MemoryMB:      props.whole("MemorySize", defaultMemoryMB),
		Timeout:       props.seconds("Timeout", defaultTimeout),
		RoleARN:       props.text("Role"),
		Reserved:      props.whole("ReservedConcurrentExecutions", 0),
		Env:           map[string]string{},
		Async:         Async{MaxAge: defaultAsyncAge, Retries: defaultAsyncRetries},
	}
	props.ignore("FunctionName", "Description")
	if !strings.HasPrefix(f.Runtime, "provided.") {
		props.bad("Runtime", "%q cannot run a bootstrap binary", f.Runtime)
	}
	if f.MemoryMB < 128 || f.MemoryMB > 10240 {
		props.bad("MemorySize", "%d is not between 128 and 10240", f.MemoryMB)
	}
	if f.Timeout < time.Second || f.Timeout > 15*time.Minute {
		props.bad("Timeout", "%v is not between 1 s and 15 min", f.Timeout)
	}
	env := props.object("Environment")
	vars := env.object("Variables")
	for _, name := range vars.keys() {
		f.Env[name] = vars.text(name)
	}
	env.close()

	logging := props.object("LoggingConfig")
	f.LogGroup = logging.text("LogGroup")
	f.LogFormat = logging.text("LogFormat")
	f.LogLevel = logging.text("ApplicationLogLevel")
	logging.ignore("SystemLogLevel")
	logging.close()
	return f
}

func invokeConfig(c *reader) Async {
	a := asyncLimits(c)
	dest := c.object("DestinationConfig")
	if dest.has("OnFailure") {
		on := dest.object("OnFailure")
		if typ := on.text("Type"); typ != "SQS" {
			on.bad("Type", "destination %q is not understood, want SQS", typ)
		}
		a.OnFailure = on.text("Destination")
		on.close()
	}
	dest.close()
	c.close()
	return a
}

func asyncLimits(c *reader) Async {
	a := Async{
		MaxAge:  c.seconds("MaximumEventAgeInSeconds", defaultAsyncAge),
		Retries: c.whole("MaximumRetryAttempts", defaultAsyncRetries),
	}
	if a.MaxAge < time.Minute || a.MaxAge > 6*time.Hour {
		c.bad("MaximumEventAgeInSeconds", "%v is not between 60 s and 6 h", a.MaxAge)
	}
	if a.Retries < 0 || a.Retries > 2 {
		c.bad("MaximumRetryAttempts", "%d is not between 0 and 2", a.Retries)
	}
	return a
}

func (f *Function) addEvent(id string, e *reader) {
	props := e.object("Properties")
	switch typ := e.text("Type"); typ {
	case "Schedule":
		f.Schedules = append(f.Schedules, schedule(id, props))
	case "SQS":
		f.Queues = append(f.Queues, queueMapping(id, "Queue", props))
	default:
		e.bad("Type", "event source %q is not understood", typ)
		return
	}
	props.close()
	e.close()
}

func schedule(id string, props *reader) Schedule {
	s := rule(id, "Schedule", props)
	if props.has("RetryPolicy") {
		s.retryPolicy(props.object("RetryPolicy"))
	}
	return s
}

// rule reads the expression, stated under key, and the state.
func rule(id, key string, props *reader) Schedule {
	s := Schedule{ID: id, Expression: props.text(key), Enabled: true, MaxAge: defaultRuleAge, Retries: defaultRuleRetries}
	r, err := ParseSchedule(s.Expression)
	if err != nil {
		props.bad(key, "%w", err)
	}
	s.Every, s.Daily, s.At = r.Every, r.Daily, r.At
	switch state := props.text("State"); state {
	case "", "ENABLED":
	case "DISABLED":
		s.Enabled = false
	default:
		props.bad("State", "%q is neither ENABLED nor DISABLED", state)
	}
	return s
}

func (s *Schedule) retryPolicy(retry *reader) {
	s.MaxAge = retry.seconds("MaximumEventAgeInSeconds", defaultRuleAge)
	s.Retries = retry.whole("MaximumRetryAttempts", defaultRuleRetries)
	retry.close()
}

// queueMapping reads a mapping; the queue's ARN is stated under key.
func queueMapping(id, key string, props *reader) QueueMapping {
	m := QueueMapping{
		ID:        id,
		QueueARN:  props.text(key),
		Enabled:   props.flag("Enabled", true),
		BatchSize: props.whole("BatchSize", defaultBatchSize),
	}
	// Above ten, the service gathers several receives within a window: not needed, so not built.
	if m.BatchSize < 1 || m.BatchSize > 10 {
		props.bad("BatchSize", "%d is not between 1 and 10", m.BatchSize)
	}
	for _, t := range props.strings("FunctionResponseTypes") {
		if t != "ReportBatchItemFailures" {
			props.bad("FunctionResponseTypes", "%q is not understood", t)
			continue
		}
		m.ReportFailures = true
	}
	if props.has("ScalingConfig") {
		scaling := props.object("ScalingConfig")
		m.MaxConcurrency = scaling.whole("MaximumConcurrency", 0)
		if m.MaxConcurrency < 2 || m.MaxConcurrency > 1000 {
			scaling.bad("MaximumConcurrency", "%d is not between 2 and 1000", m.MaxConcurrency)
		}
		scaling.close()
	}
	return m
}

// Folder is the folder under functions/ of a function's logical id: StateSync lives in state-sync.
func Folder(logicalID string) string {
	var b strings.Builder
	for i, r := range logicalID {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// merge lays own over globals as SAM does: mappings merge, lists are appended, everything else is replaced.
func merge(globals, own map[string]any) map[string]any {
	out := make(map[string]any, len(globals)+len(own))
	for k, v := range globals {
		out[k] = v
	}
	for k, v := range own {
		switch v := v.(type) {
		case map[string]any:
			if g, ok := out[k].(map[string]any); ok {
				out[k] = merge(g, v)
				continue
			}
		case []any:
			if g, ok := out[k].([]any); ok {
				out[k] = slices.Concat(g, v)
				continue
			}
		}
		out[k] = v
	}
	return out
}
