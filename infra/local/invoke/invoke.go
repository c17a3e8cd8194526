// Package invoke runs functions once, each with its event, as `sam local invoke` does, but without a container engine:
// the binary itself, under a host that speaks the Runtime API, with the parts of the local stack around it.
package invoke

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/measure"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// ErrFailed says that a function failed, which its output has told.
var ErrFailed = errors.New("a function failed")

// Options say what to run.
type Options struct {
	// Root is the repository.
	Root string
	Out  io.Writer
	// Function is one of the template; empty: all of them, each with all its events.
	Function string
	// Event is a file with an event for Function; empty: those of the folder events.
	Event string
	// AsIs hands events over as they are. Else those of a schedule are of the present, and doorbells ring for an account
	// of the chains file.
	AsIs bool
	// ChainsFile is the content of a chains file, whose chains are only looked at: mode shadow. nil: two chains of our
	// own, on which nothing happens, in mode live.
	ChainsFile []byte
	// DynamoDB is the URL of a server to use instead of the packaged one.
	DynamoDB string
}

// Run invokes and prints: what the functions log, what they answer, and what it took.
func Run(ctx context.Context, o Options) (err error) {
	events, err := o.events()
	if err != nil {
		return err
	}
	so := stack.Options{Root: o.Root, Profile: string(job.Test), Mode: string(env.Shadow), ChainsFile: o.ChainsFile, Lookup: os.LookupEnv, DynamoDB: o.DynamoDB}
	if o.ChainsFile == nil {
		w, err := scene.Build(ctx, uint64(time.Now().Unix()), nil)
		if err != nil {
			return err
		}
		defer w.Close()
		so.Mode, so.ChainsFile, so.Keys = string(env.Live), measure.ChainsFile(w), measure.Keys()
	}
	if o.Function != "" && o.Function != job.PacerJob { // which starts others
		so.Functions = []string{o.Function}
	}
	p := &printer{out: o.Out}
	so.Observe, so.Log = p.observe, p.line
	s, err := stack.Start(ctx, so)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	conf, err := env.ParseChains(so.ChainsFile, os.LookupEnv)
	if err != nil {
		return err
	}
	var failed error
	for i, e := range events {
		payload := e.payload
		if !o.AsIs {
			// No two of the same tick.
			if payload, err = fresh(payload, conf, time.Now().Add(-time.Duration(i)*time.Millisecond)); err != nil {
				return fmt.Errorf("%s: %w", e.file, err)
			}
		}
		f, ok := s.Template.Function(e.function)
		if !ok {
			return fmt.Errorf("no function %s in the template", e.function)
		}
		p.print("%s with %s", e.function, e.file)
		result, err := s.Host.Invoke(ctx, e.function, payload)
		if err != nil {
			return err
		}
		if result.Failed() {
			failed = ErrFailed
		}
		p.ended(result, f.MemoryMB)
	}
	return failed
}

// event is one and what it is for.
type event struct {
	function, file string
	payload        []byte
}

// events are what is to be handed over, in the order of their names.
func (o Options) events() (out []event, err error) {
	files := []string{o.Event}
	if o.Event == "" {
		if files, err = filepath.Glob(filepath.Join(o.Root, "events", "*.json")); err != nil {
			return nil, err
		}
	}
	for _, file := range files {
		function := o.Function
		if o.Event == "" {
			function = Function(file)
		}
		if o.Function != "" && function != o.Function {
			continue
		}
		payload, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if !json.Valid(payload) {
			return nil, fmt.Errorf("%s is no JSON", file)
		}
		out = append(out, event{function, file, payload})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no event for %q in the folder events", o.Function)
	}
	return out, nil
}

// Function is what an event of the folder events is for: FUNCTION.json, or FUNCTION-tick.json where there are two ways
// to start it.
func Function(file string) string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".json"), "-tick")
}

// fresh makes an event one of the present. What is neither of a schedule nor a message stays as it is.
func fresh(payload []byte, conf env.Chains, now time.Time) ([]byte, error) {
	var e map[string]any
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&e); err != nil {
		return nil, err
	}
	if e["source"] == "aws.events" {
		e["time"] = now.UTC().Format(time.RFC3339Nano)
	}
	records, _ := e["Records"].([]any)
	for _, r := range records {
		r, ok := r.(map[string]any)
		if !ok {
			continue
		}
		body, _ := r["body"].(string)
		if tick, err := job.DecodeTick(body); err == nil {
			tick.Time = now.Truncate(time.Second)
			if r["body"], err = tick.Body(); err != nil {
				return nil, err
			}
		} else if bell, err := job.DecodeDoorbell(body); err == nil {
			if chain, signer, ok := account(conf); ok {
				bell = job.Doorbell{Chain: chain, Signer: signer.Hex()}
			}
			if r["body"], err = bell.Body(); err != nil {
				return nil, err
			}
		}
	}
	return json.Marshal(e)
}

// account is one that transactions are sent from.
func account(conf env.Chains) (chain uint64, signer common.Address, ok bool) {
	for _, c := range conf.Chains {
		for _, s := range conf.Signers {
			for _, t := range c.Takers {
				if t.Signer == s.Address {
					return c.ID, s.Address, true
				}
			}
		}
	}
	return 0, common.Address{}, false
}

// printer prints what comes from many goroutines.
type printer struct {
	mu   sync.Mutex
	out  io.Writer
	last lambda.Invocation
}

func (p *printer) print(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, format+"\n", args...)
}

func (p *printer) line(l lambda.Line) { p.print("%s", l.Text) }

func (p *printer) observe(i lambda.Invocation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i.Source == lambda.SourceSync {
		p.last = i
	}
}

// ended tells how an invocation ended, which has been observed.
func (p *printer) ended(r lambda.Result, memoryMB int) {
	p.mu.Lock()
	i := p.last
	p.mu.Unlock()
	p.print("answer: %s\n%s: %s in %d ms, init %d ms, held %d of %d MB\n", r.Payload, i.Function, r.Outcome, i.Duration.Milliseconds(), i.Init.Milliseconds(), i.MaxRSS>>20, memoryMB)
}
