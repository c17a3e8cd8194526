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

// ParseSchedule checks an EventBridge schedule expression and returns the period of a rate, 0 for a
// cron. The service refuses "rate(1 minutes)" and "rate(2 minute)" only at deploy time, so they are refused here.
func ParseSchedule(expr string) (time.Duration, error) {
	if m := rateForm.FindStringSubmatch(expr); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > 100_000 {
			return 0, fmt.Errorf("schedule %q: rate is out of range", expr)
		}
		if plural := strings.HasSuffix(m[2], "s"); plural != (n > 1) {
			return 0, fmt.Errorf("schedule %q: a value of %d wants the unit in the %s", expr, n, map[bool]string{true: "plural", false: "singular"}[n > 1])
		}
		unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[strings.TrimSuffix(m[2], "s")]
		return time.Duration(n) * unit, nil
	}
	if m := cronForm.FindStringSubmatch(expr); m != nil {
		fields := strings.Fields(m[1])
		if len(fields) != 6 {
			return 0, fmt.Errorf("schedule %q: cron wants 6 fields (minutes hours day-of-month month day-of-week year), got %d", expr, len(fields))
		}
		if (fields[2] == "?") == (fields[4] == "?") {
			return 0, fmt.Errorf("schedule %q: exactly one of day-of-month and day-of-week must be ?", expr)
		}
		return 0, nil
	}
	return 0, fmt.Errorf("schedule %q is neither rate(…) nor cron(…)", expr)
}
