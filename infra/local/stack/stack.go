package stack

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/guard"
	"github.com/bridge-me-not/resolver-cron/infra/local/kmsd"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/leaks"
	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/services"
	"github.com/bridge-me-not/resolver-cron/infra/local/ssmd"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
	"github.com/bridge-me-not/resolver-cron/shared/env"
)

const (
	region  = "us-east-1"
	account = "000000000000"
	name    = "local"
)

// Options say what stack to run.
type Options struct {
	// Root is the repository.
	Root string
	// Profile and Mode are the template's parameters of that name.
	Profile, Mode string
	// ChainsFile is the content of a chains file; ${NAME} in its endpoint URLs
	// is looked up by Lookup.
	ChainsFile []byte
	Lookup     func(string) (string, bool)
	// Keys are the signing keys by the alias (alias/…) that the chains file names.
	Keys map[string]*ecdsa.PrivateKey
	// Race runs binaries built with the race detector. Binaries, by function,
	// are what Build made already; nil: Start builds what it runs.
	Race     bool
	Binaries map[string]string
	// Slack multiplies the functions' timeouts; see lambda.Config.
	Slack int
	// Functions limits which of the template's functions run; nil: all.
	Functions []string
	// DynamoDB is the URL of a DynamoDB-compatible server to use instead of the
	// packaged one.
	DynamoDB string
	// Deliver disturbs asynchronous events; see lambda.Config.
	Deliver func(function string, payload []byte) []time.Duration
	// Observe and Log see every invocation and every line that a function
	// writes; they must be quick.
	Observe func(lambda.Invocation)
	Log     func(lambda.Line)
	// Progress says what the start is doing.
	Progress io.Writer
}

// Stack is a running stack.
type Stack struct {
	Template *template.Stack
	Host     *lambda.Host
	AWS      *awsproxy.Proxy
	// Guard refuses what a function's role does not grant. A refusal ends Run, and is an
	// error of Close.
	Guard *guard.Guard
	RPC   *rpcproxy.Proxy
	KMS   *kmsd.Server
	// Leaks looks at all that the functions log, store and send. The signing keys
	// and the tokens of the endpoints are planted; what is found makes Close fail.
	Leaks *leaks.Finder
	// Parameters are those of the Parameter Store, by full name; a chains file given
	// by Options names none, for the RPC proxy stands before its endpoints.
	Parameters *ssmd.Server
	// Endpoints names the routes of the RPC proxy: "c0e1" is the second endpoint
	// of the first chain in the file.
	Endpoints []string

	// DynamoDB, SQS and S3 go to the servers, past the proxy.
	DynamoDB *dynamodb.Client
	SQS      *sqs.Client
	S3       *s3.Client
	sns      *sns.Client

	alertsURL string
	trouble   chan error
	closers   []func() error
	dir       string
}

