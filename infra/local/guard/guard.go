package guard

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/iam"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// Guard decides requests by the policies of a template. It is safe for concurrent use.
type Guard struct {
	account   *iam.Account
	roles     map[string]string // a function's role by its folder
	resources resources
	mode      string
	tell      func(error)

	mu      sync.Mutex
	used    map[Use]bool
	refused map[string]error // by its words
}

// New reads the policies of a template. account is the id in its ARNs. tell hears of every
// request that is refused; it must be quick.
func New(doc *template.Document, s *template.Stack, account string, tell func(error)) (*Guard, error) {
	a, err := iam.Read(doc, account)
	if err != nil {
		return nil, fmt.Errorf("read the template's policies: %w", err)
	}
	g := &Guard{account: a, roles: map[string]string{}, resources: of(s, account), mode: doc.Parameters["Mode"], tell: tell,
		used: map[Use]bool{}, refused: map[string]error{}}
	for _, f := range s.Functions {
		g.roles[f.Folder] = f.RoleARN
	}
	return g, nil
}

// Used lists what was asked for so far, sorted.
func (g *Guard) Used() []Use {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.SortedFunc(maps.Keys(g.used), compare)
}

// Refused joins what was refused so far, each once; nil if nothing was.
func (g *Guard) Refused() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var errs []error
	for _, words := range slices.Sorted(maps.Keys(g.refused)) {
		errs = append(errs, g.refused[words])
	}
	return errors.Join(errs...)
}

// Refusal says what a function asked for that its role does not grant.
type Refusal struct {
	Use
	// Keys are the partition keys asked for.
	Keys   []string
	Reason string
}

func (r Refusal) Error() string {
	return fmt.Sprintf("%s may not %s on %s %q: %s", r.Function, r.Action, r.Resource, r.Keys, r.Reason)
}

// Fault refuses what is not granted. Who is no function of the template, such as an
// operator's command, has rights of his own: his calls pass.
func (g *Guard) Fault() awsproxy.Fault {
	return func(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
		if g.roles[c.Function] == "" {
			return next(c)
		}
		for _, n := range c.Needs() {
			if err := g.need(c.Function, n); err != nil {
				return g.deny(c, err)
			}
		}
		reply, err := next(c)
		if err != nil || c.Service != "s3" || reply.Status != http.StatusNotFound {
			return reply, err
		}
		// S3 admits that an object is not there only to who may list the bucket.
		bucket, _, _ := strings.Cut(strings.Join(c.Resources, ""), "/")
		if err := g.need(c.Function, awsproxy.Need{Permission: awsproxy.Permission{Action: "s3:ListBucket", Resource: bucket}}); err != nil {
			return g.deny(c, err)
		}
		return reply, nil
	}
}

func (g *Guard) deny(c *awsproxy.Call, err error) (*awsproxy.Reply, error) {
	g.mu.Lock()
	g.refused[err.Error()] = err
	g.mu.Unlock()
	g.tell(err)
	return awsproxy.Deny(err.Error())(c, nil)
}

// need notes one need and decides it.
func (g *Guard) need(function string, n awsproxy.Need) error {
	service, _, _ := strings.Cut(n.Action, ":")
	r := g.resources.find(service, n.Resource)
	context := map[string][]string{}
	for key, value := range n.Context {
		context[key] = []string{value}
	}
	var keys []string
	if r.hash != "" {
		for _, item := range n.Items {
			if key, ok := item[r.hash]["S"].(string); ok {
				keys = append(keys, key)
			}
		}
	}
	if len(keys) > 0 {
		context["dynamodb:LeadingKeys"] = keys
	}
	uses := []Use{{Function: function, Action: n.Action, Resource: r.logical}}
	if len(keys) > 0 && !strings.Contains(r.logical, "/index/") {
		uses = nil
		for _, k := range keys {
			uses = append(uses, Use{Function: function, Action: n.Action, Resource: r.logical, Key: g.kind(function, k)})
		}
	}
	g.mu.Lock()
	for _, u := range uses {
		g.used[u] = true
	}
	g.mu.Unlock()
	if reason := g.account.Allows(g.roles[function], n.Action, r.arn, context); reason != "" {
		return Refusal{uses[0], keys, reason}
	}
	return nil
}

// kind is the part of a partition key that tells what it is of: its first word, and the
// second where that is the function's own name. The rest changes from swap to swap.
func (g *Guard) kind(function, key string) string {
	first, rest, more := strings.Cut(key, "#")
	switch {
	case !more:
		return key
	case rest == function:
		return key
	case first == g.mode:
		return ownMode + "#*"
	}
	return first + "#*"
}
