package bill

import (
	"encoding/json"
	"fmt"
	"math/big"
)

// Number is a decimal number, kept as it is written.
type Number string

// UnmarshalJSON takes a number that is not negative.
func (n *Number) UnmarshalJSON(b []byte) error {
	var raw json.Number
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	r, ok := new(big.Rat).SetString(raw.String())
	if !ok || r.Sign() < 0 {
		return fmt.Errorf("%s is not a number of zero or more", b)
	}
	*n = Number(raw)
	return nil
}

// MarshalJSON writes it as a number; the zero value is 0.
func (n Number) MarshalJSON() ([]byte, error) {
	if n == "" {
		return []byte("0"), nil
	}
	return []byte(n), nil
}

// Rat is its exact value, which the caller may change.
func (n Number) Rat() *big.Rat {
	if r, ok := new(big.Rat).SetString(string(n)); ok {
		return r
	}
	return new(big.Rat)
}

// Thousandths is a measured mean, to three digits behind the point.
func Thousandths(v float64) Number { return Number(fmt.Sprintf("%.3f", max(v, 0))) }

// Cost is what a piece of work takes: a run, what a run takes more for each open swap, or all that a swap takes
// from its first block until it is archived, beyond the runs that there are without it.
type Cost struct {
	// CPUMillis is the time on a whole core of the machine that measured.
	CPUMillis Number `json:"cpuMs"`
	// Blocks are those of two seconds that were waited for.
	Blocks Number `json:"blocks"`
	// RPCRequests are HTTP requests to chain endpoints, AWSRequests those to all services.
	RPCRequests Number `json:"rpcRequests"`
	AWSRequests Number `json:"awsRequests"`
	ReadUnits   Number `json:"readUnits"`  // of DynamoDB
	WriteUnits  Number `json:"writeUnits"` // of DynamoDB
	// LogBytes are those of the function's own lines, with the 26 that CloudWatch adds to each.
	LogBytes Number `json:"logBytes"`
	Messages Number `json:"messages"` // sent to queues
	Puts     Number `json:"puts"`     // objects written or listed
	Gets     Number `json:"gets"`     // objects read
	Notes    Number `json:"notes"`    // published to topics
	KMS      Number `json:"kms"`      // signatures and readings of public keys
}

// Function is what was measured of one.
type Function struct {
	// Idle is a run with no swap open, in a stack that goes on: blocks come, and the other jobs run.
	Idle Cost `json:"idle"`
	// Open is what such a run takes more for each open swap that is not due.
	Open Cost `json:"perOpenSwap"`
	// Swap is what a swap takes of this function in its life. Rings is how often doorbells start the function for it.
	Swap  Cost   `json:"perSwap"`
	Rings Number `json:"ringsPerSwap"`
	// InitMillis is the median from the start of the process to its first request for work. FirstCPU is the time on a core
	// of that and of its first run, which proves factories and opens connections.
	InitMillis Number `json:"initMs"`
	FirstCPU   Number `json:"firstCpuMs"`
	// PeakMB is the most memory that a process held, in MB of 2^20 bytes.
	PeakMB Number `json:"peakMB"`
}

// Measured is what `go run ./infra/local measure` writes.
type Measured struct {
	Date string `json:"date"`
	// Open and Swaps say with how many it was measured.
	Open  int `json:"openSwaps"`
	Swaps int `json:"swaps"`
	// Functions by name.
	Functions map[string]Function `json:"functions"`
	// Metrics are the custom ones that came out, one for each set of dimension values.
	Metrics []string `json:"customMetrics"`
	// Bytes that lie in tables: what the jobs' records take for each run that is kept (a day), and each open swap.
	RunBytes  Number `json:"tableBytesPerRun"`
	OpenBytes Number `json:"tableBytesPerOpenSwap"`
	// Bytes of a snapshot for each open swap, and of the archive for each finished one, compressed.
	SnapshotBytes Number `json:"snapshotBytesPerOpenSwap"`
	ArchiveBytes  Number `json:"archiveBytesPerSwap"`
}

// ReadMeasured reads the file of measurements.
func ReadMeasured(src []byte) (Measured, error) {
	var m Measured
	if err := json.Unmarshal(src, &m); err != nil {
		return Measured{}, fmt.Errorf("measurements: %w", err)
	}
	if m.Date == "" || len(m.Functions) == 0 {
		return Measured{}, fmt.Errorf("measurements: no date or no functions")
	}
	return m, nil
}
