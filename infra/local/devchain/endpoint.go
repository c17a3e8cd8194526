package devchain

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/eth/tracers"
	_ "github.com/ethereum/go-ethereum/eth/tracers/native" // debug_traceTransaction by callTracer
	"github.com/ethereum/go-ethereum/rpc"
)

const (
	// Limits of a batch and of a getLogs filter, as go-ethereum serves them
	// by default.
	batchItems     = 1000
	batchBytes     = 25 << 20
	logFilterItems = 1000
)

// namespaces are those served; the rest of go-ethereum's methods (admin,
// miner) would let a client change the chain.
var namespaces = []string{"eth", "net", "txpool", "debug"}

// endpoint is the HTTP side of a chain.
type endpoint struct {
	url    string
	rpc    *rpc.Server
	server *http.Server
	served chan error

	// gate is held for writing while a reorganisation is half done, so that no
	// HTTP request sees or disturbs it; closed is read under it.
	gate   sync.RWMutex
	closed bool
}

func listen(backend *eth.Ethereum, port int) (*endpoint, error) {
	e := &endpoint{rpc: rpc.NewServer(), served: make(chan error, 1)}
	e.rpc.SetBatchLimits(batchItems, batchBytes)
	if err := e.register(backend); err != nil {
		e.rpc.Stop()
		return nil, err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		e.rpc.Stop()
		return nil, fmt.Errorf("listen for JSON-RPC: %w", err)
	}
	e.url = "http://" + listener.Addr().String()
	e.server = &http.Server{Handler: http.HandlerFunc(e.serve), ReadHeaderTimeout: 10 * time.Second}
	go func() { e.served <- e.server.Serve(listener) }()
	return e, nil
}

func (e *endpoint) register(backend *eth.Ethereum) error {
	apis := append(backend.APIs(), tracers.APIs(backend.APIBackend)...)
	apis = slices.DeleteFunc(apis, func(api rpc.API) bool { return !slices.Contains(namespaces, api.Namespace) })
	logs := filters.NewFilterSystem(backend.APIBackend, filters.Config{LogQueryLimit: logFilterItems})
	apis = append(apis,
		rpc.API{Namespace: "eth", Service: filters.NewFilterAPI(logs)},
		rpc.API{Namespace: "web3", Service: web3{}})
	for _, api := range apis {
		if err := e.rpc.RegisterName(api.Namespace, api.Service); err != nil {
			return fmt.Errorf("register namespace %s: %w", api.Namespace, err)
		}
	}
	return nil
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) {
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.closed {
		http.Error(w, "chain is closed", http.StatusServiceUnavailable)
		return
	}
	e.rpc.ServeHTTP(w, r)
}

// close cuts all connections and waits for the requests in flight, whose
// contexts end with their connections. (A graceful Shutdown would wait 5 s for
// every connection that a client opened in reserve and never used.)
func (e *endpoint) close() error {
	err := e.server.Close()
	if served := <-e.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	e.gate.Lock()
	e.closed = true
	e.gate.Unlock()
	e.rpc.Stop()
	if err != nil {
		return fmt.Errorf("stop JSON-RPC endpoint: %w", err)
	}
	return nil
}

// web3 is the namespace that go-ethereum's node keeps to itself.
type web3 struct{}

func (web3) ClientVersion() string { return "devchain" }

func (web3) Sha3(input hexutil.Bytes) hexutil.Bytes { return crypto.Keccak256(input) }
