package env

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// Mode says what the stack does with what it decides.
type Mode string

const (
	Live   Mode = "live"   // sends transactions
	Shadow Mode = "shadow" // decides and records under its own keys, never sends
	Off    Mode = "off"    // does nothing
)

// Profile selects the cadence of the jobs.
type Profile string

const (
	Test    Profile = "test"
	Mainnet Profile = "mainnet"
)

// Config is everything a function is told from outside.
type Config struct {
	Mode     Mode
	Profile  Profile
	LogLevel string
	Tables   Tables
	// DoorbellQueueURL, PacerQueueURL and AlertsTopicARN are empty where the
	// function does not need them.
	DoorbellQueueURL, PacerQueueURL, AlertsTopicARN string
	// ReportZone is where times are shown as they are there; UTC by default.
	ReportZone *time.Location
	// ReportLink is put before the key of a report to make a link that its readers
	// can open. Empty: it is told by its place in the archive.
	ReportLink string
	// ArchiveBucket is empty where the function keeps nothing.
	ArchiveBucket string
	Chains
}

// Tables names the DynamoDB tables.
type Tables struct{ Orders, Actions, Journal, Jobs string }

// Need says which parts of the environment a function cannot do without.
type Need uint8

const (
	NeedDoorbells Need = 1 << iota
	NeedPacer
	NeedAlerts
	NeedChains
	NeedTables // orders, actions and journal; the jobs table is always needed
	NeedReport
	NeedArchive
)

// Load reads the environment and, if needed, the chains file that CHAINS_FILE
// names. The error is a Problems with everything that is wrong in both.
func Load(lookup func(string) (string, bool), need Need) (Config, error) {
	var all Problems
	get := func(name string, required bool) string {
		v, _ := lookup(name)
		if v = strings.TrimSpace(v); v == "" && required {
			all = append(all, Problem{name, "environment variable is not set"})
		}
		return v
	}
	c := Config{
		Mode:             Mode(get("MODE", true)),
		Profile:          Profile(get("PROFILE", true)),
		LogLevel:         get("LOG_LEVEL", false),
		DoorbellQueueURL: get("DOORBELL_QUEUE_URL", need&NeedDoorbells != 0),
		PacerQueueURL:    get("PACER_QUEUE_URL", need&NeedPacer != 0),
		AlertsTopicARN:   get("ALERTS_TOPIC_ARN", need&NeedAlerts != 0),
		ArchiveBucket:    get("ARCHIVE_BUCKET", need&NeedArchive != 0),
	}
	tables := need&NeedTables != 0
	c.Tables = Tables{Orders: get("ORDERS_TABLE", tables), Actions: get("ACTIONS_TABLE", tables),
		Journal: get("JOURNAL_TABLE", tables), Jobs: get("JOBS_TABLE", true)}
	if need&NeedReport != 0 {
		c.ReportLink = get("REPORT_LINK", false)
		name := get("REPORT_TIME_ZONE", false)
		if u, err := url.Parse(c.ReportLink); c.ReportLink != "" && (err != nil || u.Host == "" || u.Scheme != "https") {
			all = append(all, Problem{"REPORT_LINK", "not the beginning of an https URL"})
		}
		var err error
		if c.ReportZone, err = time.LoadLocation(name); err != nil || name == "Local" {
			all = append(all, Problem{"REPORT_TIME_ZONE", fmt.Sprintf("unknown %q; want a name such as Europe/Berlin", name)})
		}
	}
	if c.Mode != Live && c.Mode != Shadow && c.Mode != Off && c.Mode != "" {
		all = append(all, Problem{"MODE", fmt.Sprintf("unknown %q; known: live, shadow, off", c.Mode)})
	}
	if c.Profile != Test && c.Profile != Mainnet && c.Profile != "" {
		all = append(all, Problem{"PROFILE", fmt.Sprintf("unknown %q; known: test, mainnet", c.Profile)})
	}
	if path := get("CHAINS_FILE", need&NeedChains != 0); path != "" && need&NeedChains != 0 {
		file, err := os.ReadFile(path)
		if err != nil {
			all = append(all, Problem{"CHAINS_FILE", err.Error()})
		} else {
			var wrong error
			c.Chains, wrong = ParseChains(file, lookup)
			if wrong == nil && c.Mode == Live {
				wrong = c.CheckLive()
			}
			if problems, ok := errors.AsType[Problems](wrong); ok {
				all = append(all, problems...)
			}
		}
	}
	if len(all) > 0 {
		return Config{}, all
	}
	return c, nil
}

// Signer finds the configured signer of an address.
func (c Chains) Signer(a [20]byte) (Signer, bool) {
	for _, s := range c.Signers {
		if s.Address == a {
			return s, true
		}
	}
	return Signer{}, false
}
