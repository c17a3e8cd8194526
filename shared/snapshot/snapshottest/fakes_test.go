package snapshottest

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
)

func TestBucketInMemory(t *testing.T) {
	TestBucket(t, func(*testing.T) snapshot.Bucket { return NewBucket(nil) })
}

func TestStateInMemory(t *testing.T) { TestState(t, func(*testing.T) Storage { return NewState(nil) }) }
