package report

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/holiman/uint256"
)

var midnight = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return midnight.Add(d) }

func at(h, m int) time.Time { return after(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute) }

func num(s string) uint256.Int { return *uint256.MustFromDecimal(s) }

// gwei is that many, in wei.
func gwei(n int) uint256.Int {
	var v uint256.Int
	v.Mul(uint256.NewInt(uint64(n)), uint256.NewInt(1_000_000_000))
	return v
}

func usdc(cents int) Amount {
	return Amount{Raw: *uint256.NewInt(uint64(cents) * 10_000), Decimals: 6, Symbol: "USDC"}
}

// emptyDay is a day on which nothing happened.
func emptyDay() Day {
	d := Day{Start: midnight, Until: after(24 * time.Hour), Stack: "resolver-cron", Mode: "live"}
	for i, name := range []string{"state-sync", "timelock-monitor", "cancellation-check", "action-executor", "transaction-tracker", "balance-monitor", "health-check", "metrics-aggregator", "job-watchdog", "order-cleanup", "state-persistence"} {
		j := Job{Name: name, Critical: i < 5, Period: 2 * time.Minute, Runs: Runs{Done: 720}, Last: at(23, 58), Timeout: 110 * time.Second,
			Duration: Spread{N: 720, P50: 210 * time.Millisecond, P95: 480 * time.Millisecond, Max: 2 * time.Second}, Before: 205 * time.Millisecond}
		for h := range 24 {
			j.Hours = append(j.Hours, RunHour{h, Runs{Done: 30}})
		}
		d.Jobs = append(d.Jobs, j)
	}
	d.Health.First = "healthy"
	for _, chain := range []string{"base", "optimism"} {
		b := Balance{Chain: chain, Account: "resolver", Token: Wei(gwei(412_000_000)), Low: gwei(100_000_000), Runway: 1873}
		for h := range 25 {
			b.Points = append(b.Points, Point{at(h, 0), gwei(412_000_000)})
		}
		d.Balances = append(d.Balances, b)
	}
	return d
}

