package boot

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// silence is how long one attempt waits for a connection, and for the beginning
// of the answer once the request is written. The SDK's own bounds are half a
// minute and none: a kept connection that died while the process was frozen
// would hold a request until the invocation is killed. It is far above what AWS
// takes, and leaves the shortest job, of nine seconds, the time for another
// attempt. How long a large object or answer takes is bounded by the run alone.
const silence = 3 * time.Second

// awsConfig is what a function has in Lambda: region, credentials and endpoints of
// its environment. The SDK's own reading of it links the clients of four more
// services, for kinds of credentials that no function has: half a megabyte of each
// zip. An attempt that hears nothing for so long is given up and repeated.
func awsConfig(silence time.Duration) (aws.Config, error) {
	region := os.Getenv("AWS_REGION")
	who := aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken: os.Getenv("AWS_SESSION_TOKEN"), Source: "environment"}
	if region == "" || !who.HasKeys() {
		return aws.Config{}, errors.New("AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: a function has them all")
	}
	client := awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = silence }).
		WithTransportOptions(func(t *http.Transport) { t.TLSHandshakeTimeout, t.ResponseHeaderTimeout = silence, silence })
	cfg := aws.Config{Region: region, ConfigSources: []any{endpoints{}}, HTTPClient: client, Retryer: retryer,
		Credentials: aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return who, nil }))}
	if every := os.Getenv("AWS_ENDPOINT_URL"); every != "" {
		cfg.BaseEndpoint = &every
	}
	return cfg, nil
}

// endpoints are those of single services, by the variables that the SDK names.
type endpoints struct{}

// GetServiceBaseEndpoint is what the SDK's clients ask a source of configuration.
func (endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	url := os.Getenv("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_")))
	return url, url != "", nil
}

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
