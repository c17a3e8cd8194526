package chain

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// support says whether an endpoint can do something, once that is known.
type support uint8

const (
	unknown support = iota
	supported
	unsupported
)

// learnedFor is how long a limit found at an endpoint is kept before the full
// size is tried again: a provider's plan may change, and so may its nodes.
const learnedFor = 10 * time.Minute

// endpoint is one provider of a chain, with what is known of it.
type endpoint struct {
	chain *chain
	index int // in the operator's order
	name  string
	url   string
	http  *http.Client
	hide  *strings.Replacer // takes the URL's secrets out of texts

	mu       sync.Mutex
	verified bool // has told the right chain id since its last failure
	aside    time.Time
	why      TroubleKind            // of being aside
	found    map[TroubleKind]string // since the last Trouble
	answered bool                   // well, since the last Answered
	limits   map[class]limit        // learned sizes
	override support                // of the block time in eth_call
	byHash   support                // of block hashes as block parameter
	oracle   support                // of the fee oracle of OP-stack rollups
	head     uint64                 // the newest block it told
	slow     int                    // heads in a row that came too late
}

// limit is a size that an endpoint was found to take.
type limit struct {
	size  uint64
	until time.Time
}

func newEndpoint(ch *chain, index int, cfg Endpoint, u *url.URL, client *http.Client) *endpoint {
	return &endpoint{
		chain: ch, index: index, name: cfg.Name, url: cfg.URL, http: client, hide: hider(cfg.URL, u),
		found: map[TroubleKind]string{}, limits: map[class]limit{},
	}
}

// hider replaces everything of the URL that may be a token.
func hider(raw string, u *url.URL) *strings.Replacer {
	const short = 5 // "v3", "rpc", "eth": no secrets, and words of their own
	secrets := []string{raw, u.Host, u.Hostname()}
	parts := strings.FieldsFunc(u.EscapedPath()+"/"+u.Path, func(r rune) bool { return r == '/' })
	for _, values := range u.Query() {
		parts = append(parts, values...)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		parts = append(parts, u.User.Username(), password)
	}
	for _, p := range parts {
		if len(p) > short {
			secrets = append(secrets, p)
		}
	}
	// The longest first: a replacer takes the first that fits.
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, s := range secrets {
		if s != "" {
			pairs = append(pairs, s, "…")
		}
	}
	return strings.NewReplacer(pairs...)
}

func (e *endpoint) fault(c class, method, text string) *fault {
	return &fault{chain: e.chain.ID, endpoint: e.name, method: method, class: c, text: e.clean(text)}
}

func (e *endpoint) isVerified() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.verified
}

// verify judges an answered eth_chainId.
func (e *endpoint) verify(id *call) error {
	if id.failed != nil {
		return id.failed
	}
	got, err := decode[quantity](e, id)
	if err != nil {
		return err
	}
	if n, ok := got.u64(); !ok || n != e.chain.ID {
		return e.fault(classWrongChain, id.method, "")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.verified = true
	return nil
}

// note draws the consequences of a failure.
func (e *endpoint) note(err error) {
	f, ok := errors.AsType[*fault](err)
	if !ok || f.mild {
		return
	}
	c := conducts[f.class]
	if c.aside == 0 {
		return
	}
	e.setAside(max(c.aside, f.after), c.kind, c.name)
}

// setAside leaves the endpoint alone for a while, and lets it prove its chain
// again afterwards.
func (e *endpoint) setAside(d time.Duration, why TroubleKind, detail string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.verified = false
	if until := time.Now().Add(d); until.After(e.aside) {
		e.aside, e.why = until, why
	}
	e.found[why] = detail
}

// works ends a time aside that a good answer disproves.
func (e *endpoint) works() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answered = true
	switch e.why {
	case Unreachable, RateLimited, Malformed:
		e.aside, e.why = time.Time{}, ""
	}
}

// tell records a finding that does not put the endpoint aside.
func (e *endpoint) tell(kind TroubleKind, detail string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.found[kind] = detail
}

func (e *endpoint) asideUntil() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.aside.Before(time.Now()) {
		return time.Time{}
	}
	return e.aside
}

// forked reports whether it is aside for being on another branch.
func (e *endpoint) forked() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.why == Forked && time.Now().Before(e.aside)
}

// learned returns the smaller of full and what the endpoint was found to take.
func (e *endpoint) learned(c class, full uint64) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	l, ok := e.limits[c]
	if !ok || time.Now().After(l.until) {
		return full
	}
	return min(l.size, full)
}

func (e *endpoint) learn(c class, size uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.limits[c] = limit{max(size, 1), time.Now().Add(learnedFor)}
}

func (e *endpoint) batchSize() int     { return int(e.learned(classBatch, maxBatch)) }
func (e *endpoint) setBatchSize(n int) { e.learn(classBatch, uint64(n)) }

func (e *endpoint) setHead(n uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.head, e.slow, e.answered = n, 0, true
}

func (e *endpoint) lastHead() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.head
}

// feature reads and, if now says something, sets what is known of a feature.
func (e *endpoint) feature(of *support, now support) support {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now != unknown {
		*of = now
	}
	return *of
}

// tooSlow counts a head that did not come in time; true at the second in a row.
func (e *endpoint) tooSlow() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.slow++
	return e.slow > 1
}