// Start brings everything up that the functions need and the host that will
// run them; nothing runs before Run. ctx bounds the start alone. If it fails,
// nothing is left behind.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	s := &Stack{trouble: make(chan error, 1), Leaks: &leaks.Finder{}}
	if err := s.plant(o); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	say := func(format string, args ...any) {
		if o.Progress != nil {
			fmt.Fprintf(o.Progress, format+"\n", args...)
		}
	}
	if s.dir, err = os.MkdirTemp("", "resolver-cron-"); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() error { return os.RemoveAll(s.dir) })
	if err := services.Install(ctx, o.Progress); err != nil {
		return nil, err
	}
	ddb, err := services.StartDynamoDB(ctx, services.Options{Endpoint: o.DynamoDB})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() error { ddb.Stop(); return nil })
	go s.watch("DynamoDB", ddb.Done(), ddb.Err)
	queues, err := services.StartSQSSNS(ctx, services.Options{})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() error { queues.Stop(); return nil })
	go s.watch("SQS and SNS", queues.Done(), queues.Err)
	objects, err := services.StartS3()
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() error { objects.Stop(); return nil })
	go s.watch("S3", objects.Done(), objects.Err)
	say("started DynamoDB, SQS, SNS and S3")

	s.Parameters = ssmd.New()
	parameters, err := s.serve(s.Parameters)
	if err != nil {
		return nil, err
	}
	s.KMS = kmsd.New()
	for alias, key := range o.Keys {
		if _, err := s.KMS.Add(key, alias); err != nil {
			return nil, err
		}
	}
	kms, err := s.serve(s.KMS)
	if err != nil {
		return nil, err
	}
	invoke := &late{handler: make(chan http.Handler, 1)}
	lambdaURL, err := s.serve(invoke)
	if err != nil {
		return nil, err
	}
	if s.AWS, err = awsproxy.Start(map[string]string{"dynamodb": ddb.URL, "sqs": queues.URL, "sns": queues.URL, "s3": objects.URL, "kms": kms, "ssm": parameters, "lambda": lambdaURL}); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, s.AWS.Close)
	s.AWS.Use(s.overhear)
	go s.watch("AWS proxy", s.AWS.Done(), s.AWS.Err)

	s.clients(ddb.URL, queues.URL, objects.URL)
	if err := s.createAlertsQueue(ctx); err != nil {
		return nil, err
	}
	if err := s.readTemplate(o); err != nil {
		return nil, err
	}
	s.AWS.Use(s.Guard.Fault())
	s.closers = append(s.closers, func() error {
		if err := s.Guard.Refused(); err != nil {
			return err // and what was tried is no proof that it is needed
		}
		return keepUsed(o.Root, s.Guard.Used())
	})
	if err := CreateTables(ctx, s.DynamoDB, s.Template.Tables); err != nil {
		return nil, err
	}
	if err := createQueues(ctx, s.SQS, s.Template.Queues); err != nil {
		return nil, err
	}
	if err := s.createTopics(ctx, s.Template.Topics); err != nil {
		return nil, err
	}
	if err := createBuckets(ctx, s.S3, s.Template.Buckets); err != nil {
		return nil, err
	}
	say("created %d tables, %d queues, %d topics, %d buckets from template.yaml",
		len(s.Template.Tables), len(s.Template.Queues), len(s.Template.Topics), len(s.Template.Buckets))

	overlay, err := s.chains(o)
	if err != nil {
		return nil, err
	}
	if err := s.host(ctx, o, overlay); err != nil {
		return nil, err
	}
	invoke.set(s.Host.Handler())
	return s, nil
}

// readTemplate evaluates template.yaml for this stack.
func (s *Stack) readTemplate(o Options) error {
	src, err := os.ReadFile(filepath.Join(o.Root, "template.yaml"))
	if err != nil {
		return err
	}
	doc, err := template.Evaluate(src, template.Options{
		Parameters: map[string]string{"Profile": o.Profile, "Mode": o.Mode,
			// Whoever starts a stack here looks at it.
			"HeartbeatUrl": env.NoHeartbeat},
		Pseudo:  template.Pseudo(name, region, account),
		Resolve: template.Names(region, account, s.queueURL),
	})
	if err != nil {
		return fmt.Errorf("template.yaml: %w", err)
	}
	if s.Template, err = doc.Stack(); err != nil {
		return fmt.Errorf("template.yaml: %w", err)
	}
	if s.Guard, err = guard.New(doc, s.Template, account, s.fail); err != nil {
		return fmt.Errorf("template.yaml: %w", err)
	}
	return nil
}

// queueURL is the address of a queue by name: the server's own form of it, as
// it gave it for the first queue.
func (s *Stack) queueURL(queue string) string {
	return s.alertsURL[:strings.LastIndexByte(s.alertsURL, '/')+1] + queue
}

func (s *Stack) clients(ddbURL, sqsURL, s3URL string) {
	creds := credentials.NewStaticCredentialsProvider("local", "local", "")
	s.DynamoDB = dynamodb.New(dynamodb.Options{Region: region, BaseEndpoint: &ddbURL, Credentials: creds})
	s.SQS = sqs.New(sqs.Options{Region: region, BaseEndpoint: &sqsURL, Credentials: creds})
	s.S3 = s3.New(s3.Options{Region: region, BaseEndpoint: &s3URL, Credentials: creds})
	s.sns = sns.New(sns.Options{Region: region, BaseEndpoint: &sqsURL, Credentials: creds})
}

