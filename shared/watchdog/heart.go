package watchdog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
)

// Outbox is where alerts wait to be delivered. alert.Store is one.
type Outbox interface {
	// Due returns alerts that are not delivered and became due at least age away from
	// now, before it or after it, at most limit of them.
	Due(ctx context.Context, limit int, now time.Time, age time.Duration) ([]alert.Entry, error)
}

// Topic is how alerts reach people.
type Topic interface {
	// Subscriptions counts those who have confirmed that they want the alerts, and
	// those who have not yet.
	Subscriptions(ctx context.Context) (confirmed, pending int, err error)
}

// Beater pings somebody outside. A Heart is one.
type Beater interface {
	Beat(ctx context.Context) error
}

// Desk takes, stores and delivers the alerts of a round. alert.Desk is one.
type Desk interface {
	Alerts
	Flush(ctx context.Context, now time.Time) error
}

// Round is one run of the watchdog: it looks at all jobs, delivers what is to be
// told, and pings the monitor outside if all of that worked and a person could
// have been reached.
func (w *Watchdog) Round(ctx context.Context, desk Desk, now time.Time) ([]Health, error) {
	all, err := w.Pass(ctx, desk, now)
	if err = errors.Join(err, desk.Flush(ctx, now)); err != nil || w.Heart == nil {
		return all, err
	}
	if err := w.reachable(ctx, now); err != nil {
		return all, fmt.Errorf("heartbeat withheld: %w", err)
	}
	return all, w.Heart.Beat(ctx)
}

const (
	// stuck is for how long an alert may wait: a topic that throttles, or a pass
	// that died before it delivered, is made good by the next. No clock is ahead by
	// so much that an alert of it may wait longer.
	stuck = 5 * time.Minute
	// outboxLimit bounds how much of the outbox is read. What is stuck was tried
	// by every pass, so that where more than this waits, deliveries fail too.
	outboxLimit = 500
)

// reachable tells what would keep an alert from a person.
func (w *Watchdog) reachable(ctx context.Context, now time.Time) error {
	waiting, err := w.Outbox.Due(ctx, outboxLimit, now, stuck)
	if err != nil {
		return fmt.Errorf("read the alert outbox: %w", err)
	}
	if len(waiting) > 0 {
		oldest := slices.MinFunc(waiting, func(a, b alert.Entry) int { return a.RaisedAt.Compare(b.RaisedAt) }).RaisedAt
		return fmt.Errorf("%d alerts are not delivered, the oldest since %s", len(waiting), stamp(oldest))
	}
	confirmed, pending, err := w.Topic.Subscriptions(ctx)
	if err != nil {
		return fmt.Errorf("count the subscribers of the alert topic: %w", err)
	}
	if confirmed == 0 {
		return fmt.Errorf("nobody has confirmed a subscription to the alert topic, %d are asked to", pending)
	}
	return nil
}

// beatTime is the most that a ping may take: whoever listens outside is not worth
// more of a run.
const beatTime = 5 * time.Second

// Heart pings a monitor outside of everything that could fail here with us. It
// expects to be pinged, and calls somebody if it is not. Safe for concurrent use.
type Heart struct {
	url    *url.URL
	client *http.Client
}

// NewHeart takes the monitor's address, which is a secret: no error holds any part
// of it. It must be https.
func NewHeart(address string) (*Heart, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return nil, errors.New("the heartbeat's address is no https URL")
	}
	// Where it leads elsewhere, it is not what the operator has entered.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Heart{u, &http.Client{Timeout: beatTime, CheckRedirect: stay}}, nil
}

// Beat pings once, for at most beatTime. Any answer but a success is an error.
func (h *Heart) Beat(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url.String(), nil)
	if err != nil {
		return fmt.Errorf("heartbeat: %w", plain(err))
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return fmt.Errorf("heartbeat: %w", plain(err))
	}
	if err := resp.Body.Close(); err != nil {
		return fmt.Errorf("heartbeat: %w", plain(err))
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("heartbeat: answered with status %d", resp.StatusCode)
	}
	return nil
}

// plain says what went wrong in words of our own: the texts of the network's
// errors name the host, and those of the client the whole address.
func plain(err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &timeout) && timeout.Timeout():
		return context.DeadlineExceeded
	case errors.Is(err, syscall.ECONNREFUSED):
		return syscall.ECONNREFUSED
	case is[*net.DNSError](err):
		return errors.New("its name does not resolve")
	case is[*tls.CertificateVerificationError](err):
		return errors.New("its certificate is not valid")
	}
	return errors.New("it could not be reached")
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
