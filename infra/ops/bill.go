package main

import (
	"context"
	"errors"
	"math/big"
	"strings"

	"github.com/bridge-me-not/resolver-cron/infra/bill"
)

var billCommand = command{"bill", "[-profile mainnet|test|shadow] [-open N] [-swaps N] [-template FILE] [-set NAME=VALUE] [-figures] [-json]", "what a stack costs in a month", showBill}

// billProfiles are those of samconfig.toml, by what they say of the template's parameters.
var billProfiles = map[string][2]string{"mainnet": {"mainnet", "live"}, "test": {"test", "live"}, "shadow": {"mainnet", "shadow"}}

// billView is a bill as -json prints it: amounts in US dollars.
type billView struct {
	Region      string            `json:"region"`
	Prices      string            `json:"pricesOf"`
	Measured    string            `json:"measuredOn"`
	Lines       []billLine        `json:"lines"`
	Functions   map[string]string `json:"functionsWithoutFree"`
	Trades      map[string]string `json:"saves"`
	Total       string            `json:"total"`
	WithoutFree string            `json:"totalWithoutFree"`
}

type billLine struct {
	Part        string `json:"part"`
	Unit        string `json:"unit"`
	Quantity    string `json:"quantity"`
	Free        int64  `json:"free"`
	Cost        string `json:"usd"`
	WithoutFree string `json:"usdWithoutFree"`
	Unsure      string `json:"unsure,omitempty"`
}

func showBill(_ context.Context, t tool, args []string) error {
	f := t.plain()
	profile := f.String("profile", "mainnet", "mainnet, test or shadow, as in samconfig.toml")
	open := f.Int64("open", 1000, "how many swaps are open at any time")
	swaps := f.Int64("swaps", 300, "how many swaps come each day")
	path := f.String("template", "template.yaml", "`file` of the stack")
	figures := f.Bool("figures", false, "cold start and memory of each function instead, as the README has them")
	// The alerts go to somebody.
	parameters := map[string]string{"HeartbeatUrl": "none", "AlertEmail": "alerts@example.org"}
	f.Func("set", "`NAME=VALUE` of a parameter of the template (may be repeated)", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return errors.New("want NAME=VALUE")
		}
		parameters[name] = value
		return nil
	})
	if err := f.none(args); err != nil {
		return err
	}
	p, known := billProfiles[*profile]
	switch {
	case !known:
		return usage("-profile: unknown %q; known: mainnet, test, shadow", *profile)
	case *figures && f.json:
		return usage("-figures is a table for people, without -json")
	case *open < 0 || *swaps < 0 || *open > 1_000_000 || *swaps > 1_000_000:
		return usage("-open and -swaps have to be between 0 and a million")
	}
	parameters["Profile"], parameters["Mode"] = p[0], p[1]
	shape, err := bill.Read(*path, parameters)
	if err != nil {
		return err
	}
	prices, err := bill.Default()
	if err != nil {
		return err
	}
	measured, err := bill.DefaultMeasured()
	if err != nil {
		return err
	}
	if *figures {
		return bill.WriteFigures(t.out, prices, measured, shape)
	}
	load := bill.Load{Open: *open, Swaps: *swaps, Live: p[1] == "live"}
	b, err := bill.Compute(prices, measured, shape, load)
	if err != nil {
		return err
	}
	trades, err := bill.Trades(prices, measured, shape, load)
	if err != nil {
		return err
	}
	if f.json {
		return t.printJSON(viewBill(prices, measured, b, trades))
	}
	if err := t.say("profile %s with %d open swaps and %d new ones a day, 30 days in %s; prices of %s, measured on %s\n", *profile, *open, *swaps, prices.Region, prices.Date, measured.Date); err != nil {
		return err
	}
	return b.Write(t.out, trades)
}

func viewBill(p bill.Prices, m bill.Measured, b bill.Bill, trades []bill.Trade) billView {
	usd := func(r *big.Rat) string { return r.FloatString(4) }
	v := billView{Region: p.Region, Prices: p.Date, Measured: m.Date, Functions: map[string]string{}, Trades: map[string]string{}, Total: usd(b.Cost), WithoutFree: usd(b.Full)}
	for _, l := range b.Lines {
		v.Lines = append(v.Lines, billLine{l.Part, l.Unit, l.Quantity.FloatString(3), l.Free, usd(l.Cost), usd(l.Full), l.Unsure})
	}
	for _, f := range b.Functions {
		v.Functions[f.Name] = usd(f.Full)
	}
	for _, x := range trades {
		v.Trades[x.What] = usd(x.Saves)
	}
	return v
}