// richDay is a good day with some trouble in it.
func richDay() Day {
	d := emptyDay()
	r := rand.New(rand.NewPCG(1, 2))
	var exposures []Exposure
	for h := range 24 {
		n := 4 + int(9*bell(h, 15)) + r.IntN(4)
		c := Counts{Created: n, Completed: max(n-r.IntN(3), 0), Cancelled: r.IntN(2)}
		d.Swaps.Hours = append(d.Swaps.Hours, Hour{h, c})
		d.Swaps.Counts = d.Swaps.Counts.add(c)
		for range n {
			from := at(h, r.IntN(60))
			exposures = append(exposures, Exposure{From: from, Until: from.Add(time.Duration(4+r.IntN(55)) * time.Minute), Value: gwei(50_000_000 + r.IntN(900_000_000))})
		}
	}
	for i := range 7 {
		exposures = append(exposures, Exposure{From: at(20, i), Value: gwei(350_000_000)})
	}
	exposures = append(exposures, Exposure{From: at(9, 0), Until: at(9, 40)})
	d.Swaps.Hours[13].Rescued, d.Swaps.Rescued = 1, 1
	d.Swaps.Before = &Counts{Created: 201, Completed: 195, Cancelled: 9}
	d.Swaps.Late = Counts{Created: 1, Completed: 2}
	d.Swaps.Duration = Spread{N: d.Swaps.Ended(), P50: 6*time.Minute + 12*time.Second, P95: 41 * time.Minute, Max: 3*time.Hour + 4*time.Minute}
	d.Swaps.Errors = []ErrorClass{{"rpc: too many requests", 41}, {"rpc: timeout", 7}, {"store: throttled", 2}}
	d.Risk = RiskOf(d.Start, d.Until, exposures)
	d.Swaps.Volume = []Volume{
		{"base", usdc(48_211_090), gwei(144_633_270)}, {"optimism", usdc(12_004_411), gwei(36_013_233)},
		{"base", Amount{num("18250000000000000000"), 18, "WETH"}, gwei(18_250_000_000)}, {"optimism", Amount{num("930000000"), 8, "WBTC"}, gwei(250_400_000_000)},
		{"base", Amount{num("7500000000000000000000"), 18, "DEGEN"}, uint256.Int{}},
	}
	for i := range d.Swaps.Volume[:2] {
		d.Swaps.Volume[i].Value.Mul(&d.Swaps.Volume[i].Value, uint256.NewInt(1000))
	}
	d.Margins = Margins{Objective: 5 * time.Minute, Target: 9990, Least: 3*time.Minute + 41*time.Second, P01: 6 * time.Minute, P50: 2*time.Hour + 12*time.Minute}
	for i, n := range []int{0, 0, 0, 1, 6, 18, 61, 84, 29} {
		edges := []time.Duration{-1, 0, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour}
		d.Margins.Buckets = append(d.Margins.Buckets, Bucket{edges[i], n})
		if edges[i] >= d.Margins.Objective {
			d.Margins.Met += n
		}
	}
	before := num("31200000000000000")
	d.Gas = []Gas{
		{Chain: "base", Transactions: 388, Reverted: 1, Spent: Wei(num("28411900000000000")), Before: &before},
		{Chain: "optimism", Transactions: 131, Spent: Wei(num("4019200000000000"))},
	}
	d.Inclusion = Spread{519, 2 * time.Second, 6 * time.Second, 31 * time.Second}
	d.Alerts = []Alert{
		{Kind: "endpoint-trouble", Severity: Warning, Where: "base, base-2", What: "endpoint base-2: head is 48 s old", WhatToDo: "Check the provider.",
			Marks: []Mark{{at(3, 12), Opened, ""}, {at(3, 31), Resolved, "head is 2 s old"}, {at(14, 5), Opened, ""}, {at(15, 40), Resolved, "head is 1 s old"}}},
		{Kind: "deadline-near", Severity: Warning, Where: "base, order 8453:0x5a1c…09f2", What: "withdraw is due", AtStake: "0.84 ETH", Until: "16:42:10 by the chain's clock",
			Marks: []Mark{{at(16, 32), Opened, ""}, {at(16, 37), Escalated, ""}, {at(16, 39), Resolved, "tx 0x77ab…"}}},
		{Kind: "fee-cap-low", Severity: Critical, Where: "base, order 8453:0x5a1c…09f2", What: "The chain's price is above the fee cap of an action, so that it cannot be sent.", WhatToDo: "Raise maxFee of this call in the chains file and deploy, or send the call by hand before its deadline.",
			Marks: []Mark{{at(16, 30), Opened, ""}, {at(16, 34), Acknowledged, "on call"}, {at(16, 38), Resolved, "sent"}}},
		{Kind: "balance-low", Severity: Warning, Where: "optimism, resolver", What: "The native balance pays for 38 more actions.", AtStake: "7 open swaps", WhatToDo: "Send at least 0.12 ETH to the signer.",
			Marks: []Mark{{at(21, 15), Opened, ""}, {at(21, 50), Acknowledged, "on call"}}},
		{Kind: "decoy-dst", Severity: Info, Where: "optimism", Count: 152, What: "152 of them, one is escrow 0x00a1…: not what the maker expects: token", Marks: []Mark{{at(11, 2), Opened, ""}, {at(11, 52), Resolved, "none for a day"}}},
	}
	d.Jobs[6].Runs, d.Jobs[6].Hours[14] = Runs{Done: 716, Failed: 4}, RunHour{14, Runs{Done: 26, Failed: 4}}
	d.Jobs[9].Runs, d.Jobs[9].Hours[3] = Runs{Done: 719, Abandoned: 1}, RunHour{3, Runs{Done: 29, Abandoned: 1}}
	d.Balances = nil
	for i, account := range []string{"resolver", "taker 0x…0B0B00", "taker 0x…0B0B00"} {
		for k, chain := range []string{"base", "optimism"} {
			b := Balance{Chain: chain, Account: account, Token: Wei(uint256.Int{}), Low: gwei(50_000_000), Runway: 612 / (1 + 15*k)}
			unit := 1_000_000
			if i == 1 {
				b.Token, b.Low, b.Runway, unit = usdc(0), usdc(2_000_000).Raw, -1, 0
			}
			if i == 2 {
				b.Token.Symbol, b.Runway, b.Low = "WETH", -1, uint256.Int{}
			}
			level := 140 + 60*i - 40*k
			for q := range 97 {
				level += r.IntN(7) - 3 - k*(q%3)/2
				level = max(level, 12)
				raw := gwei(level * unit)
				if unit == 0 {
					raw = usdc(level * 30_000).Raw
				}
				b.Points = append(b.Points, Point{after(time.Duration(q) * 15 * time.Minute), raw})
			}
			b.Token.Raw = b.Points[len(b.Points)-1].Raw
			d.Balances = append(d.Balances, b)
		}
	}
	d.Health.Changes = []HealthChange{{at(14, 6), "", "degraded", "base: one of two endpoints lags"}, {at(14, 6), "endpoint base-2", "unhealthy", "head is 48 s old"}, {at(15, 41), "endpoint base-2", "healthy", ""}, {at(15, 41), "", "healthy", ""}}
	return d
}

