package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
	"unicode/utf8"
)

var samples = map[string]func() Day{"empty": emptyDay, "rich": richDay, "bad": badDay, "huge": hugeDay}

func render(t *testing.T, d Day, zone *time.Location) string {
	t.Helper()
	page, err := HTML(d, zone)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

func location(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// The same day gives the same bytes, in whatever order its parts were read.
func TestSameDaySameBytes(t *testing.T) {
	for name, sample := range samples {
		want := render(t, sample(), nil)
		for seed := range uint64(5) {
			d := sample()
			r := rand.New(rand.NewPCG(seed, 1))
			shuffle(r, d.Swaps.Hours)
			shuffle(r, d.Swaps.Volume)
			shuffle(r, d.Swaps.Losses)
			shuffle(r, d.Swaps.Errors)
			shuffle(r, d.Margins.Buckets)
			shuffle(r, d.Gas)
			shuffle(r, d.Alerts)
			shuffle(r, d.Jobs)
			shuffle(r, d.Balances)
			shuffle(r, d.Health.Changes)
			shuffle(r, d.Gaps)
			for i := range d.Alerts {
				shuffle(r, d.Alerts[i].Marks)
			}
			for i := range d.Jobs {
				shuffle(r, d.Jobs[i].Hours)
			}
			for i := range d.Balances {
				shuffle(r, d.Balances[i].Points)
			}
			before := render(t, d, nil)
			if before != want || render(t, d, nil) != want {
				t.Errorf("%s: another order gives another page", name)
				break
			}
		}
	}
}

func shuffle[T any](r *rand.Rand, s []T) {
	r.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
}

// Whatever the day, the page and the message are bounded.
func TestBounds(t *testing.T) {
	for name, most := range map[string]int{"empty": 60_000, "rich": 110_000, "bad": 120_000, "huge": 400_000} {
		d := samples[name]()
		page := render(t, d, nil)
		if len(page) > most {
			t.Errorf("%s: %d bytes, want at most %d", name, len(page), most)
		}
		subject, body := Text(d, nil, "https://reports.test/x")
		if n := utf8.RuneCountInString(body); n > maxMessage+60 || len(subject) > 100 {
			t.Errorf("%s: subject of %d, body of %d", name, len(subject), n)
		}
	}
}

// Texts come from chains: none of them is markup, runs, loads, or turns the
// direction of writing.
func TestHostileTexts(t *testing.T) {
	page := render(t, hugeDay(), nil)
	for _, bad := range []string{"<script", "\u202e", "\x00", `src="http`, `href="http`, "url("} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q in it", bad)
		}
	}
	if !strings.Contains(page, "&lt;script&gt;") {
		t.Error("the hostile text is not shown at all: does this test still test?")
	}
	subject, body := Text(hugeDay(), nil, "")
	if strings.ContainsAny(subject+body, "\u202e\x00") || strings.Count(body, "\n") > 20 {
		t.Errorf("%s\n%s", subject, body)
	}
}

var drawings = regexp.MustCompile(`(?s)<svg .*?</svg>`)

// Each drawing is well-formed, has words, and names itself once.
func TestDrawings(t *testing.T) {
	for name, sample := range samples {
		page := render(t, sample(), nil)
		ids := map[string]bool{}
		for _, id := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			if ids[id[1]] {
				t.Errorf("%s: id %s twice", name, id[1])
			}
			ids[id[1]] = true
		}
		all := drawings.FindAllString(page, -1)
		if len(all) < 5 {
			t.Errorf("%s: %d drawings", name, len(all))
		}
		for _, d := range all {
			if strings.Contains(d, `aria-hidden="true"`) {
				continue // says nothing that is not said beside it
			}
			dec := xml.NewDecoder(strings.NewReader(d))
			for {
				if _, err := dec.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: %v in %.200s", name, err, d)
				}
			}
			if !regexp.MustCompile(`<title id="[^"]+">[^<]+</title><desc id="[^"]+">[^<]+</desc>`).MatchString(d) {
				t.Errorf("%s: no words in %.200s", name, d)
			}
		}
	}
}

