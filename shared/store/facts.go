package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Facts is watch.Facts and follow.Facts.
//
// Facts that fit one item are one item. Larger ones are cut into parts, which
// are written first, under a generation of their own; the item that names the
// generation is replaced last, and the former generation's parts are deleted
// after that. So a reader sees one generation or, if it was overtaken between
// the item and its parts, reads again.
type Facts struct{ s *Store }

const (
	factsSK    = "facts"
	partPrefix = "facts#"
	attrMarks  = "marks" // how far final and how far seen, as the condition compares them
	attrGen    = "gen"   // generation of the parts, absent where the body is in the item
	attrParts  = "parts" // their number
	attrSum    = "sum"   // what they must add up to
)

const (
	// maxParts bounds facts at about 5.5 MB compressed, some 40,000 events
	// between final and head. Beyond it the pass fails loudly.
	maxParts = 16
	// rereads bounds how often a reader that was overtaken begins again.
	rereads = 10
)

func chainKey(chain uint64) string { return "chain#" + strconv.FormatUint(chain, 10) }

func marksOf(p swap.Provisional) string {
	mark := func(b swap.Block) string { return fmt.Sprintf("%d/%d/%x", b.Number, b.Time, b.Hash) }
	return fmt.Sprintf("%s %s %d", mark(p.From), mark(p.To), p.Sync.Revision)
}

// Provisional implements follow.Facts.
func (v Facts) Provisional(ctx context.Context, chain uint64) (p swap.Provisional, err error) {
	p, err = v.provisional(ctx, chain)
	if err != nil {
		return swap.Provisional{}, fmt.Errorf("read facts of chain %d: %w", chain, err)
	}
	return p, nil
}

func (v Facts) provisional(ctx context.Context, chain uint64) (p swap.Provisional, err error) {
	overtaken := "" // the generation whose parts were gone
	for range rereads {
		head, err := v.s.get(ctx, v.s.tables.Orders, key(chainKey(chain), factsSK))
		if err != nil {
			return p, err
		}
		if head == nil {
			return swap.Provisional{ChainID: chain}, nil
		}
		err = v.read(ctx, head, &p)
		switch gen := head.text(attrGen); {
		case err == nil && p.ChainID != chain:
			return p, fmt.Errorf("they are of chain %d", p.ChainID)
		case err == nil:
			return p, nil
		case !errors.Is(err, errParts) || gen == overtaken:
			return p, err // the item still names them, so they are damaged
		default:
			overtaken = gen
		}
	}
	return p, fmt.Errorf("replaced %d times meanwhile", rereads)
}

// errParts: the parts are not those that the item names.
var errParts = errors.New("parts are missing or damaged")

func (v Facts) read(ctx context.Context, head item, p *swap.Provisional) error {
	gen := head.text(attrGen)
	if gen == "" {
		return head.body(p)
	}
	if err := head.check(); err != nil {
		return err
	}
	var body []byte
	parts := int64(0)
	for it, err := range v.s.query(ctx, partition(v.s.tables.Orders, head.text(attrPK), partPrefix+gen+"#")) {
		if err != nil {
			return err
		}
		body = append(body, it.blob(attrBody)...)
		parts++
	}
	sum := sha256.Sum256(body)
	if parts != head.int(attrParts) || !bytes.Equal(sum[:], head.blob(attrSum)) {
		return fmt.Errorf("generation %s: %w", gen, errParts)
	}
	return unpack(body, p)
}

// Replace implements follow.Facts.
func (v Facts) Replace(ctx context.Context, prev, next swap.Provisional) error {
	chain := next.ChainID
	if chain == 0 || prev.ChainID != chain {
		return fmt.Errorf("replace facts of chain %d by those of chain %d", prev.ChainID, chain)
	}
	content, packed, err := pack(&next)
	if err != nil {
		return fmt.Errorf("replace facts of chain %d: %w", chain, err)
	}
	token := v.s.token([]byte(marksOf(prev)), content)
	if len(packed) > v.s.part {
		err = v.replaceLarge(ctx, prev, next, packed, token)
	} else {
		err = v.replaceSmall(ctx, prev, next, packed, token)
	}
	return ours(err, 0, token, swap.ErrConflict, "replace facts of chain %d", chain)
}

