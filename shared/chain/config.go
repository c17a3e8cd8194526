package chain

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
)

// Config describes one chain and how to reach it.
type Config struct {
	ID   uint64 // what eth_chainId must answer
	Name string // for people; may be empty
	// Endpoints in the order of preference, at least one. Two from different
	// providers let the second reading of a block prove the first.
	Endpoints []Endpoint
	// LogSpan is the largest number of blocks read by one Logs; zero means 1,000.
	LogSpan uint64
	// AddressChunk is the largest number of addresses in one log filter, at
	// most 1,000 (go-ethereum refuses more); zero means 1,000.
	AddressChunk int
	// BlockTime is the usual time between blocks; zero means 12 s. A head much
	// older than that is stale if a peer has a newer one.
	BlockTime time.Duration
	// Confirmations is the depth from which a block is final. Endpoints may
	// differ above it (and above maxForkDepth) without being called forked.
	Confirmations uint64
	// Timeout bounds one request; zero means 5 s.
	Timeout time.Duration
}

// Endpoint is one JSON-RPC URL of a chain. The URL is a secret, the name is not.
type Endpoint struct {
	Name string
	URL  string // http or https
}

const (
	defaultLogSpan   = 1_000
	maxAddressChunk  = 1_000 // go-ethereum's default limit for one filter
	defaultBlockTime = 12 * time.Second
	defaultTimeout   = 5 * time.Second
)

// Client reads and writes the configured chains. It is safe for concurrent
// use. It keeps what it learned about endpoints in memory only.
type Client struct {
	chains map[uint64]*chain
	http   *http.Client
}

var (
	_ watch.Heads  = (*Client)(nil)
	_ follow.Chain = (*Client)(nil)
	_ follow.Probe = (*Client)(nil)
	_ txn.Backend  = (*Client)(nil)
)

// New checks the configuration and reports all problems at once. It connects
// to nothing.
func New(configs []Config) (*Client, error) {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: 4,
		// Shorter than a Lambda sleeps between ticks: a connection that died
		// in the meantime must not cost a request its time.
		IdleConnTimeout:     30 * time.Second,
		TLSHandshakeTimeout: 5 * time.Second,
		Protocols:           new(http.Protocols),
	}
	// One HTTP/2 connection that died while the process was frozen would take
	// every request with it.
	transport.Protocols.SetHTTP1(true)
	c := &Client{
		chains: make(map[uint64]*chain, len(configs)),
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	var errs []error
	for i, cfg := range configs {
		if err := c.add(cfg); err != nil {
			errs = append(errs, fmt.Errorf("chains[%d]: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Client) add(cfg Config) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if cfg.ID == 0 {
		bad("id: missing")
	} else if c.chains[cfg.ID] != nil {
		bad("id: %d appears twice", cfg.ID)
	}
	if cfg.AddressChunk < 0 || cfg.AddressChunk > maxAddressChunk {
		bad("addressChunk: %d is not between 1 and %d", cfg.AddressChunk, maxAddressChunk)
	}
	if cfg.BlockTime < 0 {
		bad("blockTime: %s is negative", cfg.BlockTime)
	}
	if cfg.Timeout < 0 {
		bad("timeout: %s is negative", cfg.Timeout)
	}
	if len(cfg.Endpoints) == 0 {
		bad("endpoints: none")
	}
	if cfg.LogSpan == 0 {
		cfg.LogSpan = defaultLogSpan
	}
	if cfg.AddressChunk == 0 {
		cfg.AddressChunk = maxAddressChunk
	}
	if cfg.BlockTime == 0 {
		cfg.BlockTime = defaultBlockTime
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	ch := &chain{Config: cfg, wait: firstWait}
	names := map[string]bool{}
	for i, e := range cfg.Endpoints {
		u, err := url.Parse(e.URL)
		switch {
		case e.Name == "":
			bad("endpoints[%d].name: missing", i)
		case names[e.Name]:
			bad("endpoints[%d].name: %q appears twice", i, e.Name)
		}
		names[e.Name] = true
		// The URL carries the provider's token: it is not repeated.
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			bad("endpoints[%d].url: not an http or https URL", i)
			continue
		}
		ch.endpoints = append(ch.endpoints, newEndpoint(ch, i, e, u, c.http))
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	c.chains[cfg.ID] = ch
	return nil
}

// Close drops idle connections. Operations under way are not disturbed.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) chain(id uint64) (*chain, error) {
	ch := c.chains[id]
	if ch == nil {
		return nil, fmt.Errorf("chain %d is not configured", id)
	}
	return ch, nil
}
