// Package daily puts together what the daily report is made of: each part from
// the reader of the room that keeps it.
package daily

import (
	"context"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/report"
)

// kind is the message attribute by which subscribers tell the report from alerts.
const kind alert.Kind = "daily-report"

// Gatherer tells days from what the stack has stored, and keeps the pages on a shelf.
func Gatherer(b *boot.Base, shelf report.Shelf) (*report.Gatherer, error) {
	topic, err := b.Topic()
	if err != nil {
		return nil, err
	}
	return &report.Gatherer{
		Stack: "resolver-cron", Mode: string(b.Config.Mode), Zone: b.Config.ReportZone,
		Sources: sources(b), Shelf: shelf, Notes: b.Store.Reports(report.NoteTTL),
		Publish: publish(topic),
		Link:    link(b.Config.ReportLink, b.Config.ArchiveBucket),
	}, nil
}

// publish sends a report as what it is: nothing to wake anybody for. What is wrong
// in it was told by an alert of its own.
func publish(to alert.Publisher) func(ctx context.Context, subject, body string) error {
	return func(ctx context.Context, subject, body string) error {
		return to.Publish(ctx, alert.Message{Kind: kind, Severity: alert.Info, Subject: subject, Body: body})
	}
}

// link is where a page is read. A presigned link would end with the function's own
// credentials, in hours; this one stays, and opens for those who may read the bucket.
func link(prefix, bucket string) func(key string) string {
	return func(key string) string {
		if prefix == "" {
			return "s3://" + bucket + "/" + key
		}
		return prefix + key
	}
}