func TestWhatIsTold(t *testing.T) {
	for name, want := range map[string][]string{
		"empty": {"Nothing happened", "Saturday, 28 November 2026", "No alert was open", "No transaction was sent", "Nothing was moved"},
		"rich":  {"Nothing lost; some things need a look", "USDC", "no price", "fee-cap-low", "152", "degraded", "rpc: too many requests"},
		"bad":   {"Funds were lost", "4,125 USDC", "1.85 WETH", "45 missed", "Not available: read the journal of base", "too late"},
	} {
		page := render(t, samples[name](), nil)
		for _, w := range want {
			if !strings.Contains(page, w) {
				t.Errorf("%s: %q is not told", name, w)
			}
		}
	}
}

func TestVerdicts(t *testing.T) {
	quiet := emptyDay
	for name, c := range map[string]struct {
		change func(*Day)
		class  string
		text   string
	}{
		"nothing":       {func(*Day) {}, fine, "Nothing happened"},
		"all safe":      {func(d *Day) { d.Swaps.Created, d.Swaps.Completed = 3, 3 }, fine, "Every swap is safe"},
		"a loss":        {func(d *Day) { d.Swaps.Lost = 1 }, bad, "Funds were lost"},
		"a loss before": {func(d *Day) { d.Swaps.Late.Lost = 1 }, bad, "Funds were lost"},
		"late":          {func(d *Day) { d.Margins = Margins{Buckets: []Bucket{{-1, 1}}} }, bad, "at risk or was late"},
		"open warning":  {func(d *Day) { d.Alerts = []Alert{{Severity: Warning, Marks: []Mark{{at(1, 0), Opened, ""}}}} }, warn, "need a look"},
		"open critical": {func(d *Day) { d.Alerts = []Alert{{Severity: Critical, Marks: []Mark{{at(1, 0), Opened, ""}}}} }, bad, "at risk"},
		"was critical": {func(d *Day) {
			d.Alerts = []Alert{{Severity: Critical, Marks: []Mark{{at(1, 0), Opened, ""}, {at(2, 0), Resolved, ""}}}}
		}, fine, "Nothing happened"},
		"open again": {func(d *Day) {
			d.Alerts = []Alert{{Severity: Critical, Marks: []Mark{{at(1, 0), Opened, ""}, {at(2, 0), Resolved, ""}, {at(3, 0), Opened, ""}}}}
		}, bad, "at risk"},
		"critical job":    {func(d *Day) { d.Jobs[0].Runs.Missed = 1 }, bad, "at risk"},
		"other job":       {func(d *Day) { d.Jobs[9].Runs.Abandoned = 1 }, warn, "need a look"},
		"a failed run":    {func(d *Day) { d.Jobs[0].Runs.Failed = 1 }, fine, "Nothing happened"},
		"below objective": {func(d *Day) { d.Margins = Margins{Target: 9990, Met: 998, Buckets: []Bucket{{0, 1000}}} }, warn, "need a look"},
		"at objective":    {func(d *Day) { d.Margins = Margins{Target: 9990, Met: 999, Buckets: []Bucket{{0, 1000}}} }, fine, "Every swap is safe"},
		"low balance":     {func(d *Day) { d.Balances[0].Low = gwei(900_000_000) }, warn, "need a look"},
		"never ran":       {func(d *Day) { d.Jobs[0] = Job{Name: "state-sync", Critical: true} }, bad, "at risk"},
		"degraded":        {func(d *Day) { d.Health.Changes = []HealthChange{{at(1, 0), "", "degraded", ""}} }, warn, "need a look"},
		"degraded before": {func(d *Day) { d.Health.First = "degraded" }, warn, "need a look"},
		"healthy again": {func(d *Day) {
			d.Health.Changes = []HealthChange{{at(1, 0), "", "degraded", ""}, {at(2, 0), "", "healthy", ""}, {at(3, 0), "endpoint", "unhealthy", ""}}
		}, fine, "Nothing happened"},
		"swaps unknown": {func(d *Day) { d.Gaps = []Gap{{PartSwaps, "x"}} }, warn, "Not everything is known"},
		"a gap":         {func(d *Day) { d.Gaps = []Gap{{PartAlerts, "x"}} }, warn, "need a look"},
	} {
		d := quiet()
		c.change(&d)
		v := viewer{Day: d.sorted(), zone: time.UTC}.verdict()
		if v.Class != c.class || !strings.Contains(v.Text, c.text) || (v.Class != fine) && len(v.Points) == 0 {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// Times are shown in the reader's zone, through a change of its clocks too; the
// day is that of UTC.
func TestZones(t *testing.T) {
	for zone, want := range map[string][]string{
		"UTC":           {"the whole day in UTC", "at 16:34 by on call"},
		"Europe/Berlin": {"times are those of Europe/Berlin (CET, UTC+01:00)", "17:34 by on call"},
		"Asia/Kolkata":  {"UTC+05:30", "22:04 by on call"},
	} {
		page := render(t, richDay(), location(t, zone))
		if zone == "UTC" {
			want = want[:1]
		}
		for _, w := range want {
			if !strings.Contains(page, strings.ReplaceAll(w, "+", "&#43;")) {
				t.Errorf("%s: %q is not told", zone, w)
			}
		}
		if !strings.Contains(page, "Saturday, 28 November 2026") {
			t.Errorf("%s: another day", zone)
		}
	}
	d := emptyDay()
	d.Start = time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC)
	d.Until = d.Start.Add(24 * time.Hour)
	v := viewer{Day: d, zone: location(t, "Europe/Berlin")}
	if got := strings.Join(v.hours(), " "); got != "02:00 07:00 13:00 19:00 01:00" {
		t.Errorf("hours %s", got)
	}
}

func TestNoDay(t *testing.T) {
	for name, d := range map[string]Day{"zero": {}, "backwards": {Start: midnight, Until: at(-1, 0)}, "two": {Start: midnight, Until: at(48, 0)}} {
		if _, err := HTML(d, nil); err == nil {
			t.Errorf("%s: told", name)
		}
	}
	part := emptyDay()
	part.Until = at(15, 4)
	if page := render(t, part, nil); !strings.Contains(page, "the day until 15:04 UTC") {
		t.Error("a part of a day is not said to be one")
	}
	if _, err := HTML(Day{Start: midnight, Until: at(24, 0)}, nil); err != nil {
		t.Errorf("a day of which nothing is known: %v", err)
	}
}

func TestText(t *testing.T) {
	subject, body := Text(badDay(), location(t, "Europe/Berlin"), "https://reports.test/2026-11-28")
	if subject != "28 Nov 2026: Funds were lost" || !strings.HasPrefix(body, "LOST 4,125 USDC on base: ") || !strings.HasSuffix(body, "\n\nhttps://reports.test/2026-11-28\n") {
		t.Errorf("%s\n%s", subject, body)
	}
	subject, body = Text(emptyDay(), nil, "")
	if subject != "28 Nov 2026: Nothing happened" || !strings.Contains(body, "Swaps: 0 created, 0 completed, 0 cancelled, 0 lost; 0 open.") {
		t.Errorf("%s\n%s", subject, body)
	}
}

func BenchmarkHTML(b *testing.B) {
	for name, sample := range samples {
		d := sample()
		b.Run(name, func(b *testing.B) {
			var page []byte
			for b.Loop() {
				var err error
				if page, err = HTML(d, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(bytes.Count(page, nil)-1)/1000, "kB/page")
		})
	}
}

// What balance-monitor judged too low is told as that, though it is above its threshold or has none: a
// signer that cannot pay for what is open.
func TestABalanceThatIsShortIsTold(t *testing.T) {
	d := richDay()
	d.Balances = []Balance{{Chain: "ten", Account: "resolver", Token: Wei(gwei(7)), Short: true, Runway: 0, Points: []Point{{At: at(1, 0), Raw: gwei(7)}}}}
	page, err := HTML(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 balance is too low", "1 is too low; dashed lines show thresholds", ">too low<"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	d.Balances[0].Short = false
	if page, err = HTML(d, nil); err != nil || strings.Contains(string(page), "1 balance is too low") || !strings.Contains(string(page), "none is too low") {
		t.Errorf("told though it is not; %v", err)
	}
}

// A balance that could not be read at the end is neither low nor fine.
func TestABalanceThatCouldNotBeReadIsTold(t *testing.T) {
	d := richDay()
	d.Balances = []Balance{{Chain: "ten", Account: "resolver", Token: Wei(gwei(7)), Low: gwei(8), Short: true, Unread: true, Runway: -1, Points: []Point{{At: at(1, 0), Raw: gwei(7)}}}}
	page, err := HTML(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 balance could not be read", "none is too low, 1 could not be read", ">when last read; not at the end of the day<"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(string(page), "1 balance is too low") {
		t.Error("it is told as low")
	}
}
