package report

import (
	"testing"
	"time"
)

func TestJobOf(t *testing.T) {
	day := at(24, 0)
	plan := Plan{Name: "j", Period: time.Hour, Grace: 2 * time.Hour, Timeout: time.Minute}
	all := func(skip ...int) (runs []Ran) {
		for h := range 24 {
			out := false
			for _, s := range skip {
				out = out || s == h
			}
			if !out {
				runs = append(runs, Ran{at(h, 7), at(h, 7), at(h, 7).Add(time.Second), Done})
			}
		}
		return runs
	}
	failed := all()
	failed[3].End, failed[4].End = Failed, Abandoned
	late := all()
	late[5].Tick = late[5].Tick.Add(10 * time.Minute) // started late, missed none
	since := plan
	since.Since = at(10, 0)
	often := plan
	often.Period, often.Grace = 10*time.Second, 30*time.Second
	none := plan
	none.Period = 0
	for name, c := range map[string]struct {
		plan Plan
		runs []Ran
		want Runs
	}{
		"all":                  {plan, all(), Runs{Done: 24}},
		"ends":                 {plan, failed, Runs{Done: 22, Failed: 1, Abandoned: 1}},
		"one late":             {plan, late, Runs{Done: 24}},
		"two in between":       {plan, all(8, 9), Runs{Done: 22, Missed: 2}},
		"at the beginning":     {plan, all(0, 1, 2), Runs{Done: 21, Missed: 3}},
		"at the end, in grace": {plan, all(22, 23), Runs{Done: 22}},
		"at the end, past it":  {plan, all(20, 21, 22, 23), Runs{Done: 20, Missed: 2}},
		"before it was there":  {since, all(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), Runs{Done: 12}},
		"after it was there":   {since, all(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), Runs{Done: 11, Missed: 1}},
		"none at all":          {plan, nil, Runs{Missed: 21}},
		"no schedule":          {none, all(3), Runs{Done: 23}},
		"of another day":       {none, []Ran{{Tick: at(-1, 0), End: Done}, {Tick: day, End: Done}}, Runs{}},
		"often":                {often, []Ran{{Tick: at(0, 0), End: Done}, {Tick: at(23, 59), End: Done}}, Runs{Done: 2, Missed: 86_340/10 - 1 + 2}},
	} {
		j := JobOf(c.plan, midnight, day, c.runs)
		if j.Runs != c.want {
			t.Errorf("%s: %+v, want %+v", name, j.Runs, c.want)
		}
		var sum Runs
		for _, h := range j.Hours {
			sum.Done, sum.Failed, sum.Abandoned, sum.Missed = sum.Done+h.Done, sum.Failed+h.Failed, sum.Abandoned+h.Abandoned, sum.Missed+h.Missed
		}
		if sum != j.Runs {
			t.Errorf("%s: the hours have %+v, the day %+v", name, sum, j.Runs)
		}
	}
	j := JobOf(plan, midnight, day, failed)
	if want := (Spread{23, time.Second, time.Second, time.Second}); j.Duration != want || !j.Last.Equal(at(23, 7)) {
		t.Errorf("%+v, last %s", j.Duration, j.Last)
	}
}

func TestSpreadOf(t *testing.T) {
	if got := SpreadOf(nil); got != (Spread{}) {
		t.Errorf("%+v", got)
	}
	var all []time.Duration
	for i := range 100 {
		all = append(all, time.Duration(100-i)*time.Second)
	}
	if got, want := SpreadOf(all), (Spread{100, 50 * time.Second, 95 * time.Second, 100 * time.Second}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := SpreadOf(all[:1]); got != (Spread{1, 100 * time.Second, 100 * time.Second, 100 * time.Second}) {
		t.Errorf("%+v", got)
	}
}
