package lambda

import (
	"sync"
	"time"
)

// pool owns the processes of one function.
type pool struct {
	host *Host
	fn   Function

	mu     sync.Mutex
	idle   []*process // frozen; the last used is reused first
	all    map[*process]bool
	busy   int
	closed bool
	work   sync.WaitGroup // invocations under way
}

func (p *pool) throttled(requestID string, source Source) Result {
	r := failure(requestID, Throttled, "TooManyRequestsException", "Rate Exceeded.")
	p.host.observe(Invocation{
		Function: p.fn.Folder, RequestID: requestID, Source: source,
		Outcome: Throttled, Error: string(r.Payload), Start: time.Now(),
	})
	return r
}

func (p *pool) invoke(requestID string, source Source, payload []byte) Result {
	p.mu.Lock()
	if p.closed || p.fn.Reserved > 0 && p.busy >= p.fn.Reserved {
		p.mu.Unlock()
		return p.throttled(requestID, source)
	}
	p.busy++
	p.work.Add(1)
	defer p.work.Done()
	proc := p.take()
	p.mu.Unlock()

	record := Invocation{Function: p.fn.Folder, RequestID: requestID, Source: source, Start: time.Now()}
	var result Result
	if proc == nil {
		record.Cold = true
		proc, result = p.start(requestID)
		record.Init = time.Since(record.Start)
	}
	if proc != nil {
		record.PID = proc.pid
		record.Start = time.Now()
		if result.Outcome == "" {
			result = proc.invoke(requestID, payload)
		}
		record.Duration = time.Since(record.Start)
		record.MaxRSS = proc.peak()
	}
	record.Outcome = result.Outcome
	if result.Failed() {
		record.Error = string(result.Payload)
	}
	p.release(proc)
	p.host.observe(record)
	return result
}

// take returns a frozen process that is alive, or nil. The caller holds the lock.
func (p *pool) take() *process {
	for n := len(p.idle); n > 0; n = len(p.idle) {
		proc := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if proc.alive() {
			return proc
		}
		delete(p.all, proc)
	}
	return nil
}

// start returns a process that asks for work, or one that failed with the result that says why, or none.
func (p *pool) start(requestID string) (*process, Result) {
	id := Process{Function: p.fn.Folder, ID: int(p.host.lastID.Add(1))}
	proc, err := startProcess(p.host, p.fn, id)
	if err != nil {
		return nil, failure(requestID, InitError, "Runtime.InvalidEntrypoint", err.Error())
	}
	p.mu.Lock()
	p.all[proc] = true
	closed := p.closed
	p.mu.Unlock()
	if closed {
		proc.kill()
	}
	return proc, proc.init(requestID)
}

// release takes a process back: for reuse when it is frozen and alive, else for burial.
func (p *pool) release(proc *process) {
	if p.reuse(proc) || proc == nil {
		return
	}
	// Closing, or dead: Close waits for this invocation, and so for the end of its process.
	proc.end()
}

// reuse tells whether the process is kept for the next invocation.
func (p *pool) reuse(proc *process) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	if proc != nil && proc.alive() && !p.closed {
		p.idle = append(p.idle, proc)
		return true
	}
	delete(p.all, proc)
	return false
}

func (p *pool) running() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]int{}
	for proc := range p.all {
		if id := proc.currentRequest(); id != "" {
			out[id] = proc.pid
		}
	}
	return out
}

// kill kills the matching processes and waits for their end; it returns how many were busy.
func (p *pool) kill(match func(*process) bool) int {
	p.mu.Lock()
	busy := map[*process]bool{}
	for proc := range p.all {
		if match(proc) {
			busy[proc] = true
		}
	}
	kept := p.idle[:0]
	for _, proc := range p.idle {
		if busy[proc] {
			busy[proc] = false
			delete(p.all, proc)
			continue
		}
		kept = append(kept, proc)
	}
	p.idle = kept
	p.mu.Unlock()

	n := 0
	for proc, was := range busy {
		if was && proc.alive() {
			n++
		}
		proc.kill()
		<-proc.exited
	}
	return n
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.kill(func(*process) bool { return true })
	p.work.Wait()
}
