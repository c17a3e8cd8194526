package e2e

import (
	"fmt"
	"sort"
)

func (r *rig) summary() {
	type s struct {
		n        int
		sum, max float64
		errs     map[string]int
	}
	m := map[string]*s{}
	for _, l := range r.lines("run ended") {
		k := fmt.Sprint(l["job"], " ", l["outcome"], " ", l["reason"])
		if m[k] == nil {
			m[k] = &s{errs: map[string]int{}}
		}
		d, _ := l["duration_ms"].(float64)
		m[k].n++
		m[k].sum += d
		m[k].max = max(m[k].max, d)
		if e, ok := l["error"].(string); ok {
			if len(e) > 300 {
				e = e[:300]
			}
			m[k].errs[e]++
		}
	}
	for k, u := range r.AWS.Usage() {
		if u.Requests > 100 {
			r.t.Log(k, u.Requests)
		}
	}
	var ks []string
	for k := range m {
		ks = append(ks, k)
	}
	sort.Strings(ks)
	for _, k := range ks {
		r.t.Logf("%s: %d, avg %.0f max %.0f ms", k, m[k].n, m[k].sum/float64(m[k].n), m[k].max)
		for e, n := range m[k].errs {
			r.t.Logf("      %d x %s", n, e)
		}
	}
	for _, l := range r.lines("attempt failed") {
		e := fmt.Sprint(l["error"])
		if len(e) > 300 {
			e = e[:300]
		}
		r.t.Log("attempt failed ", l["job"], e)
	}
}
