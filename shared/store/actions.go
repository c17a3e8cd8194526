package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Actions is watch.Actions and txn.Works.
type Actions struct{ s *Store }

// attrState is the state of work and entries: for people who look at the table.
const attrState = "state"

const historyPrefix = "hist#work#"

func (s *Store) accountKey(chain uint64, a common.Address) string {
	return string(s.mode) + "#" + strconv.FormatUint(chain, 10) + "#" + strings.ToLower(a.Hex())
}

// historyKey is where work that ended goes: in the order of time, since the
// version of new work is the time of its creation.
func (s *Store) historyKey(w swap.Work) item {
	return key(orderPrefix+w.Order.String(), fmt.Sprintf("%s%020d#%s#%d#%s", historyPrefix, w.Version+1, s.mode, w.ChainID, w.Key()))
}

// Live implements watch.Actions.
func (v Actions) Live(ctx context.Context, chain uint64, taker common.Address) (work []swap.Work, err error) {
	var errs []error
	for it, err := range v.s.query(ctx, partition(v.s.tables.Actions, v.s.accountKey(chain, taker), "")) {
		if err != nil {
			return nil, fmt.Errorf("read live work of %s on chain %d: %w", taker, chain, err)
		}
		w, err := readWork(it)
		if err != nil {
			errs = append(errs, fmt.Errorf("read live work of %s on chain %d: %w", taker, chain, err))
			continue
		}
		work = append(work, w)
	}
	return work, errors.Join(errs...)
}

func readWork(it item) (w swap.Work, err error) {
	err = it.body(&w)
	w.Version = it.uint(attrVersion)
	return w, err
}

// Save implements watch.Actions.
func (v Actions) Save(ctx context.Context, w swap.Work) error {
	c, err := v.s.workChange(ctx, w)
	if err != nil {
		return err
	}
	return ours(v.s.write(ctx, c.ops...), c.tells, c.token, swap.ErrConflict, "save work %s of order %s", w.Key(), w.Order)
}

// change is one step of a work item.
type change struct {
	ops   []types.TransactWriteItem
	token []byte
	tells int // the operation that finds the token if the step was made before
}

// workChange builds the step to w. Work that ends goes to its order's history.
//
// A new item gets the present microsecond as its version. So versions never
// return, not even when work is wanted again after its end: a late writer that
// knows the item's former life cannot hit its new one.
func (s *Store) workChange(ctx context.Context, w swap.Work) (c change, err error) {
	if w.Version == 0 && !w.State.Live() {
		return c, fmt.Errorf("save work %s of order %s: it cannot begin as %s", w.Key(), w.Order, w.State)
	}
	body := w
	body.Version = 0
	content, packed, err := packItem(&body)
	if err != nil {
		return c, fmt.Errorf("save work %s of order %s: %w", w.Key(), w.Order, err)
	}
	pk, sk := s.accountKey(w.ChainID, w.Taker), w.Key().String()
	c.token = s.token([]byte(pk), fmt.Appendf(nil, "%d", w.Version), content)
	next := w.Version + 1
	if w.Version == 0 {
		next = uint64(s.now().UnixMicro())
	}
	it := newItem(pk, sk)
	it[attrVersion], it[attrWrite], it[attrBody], it[attrState] = number(next), blob(c.token), blob(packed), text(string(w.State))
	it.by(ctx)
	if w.State.Live() {
		c.ops = []types.TransactWriteItem{put(s.tables.Actions, it, since(w.Version))}
		return c, nil
	}
	moved := s.historyKey(w)
	it[attrPK], it[attrSK] = moved[attrPK], moved[attrSK]
	c.tells = 1
	c.ops = []types.TransactWriteItem{
		remove(s.tables.Actions, key(pk, sk), at(w.Version)),
		put(s.tables.Orders, it, absent),
	}
	return c, nil
}
