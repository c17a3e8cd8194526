package job

import (
	"context"
	"errors"
	"strings"
)

// Class says what sort of failure ended a run. The set is closed: it is counted by.
type Class string

// The classes, the most telling first: of an error with several parts the first
// of them that it has is its class.
const (
	ClassPanic     Class = "panic"
	ClassLease     Class = "lease"     // lost, or wanted with no time left
	ClassConfig    Class = "config"    // refused for what we are, or for what we asked: keys, roles, names, the wrong chain
	ClassThrottled Class = "throttled" // an endpoint or the store takes no more for now
	ClassTimeout   Class = "timeout"   // no answer in time, or no time left
	ClassStore     Class = "store"     // the database failed otherwise
	ClassRPC       Class = "rpc"       // an endpoint of a chain failed otherwise
	ClassOther     Class = "other"
)

var classes = []Class{ClassPanic, ClassLease, ClassConfig, ClassThrottled, ClassTimeout, ClassStore, ClassRPC, ClassOther}

// Known reports whether it is one of the classes.
func (c Class) Known() bool {
	for _, k := range classes {
		if c == k {
			return true
		}
	}
	return false
}

// ClassOf finds the class of an error; empty for none. It knows errors by what
// they can say, so that it needs none of the packages that make them: those of
// chains say by EndpointFailure how an endpoint failed, in the word of a class,
// those of AWS their service and code.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	best := ClassOther
	walk(err, "", func(c Class) {
		if rank(c) < rank(best) {
			best = c
		}
	})
	return best
}

func rank(c Class) int {
	for i, k := range classes {
		if c == k {
			return i
		}
	}
	return len(classes)
}

// walk visits an error and all that it wraps. service is that of the AWS
// operation around it.
func walk(err error, service string, visit func(Class)) {
	if op, ok := err.(interface {
		Service() string
		Operation() string
	}); ok {
		service = op.Service()
		if service == "DynamoDB" {
			visit(ClassStore)
		}
	}
	if api, ok := err.(interface{ ErrorCode() string }); ok {
		visit(ofCode(api.ErrorCode(), service))
	}
	if endpoint, ok := err.(interface{ EndpointFailure() string }); ok {
		visit(ClassRPC)
		visit(Class(endpoint.EndpointFailure()))
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		visit(ClassTimeout)
	}
	if errors.Is(err, ErrLost) || errors.Is(err, ErrHeld) || errors.Is(err, ErrWanted) {
		visit(ClassLease)
	}
	if wrapping, ok := err.(interface{ Unwrap() error }); ok {
		if inner := wrapping.Unwrap(); inner != nil {
			walk(inner, service, visit)
		}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, inner := range joined.Unwrap() {
			walk(inner, service, visit)
		}
	}
}

// ofCode is the class of an error code of AWS.
func ofCode(code, service string) Class {
	for _, word := range []string{"Throttl", "ThroughputExceeded", "TooManyRequests", "RequestLimitExceeded", "SlowDown"} {
		if strings.Contains(code, word) {
			return ClassThrottled
		}
	}
	for _, word := range []string{"AccessDenied", "NotAuthorized", "UnrecognizedClient", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken",
		"ResourceNotFound", "NotFoundException", "NonExistentQueue", "ValidationException"} {
		if strings.Contains(code, word) {
			return ClassConfig
		}
	}
	if service == "DynamoDB" {
		return ClassStore
	}
	return ClassOther
}

// class is that of how a run ended.
func (e *ending) class() Class {
	if e.panicked != nil {
		return ClassPanic
	}
	return ClassOf(e.err)
}
