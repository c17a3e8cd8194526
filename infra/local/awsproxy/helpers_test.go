package awsproxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/kmsd"
	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
)

const (
	// patience bounds every wait of these tests.
	patience = 30 * time.Second
	process  = "action-executor@1"
	function = "action-executor"
	keyAlias = "alias/taker"
)

func start(t *testing.T, backends map[string]string) *awsproxy.Proxy {
	t.Helper()
	p, err := awsproxy.Start(backends)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// stub is a backend that remembers requests and answers each with the same words.
type stub struct {
	mu       sync.Mutex
	requests []seen
}

type seen struct {
	method, uri, body string
	header            http.Header
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, seen{r.Method, r.RequestURI, string(body), r.Header})
	s.mu.Unlock()
	w.Header().Set("X-Backend", "stub")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprint(w, `{}`)
}

func (s *stub) all() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.requests...)
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// world is a proxy before real servers and clients behind it; Lambda is a stub.
type world struct {
	proxy  *awsproxy.Proxy
	db     *dynamodb.Client // all through the proxy, without retries
	queues *sqs.Client
	topics *sns.Client
	keys   *kms.Client
	lambda *lambda.Client
	kms    *kmsd.Server
	invoke *stub
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{kms: kmsd.New(), invoke: &stub{}}
	private, err := crypto.ToECDSA(crypto.Keccak256([]byte("taker")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.kms.Add(private, keyAlias); err != nil {
		t.Fatal(err)
	}
	sqsSNS := servicetest.SQSSNS(t)
	w.proxy = start(t, map[string]string{
		"dynamodb": servicetest.DynamoDB(t),
		"sqs":      sqsSNS,
		"sns":      sqsSNS,
		"kms":      serve(t, w.kms),
		"lambda":   serve(t, w.invoke),
		"s3":       servicetest.S3(t),
	})
	w.db = dynamodb.NewFromConfig(w.config("dynamodb", 1))
	w.queues = sqs.NewFromConfig(w.config("sqs", 1))
	w.topics = sns.NewFromConfig(w.config("sns", 1))
	w.keys = kms.NewFromConfig(w.config("kms", 1))
	w.lambda = lambda.NewFromConfig(w.config("lambda", 1))
	return w
}

func (w *world) config(service string, attempts int) aws.Config {
	return config(w.proxy.URL(process, service), attempts)
}

func config(endpoint string, attempts int) aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: &endpoint,
		Credentials:  credentials.NewStaticCredentialsProvider("any", "any", ""),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = attempts
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
			})
		},
	}
}

// table makes a table with an index, straight on the server, and returns its name.
func table(t *testing.T) string {
	t.Helper()
	name := servicetest.Name(t)
	s := dynamotypes.ScalarAttributeTypeS
	attribute := func(name string) dynamotypes.AttributeDefinition {
		return dynamotypes.AttributeDefinition{AttributeName: &name, AttributeType: s}
	}
	hash := func(name string) []dynamotypes.KeySchemaElement {
		return []dynamotypes.KeySchemaElement{{AttributeName: &name, KeyType: dynamotypes.KeyTypeHash}}
	}
	_, err := direct(t).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:            &name,
		BillingMode:          dynamotypes.BillingModePayPerRequest,
		AttributeDefinitions: []dynamotypes.AttributeDefinition{attribute("pk"), attribute("chain")},
		KeySchema:            hash("pk"),
		GlobalSecondaryIndexes: []dynamotypes.GlobalSecondaryIndex{{
			IndexName:  aws.String("by-chain"),
			KeySchema:  hash("chain"),
			Projection: &dynamotypes.Projection{ProjectionType: dynamotypes.ProjectionTypeKeysOnly},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// direct is a client that bypasses every proxy.
func direct(t *testing.T) *dynamodb.Client {
	t.Helper()
	return dynamodb.NewFromConfig(config(servicetest.DynamoDB(t), 1))
}

func item(pk string) map[string]dynamotypes.AttributeValue {
	return map[string]dynamotypes.AttributeValue{
		"pk":    &dynamotypes.AttributeValueMemberS{Value: pk},
		"chain": &dynamotypes.AttributeValueMemberS{Value: "1"},
	}
}

func key(pk string) map[string]dynamotypes.AttributeValue {
	return map[string]dynamotypes.AttributeValue{"pk": &dynamotypes.AttributeValueMemberS{Value: pk}}
}

func put(ctx context.Context, db *dynamodb.Client, table, pk string) error {
	_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: item(pk), ConditionExpression: aws.String("attribute_not_exists(pk)")})
	return err
}

// stored tells whether the table holds the item, bypassing the proxy.
func stored(t *testing.T, table, pk string) bool {
	t.Helper()
	out, err := direct(t).GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key(pk), ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item != nil
}

// queue makes a queue, straight on the server, and returns its URL.
func queue(t *testing.T) (*sqs.Client, string) {
	t.Helper()
	client := sqs.NewFromConfig(config(servicetest.SQSSNS(t), 1))
	out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(servicetest.Name(t))})
	if err != nil {
		t.Fatal(err)
	}
	return client, *out.QueueUrl
}
