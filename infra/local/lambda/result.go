package lambda

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"
)

// Outcome is how an invocation ended.
type Outcome string

const (
	// OK: the function replied.
	OK Outcome = "ok"
	// FunctionError: the function returned an error or panicked.
	FunctionError Outcome = "error"
	// InitError: the process reported an init error, ended, or took too long before it asked for work.
	InitError Outcome = "init error"
	// Crashed: the process ended in the middle, by itself or killed from outside.
	Crashed Outcome = "crashed"
	// TimedOut: killed at the deadline.
	TimedOut Outcome = "timed out"
	// OutOfMemory: killed for exceeding the function's memory.
	OutOfMemory Outcome = "out of memory"
	// Throttled: never started, no concurrency was left.
	Throttled Outcome = "throttled"
)

// Source is what asked for an invocation.
type Source string

const (
	SourceSync  Source = "sync"
	SourceAsync Source = "async"
	SourceQueue Source = "queue"
)

// Result is the reply of an invocation.
type Result struct {
	RequestID string
	Outcome   Outcome
	// Payload is the function's reply, or the service's error object ({"errorMessage", "errorType"}).
	Payload []byte
}

// Failed tells whether the service would report a function error or throttling.
func (r Result) Failed() bool { return r.Outcome != OK }

// Invocation is the record of one invocation.
type Invocation struct {
	// Function is the folder of the function.
	Function  string
	RequestID string
	Source    Source
	Outcome   Outcome
	// Error is the error object of a failed invocation as text.
	Error string
	// PID is the process, 0 if none was started.
	PID int
	// Cold: the process was started for this invocation; Init is how long that took.
	Cold bool
	Init time.Duration
	// Start is when the event was handed to the process; Duration lasts until the process asked for the next one or died.
	Start    time.Time
	Duration time.Duration
	// MaxRSS is the largest resident size of the process so far, in bytes.
	MaxRSS int64
}

// Line is one line that a function wrote.
type Line struct {
	Process
	PID int
	// RequestID is the invocation under way, or the last one; empty during init.
	RequestID string
	// Stderr tells the stream.
	Stderr bool
	Text   string
}

// failure builds the error object that the service returns when the process could not.
func failure(requestID string, outcome Outcome, errorType, message string) Result {
	payload, err := json.Marshal(map[string]string{
		"errorType":    errorType,
		"errorMessage": fmt.Sprintf("RequestId: %s Error: %s", requestID, message),
	})
	if err != nil {
		panic(err) // a map of strings always encodes
	}
	return Result{RequestID: requestID, Outcome: outcome, Payload: payload}
}

// newRequestID returns a random UUID.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newTraceID returns the X-Ray header of an invocation: of a function that is traced one that says whether this invocation
// is; of one that passes on what others decided, no decision, because nobody has made one.
func newTraceID(now time.Time, tracing string, sampled bool) string {
	var b [24]byte
	rand.Read(b[:])
	root := fmt.Sprintf("Root=1-%08x-%x", now.Unix(), b[:12])
	if tracing == "Active" {
		decision := 0
		if sampled {
			decision = 1
		}
		return fmt.Sprintf("%s;Parent=%x;Sampled=%d", root, b[12:20], decision)
	}
	return fmt.Sprintf("%s;Lineage=1:%x:0", root, b[20:])
}
