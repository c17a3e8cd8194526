package metrics

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// NewLogger returns a logger that writes one JSON object per line to w, with the keys that Lambda
// itself uses: timestamp, level, message, and requestId of the invocation whose context a line is
// logged with. level is DEBUG, INFO, WARN or ERROR in any case; empty means INFO. Everything the
// function logs also carries attrs, and every line of a run carries its job and run (WithRun), unless
// the logger that wrote it says a run of its own.
func NewLogger(w io.Writer, level string, attrs ...slog.Attr) (*slog.Logger, error) {
	var min slog.Level
	switch name := strings.ToUpper(level); name {
	case "":
		min = slog.LevelInfo
	case "DEBUG", "INFO", "WARN", "ERROR":
		if err := min.UnmarshalText([]byte(name)); err != nil {
			return nil, fmt.Errorf("log level %q: %w", level, err)
		}
	default:
		return nil, fmt.Errorf("log level %q: want DEBUG, INFO, WARN or ERROR", level)
	}
	h := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: min, ReplaceAttr: lambdacontext.ReplaceAttr})
	return slog.New(requestHandler{Handler: h.WithAttrs(attrs)}), nil
}

// requestHandler adds the invocation's request id and its run to each line.
type requestHandler struct {
	slog.Handler
	named bool // the logger carries a run
}

func (h requestHandler) Handle(ctx context.Context, r slog.Record) error {
	if lc, ok := lambdacontext.FromContext(ctx); ok && lc.AwsRequestID != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("requestId", lc.AwsRequestID))
	}
	if run, ok := ctx.Value(runKey{}).(run); ok && !h.named {
		r = r.Clone()
		r.AddAttrs(slog.String(jobKey, run.job), slog.String(tokenKey, run.token))
	}
	return h.Handler.Handle(ctx, r)
}

func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	named := h.named || slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == tokenKey })
	return requestHandler{h.Handler.WithAttrs(attrs), named}
}

func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{h.Handler.WithGroup(name), h.named}
}
