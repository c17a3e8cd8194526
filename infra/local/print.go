package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// printer shows what the functions do: one line per decision, action and alert.
type printer struct {
	json, verbose bool
	mu            sync.Mutex
}

// told are the log messages that are worth a line of their own.
var told = []string{"planned", "obsolete", "done by other", "sending", "refused", "settled", "alert", "reading history", "message refused"}

// shown are the fields of a line, in this order.
var shown = []string{"watched_job", "tick", "order", "chain", "escrow", "action", "path", "from", "hard", "nonce", "tx", "state", "work", "reason",
	"kind", "severity", "what", "at_stake", "until_when", "block", "target", "error"}

func (p *printer) line(l lambda.Line) {
	var fields map[string]any
	structured := json.Unmarshal([]byte(l.Text), &fields) == nil
	if p.json {
		if structured {
			p.print(l.Text)
			return
		}
		b, err := json.Marshal(map[string]string{"function": l.Function, "text": l.Text})
		if err == nil {
			p.print(string(b))
		}
		return
	}
	if !structured {
		p.print(fmt.Sprintf("%s  %-20s %s", time.Now().Format(time.TimeOnly), l.Function, l.Text))
		return
	}
	msg, _ := fields["message"].(string)
	level, _ := fields["level"].(string)
	if !p.verbose && !slices.Contains(told, msg) && level != "ERROR" && level != "WARN" {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-20s %-10s", time.Now().Format(time.TimeOnly), l.Function, msg)
	for _, k := range shown {
		if v, ok := fields[k]; ok && v != "" && v != "unknown" && v != float64(0) {
			fmt.Fprintf(&b, " %s=%v", k, v)
		}
	}
	p.print(b.String())
}

// invocation shows what the function itself could not say.
func (p *printer) invocation(i lambda.Invocation) {
	if i.Outcome == lambda.OK || i.Outcome == lambda.FunctionError || p.json {
		return
	}
	p.print(fmt.Sprintf("%s  %-20s %s after %.1f s %s", time.Now().Format(time.TimeOnly), i.Function, i.Outcome, i.Duration.Seconds(), i.Error))
}

// alert shows a message that reached the topic.
func (p *printer) alert(a stack.Alert) {
	if p.json {
		if b, err := json.Marshal(map[string]any{"message": "alert delivered", "subject": a.Subject, "text": a.Message}); err == nil {
			p.print(string(b))
		}
		return
	}
	p.print(fmt.Sprintf("%s  %-20s %s", time.Now().Format(time.TimeOnly), "ALERT", a.Subject))
}

// progress is where the start says what it does: not among JSON lines.
func (p *printer) progress() io.Writer {
	if p.json {
		return os.Stderr
	}
	return os.Stdout
}

func (p *printer) print(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Println(s)
}
