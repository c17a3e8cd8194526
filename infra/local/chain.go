package main

import (
	"context"
	"flag"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/infra/local/devchain"
)

// chain offers a chain by plain JSON-RPC until it is interrupted.
func chain(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("chain", flag.ContinueOnError)
	id := f.Uint64("id", 0, "chain id")
	port := f.Int("port", 0, "port on 127.0.0.1 (0: a free one)")
	period := f.Duration("period", time.Second, "time between blocks")
	fund := map[common.Address]*big.Int{}
	f.Func("fund", "account to start with 1000 ether (may be repeated)", func(s string) error {
		if !common.IsHexAddress(s) || !strings.HasPrefix(s, "0x") {
			return fmt.Errorf("%q is no address", s)
		}
		fund[common.HexToAddress(s)] = new(big.Int).Mul(big.NewInt(1000), big.NewInt(1e18))
		return nil
	})
	if err := parse(f, args); err != nil {
		return err
	}
	if *id == 0 {
		return errUsage{fmt.Errorf("chain: -id is missing")}
	}
	cfg := devchain.Config{ChainID: *id, GenesisTime: uint64(time.Now().Unix()) - 1, Port: *port, Balances: fund}
	return devchain.Serve(ctx, cfg, *period, func(c *devchain.Chain) {
		fmt.Printf("chain %d at %s\n", c.ChainID(), c.URL())
	})
}
