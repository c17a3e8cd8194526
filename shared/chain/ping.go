package chain

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/health"
)

var _ health.Endpoints = (*Client)(nil)

// Ping asks one endpoint for its chain id and its head, whatever is thought of it:
// one that is aside is asked too, and nothing follows from what it answers.
func (c *Client) Ping(ctx context.Context, id uint64, name string) (health.Ping, error) {
	e, err := c.endpoint(id, name)
	if err != nil {
		return health.Ping{}, err
	}
	chain, top := newCall("eth_chainId"), latestCall()
	if err := e.requests(ctx, []*call{chain, top}); err != nil {
		return health.Ping{}, err
	}
	got, err := decode[quantity](e, chain)
	if err != nil {
		return health.Ping{}, err
	}
	_, head, err := decodeHeader(e, top)
	if err != nil {
		return health.Ping{}, err
	}
	n, ok := got.u64()
	if !ok {
		return health.Ping{}, e.fault(classMalformed, chain.method, "out of bounds")
	}
	return health.Ping{ChainID: n, Head: head}, nil
}

// HashAt asks one endpoint for the hash of a block.
func (c *Client) HashAt(ctx context.Context, id uint64, name string, number uint64) (common.Hash, error) {
	e, err := c.endpoint(id, name)
	if err != nil {
		return common.Hash{}, err
	}
	ask := blockCall(number)
	if err := e.requests(ctx, []*call{ask}); err != nil {
		return common.Hash{}, err
	}
	b, err := decodeBlock(e, ask, number)
	return b.Hash, err
}

func (c *Client) endpoint(id uint64, name string) (*endpoint, error) {
	ch, err := c.chain(id)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(ch.endpoints, func(e *endpoint) bool { return e.name == name })
	if i < 0 {
		return nil, fmt.Errorf("chain %d has no endpoint %q", id, name)
	}
	return ch.endpoints[i], nil
}
