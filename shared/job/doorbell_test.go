package job_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
)

const signer = "0x00112233445566778899aabbccddeeff00112233"

var badDoorbells = map[string]string{ // body → what the error says
	``:                                       "no JSON object",
	`null`:                                   "no JSON object",
	`[]`:                                     "no JSON object",
	`{`:                                      "no JSON from byte|unreadable",
	`{}`:                                     "chain is missing",
	`{"chain":0,"signer":"` + signer + `"}`:  "chain is missing or 0",
	`{"chain":-1,"signer":"` + signer + `"}`: "field chain is no uint64",
	`{"chain":1e30,"signer":"` + signer + `"}`: "field chain is no uint64",
	`{"chain":"10","signer":"` + signer + `"}`: "field chain is no uint64",
	`{"chain":10}`: "signer is no address",
	`{"chain":10,"signer":"` + signer[:40] + `"}`:                        "signer is no address",
	`{"chain":10,"signer":"` + signer + `00"}`:                           "signer is no address",
	`{"chain":10,"signer":"` + signer[2:] + `"}`:                         "signer is no address",
	`{"chain":10,"signer":"0xzz112233445566778899aabbccddeeff00112233"}`: "signer is no address",
	`{"chain":10,"signer":"` + signer + `","hunter2":1}`:                 "unknown",
	`{"chain":10,"signer":"` + signer + `"}{}`:                           "more than one",
	strings.Repeat(" ", 2000) + `{}`:                                     "2002 bytes",
}

func TestDoorbell(t *testing.T) {
	want := job.Doorbell{Chain: 8453, Signer: signer}
	for _, body := range []string{
		`{"chain":8453,"signer":"` + signer + `"}`,
		` {"signer":"0X` + strings.ToUpper(signer[2:]) + `", "chain":8453} `,
	} {
		if got, err := job.DecodeDoorbell(body); err != nil || got != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	body, err := job.Doorbell{Chain: 8453, Signer: strings.ToUpper(signer)}.Body()
	if err != nil || body != `{"chain":8453,"signer":"`+signer+`"}` {
		t.Errorf("body %s, %v", body, err)
	}
	for _, bad := range []job.Doorbell{{}, {Chain: 1}, {Signer: signer}, {Chain: 1, Signer: "taker"}} {
		if body, err := bad.Body(); err == nil {
			t.Errorf("%+v has the body %s", bad, body)
		}
	}
	for body, says := range badDoorbells {
		got, err := job.DecodeDoorbell(body)
		if err == nil {
			t.Errorf("%q: decoded as %+v", body, got)
			continue
		}
		found := false
		for _, s := range strings.Split(says, "|") {
			found = found || strings.Contains(err.Error(), s)
		}
		if !found || !strings.HasPrefix(err.Error(), "doorbell: ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %q, want it to say %q and not to quote", body, err, says)
		}
	}
}

func FuzzDecodeDoorbell(f *testing.F) {
	for body := range badDoorbells {
		f.Add(body)
	}
	f.Add(`{"chain":8453,"signer":"` + signer + `"}`)
	f.Fuzz(func(t *testing.T, body string) {
		d, err := job.DecodeDoorbell(body)
		if err != nil {
			return
		}
		again, err := d.Body()
		if err != nil {
			t.Fatalf("%+v was decoded but has no body: %v", d, err)
		}
		if e, err := job.DecodeDoorbell(again); err != nil || e != d {
			t.Fatalf("%+v came back as %+v, %v", d, e, err)
		}
	})
}

func FuzzDecodeTick(f *testing.F) {
	f.Add(`{"job":"timelock-monitor","time":"2026-03-01T12:00:10Z"}`)
	f.Add(`{"job":"timelock-monitor","time":"2026-03-01T14:00:10.5+02:00"}`)
	f.Add(`{"job":"pacer","time":"2026-03-01T12:00:10Z"}`)
	f.Add(`{"job":"","time":""}`)
	f.Add(`{"job":"state-sync","time":"9999-12-31T23:59:59Z"}`)
	f.Fuzz(func(t *testing.T, body string) {
		tick, err := job.DecodeTick(body)
		if err != nil {
			return
		}
		again, err := tick.Body()
		if err != nil {
			t.Fatalf("%+v was decoded but has no body: %v", tick, err)
		}
		if e, err := job.DecodeTick(again); err != nil || e.Job != tick.Job || !e.Time.Equal(tick.Time) || e.Time.Location() != time.UTC {
			t.Fatalf("%+v came back as %+v, %v", tick, e, err)
		}
	})
}