func bell(h, peak int) float64 {
	x := float64(h-peak) / 5
	return 1 / (1 + x*x)
}

// badDay has losses, gaps, and a job that stood still.
func badDay() Day {
	d := richDay()
	d.Swaps.Lost, d.Swaps.Hours[4].Lost = 2, 2
	d.Swaps.Losses = []Loss{
		{at(4, 12), "base", "8453:0x91d2a6e1f3c05b7788d4e21a3cf0b9e55d1c09f2", usdc(412_500), "The dst leg was paid out and the src leg was cancelled before our withdrawal was included."},
		{at(4, 19), "base", "8453:0x0a77c2c41b5d6e8893aa10fd2277cb0e9910b3d4", Amount{num("1850000000000000000"), 18, "WETH"}, "The dst leg was paid out and the src leg was cancelled before our withdrawal was included."},
	}
	d.Margins.Buckets[0].N, d.Margins.Least = 2, -(9*time.Minute + 12*time.Second)
	d.Alerts = append(d.Alerts,
		Alert{Kind: "dst-paid-src-expired", Severity: Critical, Where: "base, order 8453:0x91d2…09f2", What: "The dst leg was paid out and the src leg has expired.", AtStake: "4,125 USDC", Until: "rescue from 6 Dec 04:12",
			WhatToDo: "Never cancel src. Rescue the funds when the delay is over; the executor does it by itself unless somebody cancels first.", Marks: []Mark{{at(4, 3), Opened, ""}, {at(4, 9), Escalated, ""}, {at(4, 15), Acknowledged, "on call"}}},
		Alert{Kind: "chain-behind", Severity: Critical, Where: "base", What: "The chain's head is 31 min old.", Marks: []Mark{{at(3, 40), Opened, ""}, {at(4, 14), Resolved, "head is 2 s old"}}})
	d.Jobs[0].Runs = Runs{Done: 660, Failed: 12, Abandoned: 3, Missed: 45}
	for h, runs := range []Runs{{Done: 20, Failed: 10}, {Missed: 30}, {Done: 14, Failed: 2, Abandoned: 3, Missed: 11}} {
		d.Jobs[0].Hours[h+2].Runs = runs
	}
	d.Jobs[0].Duration.Max = 108 * time.Second
	d.Gas = nil
	d.Gaps = []Gap{{PartGas, "read the journal of base: ProvisionedThroughputExceededException: rate exceeded"}}
	return d
}

