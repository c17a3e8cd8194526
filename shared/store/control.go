package store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bridge-me-not/resolver-cron/shared/control"
)

// Control is control.Store: one item with all pauses.
type Control struct{ s *Store }

var controlKey = key("control", "control")

// Load implements control.Store.
func (v Control) Load(ctx context.Context) (control.State, error) {
	out, err := v.s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &v.s.tables.Jobs, Key: controlKey, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return control.State{}, err
	}
	at, _ := middleware.GetServerTime(out.ResultMetadata) // the date of the answer; without one whoever needs it refuses
	it := item(out.Item)
	if it == nil {
		return control.State{At: at}, nil
	}
	var s control.State
	if err := it.body(&s); err != nil {
		return control.State{}, err
	}
	s.Version, s.Write, s.At = int64(it.uint(attrVersion)), string(it.blob(attrWrite)), at
	return s, nil
}

// Save implements control.Store.
func (v Control) Save(ctx context.Context, s control.State) error {
	_, packed, err := packItem(&s)
	if err != nil {
		return fmt.Errorf("save the pauses: %w", err)
	}
	it := newItem(controlKey.text(attrPK), controlKey.text(attrSK))
	token := []byte(s.Write)
	it[attrVersion], it[attrWrite], it[attrBody] = number(s.Version+1), blob(token), blob(packed)
	err = v.s.write(ctx, put(v.s.tables.Jobs, it, since(uint64(s.Version))))
	return ours(err, 0, token, control.ErrConflict, "save the pauses")
}
