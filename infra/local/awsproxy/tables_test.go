package awsproxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
)

func TestHideFromIndex(t *testing.T) {
	w := newWorld(t)
	tbl := table(t)
	for _, pk := range []string{"a", "b", "c"} {
		if err := put(t.Context(), w.db, tbl, pk); err != nil {
			t.Fatal(err)
		}
	}
	w.proxy.Use(awsproxy.HideFromIndex(func(index string, item awsproxy.Item) bool {
		return index == "by-chain" && item["pk"]["S"] == "b"
	}))
	query := &dynamodb.QueryInput{
		TableName: &tbl, IndexName: aws.String("by-chain"), KeyConditionExpression: aws.String("chain = :c"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":c": &types.AttributeValueMemberS{Value: "1"}},
	}
	out, err := w.db.Query(t.Context(), query) // the SDK checks the reply's checksum
	if err != nil {
		t.Fatal(err)
	}
	if got := pks(out.Items); !slices.Equal(got, []string{"a", "c"}) || out.Count != 2 || out.ScannedCount != 2 {
		t.Errorf("query: %q, count %d, scanned %d", got, out.Count, out.ScannedCount)
	}
	scan, err := w.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &tbl, IndexName: aws.String("by-chain")})
	if err != nil {
		t.Fatal(err)
	}
	if got := pks(scan.Items); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("scan of the index: %q", got)
	}
	scan, err = w.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &tbl})
	if err != nil {
		t.Fatal(err)
	}
	if got := pks(scan.Items); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("scan of the table: %q, want all", got)
	}
	// Page by page the hidden item leaves an empty page behind, with more to follow.
	query.Limit = aws.Int32(1)
	var all []string
	pages := 0
	for p := dynamodb.NewQueryPaginator(w.db, query); p.HasMorePages(); pages++ {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pks(page.Items)...)
	}
	slices.Sort(all)
	if !slices.Equal(all, []string{"a", "c"}) || pages < 3 {
		t.Errorf("%q in %d pages", all, pages)
	}
}

func TestCutBatches(t *testing.T) {
	w := newWorld(t)
	tbl := table(t)
	const items = 4
	writes := map[string][]types.WriteRequest{}
	keys := map[string]types.KeysAndAttributes{tbl: {ConsistentRead: aws.Bool(true)}}
	for i := range items {
		pk := fmt.Sprint(i)
		writes[tbl] = append(writes[tbl], types.WriteRequest{PutRequest: &types.PutRequest{Item: item(pk)}})
		k := keys[tbl]
		k.Keys = append(k.Keys, key(pk))
		keys[tbl] = k
	}
	w.proxy.Use(awsproxy.CutBatches())
	rounds := 0
	for ; len(writes) > 0; rounds++ {
		out, err := w.db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: writes})
		if err != nil {
			t.Fatal(err)
		}
		writes = out.UnprocessedItems
	}
	if rounds != items {
		t.Errorf("written in %d rounds, want %d", rounds, items)
	}
	var got []string
	for rounds = 0; len(keys) > 0; rounds++ {
		out, err := w.db.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: keys})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, pks(out.Responses[tbl])...)
		if keys = out.UnprocessedKeys; len(keys) > 0 && !aws.ToBool(keys[tbl].ConsistentRead) {
			t.Error("the unprocessed keys forgot how they are to be read")
		}
	}
	if want := []string{"0", "1", "2", "3"}; !slices.Equal(got, want) || rounds != items {
		t.Errorf("read %q in %d rounds, want %q in %d", got, rounds, want, items)
	}
}

func pks(items []map[string]types.AttributeValue) []string {
	var names []string
	for _, item := range items {
		names = append(names, item["pk"].(*types.AttributeValueMemberS).Value)
	}
	slices.Sort(names)
	return names
}

// A service that takes nothing must get everything offered again.
func TestCutBatchesKeepsWhatTheServiceRefused(t *testing.T) {
	const refusal = `{"UnprocessedItems":{"orders":[{"PutRequest":{"Item":{"pk":{"S":"0"}}}}]}}`
	p := start(t, map[string]string{"dynamodb": serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, refusal)
	}))})
	p.Use(awsproxy.CutBatches())
	var writes []types.WriteRequest
	for _, pk := range []string{"0", "1", "2"} {
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: key(pk)}})
	}
	db := dynamodb.NewFromConfig(config(p.URL("f", "dynamodb"), 1))
	out, err := db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"orders": writes}})
	if err != nil {
		t.Fatal(err)
	}
	var left []map[string]types.AttributeValue
	for _, r := range out.UnprocessedItems["orders"] {
		left = append(left, r.PutRequest.Item)
	}
	if got := pks(left); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("unprocessed %q, want all", got)
	}
}
