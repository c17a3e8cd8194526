package boot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/settings"
)

const (
	// valuesAge is how old the values of parameters may be that a run works with: a
	// token that was changed is used by all functions within so long.
	valuesAge = 5 * time.Minute
	// refusedAge is valuesAge while an endpoint refuses its token: the new one may
	// be there already.
	refusedAge = 5 * time.Second
	// tryAgain is how long after an edition could not be taken up it is tried again.
	tryAgain = time.Minute
	// refreshLimit bounds what a run may lose before it begins.
	refreshLimit = 3 * time.Second
)

// Secrets reads the values of secret parameters by name. One that does not exist is
// missing from the result.
type Secrets func(ctx context.Context, names []string) (map[string]string, error)

// File is the chains file that a process works by. It is safe for concurrent use.
type File struct {
	store    settings.Store
	packaged string
	environ  env.Lookup
	secrets  Secrets // nil: whoever reads it asks no chain
	live     bool

	mu      sync.Mutex
	used    settings.Edition
	trouble string
	hurry   bool
}

// InUse is the edition that the process works by.
func (f *File) InUse() settings.Edition {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used
}

// Trouble says why the process does not work by the edition in force, which endpoints
// of it have no value any more, or what live would refuse in it; empty: nothing is
// wrong. It never shows a value.
func (f *File) Trouble() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trouble
}

// Hurry has the values of parameters read again soon: an endpoint refuses its token.
func (f *File) Hurry() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hurry = true
}

// hurried reports whether somebody is in a hurry, once.
func (f *File) hurried() (was bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, f.hurry = f.hurry, false
	return was
}

func (f *File) note(used settings.Edition, trouble string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used, f.trouble = used, trouble
}

// Store keeps the editions.
func (f *File) Store() settings.Store { return f.store }

// Try reads an edition as it would be used here, and reports everything that is
// wrong with it.
func (f *File) Try(ctx context.Context, e settings.Edition) (env.Chains, error) {
	content, err := f.read(ctx, e)
	if err != nil {
		return env.Chains{}, err
	}
	values, err := f.values(ctx, content)
	if err != nil {
		return env.Chains{}, err
	}
	c, err := env.ParseChains(content, f.lookup(values))
	if err == nil && f.live {
		err = c.CheckLive()
	}
	return c, err
}

func (f *File) read(ctx context.Context, e settings.Edition) ([]byte, error) {
	if e.Packaged() {
		return os.ReadFile(f.packaged)
	}
	return settings.Read(ctx, f.store, e)
}

// values reads the parameters that a file names. What the environment has, though it
// be empty, is no parameter.
func (f *File) values(ctx context.Context, content []byte) (map[string]string, error) {
	if f.secrets == nil {
		return nil, nil
	}
	names := slices.DeleteFunc(env.Variables(content), func(name string) bool { _, set := f.environ(name); return set })
	if len(names) == 0 {
		return nil, nil
	}
	return f.secrets(ctx, names)
}

func (f *File) lookup(values map[string]string) env.Lookup {
	return func(name string) (string, bool) {
		if v, set := f.environ(name); set {
			return v, true
		}
		v, set := values[name]
		return v, set
	}
}

// usable reads a file for use, without the endpoints that have no value any more; but
// says what a person has to see to. Only the packaged one was never tried before, so
// that it is here. An edition that passed in another mode, or lost an optional endpoint
// since, is used though live would refuse it: whoever does not start watches nothing
// either, and health-check could try no better one.
func (f *File) usable(e settings.Edition, content []byte, values map[string]string) (c env.Chains, but string, err error) {
	if f.secrets == nil {
		c, err = env.ParseAccounts(content)
		return c, "", err
	}
	c, left, err := env.ParseUsable(content, f.lookup(values))
	switch {
	case err != nil:
		return c, "", err
	case len(left) > 0:
		return c, "does without endpoints of " + e.String() + ": " + oneLine(left), nil
	case !f.live:
		return c, "", nil
	}
	unfit := c.CheckLive()
	if unfit == nil || e.Packaged() {
		return c, "", unfit
	}
	return c, "works by " + e.String() + ", which live would refuse: " + oneLine(unfit), nil
}

// Build makes a handler of what a base says, and a function that ends what it holds;
// nil if it holds nothing.
type Build func(b *Base) (h job.Handler, end func(), err error)

