package store

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"
)

// batch is the most keys that BatchGetItem takes.
const batch = 100

// readers bounds the batches under way at once.
const readers = 4

// get reads one item consistently; nil if there is none.
func (s *Store) get(ctx context.Context, table string, k item) (item, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: k, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// getAll reads items consistently, in no order; keys without an item are left
// out. The keys must differ.
func (s *Store) getAll(ctx context.Context, table string, keys []item) ([]item, error) {
	chunks := make([][]item, (len(keys)+batch-1)/batch)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range chunks {
		g.Go(func() (err error) {
			chunks[i], err = s.getBatch(ctx, table, keys[i*batch:min(len(keys), (i+1)*batch)])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []item
	for _, c := range chunks {
		out = append(out, c...)
	}
	return out, nil
}

// getBatch reads up to batch items. The service may answer in part, because of
// its limit of 16 MB or of throttling; what is left is asked for again for as
// long as the context allows, with a growing pause where nothing came.
func (s *Store) getBatch(ctx context.Context, table string, keys []item) (out []item, err error) {
	ask := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	for _, k := range keys {
		ask.Keys = append(ask.Keys, k)
	}
	for tries := 0; len(ask.Keys) > 0; {
		got, err := s.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{table: ask}})
		if err != nil {
			return nil, err
		}
		for _, it := range got.Responses[table] {
			out = append(out, it)
		}
		left := got.UnprocessedKeys[table].Keys
		if len(left) == len(ask.Keys) {
			if err := pause(ctx, tries); err != nil {
				return nil, fmt.Errorf("%d keys not read yet: %w", len(left), err)
			}
			tries++
		} else {
			tries = 0
		}
		ask.Keys = left
	}
	return out, nil
}

// query reads all pages.
func (s *Store) query(ctx context.Context, in *dynamodb.QueryInput) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		in := *in
		in.ExpressionAttributeNames = names(aws.ToString(in.KeyConditionExpression), aws.ToString(in.ProjectionExpression))
		for {
			page, err := s.db.Query(ctx, &in)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, it := range page.Items {
				if !yield(it, nil) {
					return
				}
			}
			if len(page.LastEvaluatedKey) == 0 {
				return
			}
			in.ExclusiveStartKey = page.LastEvaluatedKey
		}
	}
}

// partition is the query for one partition, or the part of it whose sort keys
// begin with the prefix; consistent.
func partition(table, pk, prefix string) *dynamodb.QueryInput {
	in := &dynamodb.QueryInput{
		TableName: &table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("#pk = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": text(pk)},
	}
	if prefix != "" {
		in.KeyConditionExpression = aws.String("#pk = :pk AND begins_with(#sk, :sk)")
		in.ExpressionAttributeValues[":sk"] = text(prefix)
	}
	return in
}

// between is the query for the part of a partition with sort keys from first to
// last, both included; consistent.
func between(table, pk, first, last string) *dynamodb.QueryInput {
	in := partition(table, pk, "")
	in.KeyConditionExpression = aws.String("#pk = :pk AND #sk BETWEEN :first AND :last")
	in.ExpressionAttributeValues[":first"], in.ExpressionAttributeValues[":last"] = text(first), text(last)
	return in
}

// pauses between tries at what the service could not do just now.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = 500 * time.Millisecond
)

// pause waits before another try, longer from try to try and never the same for
// two processes.
func pause(ctx context.Context, tries int) error {
	most := min(maxPause, firstPause<<min(tries, 10))
	t := time.NewTimer(most/2 + rand.N(most/2))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
