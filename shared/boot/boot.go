// Package boot builds what a function needs, once per process, from its
// environment. It is where adapters and logic rooms meet; it decides nothing.
//
// Nothing that depends on the present is computed here: Lambda keeps processes
// for hours.
package boot

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
	"github.com/bridge-me-not/resolver-cron/shared/notify"
	"github.com/bridge-me-not/resolver-cron/shared/queue"
	"github.com/bridge-me-not/resolver-cron/shared/store"
)

// Base is what every function has.
type Base struct {
	Config  env.Config
	Profile job.Profile
	AWS     aws.Config
	Log     *slog.Logger
	Store   *store.Store
	Jobs    job.Deps
	Control *control.Reader
	File    *File // what Config.Chains was read from; nil for functions without
}

// Load reads the environment and builds the base. The error names every
// problem of the configuration.
func Load(ctx context.Context, need env.Need) (*Base, error) {
	cfg, err := env.Load(os.LookupEnv, need)
	if err != nil {
		return nil, err
	}
	b := &Base{Config: cfg, Profile: job.Profile(cfg.Profile)}
	var errs []error
	if b.Log, err = metrics.NewLogger(os.Stdout, cfg.LogLevel, slog.String("mode", string(cfg.Mode))); err != nil {
		errs = append(errs, err)
	}
	if b.AWS, err = awsConfig(silence); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	metrics.Instrument(&b.AWS)
	b.Store, err = store.New(dynamodb.NewFromConfig(b.AWS), store.Tables{
		Orders: cfg.Tables.Orders, Actions: cfg.Tables.Actions, Journal: cfg.Tables.Journal, Jobs: cfg.Tables.Jobs,
	}, work(cfg.Mode))
	if err != nil {
		return nil, err
	}
	b.Control = control.NewReader(b.Store.Control())
	b.Jobs = job.Deps{Locker: b.Store.Leases(), Recorder: b.Store.Runs(), Log: b.Log}
	return b, nil
}

// work is whose actions a stack reads and writes: one that does nothing touches
// neither, and least of all those of the one that sends.
func work(m env.Mode) store.Mode {
	if m == env.Live {
		return store.Live
	}
	return store.Shadow
}

// Doorbells rings the executor.
func (b *Base) Doorbells() queue.Doorbells {
	return queue.Doorbells{Client: sqs.NewFromConfig(b.AWS), URL: b.Config.DoorbellQueueURL}
}

// Topic delivers alerts.
func (b *Base) Topic() (*notify.Topic, error) {
	return notify.New(sns.NewFromConfig(b.AWS), b.Config.AlertsTopicARN)
}

// AlarmsTopic is the topic of CloudWatch's alarms, for whoever asks about its subscribers.
func (b *Base) AlarmsTopic() (*notify.Topic, error) {
	return notify.New(sns.NewFromConfig(b.AWS), b.Config.AlarmsTopicARN)
}

// Scheduled is the handler of the job of that name. In mode off it does
// nothing, and says so; likewise while an operator has paused it, if that may be
// done.
func (b *Base) Scheduled(name string, run func(context.Context, *job.Run) error) (job.Handler, error) {
	spec, err := job.Lookup(name)
	if err != nil {
		return nil, err
	}
	if spec.Pausable() && name != job.ActionExecutor { // whose pause holds back what it sends
		run = b.unlessPaused(name, run)
	}
	if b.Config.Mode == env.Off {
		run = func(_ context.Context, r *job.Run) error {
			r.Note("mode", string(env.Off))
			return nil
		}
	}
	task, err := job.NewTask(name, b.Profile, run)
	if err != nil {
		return nil, err
	}
	return job.Scheduled(b.Jobs, task)
}
