package boot

import (
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// AWS answers within milliseconds, and what it throttles or drops it mostly
// takes a moment later. The SDK's own back-off waits up to a second before the
// first repetition, which near a deadline is a block or two: so more and
// shorter ones are made within about the same time.
const (
	attempts    = 6
	firstWait   = 50 * time.Millisecond // the most before the first repetition; doubled each time
	longestWait = time.Second
)

// retryer repeats requests that failed in passing.
func retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.Backoff = retry.BackoffDelayerFunc(backoff)
	})
}

// backoff is the wait after the attempt of that number, from 0, at random up
// to its bound, so that processes that failed together do not come back together.
func backoff(attempt int, _ error) (time.Duration, error) {
	most := min(firstWait<<min(max(attempt, 0), 10), longestWait)
	return rand.N(most), nil
}