func (v Facts) replaceSmall(ctx context.Context, prev, next swap.Provisional, packed, token []byte) error {
	still := stillAt(prev)
	update := "SET #v = :v, #n = if_not_exists(#n, :zero) + :one, #w = :w, #b = :b, #marks = :next REMOVE #gen, #parts, #sum"
	values := item{":v": number(schema), ":zero": number(0), ":one": number(1), ":w": blob(token), ":b": blob(packed), ":next": text(marksOf(next))}
	maps.Copy(values, still.values)
	var old item
	err := v.s.undisturbed(ctx, func() error {
		out, err := v.s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &v.s.tables.Orders, Key: key(chainKey(next.ChainID), factsSK),
			UpdateExpression: &update, ConditionExpression: &still.expr, ExpressionAttributeNames: names(update, still.expr),
			ExpressionAttributeValues: values, ReturnValues: types.ReturnValueAllOld,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld})
		if err == nil {
			old = out.Attributes
		}
		return refused(err)
	})
	if err != nil || old.text(attrGen) == "" {
		return err
	}
	return v.sweep(ctx, next.ChainID, old.uint(attrVersion)+1, "")
}

// replaceLarge writes the parts under the next generation, then the item that
// names them, if it still is as it was read before the parts were written.
func (v Facts) replaceLarge(ctx context.Context, prev, next swap.Provisional, packed, token []byte) error {
	parts := slices.Collect(slices.Chunk(packed, v.s.part))
	if len(parts) > maxParts {
		return fmt.Errorf("%d events are %d bytes compressed, and the store holds %d", len(next.Events), len(packed), maxParts*v.s.part)
	}
	table, pk := v.s.tables.Orders, chainKey(next.ChainID)
	old, err := v.s.get(ctx, table, key(pk, factsSK))
	if err != nil {
		return err
	}
	was := old.text(attrMarks)
	if old == nil {
		was = marksOf(swap.Provisional{})
	}
	if old.wrote(token) {
		return nil
	}
	if was != marksOf(prev) {
		return &refusal{failed: []bool{true}, stored: []item{old}}
	}
	version := old.uint(attrVersion) + 1
	gen := generation(version) + rand.Text()
	for i, part := range parts {
		it := newItem(pk, fmt.Sprintf("%s%s#%04d", partPrefix, gen, i))
		it[attrBody] = blob(part)
		// The generation is ours alone: if the part is there, we wrote it.
		if err := v.s.write(ctx, put(table, it, absent)); err != nil && !refusedAt(err, 0) {
			return fmt.Errorf("write part %d: %w", i, err)
		}
	}
	sum := sha256.Sum256(packed)
	head := newItem(pk, factsSK)
	head[attrVersion], head[attrWrite], head[attrMarks] = number(version), blob(token), text(marksOf(next))
	head[attrGen], head[attrParts], head[attrSum] = text(gen), number(len(parts)), blob(sum[:])
	if err := v.s.write(ctx, put(table, head, since(version-1))); err != nil {
		var r *refusal
		if errors.As(err, &r) && !r.stored[0].wrote(token) {
			err = errors.Join(err, v.drop(ctx, next.ChainID, func(g string) bool { return g == gen }))
		}
		return err
	}
	return v.sweep(ctx, next.ChainID, version, gen)
}

// generation begins the name of a generation of parts with the version of the
// item that is to name it.
func generation(version uint64) string { return fmt.Sprintf("%020d-", version) }

// sweep deletes the parts that no reader will be sent to any more: those of
// every version up to the present one, but for the generation kept. Whoever
// writes parts now for a version up to this one will find its item replaced.
func (v Facts) sweep(ctx context.Context, chain, version uint64, keep string) error {
	return v.drop(ctx, chain, func(gen string) bool { return gen != keep && gen < generation(version+1) })
}

// drop deletes the parts of the given generations.
func (v Facts) drop(ctx context.Context, chain uint64, old func(gen string) bool) error {
	in := partition(v.s.tables.Orders, chainKey(chain), partPrefix)
	in.ProjectionExpression = aws.String("#pk, #sk")
	for it, err := range v.s.query(ctx, in) {
		if err != nil {
			return fmt.Errorf("list old parts: %w", err)
		}
		gen, _, _ := strings.Cut(strings.TrimPrefix(it.text(attrSK), partPrefix), "#")
		if !old(gen) {
			continue
		}
		if _, err := v.s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: in.TableName, Key: it}); err != nil {
			return fmt.Errorf("delete old part: %w", err)
		}
	}
	return nil
}

// stillAt is the condition that the stored marks are those of prev; of a chain
// never read they are zero.
func stillAt(prev swap.Provisional) condition {
	c := condition{"#marks = :marks", item{":marks": text(marksOf(prev))}}
	if prev.From == (swap.Block{}) && prev.To == (swap.Block{}) && prev.Sync.Revision == 0 {
		c.expr = "attribute_not_exists(#pk) OR " + c.expr
	}
	return c
}
