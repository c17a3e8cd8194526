package scenetest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

const (
	// reaction is how many seconds after its publication a secret is used: the
	// resolver's own process comes first.
	reaction = 2
	// again is after how many blocks a call is repeated that had no effect.
	again = 5
)

// Perfect does what each swap needs, in the first block in which it is legal. It
// minds these swaps alone; none named means all.
func Perfect(only ...*scene.Swap) Resolver {
	sent := map[string]uint64{}
	ended := map[*scene.Swap]uint64{} // when it was first seen
	return func(ctx context.Context, s *Stage) error {
		for _, sw := range s.Play.Swaps() {
			if sw.Untouched || sw.Tries > 0 || sw.Taker == scene.Foreign || len(only) > 0 && !slices.Contains(only, sw) {
				continue // nothing is to be done, or nothing works, or by others
			}
			since, known := ended[sw]
			if known && s.Now > since+scene.Confirmations {
				continue // for good
			}
			call, over, err := decide(ctx, s, sw)
			if err != nil {
				return err
			}
			if !over {
				delete(ended, sw)
			} else if !known {
				ended[sw] = s.Now
			}
			for _, c := range call {
				key := sw.Name + c.name
				head := s.Ledger.Head(c.leg.Chain).Number
				if at, ok := sent[key]; ok && head < at+again {
					continue
				}
				sent[key] = head
				if err := s.Send(ctx, sw, c.leg, c.tx, c.public); err != nil {
					return fmt.Errorf("%s of %s: %w", c.name, sw.Name, err)
				}
			}
		}
		return nil
	}
}

type wanted struct {
	name   string
	leg    judge.Leg
	tx     contracts.Tx
	public bool
}

// decide is the policy, in the scene's own terms. over tells that both legs have
// their end.
func decide(ctx context.Context, s *Stage, sw *scene.Swap) (_ []wanted, over bool, err error) {
	known := s.Ledger.Published(sw.Secret())
	if sw.Published != 0 {
		known = sw.Published
	}
	if known == 0 && !s.begun(sw.Src, 2) && !s.begun(sw.Dst, 6) {
		return nil, false, nil // nothing is legal, whatever has become of the legs
	}
	src, err := s.outcome(ctx, sw.Src)
	if err != nil {
		return nil, false, err
	}
	dst, err := s.outcome(ctx, sw.Dst)
	if err != nil {
		return nil, false, err
	}
	public := sw.Taker == scene.Watched
	secret := known != 0 && s.Now >= known+reaction
	var out []wanted
	if src == judge.Open {
		from, end := At(sw.Src, 0), At(sw.Src, 2)
		if public {
			from = At(sw.Src, 1)
		}
		switch next := s.next(sw.Src); {
		case secret && next < end && (dst == judge.Withdrawn || dst == judge.Open):
			if next >= from && !public {
				out = append(out, wanted{"withdraw src", sw.Src, sw.Src.Withdraw(sw.Secret()), false})
			} else if next >= from {
				out = append(out, wanted{"withdraw src", sw.Src, sw.Src.PublicWithdraw(sw.Secret()), true})
			}
		case known != 0 && dst == judge.Withdrawn:
			if next >= DeployedAt(sw.Src)+uint64(sw.Src.RescueDelay) {
				amount := sw.Src.Immutables.Amount.Big()
				out = append(out, wanted{"rescue src", sw.Src, sw.Src.RescueFunds(common.BytesToAddress(sw.Src.Immutables.Token[:]), amount), false})
			}
		case dst == judge.Absent || dst == judge.Cancelled:
			if next >= end && !public {
				out = append(out, wanted{"cancel src", sw.Src, sw.Src.Cancel(), false})
			} else if next >= At(sw.Src, 3) {
				out = append(out, wanted{"cancel src", sw.Src, sw.Src.PublicCancel(), true})
			}
		}
	}
	if dst == judge.Open {
		switch next := s.next(sw.Dst); {
		case src == judge.Withdrawn && next < At(sw.Dst, 6):
			out = append(out, wanted{"withdraw dst", sw.Dst, sw.Dst.Withdraw(sw.Secret()), false})
		case src != judge.Withdrawn && known == 0 && next >= At(sw.Dst, 6):
			out = append(out, wanted{"cancel dst", sw.Dst, sw.Dst.Cancel(), false})
		}
	}
	return out, src != judge.Open && src != judge.Absent && dst != judge.Open, nil
}

// begun tells whether a stage of a leg has begun in the next block.
func (s *Stage) begun(l judge.Leg, slot int) bool { return l.Exists() && s.next(l) >= At(l, slot) }

func (s *Stage) outcome(ctx context.Context, l judge.Leg) (judge.End, error) {
	if !l.Exists() {
		return judge.Absent, nil
	}
	o, err := s.Ledger.Leg(ctx, l)
	return o.End, err
}

// next is the time of the next block of a leg's chain.
func (s *Stage) next(l judge.Leg) uint64 { return s.Ledger.Head(l.Chain).Time + 1 }

// At is the block time of a stage of a leg, counted as in the timelocks word;
// DeployedAt that of its creation.
func At(l judge.Leg, slot int) uint64 {
	w := l.Immutables.Timelocks
	return DeployedAt(l) + uint64(binary.BigEndian.Uint32(w[28-4*slot:]))
}

// DeployedAt is when a leg says it was created.
func DeployedAt(l judge.Leg) uint64 {
	w := l.Immutables.Timelocks
	return uint64(binary.BigEndian.Uint32(w[:4]))
}

// Send sends a call of a leg as the product would: with the taker's key, the
// resolver contract's key, or that of the access token.
func (s *Stage) Send(ctx context.Context, sw *scene.Swap, l judge.Leg, tx contracts.Tx, public bool) error {
	i := 0
	if s.Chains[1].ID == l.Chain {
		i = 1
	}
	c := s.Chains[i]
	from := scene.ContractKey
	switch taker := common.BytesToAddress(l.Immutables.Taker[:]); {
	case public:
		from = scene.AccessKey
	case taker == c.Resolver:
		tx = contracts.ArbitraryCalls(c.Resolver, tx)
	default:
		for _, k := range scene.Keys {
			if k.Address == taker {
				from = k
			}
		}
	}
	nonce, err := free(ctx, c, from.Address)
	if err != nil {
		return err
	}
	id := new(big.Int).SetUint64(c.ID)
	signed, err := types.SignNewTx(from.Key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, Gas: 500_000, GasTipCap: big.NewInt(10 * params.GWei), GasFeeCap: big.NewInt(100 * params.GWei),
		To: tx.To, Value: tx.Value, Data: tx.Data,
	})
	if err != nil {
		return err
	}
	return c.Client.SendTransaction(ctx, signed)
}

// free is the lowest nonce of an account that neither the chain nor its pool has.
// A pool counts what it was just given as queued, and not yet in its pending nonce.
func free(ctx context.Context, c *scene.Chain, account common.Address) (uint64, error) {
	var pool struct{ Pending, Queued map[uint64]json.RawMessage }
	if err := c.Client.Client().CallContext(ctx, &pool, "txpool_contentFrom", account); err != nil {
		return 0, err
	}
	next, err := c.Client.NonceAt(ctx, account, nil) // after the pool: what was mined since is in both
	has := func(n uint64) bool { return pool.Pending[n] != nil || pool.Queued[n] != nil }
	for err == nil && has(next) {
		next++
	}
	return next, err
}
