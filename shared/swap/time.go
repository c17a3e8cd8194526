package swap

import "time"

// ChainTime is a block's timestamp: Unix seconds on the chain it was read from.
// It is the only clock the escrow contracts know. Zero means unknown. It is a
// type of its own so that it cannot be compared with a wall clock by accident;
// the times of two chains may differ by as much as one of them is halted.
type ChainTime int64

// String returns the time as RFC 3339 in UTC, or "unknown" for zero.
func (t ChainTime) String() string {
	if t == 0 {
		return "unknown"
	}
	return time.Unix(int64(t), 0).UTC().Format(time.RFC3339)
}

// Add returns t moved by the given number of seconds.
func (t ChainTime) Add(seconds int64) ChainTime { return t + ChainTime(seconds) }

// Sub returns the seconds from u to t, negative when t is earlier.
func (t ChainTime) Sub(u ChainTime) int64 { return int64(t - u) }

// IsZero reports whether the time is unknown.
func (t ChainTime) IsZero() bool { return t == 0 }
