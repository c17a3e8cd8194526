package stack

import (
	"strings"
	"sync"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
)

// Waiting tells which processes wait for a block: they ask an endpoint for the
// head, again and again, and nothing else of anybody. Who drives the chains by
// hand goes on then, however fast the machine is.
type Waiting struct {
	mu    sync.Mutex
	asked map[string]map[string]int // process, endpoint: heads asked for since anything else, or the last block
}

// waitLooks is how many looks at one head in a row are waiting: a pass begins
// with one.
const waitLooks = 2

// Waiting begins to look at every request on its way.
func (s *Stack) Waiting() *Waiting {
	w := &Waiting{}
	s.AWS.Use(func(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
		w.works(c.Process)
		return next(c)
	})
	s.RPC.Inject(func(c *rpcproxy.Call) rpcproxy.Action {
		if c.Method != "eth_getBlockByNumber" || len(c.Params) == 0 || string(c.Params[0]) != `"latest"` {
			w.works(c.Function)
			return rpcproxy.Action{}
		}
		return rpcproxy.Action{After: func(*rpcproxy.Reply) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.asked == nil {
				w.asked = map[string]map[string]int{}
			}
			if w.asked[c.Function] == nil {
				w.asked[c.Function] = map[string]int{}
			}
			w.asked[c.Function][c.Endpoint]++
		}}
	})
	return w
}

func (w *Waiting) works(process string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.asked, process)
}

// Block begins anew: there is a block that nobody has seen.
func (w *Waiting) Block() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = nil
}

// Count is how many processes of a function wait.
func (w *Waiting) Count(function string) (n int) {
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