// Follow returns the handler of a function that works by the chains file: build's,
// made anew whenever the edition in force or a value that it names has changed
// between two invocations. What cannot be taken up leaves the former in use, is told
// by File.Trouble, and is tried again. It costs one read at the start of each
// invocation. secrets is nil for a function that asks no chain.
//
// Invocations come one at a time, as Lambda's do.
func (b *Base) Follow(ctx context.Context, secrets Secrets, build Build) (job.Handler, error) {
	f := &following{base: b, build: build, file: &File{store: b.Store.Settings(), packaged: b.Config.ChainsFile, environ: os.LookupEnv,
		secrets: secrets, live: b.Config.Mode == env.Live}}
	if err := f.start(ctx, time.Now()); err != nil {
		return nil, err
	}
	return f, nil
}

type following struct {
	base  *Base
	build Build
	file  *File

	mu       sync.Mutex
	handler  job.Handler
	end      func()
	content  []byte
	values   map[string]string
	read     time.Time // when the values were
	left     string    // what is wrong with what is in use, if anything
	failed   time.Time // when something could not be taken up last
	failedOf *settings.Edition
}

// start takes up the best edition that can be. If none can, the errors are those of
// all of them.
func (f *following) start(ctx context.Context, now time.Time) error {
	state, err := f.file.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("which chains file is in force: %w", err)
	}
	var errs []error
	for _, e := range state.InForce() {
		if err := f.take(ctx, e, nil, now); err != nil {
			errs = append(errs, err)
			continue
		}
		if len(errs) > 0 {
			f.fail(state.Proven, errors.Join(errs...), now)
		}
		return nil
	}
	return errors.Join(errs...)
}

// Invoke implements job.Handler.
func (f *following) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refresh(ctx, time.Now())
	return f.handler.Invoke(ctx, payload)
}

// refresh takes up what has changed, if it can be.
func (f *following) refresh(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, refreshLimit)
	defer cancel()
	state, err := f.file.store.Load(ctx)
	if err != nil {
		f.base.Log.WarnContext(ctx, "which chains file is in force cannot be read", "error", err.Error())
		return // the run goes on with what there is, and meets the same store
	}
	used, want := f.file.InUse(), state.Proven
	if f.failedOf != nil && f.failedOf.Sum != want.Sum {
		f.well(used) // nobody wants it any more
	}
	switch {
	case want.Sum != used.Sum && (f.failedOf == nil || now.Sub(f.failed) >= tryAgain):
		err = f.take(ctx, want, nil, now)
	case want.Sum == used.Sum && f.stale(now):
		err = f.take(ctx, want, f.content, now)
	case want.Sum == used.Sum && want != used:
		f.file.note(want, f.file.Trouble()) // the same file by another number
	}
	if err != nil {
		f.fail(want, err, now)
	}
}

// stale reports whether the values are to be read again.
func (f *following) stale(now time.Time) bool {
	if f.file.secrets == nil || f.failedOf != nil && now.Sub(f.failed) < refusedAge {
		return false
	}
	age := now.Sub(f.read)
	return age >= valuesAge || age >= refusedAge && (f.failedOf != nil || f.file.hurried())
}

// fail notes that an edition, or the present values of its parameters, could not be
// taken up.
func (f *following) fail(e settings.Edition, err error, now time.Time) {
	f.failed, f.failedOf = now, &e
	what := "works by " + f.file.InUse().String() + ": " + oneLine(err)
	f.file.note(f.file.InUse(), what)
	f.base.Log.Warn("chains file not taken up", "problem", what)
}

// well notes that nothing is wrong but what is left out.
func (f *following) well(used settings.Edition) {
	f.failedOf = nil
	f.file.note(used, f.left)
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// take makes a handler of an edition and uses it from now on. content is its file if
// that is known: then only the values are read, and nothing happens if none changed.
func (f *following) take(ctx context.Context, e settings.Edition, content []byte, now time.Time) (err error) {
	known := content != nil
	if !known {
		if content, err = f.file.read(ctx, e); err != nil {
			return err
		}
	}
	values, err := f.file.values(ctx, content)
	if err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	if known && maps.Equal(values, f.values) {
		f.read = now
		f.well(e)
		return nil
	}
	chains, but, err := f.file.usable(e, content, values)
	if err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	b := *f.base
	b.Config.Chains, b.File = chains, f.file
	h, end, err := f.build(&b)
	if err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	if f.end != nil {
		f.end()
	}
	f.handler, f.end, f.content, f.values, f.read, f.left = h, end, content, values, now, but
	if but != "" {
		f.base.Log.Warn("chains file in use is not whole", "problem", but)
	}
	f.well(e)
	return nil
}
