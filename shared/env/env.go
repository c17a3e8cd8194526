package env

import (
	"encoding/json"
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
	// AlarmsTopicARN is the topic of CloudWatch's alarms, whose subscribers are looked at; empty: nobody looks.
	AlarmsTopicARN string
	PacerFunctions map[string]string // function name or ARN by job, for the pacer only
	// HeartbeatURL is a secret: the https address of a monitor outside that is pinged. Empty: none is,
	// which live has to say (NoHeartbeat).
	HeartbeatURL string
	// DoorbellDeadURL, PacerDeadURL and FailedEventsURL are the queues of what
	// could not be done; PacerDeadURL is empty where no pacer is deployed.
	DoorbellDeadURL, PacerDeadURL, FailedEventsURL string
	// ReportZone is where times are shown as they are there; UTC by default.
	ReportZone *time.Location
	// ReportLink is put before the key of a report to make a link that its readers
	// can open. Empty: it is told by its place in the archive.
	ReportLink string
	// ArchiveBucket is empty where the function keeps nothing.
	ArchiveBucket string
	// ChainsFile is the path of the packaged chains file, and ParametersPath that of
	// the secret parameters which a chains file may name.
	ChainsFile, ParametersPath string
	Chains                     // filled in by whoever knows which file is in force; see settings.State
}

// Tables names the DynamoDB tables.
type Tables struct{ Orders, Actions, Journal, Jobs string }

// Need says which parts of the environment a function cannot do without.
type Need uint16

const (
	NeedDoorbells Need = 1 << iota
	NeedPacer
	NeedAlerts
	NeedChains    // the chains file
	NeedEndpoints // its endpoints too
	NeedTables    // orders, actions and journal; the jobs table is always needed
	NeedHeartbeat // in live an address, or NoHeartbeat; elsewhere it may be left out
	NeedDeadQueues
	NeedReport
	NeedArchive
)

// NoHeartbeat as HEARTBEAT_URL says that no monitor outside is to be pinged: a stated choice.
const NoHeartbeat = "none"

// Load reads the environment. The error is a Problems with everything that is
// wrong in it.
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
		AlarmsTopicARN:   get("ALARMS_TOPIC_ARN", false),
		DoorbellDeadURL:  get("DOORBELL_DEAD_QUEUE_URL", need&NeedDeadQueues != 0),
		FailedEventsURL:  get("FAILED_EVENTS_QUEUE_URL", need&NeedDeadQueues != 0),
		PacerDeadURL:     get("PACER_DEAD_QUEUE_URL", false),
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
	if need&NeedPacer != 0 {
		var wrong []string
		c.PacerFunctions, wrong = pacerFunctions(get("PACER_JOBS", true))
		for _, w := range wrong {
			all = append(all, Problem{"PACER_JOBS", w})
		}
	}
	if need&NeedHeartbeat != 0 {
		address, wrong := heartbeat(get("HEARTBEAT_URL", false), c.Mode)
		if wrong != "" {
			all = append(all, Problem{"HEARTBEAT_URL", wrong})
		}
		c.HeartbeatURL = address
	}
	if need&NeedChains != 0 {
		c.ChainsFile = get("CHAINS_FILE", true)
		c.ParametersPath = get("PARAMETERS_PATH", need&NeedEndpoints != 0)
		if c.ParametersPath != "" && !strings.HasPrefix(c.ParametersPath, "/") {
			all = append(all, Problem{"PARAMETERS_PATH", fmt.Sprintf("%q does not begin with /", c.ParametersPath)})
		}
		if _, err := os.Stat(c.ChainsFile); c.ChainsFile != "" && err != nil {
			all = append(all, Problem{"CHAINS_FILE", err.Error()})
		}
	}
	if len(all) > 0 {
		return Config{}, all
	}
	return c, nil
}

// heartbeat reads the address of the monitor. What is wrong with it is told without it: it is a secret.
func heartbeat(v string, m Mode) (address, wrong string) {
	switch {
	case v == NoHeartbeat || v == "" && m != Live:
		return "", ""
	case v == "":
		return "", "not set: live expects the https address of a monitor outside, pinged while the jobs are watched and alerts reach people, or " + NoHeartbeat + " to do without"
	}
	if u, err := url.Parse(v); err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return "", "not an https URL, nor " + NoHeartbeat
	}
	return v, ""
}

// pacerFunctions reads a list such as [{"job":"state-sync","function":"rc-state-sync"}]. Further
// fields are for those who check the template.
func pacerFunctions(list string) (functions map[string]string, wrong []string) {
	if list == "" {
		return nil, nil // said already
	}
	var entries []struct{ Job, Function string }
	if err := json.Unmarshal([]byte(list), &entries); err != nil {
		return nil, []string{"no JSON list of jobs and functions: " + err.Error()}
	}
	functions = map[string]string{}
	for i, e := range entries {
		switch {
		case e.Job == "" || e.Function == "":
			wrong = append(wrong, fmt.Sprintf("entry %d without a job or a function", i))
		case functions[e.Job] != "":
			wrong = append(wrong, fmt.Sprintf("%q is listed twice", e.Job))
		}
		functions[e.Job] = e.Function
	}
	return functions, wrong
}
