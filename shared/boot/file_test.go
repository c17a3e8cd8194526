package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/settings"
	"github.com/bridge-me-not/resolver-cron/shared/settings/settingstest"
)

// chainsFile names its chain by its number, so that one can see which is in use.
func chainsFile(n int) []byte {
	return fmt.Appendf(nil, `
signers: [{ name: own, address: "0x1111111111111111111111111111111111111111", key: "${SIGNER}" }]
chains:
  - id: %d
    name: one
    endpoints: [{ name: a, url: "${A}" }, { name: b, url: "${B}" }, { name: c, url: "${C}", optional: true }]
    factories: [{ address: "0x3333333333333333333333333333333333333333", family: bmn-v4 }]
    maxFee: { withdraw: 1, cancel: 1, rescueFunds: 1 }
    takers: [{ address: "0x1111111111111111111111111111111111111111", signer: own }]
`, n)
}

const planted = "https://host.example/planted-"

// process is one and everything around it that a test can change.
type process struct {
	*testing.T
	*following
	store  *settingstest.Memory
	values map[string]string
	away   error // of the parameters
	asked  [][]string
	built  int
	broken error // of the build
	ended  int
	log    bytes.Buffer
	now    time.Time
	ran    []string // what each run worked by
}

func newProcess(t *testing.T, store *settingstest.Memory) *process {
	p := &process{T: t, store: store, now: t0, values: map[string]string{"A": planted + "a", "B": planted + "b", "SIGNER": "not asked for"}}
	packaged := filepath.Join(t.TempDir(), "chains.yaml")
	if err := os.WriteFile(packaged, chainsFile(1), 0o600); err != nil {
		t.Fatal(err)
	}
	secrets := func(ctx context.Context, names []string) (map[string]string, error) {
		if err := errors.Join(ctx.Err(), p.away); err != nil {
			return nil, err
		}
		p.asked = append(p.asked, names)
		got := map[string]string{}
		for _, n := range names {
			if v, ok := p.values[n]; ok {
				got[n] = v
			}
		}
		return got, nil
	}
	environ := map[string]string{"SIGNER": "alias/own", "C": ""}
	p.following = &following{
		base: &Base{Config: env.Config{Mode: env.Live}, Log: slog.New(slog.NewTextHandler(&p.log, nil))},
		file: &File{store: store, packaged: packaged, live: true, secrets: secrets,
			environ: func(name string) (string, bool) { v, ok := environ[name]; return v, ok }},
		build: func(b *Base) (job.Handler, func(), error) {
			if p.broken != nil {
				return nil, nil, p.broken
			}
			p.built++
			c := b.Config.Chains.Chains[0]
			what := fmt.Sprintf("chain %d by", c.ID)
			for _, e := range c.Endpoints {
				what += " " + strings.TrimPrefix(e.URL, planted)
			}
			return handler(func() { p.ran = append(p.ran, what) }), func() { p.ended++ }, nil
		},
	}
	t.Cleanup(func() {
		if strings.Contains(p.log.String()+p.file.Trouble(), "planted") {
			t.Errorf("a token is shown:\n%s\n%s", &p.log, p.file.Trouble())
		}
	})
	return p
}

type handler func()

func (h handler) Invoke(context.Context, []byte) ([]byte, error) { h(); return nil, nil }

// begin starts the process.
func (p *process) begin() *process {
	p.Helper()
	if err := p.start(p.Context(), p.now); err != nil {
		p.Fatal(err)
	}
	return p
}

// run lets time pass and a run happen, and returns what it worked by.
func (p *process) run(after time.Duration) string {
	p.Helper()
	p.now = p.now.Add(after)
	p.refresh(p.Context(), p.now)
	if _, err := p.handler.Invoke(p.Context(), nil); err != nil {
		p.Fatal(err)
	}
	return p.ran[len(p.ran)-1]
}

func (p *process) works(after time.Duration, by, trouble string) {
	p.Helper()
	if got := p.run(after); got != by {
		p.Errorf("works by %q, want %q", got, by)
	}
	if got := p.file.Trouble(); !strings.Contains(got, trouble) || (got == "") != (trouble == "") {
		p.Errorf("trouble %q, want %q", got, trouble)
	}
}

// put makes a file the one in force.
func put(t *testing.T, s settings.Store, content []byte) settings.Edition {
	t.Helper()
	m, err := settings.Put(t.Context(), s, content, settings.Move{By: "anna", Why: "a test", At: t0})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Prove(t.Context(), s, m.Edition, nil); err != nil {
		t.Fatal(err)
	}
	return m.Edition
}

