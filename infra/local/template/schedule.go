package template

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	rateForm = regexp.MustCompile(`^rate\(([1-9][0-9]*) (minute|minutes|hour|hours|day|days)\)$`)
	cronForm = regexp.MustCompile(`^cron\(([^()]+)\)$`)
)

// Rule is when a schedule fires; see Schedule.
type Rule struct {
	Every time.Duration
	Daily bool
	At    time.Duration
}

// ParseSchedule checks an EventBridge schedule expression and returns when it fires. The service refuses "rate(1 minutes)" and "rate(2 minute)" only at deploy time, so they are refused here.
func ParseSchedule(expr string) (Rule, error) {
	if m := rateForm.FindStringSubmatch(expr); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > 100_000 {
			return Rule{}, fmt.Errorf("schedule %q: rate is out of range", expr)
		}
		if plural := strings.HasSuffix(m[2], "s"); plural != (n > 1) {
			return Rule{}, fmt.Errorf("schedule %q: a value of %d wants the unit in the %s", expr, n, map[bool]string{true: "plural", false: "singular"}[n > 1])
		}
		unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[strings.TrimSuffix(m[2], "s")]
		return Rule{Every: time.Duration(n) * unit}, nil
	}
	if m := cronForm.FindStringSubmatch(expr); m != nil {
		fields := strings.Fields(m[1])
		if len(fields) != 6 {
			return Rule{}, fmt.Errorf("schedule %q: cron wants 6 fields (minutes hours day-of-month month day-of-week year), got %d", expr, len(fields))
		}
		if (fields[2] == "?") == (fields[4] == "?") {
			return Rule{}, fmt.Errorf("schedule %q: exactly one of day-of-month and day-of-week must be ?", expr)
		}
		return daily(fields), nil
	}
	return Rule{}, fmt.Errorf("schedule %q is neither rate(…) nor cron(…)", expr)
}

// daily reads a cron of one minute of one hour of every day.
func daily(fields []string) Rule {
	minute, errMinute := strconv.Atoi(fields[0])
	hour, errHour := strconv.Atoi(fields[1])
	every := fields[2] == "*" && fields[4] == "?" || fields[2] == "?" && fields[4] == "*"
	if errMinute != nil || errHour != nil || minute < 0 || minute > 59 || hour < 0 || hour > 23 || !every || fields[3] != "*" || fields[5] != "*" {
		return Rule{}
	}
	return Rule{Every: 24 * time.Hour, Daily: true, At: time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute}
}