// chains puts the RPC proxy between the functions and the endpoints of the
// chains file, and returns the environment that makes a process use it.
func (s *Stack) chains(o Options) (func(lambda.Process) map[string]string, error) {
	var err error
	if s.RPC, err = rpcproxy.New(); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, s.RPC.Close)
	lookup := o.Lookup
	if lookup == nil {
		lookup = os.LookupEnv
	}
	file, ups, err := reroute(o.ChainsFile, lookup)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, "chains.yaml")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		return nil, err
	}
	tokens := map[string]string{}
	for _, up := range ups {
		if up.target == "" {
			continue
		}
		if err := s.RPC.Route(up.route, up.target); err != nil {
			return nil, fmt.Errorf("chains file: endpoint %s: %w", up.route, err)
		}
		if tokens[up.route], err = s.token(up.route); err != nil {
			return nil, err
		}
		s.Endpoints = append(s.Endpoints, up.route)
	}
	return func(p lambda.Process) map[string]string {
		env := map[string]string{"CHAINS_FILE": path}
		process := fmt.Sprintf("%s@%d", p.Function, p.ID)
		for _, kv := range s.AWS.Env(process) {
			k, v, _ := strings.Cut(kv, "=")
			env[k] = v
		}
		for _, up := range ups {
			env[up.variable] = ""
			if up.target != "" {
				env[up.variable] = s.RPC.URL(process, up.route) + "?token=" + tokens[up.route]
			}
		}
		return env
	}, nil
}

// host builds the functions and prepares the host that runs them.
func (s *Stack) host(ctx context.Context, o Options, overlay func(lambda.Process) map[string]string) error {
	var fs []template.Function
	var folders []string
	for _, f := range s.Template.Functions {
		if o.Functions == nil || slices.Contains(o.Functions, f.Folder) {
			fs, folders = append(fs, f), append(folders, f.Folder)
		}
	}
	binaries := o.Binaries
	if binaries == nil {
		var err error
		if binaries, err = Build(ctx, o.Root, folders, o.Race, o.Progress); err != nil {
			return err
		}
	}
	var run []lambda.Function
	for _, f := range fs {
		if o.Race {
			f.MemoryMB *= 4 // the race detector's own
		}
		run = append(run, lambda.Function{Function: f, Binary: binaries[f.Folder]})
	}
	traces, err := s.traces(func(segment []byte) { s.Leaks.Look("a trace", segment) })
	if err != nil {
		return err
	}
	s.Host, err = lambda.New(lambda.Config{
		Region: region, Account: account, SQS: s.SQS,
		QueueURL: func(arn string) string { return s.queueURL(arn[strings.LastIndexByte(arn, ':')+1:]) },
		Env:      overlay, Slack: o.Slack, Deliver: o.Deliver, Observe: s.observe(o), Log: s.log(o), Traces: traces, Problem: s.fail,
	}, run)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { s.Host.Close(); return nil })
	return nil
}

// Run fires the schedules and reads the queues until ctx ends, or a part of
// the stack dies, which is the error.
func (s *Stack) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-s.trouble:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	s.Host.Run(ctx)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}

// QueueURL is the address of a queue of the template, by logical id.
func (s *Stack) QueueURL(logicalID string) string {
	for _, q := range s.Template.Queues {
		if q.LogicalID == logicalID {
			return s.queueURL(q.Name)
		}
	}
	return ""
}

// TableName is the name of a table of the template, by logical id.
func (s *Stack) TableName(logicalID string) string {
	for _, t := range s.Template.Tables {
		if t.LogicalID == logicalID {
			return t.Name
		}
	}
	return ""
}

// Close ends everything that Start began, last things first. A secret that was
// seen where it does not belong is an error.
func (s *Stack) Close() error {
	var errs []error
	for _, c := range slices.Backward(s.closers) {
		errs = append(errs, c())
	}
	s.closers = nil
	return errors.Join(append(errs, s.leaked())...)
}

// fail keeps the first trouble.
func (s *Stack) fail(err error) {
	select {
	case s.trouble <- err:
	default:
	}
}

func (s *Stack) watch(what string, done <-chan struct{}, err func() error) {
	<-done
	if e := err(); e != nil {
		s.fail(fmt.Errorf("%s died: %w", what, e))
	}
}

// serve starts an HTTP server on a free loopback port.
func (s *Stack) serve(h http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.fail(err)
		}
	}()
	s.closers = append(s.closers, server.Close)
	return "http://" + l.Addr().String(), nil
}

// late is a handler that is set after its address is known.
type late struct{ handler chan http.Handler }

func (l *late) set(h http.Handler) { l.handler <- h }

func (l *late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case h := <-l.handler:
		l.handler <- h
		h.ServeHTTP(w, r)
	case <-r.Context().Done():
	}
}
