package kill

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
)

type host struct {
	mu     sync.Mutex
	killed []int
}

func (h *host) KillProcess(id int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.killed = append(h.killed, id)
	return true
}

// A process has sent one request and dies of another: the first is carried out before anybody goes on, and what comes of
// the dead later is not.
func TestTheDeadDoNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		k := newKiller(h)
		k.Watch("f", &Point{Request: Request{Name: "sqs:SendMessage "}})
		reply := &awsproxy.Reply{Status: 200}
		call := func(process, action string) *awsproxy.Call {
			return &awsproxy.Call{Process: process, Service: "sqs", Action: action}
		}
		open := make(chan struct{})
		var order []string
		var mu sync.Mutex
		note := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, what)
		}
		go func() {
			_, _ = k.aws(call("f@1", "Slow"), func(*awsproxy.Call) (*awsproxy.Reply, error) {
				<-open
				note("carried out")
				return reply, nil
			})
		}()
		synctest.Wait()
		if _, err := k.aws(call("f@1", "SendMessage"), func(*awsproxy.Call) (*awsproxy.Reply, error) {
			t.Error("the target was carried out")
			return reply, nil
		}); !errors.Is(err, errKilled) {
			t.Errorf("the target: %v", err)
		}
		go func() {
			if !k.Fired() {
				t.Error("it did not fire")
			}
			note("fired")
		}()
		synctest.Wait()
		if _, err := k.aws(call("f@1", "Late"), func(*awsproxy.Call) (*awsproxy.Reply, error) {
			note("late")
			return reply, nil
		}); !errors.Is(err, errKilled) {
			t.Errorf("after its death: %v", err)
		}
		for _, other := range []string{"f@2", "g@1"} {
			if got, err := k.aws(call(other, "Send"), func(*awsproxy.Call) (*awsproxy.Reply, error) { return reply, nil }); err != nil || got != reply {
				t.Errorf("%s: %v, %v", other, got, err)
			}
		}
		close(open)
		synctest.Wait()
		if len(order) != 2 || order[0] != "carried out" || order[1] != "fired" {
			t.Errorf("%q", order)
		}
		if len(h.killed) != 1 || h.killed[0] != 1 {
			t.Errorf("killed %v", h.killed)
		}
		k.Watch("f", nil)
		if k.Fired() {
			t.Error("it fired without a target")
		}
	})
}