// A file that is only wanted is nobody's; the one in force is taken up at the next
// run, and so is the one that operators go back to.
func TestTheFileInForceIsTakenUpBetweenRuns(t *testing.T) {
	p := newProcess(t, settingstest.NewMemory()).begin()
	p.works(0, "chain 1 by a b", "")
	m, err := settings.Put(t.Context(), p.store, chainsFile(2), settings.Move{By: "anna", Why: "w"})
	if err != nil {
		t.Fatal(err)
	}
	p.works(time.Minute, "chain 1 by a b", "")
	if _, err := settings.Prove(t.Context(), p.store, m.Edition, nil); err != nil {
		t.Fatal(err)
	}
	p.works(time.Second, "chain 2 by a b", "")
	if p.built != 2 || p.ended != 1 || p.file.InUse() != m.Edition {
		t.Errorf("built %d times, ended %d, %s in use", p.built, p.ended, p.file.InUse())
	}
	back, err := settings.Back(t.Context(), p.store, 0, settings.Move{By: "bob", Why: "w"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Prove(t.Context(), p.store, back.Edition, nil); err != nil {
		t.Fatal(err)
	}
	p.works(time.Second, "chain 1 by a b", "")
	// The same file by another number is no reason to begin anew.
	again := put(t, p.store, chainsFile(2))
	p.works(time.Second, "chain 2 by a b", "")
	built := p.built
	forced, err := settings.Put(t.Context(), p.store, chainsFile(2), settings.Move{By: "a", Why: "w", Forced: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Prove(t.Context(), p.store, forced.Edition, nil); err != nil {
		t.Fatal(err)
	}
	if p.works(time.Second, "chain 2 by a b", ""); p.built != built || p.file.InUse().Number != again.Number+1 {
		t.Errorf("built %d times, %s in use", p.built-built, p.file.InUse())
	}
	for _, names := range p.asked {
		if fmt.Sprint(names) != "[A B]" {
			t.Errorf("asked for %q: what the environment has, though empty, is no parameter", names)
		}
	}
}

// A look costs one read, and nothing else while nothing changes.
func TestNothingChangesCostsOneRead(t *testing.T) {
	p := newProcess(t, settingstest.NewMemory())
	put(t, p.store, chainsFile(2))
	p.begin()
	loads, files, asked := p.store.Calls("load"), p.store.Calls("file"), len(p.asked)
	for range 9 {
		p.works(30*time.Second, "chain 2 by a b", "")
	}
	if p.store.Calls("load") != loads+9 || p.store.Calls("file") != files || len(p.asked) != asked || p.built != 1 {
		t.Errorf("%d reads of the state, %d of the file, %d of parameters, %d builds", p.store.Calls("load")-loads, p.store.Calls("file")-files, len(p.asked)-asked, p.built)
	}
}

// What is in force and cannot be taken up leaves the former in use, is tried again
// once a minute, and is over when it could be, or when nobody wants it any more.
func TestWhatCannotBeTakenUp(t *testing.T) {
	for name, c := range map[string]struct {
		spoil, mend func(*process, settings.Edition)
		trouble     string
	}{
		"corrupt": {func(p *process, e settings.Edition) { p.store.Spoil(e.Sum, chainsFile(9)) },
			func(p *process, e settings.Edition) { p.store.Spoil(e.Sum, chainsFile(2)) }, "another checksum"},
		"gone": {func(p *process, e settings.Edition) { p.store.Spoil(e.Sum, nil) },
			func(p *process, e settings.Edition) { p.store.Spoil(e.Sum, chainsFile(2)) }, "file does not exist"},
		"unreadable": {func(p *process, _ settings.Edition) {
			p.store.Fail(func(op string) faulttest.Fault {
				if op == "file" {
					return faulttest.Refused
				}
				return faulttest.OK
			})
		}, func(p *process, _ settings.Edition) { p.store.Fail(nil) }, "injected failure"},
		"no parameters": {func(p *process, _ settings.Edition) { p.away = errors.New("throttled") },
			func(p *process, _ settings.Edition) { p.away = nil }, "throttled"},
		"a parameter less": {func(p *process, _ settings.Edition) { clear(p.values) },
			func(p *process, _ settings.Edition) { p.values["A"], p.values["B"] = planted+"a", planted+"b" }, "${A} has no value"},
		"no handler": {func(p *process, _ settings.Edition) { p.broken = errors.New("no such topic") },
			func(p *process, _ settings.Edition) { p.broken = nil }, "no such topic"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t, settingstest.NewMemory()).begin()
			e := put(t, p.store, chainsFile(2))
			c.spoil(p, e)
			p.works(time.Second, "chain 1 by a b", c.trouble)
			if got := p.file.Trouble(); !strings.HasPrefix(got, "works by the packaged file: ") || !strings.Contains(got, "edition 1 (") {
				t.Errorf("trouble %q", got)
			}
			c.mend(p, e)
			p.works(time.Minute-time.Second, "chain 1 by a b", c.trouble) // not yet
			p.works(time.Second, "chain 2 by a b", "")

			third := put(t, p.store, chainsFile(3))
			c.spoil(p, third)
			p.works(time.Second, "chain 2 by a b", c.trouble)
			c.mend(p, third)
			if _, err := settings.Back(t.Context(), p.store, 1, settings.Move{By: "a", Why: "w"}); err != nil {
				t.Fatal(err)
			}
			s, err := p.store.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := settings.Prove(t.Context(), p.store, s.Wanted().Edition, nil); err != nil {
				t.Fatal(err)
			}
			p.works(time.Second, "chain 2 by a b", "")
		})
	}
}

// A process that starts takes the file that was proven before, should the proven one
// not be usable, and goes on as soon as it is; without either it does not start, and
// says everything.
func TestAColdStartFindsAFile(t *testing.T) {
	store := settingstest.NewMemory()
	put(t, store, chainsFile(2))
	e := put(t, store, chainsFile(3))
	newProcess(t, store).begin().works(0, "chain 3 by a b", "")
	store.Spoil(e.Sum, []byte("chains: []"))
	p := newProcess(t, store).begin()
	p.works(0, "chain 2 by a b", "another checksum")
	store.Spoil(e.Sum, chainsFile(3))
	p.works(time.Minute, "chain 3 by a b", "")

	p = newProcess(t, store)
	clear(p.values)
	if err := p.start(t.Context(), t0); err == nil || !strings.Contains(err.Error(), "edition 2 (") || !strings.Contains(err.Error(), "edition 1 (") || !strings.Contains(err.Error(), "${B} has no value") {
		t.Errorf("without parameters: %v", err)
	}
	store.Fail(func(string) faulttest.Fault { return faulttest.Refused })
	if err := newProcess(t, store).start(t.Context(), t0); !errors.Is(err, faulttest.ErrInjected) {
		t.Errorf("without a store: %v", err)
	}
	// The packaged file is judged where it is used, for nobody tried it before.
	p = newProcess(t, settingstest.NewMemory())
	if err := os.WriteFile(p.file.packaged, []byte(strings.ReplaceAll(string(chainsFile(1)), `{ name: b, url: "${B}" }, `, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.start(t.Context(), t0); err == nil || !strings.Contains(err.Error(), "live needs two providers") {
		t.Errorf("one provider: %v", err)
	}
	// An endpoint whose parameter is gone is left out, and told.
	p = newProcess(t, settingstest.NewMemory())
	delete(p.values, "B")
	p.begin().works(0, "chain 1 by a", "does without endpoints of the packaged file: chains[0].endpoints[1].url: ${B} has no value")
	p.values["B"] = planted + "b"
	p.works(valuesAge, "chain 1 by a b", "")
}

// An edition that passed in shadow, or lost an optional endpoint since, is used in live
// though live would refuse it, and told: what does not start watches nothing, and
// health-check could never try the edition that mends it.
func TestWhatLiveWouldRefuseIsUsedAndTold(t *testing.T) {
	p := newProcess(t, settingstest.NewMemory())
	delete(p.values, "B")
	e := put(t, p.store, []byte(strings.ReplaceAll(string(chainsFile(2)), `url: "${B}"`, `url: "${B}", optional: true`)))
	single := "works by " + e.String() + ", which live would refuse: chains[0].endpoints: live needs two providers"
	p.begin().works(0, "chain 2 by a", single)
	p.values["B"] = planted + "b"
	p.works(valuesAge, "chain 2 by a b", "")
	p.values = map[string]string{"A": planted + "a"}
	p.works(valuesAge, "chain 2 by a", single)
	put(t, p.store, []byte(strings.ReplaceAll(string(chainsFile(3)), "signer: own }]", "path: none }]")))
	p.values["B"] = planted + "b"
	p.works(time.Minute, "chain 3 by a b", "live needs a taker with a signer")
	p.file.live = false
	put(t, p.store, []byte(strings.ReplaceAll(string(chainsFile(4)), "signer: own }]", "path: none }]")))
	p.works(time.Minute, "chain 4 by a b", "")
}

// A token that was changed is used within minutes, and soon if an endpoint refuses
// the old one; what cannot be read, or is no URL, leaves the old in use.
func TestAChangedTokenIsTakenUp(t *testing.T) {
	p := newProcess(t, settingstest.NewMemory()).begin()
	p.works(time.Minute, "chain 1 by a b", "")
	p.values = maps.Clone(p.values)
	p.values["A"] = planted + "new"
	p.works(valuesAge-time.Minute-time.Second, "chain 1 by a b", "")
	p.works(time.Second, "chain 1 by new b", "")

	p.values["A"] = planted + "newer"
	p.file.Hurry()
	p.works(refusedAge-time.Second, "chain 1 by new b", "")
	p.works(time.Second, "chain 1 by newer b", "")
	asked := len(p.asked)
	if p.works(refusedAge, "chain 1 by newer b", ""); len(p.asked) != asked {
		t.Error("asked again, and nobody is in a hurry")
	}

	p.away = errors.New("throttled")
	p.works(valuesAge, "chain 1 by newer b", "works by the packaged file: the packaged file: throttled")
	asked = len(p.asked)
	p.away = nil
	p.works(time.Second, "chain 1 by newer b", "throttled") // not yet
	if p.works(refusedAge-time.Second, "chain 1 by newer b", ""); len(p.asked) != asked+1 {
		t.Errorf("asked %d times", len(p.asked)-asked)
	}

	p.values["A"] = "ftp://host.example/planted"
	p.works(valuesAge, "chain 1 by b", "chains[0].endpoints[0].url: not an http or https URL")
	p.values["B"] = ""
	p.works(valuesAge, "chain 1 by b", "no endpoint with a URL")
	p.values["A"], p.values["B"] = planted+"a", planted+"b"
	p.works(refusedAge, "chain 1 by a b", "")
}

// An edition in force that cannot be looked up leaves everything as it is, without
// keeping the run long.
func TestAnUnreadableStateKeepsWhatThereIs(t *testing.T) {
	p := newProcess(t, settingstest.NewMemory()).begin()
	put(t, p.store, chainsFile(2))
	p.store.Fail(func(string) faulttest.Fault { return faulttest.Refused })
	p.works(time.Hour, "chain 1 by a b", "")
	if !strings.Contains(p.log.String(), "cannot be read") {
		t.Errorf("log:\n%s", &p.log)
	}
	p.store.Fail(nil)
	p.works(time.Second, "chain 2 by a b", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.refresh(ctx, p.now)
	p.works(0, "chain 2 by a b", "")
}

// Who asks no chain reads no parameter, and no endpoint's lack of one stops it.
func TestWithoutEndpoints(t *testing.T) {
	p := newProcess(t, settingstest.NewMemory())
	p.file.secrets = nil
	p.begin().works(0, "chain 1 by   ", "")
	put(t, p.store, chainsFile(2))
	p.works(time.Hour, "chain 2 by   ", "")
	if len(p.asked) != 0 {
		t.Errorf("asked for %q", p.asked)
	}
}

// Try judges as the stack would, strictly.
func TestTry(t *testing.T) {
	p := newProcess(t, settingstest.NewMemory())
	single := strings.ReplaceAll(string(chainsFile(4)), `{ name: b, url: "${B}" }, `, "")
	for content, want := range map[string]string{
		string(chainsFile(2)): "", "chains: []": "chains: missing", single: "live needs two providers",
		strings.ReplaceAll(string(chainsFile(5)), "${B}", "${D}"): "chains[0].endpoints[1].url: ${D} has no value",
	} {
		e := put(t, p.store, []byte(content))
		c, err := p.file.Try(t.Context(), e)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) || err == nil && c.Chains[0].ID != 2 {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if c, err := p.file.Try(t.Context(), settings.Edition{Number: 7}); err != nil || c.Chains[0].ID != 1 {
		t.Errorf("the packaged file: %v", err)
	}
	p.away = errors.New("throttled")
	if _, err := p.file.Try(t.Context(), settings.Edition{}); !errors.Is(err, p.away) {
		t.Errorf("without parameters: %v", err)
	}
}
