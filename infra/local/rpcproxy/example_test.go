package rpcproxy_test

import (
	"context"
	"fmt"
	"log"

	"github.com/bridge-me-not/resolver-cron/infra/local/devchain"
	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
	"github.com/ethereum/go-ethereum/ethclient"
)

// A chain behind two endpoints; one of them is three blocks behind for one
// function, and that function loses its second request.
func Example() {
	chain, err := devchain.New(devchain.Config{ChainID: 8453})
	if err != nil {
		log.Fatal(err)
	}
	defer chain.Close()
	for i := range uint64(10) {
		if _, err := chain.Mine(100 + i); err != nil {
			log.Fatal(err)
		}
	}
	proxy, err := rpcproxy.New()
	if err != nil {
		log.Fatal(err)
	}
	defer proxy.Close()
	for _, endpoint := range []string{"base-1", "base-2"} {
		if err := proxy.Route(endpoint, chain.URL()); err != nil {
			log.Fatal(err)
		}
	}
	proxy.Inject(rpcproxy.When(rpcproxy.StaleHead(3), rpcproxy.Function("state-sync"), rpcproxy.Endpoint("base-2")))
	proxy.Inject(rpcproxy.When(rpcproxy.KillBefore(func(c *rpcproxy.Call) {
		fmt.Println("kill", c.Function, "before", c.Method)
	}), rpcproxy.Function("state-sync"), rpcproxy.Request(2)))

	for _, at := range []struct{ function, endpoint string }{
		{"state-sync", "base-2"}, {"state-sync", "base-1"}, {"state-sync", "base-1"}, {"timelock-monitor", "base-2"},
	} {
		client, err := ethclient.Dial(proxy.URL(at.function, at.endpoint))
		if err != nil {
			log.Fatal(err)
		}
		head, err := client.BlockNumber(context.Background())
		fmt.Println(at.function, at.endpoint, head, err == nil)
		client.Close()
	}
	fmt.Println(proxy.Counts()[rpcproxy.Key{Function: "state-sync", Endpoint: "base-1", Method: "eth_blockNumber"}])
	// Output:
	// state-sync base-2 7 true
	// kill state-sync before eth_blockNumber
	// state-sync base-1 0 false
	// state-sync base-1 10 true
	// timelock-monitor base-2 10 true
	// 2
}
