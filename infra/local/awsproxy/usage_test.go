package awsproxy_test

import (
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
)

func TestCapacityIsCounted(t *testing.T) {
	w := newWorld(t)
	tbl, other := table(t), table(t)
	db, ctx := w.db, t.Context()
	byChain := &dynamodb.QueryInput{
		TableName: &tbl, IndexName: aws.String("by-chain"), KeyConditionExpression: aws.String("chain = :c"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":c": &types.AttributeValueMemberS{Value: "1"}},
	}
	transaction := func(pk string) *dynamodb.TransactWriteItemsInput {
		return &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: &tbl, Item: item(pk), ConditionExpression: aws.String("attribute_not_exists(pk)")}},
			{Put: &types.Put{TableName: &other, Item: key(pk)}},
		}}
	}
	line := func(action, resource string) awsproxy.Key {
		return awsproxy.Key{Function: function, Service: "dynamodb", Action: action, Resource: resource}
	}
	for _, tt := range []struct {
		name string
		do   func() error
		want map[awsproxy.Key]awsproxy.Usage
	}{
		{"put with its index", func() error { return put(ctx, db, tbl, "a") }, map[awsproxy.Key]awsproxy.Usage{
			line("PutItem", tbl): {Requests: 1, Forwarded: 1, WriteUnits: 2},
		}},
		{"failed condition", func() error { return expect[*types.ConditionalCheckFailedException](put(ctx, db, tbl, "a")) }, map[awsproxy.Key]awsproxy.Usage{
			line("PutItem", tbl): {Requests: 1, Forwarded: 1, Refused: 1, WriteUnits: 1},
		}},
		{"eventual get", func() error {
			out, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &tbl, Key: key("a")})
			if err == nil && out.Item == nil {
				t.Error("no item")
			}
			return err
		}, map[awsproxy.Key]awsproxy.Usage{line("GetItem", tbl): {Requests: 1, Forwarded: 1, ReadUnits: 0.5}}},
		{"consistent get", func() error {
			_, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &tbl, Key: key("a"), ConsistentRead: aws.Bool(true)})
			return err
		}, map[awsproxy.Key]awsproxy.Usage{line("GetItem", tbl): {Requests: 1, Forwarded: 1, ReadUnits: 1}}},
		{"query of an index", func() error { _, err := db.Query(ctx, byChain); return err }, map[awsproxy.Key]awsproxy.Usage{
			line("Query", tbl+"/index/by-chain"): {Requests: 1, Forwarded: 1, ReadUnits: 0.5},
		}},
		// As the server tells it: 2 for the item, 1 for its index.
		{"transaction over two tables", func() error { _, err := db.TransactWriteItems(ctx, transaction("b")); return err }, map[awsproxy.Key]awsproxy.Usage{
			line("TransactWriteItems", tbl):   {Requests: 1, Forwarded: 1, WriteUnits: 3},
			line("TransactWriteItems", other): {Requests: 1, Forwarded: 1, WriteUnits: 2},
		}},
		{"cancelled transaction", func() error {
			_, err := db.TransactWriteItems(ctx, transaction("b"))
			return expect[*types.TransactionCanceledException](err)
		}, map[awsproxy.Key]awsproxy.Usage{
			line("TransactWriteItems", tbl):   {Requests: 1, Forwarded: 1, Refused: 1, WriteUnits: 2},
			line("TransactWriteItems", other): {Requests: 1, Forwarded: 1, Refused: 1, WriteUnits: 2},
		}},
		{"batch over two tables", func() error {
			_, err := db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
				tbl:   {Keys: []map[string]types.AttributeValue{key("a"), key("b")}},
				other: {Keys: []map[string]types.AttributeValue{key("b")}},
			}})
			return err
		}, map[awsproxy.Key]awsproxy.Usage{
			line("BatchGetItem", tbl):   {Requests: 1, Forwarded: 1, ReadUnits: 1},
			line("BatchGetItem", other): {Requests: 1, Forwarded: 1, ReadUnits: 0.5},
		}},
		{"asked for by the caller too", func() error {
			out, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &tbl, Key: key("a"), ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes})
			if err == nil && (out.ConsumedCapacity == nil || out.ConsumedCapacity.Table == nil) {
				t.Error("the caller was not told the details it asked for")
			}
			return err
		}, map[awsproxy.Key]awsproxy.Usage{line("GetItem", tbl): {Requests: 1, Forwarded: 1, ReadUnits: 0.5}}},
		{"nothing consumed", func() error {
			_, err := db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &tbl})
			return err
		}, map[awsproxy.Key]awsproxy.Usage{line("DescribeTable", tbl): {Requests: 1, Forwarded: 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.proxy.ResetUsage()
			if err := tt.do(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, w.proxy.Usage()); diff != "" {
				t.Errorf("usage (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUsageOfManyAtOnce(t *testing.T) {
	w := newWorld(t)
	tbl := table(t)
	const workers, each = 8, 10
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			db := dynamodb.NewFromConfig(config(w.proxy.URL([]string{"a@1", "a@2", "b"}[i%3], "dynamodb"), 1))
			for range each {
				remove := w.proxy.Use(awsproxy.After(func(*awsproxy.Call, *awsproxy.Reply) error { return nil }))
				if _, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &tbl, Key: key("a")}); err != nil {
					t.Error(err)
				}
				remove()
				w.proxy.Usage()
			}
		})
	}
	wg.Wait()
	sum := awsproxy.Sum(w.proxy.Usage(), nil)
	if want := (awsproxy.Usage{Requests: workers * each, Forwarded: workers * each, ReadUnits: workers * each / 2}); sum != want {
		t.Errorf("sum %+v, want %+v", sum, want)
	}
	ofB := awsproxy.Sum(w.proxy.Usage(), func(k awsproxy.Key) bool { return k.Function == "b" })
	if got := w.proxy.Requests("a") + ofB.Requests; got != workers*each || ofB.Requests != 2*each {
		t.Errorf("%d requests, %d of them b's; want %d and %d", got, ofB.Requests, workers*each, 2*each)
	}
}
