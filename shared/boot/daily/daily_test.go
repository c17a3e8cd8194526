package daily

import (
	"context"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
)

func TestLink(t *testing.T) {
	const key = "reports/2026-11-28.html"
	if got := link("", "rc-archive")(key); got != "s3://rc-archive/reports/2026-11-28.html" {
		t.Error(got)
	}
	if got := link("https://eu-west-1.console.example/s3/object/rc-archive?region=eu-west-1&prefix=", "rc-archive")(key); got != "https://eu-west-1.console.example/s3/object/rc-archive?region=eu-west-1&prefix=reports/2026-11-28.html" {
		t.Error(got)
	}
}

type sent []alert.Message

func (s *sent) Publish(_ context.Context, m alert.Message) error {
	*s = append(*s, m)
	return nil
}

// A report wakes nobody, and can be told from alerts.
func TestPublish(t *testing.T) {
	var to sent
	if err := publish(&to)(t.Context(), "subject", "body"); err != nil {
		t.Fatal(err)
	}
	if len(to) != 1 || to[0] != (alert.Message{Kind: "daily-report", Severity: alert.Info, Subject: "subject", Body: "body"}) {
		t.Errorf("%+v", to)
	}
}
