package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// writeTries bounds how often a write is tried that only collided with a
// transaction under way on one of its items: a lease renewed while a record
// under it is written, for instance.
const writeTries = 10

// refusal says which conditions of a write failed, and on what.
type refusal struct {
	failed []bool // by operation
	stored []item // what the operation found; nil: nothing, or it did not fail
}

func (r *refusal) Error() string { return "a condition failed" }

// condition is an expression over attributes, each written as #name, and the
// values that it names.
type condition struct {
	expr   string
	values map[string]types.AttributeValue
}

// absent: there is no such item.
var absent = condition{expr: "attribute_not_exists(#pk)"}

// at: the item has that version.
func at(version uint64) condition {
	return condition{"#n = :at", map[string]types.AttributeValue{":at": number(version)}}
}

// since: the item still is as it was read; version 0 means that there was none.
func since(version uint64) condition {
	if version == 0 {
		return absent
	}
	return at(version)
}

var placeholder = regexp.MustCompile(`#[a-z_]+`)

// names maps the placeholders of the expressions to the attributes of that
// name: many good names are reserved words. nil if there are none.
func names(exprs ...string) map[string]string {
	var m map[string]string
	for _, e := range exprs {
		for _, p := range placeholder.FindAllString(e, -1) {
			if m == nil {
				m = map[string]string{}
			}
			m[p] = p[1:]
		}
	}
	return m
}

func put(table string, it item, c condition) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{TableName: &table, Item: it, ConditionExpression: &c.expr,
		ExpressionAttributeNames: names(c.expr), ExpressionAttributeValues: c.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}}
}

func remove(table string, k item, c condition) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{TableName: &table, Key: k, ConditionExpression: &c.expr,
		ExpressionAttributeNames: names(c.expr), ExpressionAttributeValues: c.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}}
}

func check(table string, k item, c condition) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &table, Key: k, ConditionExpression: &c.expr,
		ExpressionAttributeNames: names(c.expr), ExpressionAttributeValues: c.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}}
}

// overwrite puts an item whatever is there: its condition is another
// operation's of the same transaction.
func overwrite(table string, it item) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{TableName: &table, Item: it}}
}

// erase deletes an item whatever is there; see overwrite.
func erase(table string, k item) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{TableName: &table, Key: k}}
}

// write applies all operations or none. A failed condition is a *refusal. One
// operation alone needs no transaction, which would cost twice as much.
func (s *Store) write(ctx context.Context, ops ...types.TransactWriteItem) error {
	if len(ops) == 1 && ops[0].Put != nil {
		p := ops[0].Put
		return s.putItem(ctx, &dynamodb.PutItemInput{TableName: p.TableName, Item: p.Item, ConditionExpression: p.ConditionExpression,
			ExpressionAttributeNames: p.ExpressionAttributeNames, ExpressionAttributeValues: p.ExpressionAttributeValues})
	}
	return s.undisturbed(ctx, func() error {
		_, err := s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: ops})
		return refused(err)
	})
}

// putItem writes one item.
func (s *Store) putItem(ctx context.Context, in *dynamodb.PutItemInput) error {
	in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	return s.undisturbed(ctx, func() error {
		_, err := s.db.PutItem(ctx, in)
		return refused(err)
	})
}

// updateItem changes one item and returns it as it is then.
func (s *Store) updateItem(ctx context.Context, table string, k item, update string, c condition, values map[string]types.AttributeValue) (next item, err error) {
	all := map[string]types.AttributeValue{}
	for _, m := range []map[string]types.AttributeValue{values, c.values} {
		for name, v := range m {
			all[name] = v
		}
	}
	in := &dynamodb.UpdateItemInput{TableName: &table, Key: k, UpdateExpression: &update, ExpressionAttributeNames: names(update, c.expr),
		ExpressionAttributeValues: all, ReturnValues: types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}
	if c.expr != "" {
		in.ConditionExpression = &c.expr
	}
	err = s.undisturbed(ctx, func() error {
		out, err := s.db.UpdateItem(ctx, in)
		if err == nil {
			next = out.Attributes
		}
		return refused(err)
	})
	return next, err
}

// undisturbed repeats a write that was turned away only because a transaction
// was under way on one of its items.
func (s *Store) undisturbed(ctx context.Context, do func() error) error {
	for tries := 0; ; tries++ {
		err := do()
		if err == nil || !collided(err) || tries+1 == writeTries {
			return err
		}
		if e := pause(ctx, tries); e != nil {
			return errors.Join(err, e)
		}
	}
}

// refused turns the service's two answers to a failed condition into a refusal.
// Any other error stays.
func refused(err error) error {
	var one *types.ConditionalCheckFailedException
	if errors.As(err, &one) {
		return &refusal{failed: []bool{true}, stored: []item{one.Item}}
	}
	var many *types.TransactionCanceledException
	if !errors.As(err, &many) {
		return err
	}
	r := &refusal{failed: make([]bool, len(many.CancellationReasons)), stored: make([]item, len(many.CancellationReasons))}
	failed := false
	for i, reason := range many.CancellationReasons {
		if aws.ToString(reason.Code) == "ConditionalCheckFailed" {
			failed, r.failed[i], r.stored[i] = true, true, reason.Item
		}
	}
	if failed {
		return r
	}
	return err
}

// collided reports whether the write was turned away by another transaction
// and nothing else.
func collided(err error) bool {
	var one *types.TransactionConflictException
	if errors.As(err, &one) {
		return true
	}
	var many *types.TransactionCanceledException
	if !errors.As(err, &many) {
		return false
	}
	found := false
	for _, reason := range many.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "", "None":
		case "TransactionConflict":
			found = true
		default:
			return false
		}
	}
	return found
}

// ours turns a refusal into success if operation i found what the write with
// that token left, and else into the given conflict. Other errors stay, with
// the words before them.
func ours(err error, i int, token []byte, conflict error, format string, args ...any) error {
	var r *refusal
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &r):
		return fmt.Errorf(format+": %w", append(args, err)...)
	case i < len(r.failed) && r.failed[i] && r.stored[i].wrote(token):
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, conflict)...)
}
