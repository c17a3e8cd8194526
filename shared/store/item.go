package store

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

// schema is the version of what this program writes.
const schema = 1

// The attributes that many items have.
const (
	attrPK      = "pk"
	attrSK      = "sk"
	attrSchema  = "v"
	attrVersion = "n"
	attrWrite   = "w"
	attrBody    = "b"
	attrExpires = "expires_at"
	attrRun     = "run"
)

// maxBody bounds the compressed body of one item: the service's limit is
// 400 KB for the whole item, keys and names counted.
const maxBody = 350 << 10

// maxContent bounds what a body may unpack to, so that a damaged one cannot
// take all memory.
const maxContent = 32 << 20

// item is an item, or the key of one.
type item map[string]types.AttributeValue

func text(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }

func number[T ~int | ~int64 | ~uint64](v T) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprintf("%d", v)}
}

func blob(v []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: v} }

func flag(v bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: v} }

func key(pk, sk string) item { return item{attrPK: text(pk), attrSK: text(sk)} }

// newItem returns an item of the present schema.
func newItem(pk, sk string) item {
	it := key(pk, sk)
	it[attrSchema] = number(schema)
	return it
}

// by notes which run writes the item, if one does.
func (it item) by(ctx context.Context) {
	if run := metrics.RunOf(ctx); run != "" {
		it[attrRun] = text(run)
	}
}

func (it item) text(name string) string {
	if v, ok := it[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func (it item) blob(name string) []byte {
	if v, ok := it[name].(*types.AttributeValueMemberB); ok {
		return v.Value
	}
	return nil
}

func (it item) flag(name string) bool {
	v, ok := it[name].(*types.AttributeValueMemberBOOL)
	return ok && v.Value
}

// int reads a whole number; absent and malformed ones are zero.
func (it item) int(name string) int64 {
	v, ok := it[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (it item) uint(name string) uint64 { return uint64(it.int(name)) }

// wrote reports whether the item is what the write with that token left.
func (it item) wrote(token []byte) bool {
	return len(token) > 0 && bytes.Equal(it.blob(attrWrite), token)
}

// check refuses items that this program cannot read.
func (it item) check() error { return it.checkUpTo(schema) }

// checkUpTo is check for a sort of item with a newest version of its own: that
// one and the one before are read.
func (it item) checkUpTo(newest int64) error {
	v := it.int(attrSchema)
	if v > newest {
		return fmt.Errorf("item %s %s has schema version %d, and this program reads up to %d", it.text(attrPK), it.text(attrSK), v, newest)
	}
	if v < max(1, newest-1) {
		return fmt.Errorf("item %s %s has schema version %d, and this program reads from %d on", it.text(attrPK), it.text(attrSK), v, max(1, newest-1))
	}
	return nil
}

// body reads the item's content into v.
func (it item) body(v any) error { return it.bodyUpTo(schema, v) }

func (it item) bodyUpTo(newest int64, v any) error {
	if err := it.checkUpTo(newest); err != nil {
		return err
	}
	if err := unpack(it.blob(attrBody), v); err != nil {
		return fmt.Errorf("item %s %s: %w", it.text(attrPK), it.text(attrSK), err)
	}
	return nil
}

var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is valid
	}
	return w
}}

// pack writes v, a pointer, as JSON and compresses it.
func pack(v any) (content, packed []byte, err error) {
	if content, err = json.Marshal(v); err != nil {
		return nil, nil, fmt.Errorf("encode %T: %w", v, err)
	}
	var b bytes.Buffer
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&b)
	if _, err = w.Write(content); err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("compress %T: %w", v, err)
	}
	return content, b.Bytes(), nil
}

// packItem is pack for a body that has to fit one item.
func packItem(v any) (content, packed []byte, err error) {
	if content, packed, err = pack(v); err == nil && len(packed) > maxBody {
		return nil, nil, fmt.Errorf("%T is %d bytes compressed, and an item holds %d", v, len(packed), maxBody)
	}
	return content, packed, err
}

// unpack reads what pack wrote.
func unpack(packed []byte, v any) error {
	if len(packed) == 0 {
		return errors.New("no content")
	}
	r := flate.NewReader(bytes.NewReader(packed))
	content, err := io.ReadAll(io.LimitReader(r, maxContent+1))
	if err != nil {
		return fmt.Errorf("unpack %T: %w", v, err)
	}
	if len(content) > maxContent {
		return fmt.Errorf("unpack %T: more than %d bytes", v, maxContent)
	}
	if err := json.Unmarshal(content, v); err != nil {
		return fmt.Errorf("decode %T: %w", v, err)
	}
	return nil
}
