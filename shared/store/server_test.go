package store

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// The tables of the tests: those that the template declares, created once on
// the test binary's server and shared by all tests, which keep apart by keys.
var testTables = Tables{Orders: "rc-Orders", Actions: "rc-Actions", Journal: "rc-Journal", Jobs: "rc-Jobs"}

var createTables sync.Once

// newClient returns a client of the test server.
func newClient(t testing.TB, options ...func(*dynamodb.Options)) *dynamodb.Client {
	t.Helper()
	endpoint := servicetest.DynamoDB(t)
	db := dynamodb.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	}, options...)
	createTables.Do(func() {
		for _, table := range declared(t) {
			create(t, db, table)
		}
	})
	return db
}

// newStore opens a store as a process of its own would.
func newStore(t testing.TB, options ...func(*dynamodb.Options)) *Store {
	t.Helper()
	s, err := New(newClient(t, options...), testTables, Live)
	if err != nil {
		t.Fatal(err)
	}
	s.part = testPart
	return s
}

// ownJobs makes a jobs table for one test alone: there is one book in each.
func ownJobs(t testing.TB) string {
	t.Helper()
	db := newClient(t)
	for _, table := range declared(t) {
		if table.Name == testTables.Jobs {
			table.Name += "-" + rand.Text()
			create(t, db, table)
			return table.Name
		}
	}
	t.Fatal("the template has no jobs table")
	return ""
}

// over is the store over another jobs table.
func (s *Store) over(jobs string) *Store {
	s.tables.Jobs = jobs
	return s
}

// ownTables opens a store over tables that no other test has.
func ownTables(t testing.TB, options ...func(*dynamodb.Options)) *Store {
	t.Helper()
	db := newClient(t, options...)
	own := Tables{}
	for _, table := range declared(t) {
		for name, to := range map[string]*string{testTables.Orders: &own.Orders, testTables.Actions: &own.Actions, testTables.Journal: &own.Journal, testTables.Jobs: &own.Jobs} {
			if table.Name == name {
				table := table
				table.Name = servicetest.Name(t)
				*to = table.Name
				create(t, newClient(t), table)
			}
		}
	}
	s, err := New(db, own, Live)
	if err != nil {
		t.Fatal(err)
	}
	s.part = testPart
	return s
}

// testPart makes facts of largeFacts events too large for one item, so that
// cutting them is tested without megabytes; one test does it at full size.
const (
	testPart   = 8 << 10
	largeFacts = 150
)

// declared reads the tables that the project's template declares.
func declared(t testing.TB) []template.Table {
	t.Helper()
	src, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := template.Evaluate(src, template.Options{
		Pseudo:  template.Pseudo("rc", "us-east-1", "000000000000"),
		Resolve: template.Names("us-east-1", "000000000000", func(name string) string { return "http://queue.test/" + name }),
	})
	if err != nil {
		t.Fatal(err)
	}
	stack, err := doc.Stack()
	if err != nil {
		t.Fatal(err)
	}
	return stack.Tables
}

func create(t testing.TB, db *dynamodb.Client, table template.Table) {
	t.Helper()
	schema := func(k template.KeySchema) []types.KeySchemaElement {
		out := []types.KeySchemaElement{{AttributeName: &k.Hash, KeyType: types.KeyTypeHash}}
		if k.Range != "" {
			out = append(out, types.KeySchemaElement{AttributeName: &k.Range, KeyType: types.KeyTypeRange})
		}
		return out
	}
	in := &dynamodb.CreateTableInput{TableName: &table.Name, BillingMode: types.BillingModePayPerRequest, KeySchema: schema(table.KeySchema)}
	for name, kind := range table.Attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeType(kind)})
	}
	for _, i := range table.Indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{IndexName: &i.Name, KeySchema: schema(i.KeySchema),
			Projection: &types.Projection{ProjectionType: types.ProjectionType(i.Projection)}})
	}
	_, err := db.CreateTable(context.Background(), in)
	var exists *types.ResourceInUseException
	if err != nil && !errors.As(err, &exists) {
		t.Fatalf("create %s: %v", table.Name, err)
	}
}
