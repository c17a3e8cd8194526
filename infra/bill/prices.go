package bill

import (
	_ "embed"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed prices.yaml
var pricesYAML []byte

//go:embed measured.json
var measuredJSON []byte

// Price is what one thing costs.
type Price struct {
	Name string `yaml:"name"`
	Part string `yaml:"part"` // the service
	Unit string `yaml:"unit"`
	// USD pays for Per units, a decimal number of dollars.
	USD string `yaml:"usd"`
	Per int64  `yaml:"per"`
	// Free are the units of a month that cost nothing.
	Free   int64  `yaml:"free"`
	Source string `yaml:"source"`
	Note   string `yaml:"note"`
	// Unsure says what of the price was not looked up.
	Unsure string `yaml:"unsure"`
}

// Prices is the table of them, and what the bill assumes beside.
type Prices struct {
	Region  string  `yaml:"region"`
	Date    string  `yaml:"date"`
	Prices  []Price `yaml:"prices"`
	Assumed Assumed `yaml:"assumed"`
}

// Assumed are quantities that are not measured; prices.yaml says why they are what they are.
type Assumed struct {
	RPCMillis       int64  `yaml:"rpcMillis"`
	AWSMillis       int64  `yaml:"awsMillis"`
	BlockMillis     int64  `yaml:"blockMillis"`
	FullCoreMB      int64  `yaml:"fullCoreMB"`
	ColdHours       int64  `yaml:"coldHours"`
	IdleMinutes     int64  `yaml:"idleMinutes"`
	Secrets         int64  `yaml:"secretParameters"`
	SystemLogBytes  int64  `yaml:"systemLogBytes"`
	RPCRequestBytes int64  `yaml:"rpcRequestBytes"`
	LogCompression  string `yaml:"logCompression"`
	PollsPerMinute  int64  `yaml:"pollsPerMinute"`
	TracedShare     int64  `yaml:"tracedShare"`
	AlertsPerDay    int64  `yaml:"alertsPerDay"`
	LooksPerDay     int64  `yaml:"looksPerDay"`
	LookHours       int64  `yaml:"lookHours"`
}

// Default is the committed table of prices.
func Default() (Prices, error) { return ReadPrices(pricesYAML) }

// DefaultMeasured are the committed measurements.
func DefaultMeasured() (Measured, error) { return ReadMeasured(measuredJSON) }

// ReadPrices reads a table of prices. All problems are reported together.
func ReadPrices(src []byte) (Prices, error) {
	var p Prices
	if err := yaml.UnmarshalWithOptions(src, &p, yaml.Strict()); err != nil {
		return Prices{}, fmt.Errorf("prices: %w", err)
	}
	var errs []error
	seen := map[string]bool{}
	for i, price := range p.Prices {
		if price.Name == "" || price.Part == "" || price.Unit == "" || price.Source == "" {
			errs = append(errs, fmt.Errorf("prices[%d] %s: name, part, unit and source are needed", i, price.Name))
		}
		if seen[price.Name] {
			errs = append(errs, fmt.Errorf("prices[%d]: %s is there twice", i, price.Name))
		}
		seen[price.Name] = true
		if usd, err := decimal(price.USD); err != nil || usd.Sign() <= 0 {
			errs = append(errs, fmt.Errorf("prices[%d] %s: usd %q is no amount", i, price.Name, price.USD))
		}
		if price.Per < 1 || price.Free < 0 {
			errs = append(errs, fmt.Errorf("prices[%d] %s: per %d, free %d", i, price.Name, price.Per, price.Free))
		}
	}
	if p.Region == "" || p.Date == "" {
		errs = append(errs, errors.New("region and date are needed"))
	}
	a := p.Assumed
	for name, v := range map[string]int64{"rpcMillis": a.RPCMillis, "awsMillis": a.AWSMillis, "blockMillis": a.BlockMillis, "fullCoreMB": a.FullCoreMB,
		"coldHours": a.ColdHours, "idleMinutes": a.IdleMinutes, "secretParameters": a.Secrets, "systemLogBytes": a.SystemLogBytes, "rpcRequestBytes": a.RPCRequestBytes, "pollsPerMinute": a.PollsPerMinute} {
		if v < 1 {
			errs = append(errs, fmt.Errorf("assumed.%s: %d is not at least 1", name, v))
		}
	}
	if _, err := decimal(a.LogCompression); err != nil {
		errs = append(errs, fmt.Errorf("assumed.logCompression: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return Prices{}, fmt.Errorf("prices: %w", err)
	}
	return p, nil
}

// decimal reads a plain decimal number of zero or more.
func decimal(s string) (*big.Rat, error) {
	r, ok := new(big.Rat).SetString(s)
	if !ok || r.Sign() < 0 || strings.ContainsAny(s, "/eE_xX") {
		return nil, fmt.Errorf("%q is no decimal number of zero or more", s)
	}
	return r, nil
}