// hugeDay has more of everything than can be shown, and every text is hostile.
func hugeDay() Day {
	d := badDay()
	r := rand.New(rand.NewPCG(3, 4))
	hostile := func(i int) string {
		return fmt.Sprintf("%d </style></svg><script>fetch('http://evil.test/%d')</script> \u202egnp.exe \x00 %s \"' onload=alert(1) {{.}} 漢字🙂", i, i, strings.Repeat("W", 300))
	}
	d.Stack, d.Mode = hostile(0), hostile(1)
	var exposures []Exposure
	d.Swaps.Counts, d.Swaps.Hours = Counts{}, nil
	for i := range 10_000 {
		from := after(time.Duration(r.IntN(86_400)) * time.Second)
		exposures = append(exposures, Exposure{From: from, Until: from.Add(time.Duration(r.IntN(36_000)) * time.Second), Value: gwei(1 + r.IntN(2_000_000_000))})
		c := Counts{Created: 1, Completed: 1}
		if i%50 == 0 {
			c = Counts{Created: 1, Cancelled: 1}
		}
		d.Swaps.Hours = append(d.Swaps.Hours, Hour{from.Hour(), c})
		d.Swaps.Counts = d.Swaps.Counts.add(c)
	}
	d.Swaps.Lost = 60
	d.Swaps.Losses = nil
	for i := range 60 {
		d.Swaps.Losses = append(d.Swaps.Losses, Loss{at(i%24, i), hostile(i), hostile(i), Amount{num(strings.Repeat("9", 1+i)), uint8(i), hostile(i)}, hostile(i)})
	}
	d.Risk = RiskOf(d.Start, d.Until, exposures)
	d.Swaps.Volume = nil
	for i := range 40 {
		d.Swaps.Volume = append(d.Swaps.Volume, Volume{hostile(i), Amount{num(strings.Repeat("8", 1+i)), uint8(i * 6), hostile(i)}, gwei(i * i * 1000)})
	}
	d.Margins.Buckets = nil
	for i := range 60 {
		d.Margins.Buckets = append(d.Margins.Buckets, Bucket{time.Duration(i-1) * time.Minute, i * 7})
	}
	d.Alerts, d.Gas, d.Gaps = nil, nil, nil
	for i := range 300 {
		a := Alert{Key: fmt.Sprint(i), Kind: fmt.Sprintf("kind-%d", i%37), Severity: Severity(i % 3), Where: fmt.Sprintf("chain %d, %s", i%5, hostile(i)), What: hostile(i), AtStake: hostile(i), Until: hostile(i), WhatToDo: hostile(i), Count: i}
		from := r.IntN(1400)
		a.Marks = []Mark{{at(0, from), Opened, hostile(i)}, {at(0, from+3), Escalated, hostile(i)}, {at(0, from+5), Acknowledged, hostile(i)}}
		if i%4 != 0 {
			a.Marks = append(a.Marks, Mark{at(0, from+10+r.IntN(90)), Resolved, hostile(i)})
		}
		d.Alerts = append(d.Alerts, a)
	}
	for i := range 60 {
		d.Gas = append(d.Gas, Gas{Chain: hostile(i), Transactions: i * 1000, Reverted: i, Spent: Wei(gwei(i * 1_000_000))})
		j := d.Jobs[i%11]
		j.Name = hostile(i)
		d.Jobs = append(d.Jobs, j)
		b := Balance{Chain: hostile(i), Account: hostile(i), Token: Amount{num(strings.Repeat("7", 1+i)), uint8(i), hostile(i)}}
		for q := range 1000 {
			b.Points = append(b.Points, Point{at(0, q), num(fmt.Sprint(1 + r.IntN(1_000_000)))})
		}
		d.Balances = append(d.Balances, b)
		d.Health.Changes = append(d.Health.Changes, HealthChange{at(i%24, i), hostile(i), hostile(i), hostile(i)})
	}
	return d
}
