package e2e

import (
	"strings"
	"sync"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
)

// waiting tells which processes wait for a block: they ask an endpoint for the
// head, again and again, and nothing else of anybody.
type waiting struct {
	mu    sync.Mutex
	asked map[string]map[string]int // process, endpoint: heads asked for since anything else, or the last block
}

// waitLooks is how many looks at one head in a row are waiting: a pass begins
// with one.
const waitLooks = 2

// watch sees every request on its way.
func (w *waiting) watch(r *rig) {
	r.AWS.Use(func(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
		w.works(c.Process)
		return next(c)
	})
	r.RPC.Inject(func(c *rpcproxy.Call) rpcproxy.Action {
		if c.Method != "eth_getBlockByNumber" || len(c.Params) == 0 || string(c.Params[0]) != `"latest"` {
			w.works(c.Function)
			return rpcproxy.Action{}
		}
		return rpcproxy.Action{After: func(*rpcproxy.Reply) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.asked[c.Function] == nil {
				w.asked[c.Function] = map[string]int{}
			}
			w.asked[c.Function][c.Endpoint]++
		}}
	})
}

func (w *waiting) works(process string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.asked, process)
}

// block begins anew: there is a block that nobody has seen.
func (w *waiting) block() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = map[string]map[string]int{}
}

// count is how many processes of a function wait.
func (w *waiting) count(function string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for process, heads := range w.asked {
		if f, _, _ := strings.Cut(process, "@"); f != function {
			continue
		}
		for _, times := range heads {
			if times >= waitLooks {
				n++
				break
			}
		}
	}
	return n
}
