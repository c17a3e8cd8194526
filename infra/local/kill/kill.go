// Package kill ends functions of a stack in the middle of their requests: before
// the service, or the endpoint, sees a request, or after it has acted and before
// the function knows.
package kill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// Request is a request of an invocation: the nth (from 0) with that name.
// Requests that are made at the same time come in any order; their names tell
// them apart.
type Request struct {
	Name string
	Nth  int
}

func (q Request) String() string { return fmt.Sprintf("%s[%d]", q.Name, q.Nth) }

// Point is a request and the side of it on which the process dies.
type Point struct {
	Request
	After bool
}

func (p Point) String() string {
	if p.After {
		return "after " + p.Request.String()
	}
	return "before " + p.Request.String()
}

// Killer watches the requests of one invocation at a time, of one function, and
// kills the process at one of them.
type Killer struct {
	host interface{ KillProcess(id int) bool }

	mu       sync.Mutex
	function string
	target   *Point
	counts   map[string]int
	seen     []Request
	shot     string          // the process that died of the target
	dead     map[string]bool // all of those
	flying   map[string]int  // requests under way to the services, by process
	landed   *sync.Cond      // one of them has been answered
}

// Install puts a killer before the services and the endpoints of a stack. Faults
// that are used later see what it lets pass, and what it kills a process after.
func Install(s *stack.Stack) *Killer {
	k := newKiller(s.Host)
	s.AWS.Use(k.aws)
	s.RPC.Inject(k.rpc)
	return k
}

func newKiller(host interface{ KillProcess(id int) bool }) *Killer {
	k := &Killer{host: host, dead: map[string]bool{}, flying: map[string]int{}}
	k.landed = sync.NewCond(&k.mu)
	return k
}

// Watch begins with another invocation of the function, whose process dies at the
// target; nil: nowhere.
func (k *Killer) Watch(function string, target *Point) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.function, k.target, k.counts, k.seen, k.shot = function, target, map[string]int{}, nil, ""
}

// Requests are those that the invocation has made.
func (k *Killer) Requests() []Request {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.seen)
}

// Fired tells whether the target came, and the process died. What the process had sent beside it is carried
// out by then: else a lease could be taken for the dead after [Expire], and keep others from the work.
func (k *Killer) Fired() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.shot != "" && k.flying[k.shot] > 0 {
		k.landed.Wait()
	}
	return k.shot != ""
}

// fate is what becomes of a request.
type fate int

const (
	passes fate = iota
	diesBefore
	diesAfter
	lost // its process died meanwhile, of another one: it was never sent
)

// arrive notes a request and tells what becomes of it.
func (k *Killer) arrive(process, name string) fate {
	function, _, _ := strings.Cut(process, "@")
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.dead[process]:
		return lost
	case function != k.function:
		return passes
	}
	q := Request{name, k.counts[name]}
	k.counts[name]++
	k.seen = append(k.seen, q)
	if k.target == nil || k.target.Request != q || k.shot != "" {
		return passes
	}
	k.shot, k.dead[process] = process, true
	if k.target.After {
		return diesAfter
	}
	return diesBefore
}

// fly counts a request of a process as under way until the returned function is called.
func (k *Killer) fly(process string) (land func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flying[process]++
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.flying[process]--
		k.landed.Broadcast()
	}
}

var errKilled = errors.New("the process was killed")

func (k *Killer) kill(process string) {
	_, id, _ := strings.Cut(process, "@")
	n, err := strconv.Atoi(id)
	if err != nil {
		panic("process " + process + " has no number")
	}
	k.host.KillProcess(n)
}

func (k *Killer) aws(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
	on := strings.Join(c.Resources, ",")
	if c.Service == "s3" {
		on = ofContent.ReplaceAllString(on, "#")
	}
	defer k.fly(c.Process)()
	switch k.arrive(c.Process, fmt.Sprintf("%s:%s %s%s", c.Service, c.Action, on, purpose(c.Body))) {
	case lost:
		return nil, errKilled
	case diesBefore:
		k.kill(c.Process)
		return nil, errKilled
	case diesAfter:
		_, _ = next(c) // nobody is left to hear of it
		k.kill(c.Process)
		return nil, errKilled
	}
	return next(c)
}

// ofContent is the part of an object's key that is made of its time and content.
var ofContent = regexp.MustCompile(`\d[0-9a-fZ.:-]*`)

// purpose tells writes of one kind apart by what they write.
func purpose(body []byte) string {
	var w struct {
		UpdateExpression string
		Item             map[string]map[string]any
	}
	if json.Unmarshal(body, &w) != nil {
		return ""
	}
	if w.UpdateExpression != "" {
		names := strings.FieldsFunc(w.UpdateExpression, func(r rune) bool { return r != '#' && r != '_' && (r < 'a' || r > 'z') })
		names = slices.DeleteFunc(names, func(n string) bool { return n[0] != '#' })
		slices.Sort(names) // a map's order
		return " " + strings.Join(slices.Compact(names), "")
	}
	kind, _, _ := strings.Cut(fmt.Sprint(w.Item["pk"]["S"]), "#")
	if state, ok := w.Item["state"]; ok {
		return fmt.Sprintf(" %s %v", kind, state["S"])
	}
	return ""
}

func (k *Killer) rpc(c *rpcproxy.Call) rpcproxy.Action {
	if c.Index > 0 {
		return rpcproxy.Action{}
	}
	switch k.arrive(c.Function, c.Endpoint+" "+c.Method) {
	case lost:
		return rpcproxy.Action{Reply: &rpcproxy.Reply{Cut: true}}
	case diesBefore:
		k.kill(c.Function)
		return rpcproxy.Action{Reply: &rpcproxy.Reply{Cut: true}}
	case diesAfter:
		return rpcproxy.Action{After: func(r *rpcproxy.Reply) {
			k.kill(c.Function)
			*r = rpcproxy.Reply{Cut: true}
		}}
	}
	return rpcproxy.Action{}
}

// Expire lets the leases of dead processes run out: it moves their ends to the
// present instead of waiting for twelve seconds each time. Nobody may be at work.
func Expire(ctx context.Context, db *dynamodb.Client, jobsTable string) error {
	out, err := db.Scan(ctx, &dynamodb.ScanInput{TableName: &jobsTable, FilterExpression: aws.String("sk = :lease AND held = :yes"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":lease": &types.AttributeValueMemberS{Value: "lease"}, ":yes": &types.AttributeValueMemberBOOL{Value: true}}})
	if err != nil {
		return err
	}
	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	for _, it := range out.Items {
		if _, err := db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &jobsTable,
			Key: map[string]types.AttributeValue{"pk": it["pk"], "sk": it["sk"]}, UpdateExpression: aws.String("SET ends = :now"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":now": &types.AttributeValueMemberN{Value: now}}}); err != nil {
			return err
		}
	}
	return nil
}
