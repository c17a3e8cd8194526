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
	props := newProps("Resources."+r.LogicalID+".Properties", properties, p)
	f := Function{
		LogicalID:     r.LogicalID,
		Folder:        Folder(r.LogicalID),
		Name:          r.Name,
		ARN:           r.arn,
		Handler:       props.String("Handler"),
		Runtime:       props.String("Runtime"),
		Architectures: props.Strings("Architectures"),
		MemoryMB:      props.Int("MemorySize", defaultMemoryMB),
		Timeout:       props.Seconds("Timeout", defaultTimeout),
		RoleARN:       props.String("Role"),
		Tracing:       props.String("Tracing"),
		Reserved:      props.Int("ReservedConcurrentExecutions", 0),
		Env:           map[string]string{},
		Async:         Async{MaxAge: defaultAsyncAge, Retries: defaultAsyncRetries},
	}
	props.Ignore("FunctionName", "Description", "CodeUri")
	if !strings.HasPrefix(f.Runtime, "provided.") {
		props.Bad("Runtime", "%q cannot run a bootstrap binary", f.Runtime)
	}
	if f.MemoryMB < 128 || f.MemoryMB > 10240 {
		props.Bad("MemorySize", "%d is not between 128 and 10240", f.MemoryMB)
	}
	if f.Timeout < time.Second || f.Timeout > 15*time.Minute {
		props.Bad("Timeout", "%v is not between 1 s and 15 min", f.Timeout)
	}

	env := props.Object("Environment")
	vars := env.Object("Variables")
	for _, name := range vars.Keys() {
		f.Env[name] = vars.String(name)
	}
	env.Close()

	logging := props.Object("LoggingConfig")
	f.LogGroup = logging.String("LogGroup")
	f.LogFormat = logging.String("LogFormat")
	f.LogLevel = logging.String("ApplicationLogLevel")
	logging.Ignore("SystemLogLevel")
	logging.Close()

	if props.Has("EventInvokeConfig") {
		f.Async = invokeConfig(props.Object("EventInvokeConfig"))
	}
	events := props.Object("Events")
	for _, id := range events.Keys() {
		f.addEvent(id, events.Object(id))
	}
	props.Close()
	return f
}

func invokeConfig(c *Props) Async {
	a := Async{
		MaxAge:  c.Seconds("MaximumEventAgeInSeconds", defaultAsyncAge),
		Retries: c.Int("MaximumRetryAttempts", defaultAsyncRetries),
	}
	if a.MaxAge < time.Minute || a.MaxAge > 6*time.Hour {
		c.Bad("MaximumEventAgeInSeconds", "%v is not between 60 s and 6 h", a.MaxAge)
	}
	if a.Retries < 0 || a.Retries > 2 {
		c.Bad("MaximumRetryAttempts", "%d is not between 0 and 2", a.Retries)
	}
	dest := c.Object("DestinationConfig")
	if dest.Has("OnFailure") {
		on := dest.Object("OnFailure")
		if typ := on.String("Type"); typ != "SQS" {
			on.Bad("Type", "destination %q is not understood, want SQS", typ)
		}
		a.OnFailure = on.String("Destination")
		on.Close()
	}
	dest.Close()
	c.Close()
	return a
}

func (f *Function) addEvent(id string, e *Props) {
	props := e.Object("Properties")
	switch typ := e.String("Type"); typ {
	case "Schedule":
		f.Schedules = append(f.Schedules, schedule(id, props))
	case "SQS":
		f.Queues = append(f.Queues, queueMapping(id, props))
	default:
		e.Bad("Type", "event source %q is not understood", typ)
		return
	}
	props.Close()
	e.Close()
}

func schedule(id string, props *Props) Schedule {
	s := Schedule{ID: id, Expression: props.String("Schedule"), Enabled: true, MaxAge: defaultRuleAge, Retries: defaultRuleRetries}
	every, err := ParseSchedule(s.Expression)
	if err != nil {
		props.Bad("Schedule", "%w", err)
	}
	s.Every = every
	switch state := props.String("State"); state {
	case "", "ENABLED":
	case "DISABLED":
		s.Enabled = false
	default:
		props.Bad("State", "%q is neither ENABLED nor DISABLED", state)
	}
	if props.Has("RetryPolicy") {
		retry := props.Object("RetryPolicy")
		s.MaxAge = retry.Seconds("MaximumEventAgeInSeconds", defaultRuleAge)
		s.Retries = retry.Int("MaximumRetryAttempts", defaultRuleRetries)
		retry.Close()
	}
	return s
}

func queueMapping(id string, props *Props) QueueMapping {
	m := QueueMapping{
		ID:        id,
		QueueARN:  props.String("Queue"),
		Enabled:   props.Bool("Enabled", true),
		BatchSize: props.Int("BatchSize", defaultBatchSize),
	}
	// Above ten, the service gathers several receives within a window: not needed, so not built.
	if m.BatchSize < 1 || m.BatchSize > 10 {
		props.Bad("BatchSize", "%d is not between 1 and 10", m.BatchSize)
	}
	for _, t := range props.Strings("FunctionResponseTypes") {
		if t != "ReportBatchItemFailures" {
			props.Bad("FunctionResponseTypes", "%q is not understood", t)
			continue
		}
		m.ReportFailures = true
	}
	if props.Has("ScalingConfig") {
		scaling := props.Object("ScalingConfig")
		m.MaxConcurrency = scaling.Int("MaximumConcurrency", 0)
		if m.MaxConcurrency < 2 || m.MaxConcurrency > 1000 {
			scaling.Bad("MaximumConcurrency", "%d is not between 2 and 1000", m.MaxConcurrency)
		}
		scaling.Close()
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
