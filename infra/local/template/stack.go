package template

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Stack is the typed content of a template, each list sorted by logical id.
type Stack struct {
	Functions []Function
	Tables    []Table
	Queues    []Queue
	Topics    []Topic
	Keys      []Key
	Buckets   []Bucket
	Nested    []Nested
}

// Nested is an application of its own within the stack. What it creates is not read with the stack: whoever wants it
// evaluates its template with these parameters.
type Nested struct {
	LogicalID string
	// Location of its template, relative to the template that names it.
	Location   string
	Parameters map[string]string
}

// nested reads the SAM form and the form that the transform makes of it.
func nested(r Declared, props *reader) Nested {
	n := Nested{LogicalID: r.LogicalID, Location: cmp.Or(props.text("Location"), props.text("TemplateURL")), Parameters: map[string]string{}}
	given := props.object("Parameters")
	for _, name := range given.keys() {
		n.Parameters[name] = given.text(name)
	}
	given.close()
	props.ignore("Tags") // the transform says there what made it
	props.close()
	return n
}

// Function is a Lambda function with everything that can start it.
type Function struct {
	LogicalID string
	// Folder under functions/, the logical id in kebab case; also the name of the job.
	Folder  string
	Name    string
	ARN     string
	Handler string
	Runtime string
	// Architectures of the deployed binary; the local stack runs the host's own.
	Architectures []string
	MemoryMB      int
	Timeout       time.Duration
	Env           map[string]string
	RoleARN       string
	// LogGroup and LogFormat say where lines go and which form the service writes ("JSON" or "Text").
	LogGroup, LogFormat, LogLevel string
	// Tracing is the X-Ray mode, "Active" or "PassThrough".
	Tracing string
	// Reserved is the reserved concurrency, 0 for none.
	Reserved  int
	Schedules []Schedule
	Queues    []QueueMapping
	Async     Async
}

// Schedule is an EventBridge rule that invokes the function asynchronously.
type Schedule struct {
	ID         string
	Expression string
	// Every is the period; 0 for a cron expression that fires at other times than once a day.
	Every time.Duration
	// Daily: it fires once a day, At after midnight UTC. Else it fires at its start, then each period.
	Daily   bool
	At      time.Duration
	Enabled bool
	// MaxAge and Retries bound how long EventBridge tries to hand the event to Lambda.
	MaxAge  time.Duration
	Retries int
}

// QueueMapping is an SQS event source mapping.
type QueueMapping struct {
	ID       string
	QueueARN string
	Enabled  bool
	// BatchSize is the most messages in one event.
	BatchSize int
	// ReportFailures: the function's reply names the messages that stay (ReportBatchItemFailures).
	ReportFailures bool
	// MaxConcurrency is the most invocations of this mapping at once, 0 for no limit.
	MaxConcurrency int
}

// Async is what happens to events that nobody waits for.
type Async struct {
	MaxAge  time.Duration
	Retries int
	// OnFailure is the ARN of the destination, "" for none.
	OnFailure string
}

// Stack reads the typed resources. The error joins every problem found.
func (d *Document) Stack() (*Stack, error) {
	var p problems
	s := &Stack{}
	var attached []Declared
	for _, id := range slices.Sorted(maps.Keys(d.Resources)) {
		r := d.Resources[id]
		props := newReader("Resources."+id+".Properties", r.Properties, &p)
		switch r.Type {
		case "AWS::Serverless::Function":
			s.Functions = append(s.Functions, serverless(d, r, &p))
		case "AWS::Lambda::Function":
			s.Functions = append(s.Functions, plainFunction(r, props))
		case "AWS::Events::Rule", "AWS::Lambda::EventSourceMapping", "AWS::Lambda::EventInvokeConfig":
			attached = append(attached, r)
		case "AWS::Lambda::Permission":
		case "AWS::DynamoDB::Table":
			s.Tables = append(s.Tables, table(r, props))
		case "AWS::SQS::Queue":
			s.Queues = append(s.Queues, queue(r, props))
		case "AWS::SNS::Topic":
			s.Topics = append(s.Topics, topic(d, r, props))
		case "AWS::KMS::Key":
			s.Keys = append(s.Keys, key(d, r, props))
		case "AWS::S3::Bucket":
			s.Buckets = append(s.Buckets, bucket(d, r, props))
		case "AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::Logs::LogGroup",
			"AWS::KMS::Alias", "AWS::SNS::Subscription", "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy":
			// Permissions and retention have no local effect here; aliases, subscriptions and bucket policies are read with
			// their owners.
		case "AWS::Serverless::Application", "AWS::CloudFormation::Stack":
			s.Nested = append(s.Nested, nested(r, props))
		default:
			p.add("Resources."+id+".Type", "%s is not understood", r.Type)
		}
	}
	for _, r := range attached {
		s.attach(r, &p)
	}
	s.crossCheck(&p)
	if err := p.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// crossCheck finds references to queues that the stack does not own: the local stack could not serve them.
func (s *Stack) crossCheck(p *problems) {
	for _, f := range s.Functions {
		path := "Resources." + f.LogicalID
		for _, m := range f.Queues {
			if _, ok := s.QueueByARN(m.QueueARN); !ok {
				p.add(path+".Properties.Events."+m.ID, "queue %s is not in this template", m.QueueARN)
			}
		}
		if f.Async.OnFailure != "" {
			if _, ok := s.QueueByARN(f.Async.OnFailure); !ok {
				p.add(path+".Properties.EventInvokeConfig", "queue %s is not in this template", f.Async.OnFailure)
			}
		}
	}
	for _, q := range s.Queues {
		if q.DeadLetterARN == "" {
			continue
		}
		if _, ok := s.QueueByARN(q.DeadLetterARN); !ok {
			p.add("Resources."+q.LogicalID+".Properties.RedrivePolicy", "queue %s is not in this template", q.DeadLetterARN)
		}
	}
}

// QueueByARN finds a queue of the stack.
func (s *Stack) QueueByARN(arn string) (Queue, bool) {
	i := slices.IndexFunc(s.Queues, func(q Queue) bool { return q.ARN == arn })
	if i < 0 {
		return Queue{}, false
	}
	return s.Queues[i], true
}

// Function finds a function by its folder, which is also its job's name.
func (s *Stack) Function(folder string) (Function, bool) {
	i := slices.IndexFunc(s.Functions, func(f Function) bool { return f.Folder == folder })
	if i < 0 {
		return Function{}, false
	}
	return s.Functions[i], true
}
