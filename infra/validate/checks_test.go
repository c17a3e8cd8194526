package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// recorded is what sam-translator made of the template once; `make validate` checks a fresh one.
func recorded(t *testing.T) map[string]any {
	t.Helper()
	src, err := os.ReadFile("testdata/template.json")
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(src, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func encode(t *testing.T, m map[string]any) []byte {
	t.Helper()
	src, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// at walks into nested mappings and lists of mappings; a step is a key or an index.
func at(m any, path ...any) map[string]any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m = m.(map[string]any)[step]
		case int:
			m = m.([]any)[step]
		}
	}
	return m.(map[string]any)
}

func props(m map[string]any, id string) map[string]any { return at(m, "Resources", id, "Properties") }

// grant adds a statement to a role's own policy.
func grant(m map[string]any, role string, statement map[string]any) {
	doc := at(props(m, role), "Policies", 0, "PolicyDocument")
	statement["Effect"] = "Allow"
	doc["Statement"] = append(doc["Statement"].([]any), statement)
}

// granting finds the statement of a role's own policy that grants an action on a resource, which is named by a part of it.
func granting(m map[string]any, role, action, resource string) map[string]any {
	return find(at(props(m, role), "Policies", 0, "PolicyDocument"), action, resource)
}

func find(policy map[string]any, action, resource string) map[string]any {
	for _, raw := range policy["Statement"].([]any) {
		st := raw.(map[string]any)
		if slices.Contains(texts(st["Action"]), action) && strings.Contains(fmt.Sprint(st["Resource"]), resource) {
			return st
		}
	}
	panic("no statement grants " + action + " on " + resource)
}

func TestRecordedTemplateIsClean(t *testing.T) {
	src := encode(t, recorded(t))
	for _, v := range variants {
		if got := variant(src, src, v); len(got) != 0 {
			t.Errorf("%v: %s", v, strings.Join(got, "\n"))
		}
	}
}

// TestOwnTemplate checks the template as it stands, without the tools of `make validate`.
func TestOwnTemplate(t *testing.T) {
	src, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variants {
		doc, stack, err := read(src, v)
		if err != nil {
			t.Fatal(err)
		}
		if got := inspect(doc, stack); len(got) != 0 {
			t.Errorf("%v: %s", v, strings.Join(got, "\n"))
		}
	}
}

// The reserves that can be asked for are those that the words say, and in each the executor's runs have room.
func TestExecutorReserve(t *testing.T) {
	src, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var taken []int
	for _, reserve := range []int{-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 100, 9999, 10000} {
		doc, stack, err := read(src, map[string]string{"ExecutorReservedConcurrency": strconv.Itoa(reserve)})
		if err != nil {
			continue // refused
		}
		taken = append(taken, reserve)
		if got := mappings(doc, stack); len(got) != 0 {
			t.Errorf("%d: %s", reserve, strings.Join(got, "\n"))
		}
	}
	if want := []int{0, 5, 6, 7, 8, 9, 10, 11, 100, 9999}; !slices.Equal(taken, want) {
		t.Errorf("reserves of %d are taken, want %d", taken, want)
	}
}

func TestMutations(t *testing.T) {
	tests := []struct {
		name   string
		mutate func(m map[string]any)
		want   string
	}{
		// What the linters miss.
		{"plural of one", func(m map[string]any) {
			at(m, "Mappings", "Cadence", "mainnet")["StateSyncSchedule"] = "rate(1 minutes)"
		}, "wants the unit in the singular"},
		{"singular of two", func(m map[string]any) {
			at(m, "Mappings", "Cadence", "mainnet")["StateSyncSchedule"] = "rate(2 minute)"
		}, "wants the unit in the plural"},
		{"six-field cron", func(m map[string]any) { props(m, "PacerMinute")["ScheduleExpression"] = "cron(*/10 * * * * *)" }, "must be ?"},

		// Functions.
		{"x86", func(m map[string]any) { props(m, "StateSync")["Architectures"] = []any{"x86_64"} }, "StateSync: architectures [x86_64]"},
		{"runtime", func(m map[string]any) { props(m, "StateSync")["Runtime"] = "provided.al2" }, `StateSync: runtime "provided.al2"`},
		{"untraced", func(m map[string]any) { delete(props(m, "StateSync"), "TracingConfig") }, `StateSync: tracing "", want Active`},
		{"traced for nothing", func(m map[string]any) { at(props(m, "JobWatchdog"), "TracingConfig")["Mode"] = "Active" }, `JobWatchdog: tracing "Active", want PassThrough`},
		{"must not say what it did", func(m map[string]any) {
			delete(at(m, "Resources"), "TracePolicy")
			for _, r := range []string{"StateSyncRole", "ActionExecutorRole"} {
				list := props(m, r)["ManagedPolicyArns"].([]any)
				props(m, r)["ManagedPolicyArns"] = slices.Delete(list, 1, 2)
			}
		}, "xray:PutTraceSegments"},
		{"log group of another", func(m map[string]any) {
			at(props(m, "StateSync"), "LoggingConfig")["LogGroup"] = map[string]any{"Ref": "PacerLogs"}
		}, "StateSync: logs go to"},
		{"logs for ever", func(m map[string]any) { delete(props(m, "StateSyncLogs"), "RetentionInDays") }, "StateSync: logs go to"},
		{"plain logs", func(m map[string]any) { at(props(m, "StateSync"), "LoggingConfig")["LogFormat"] = "Text" }, `StateSync: log format "Text"`},
		{"no async limits", func(m map[string]any) { delete(at(m, "Resources"), "StateSyncEventInvokeConfig") }, "StateSync: asynchronous events: 6h0m0s, 2 retries"},
		{"no destination", func(m map[string]any) { delete(props(m, "StateSyncEventInvokeConfig"), "DestinationConfig") }, `destination ""; want`},
		{"shared role", func(m map[string]any) { props(m, "StateSync")["Role"] = props(m, "TimelockMonitor")["Role"] }, "shares its role with"},
		{"slower than its period", func(m map[string]any) {
			at(m, "Mappings", "Cadence", "mainnet")["TimelockMonitorTimeout"] = 61
		}, "TimelockMonitor: timeout 1m1s is longer than its period 1m0s"},
		{"slower than the pacer", func(m map[string]any) {
			at(m, "Mappings", "Cadence", "test")["TimelockMonitorTimeout"] = 11
		}, "TimelockMonitor: timeout 11s is longer than its period 10s"},

		// Clocks.
		{"two clocks", func(m map[string]any) { at(m, "Mappings", "Cadence", "test")["JobRules"] = "ENABLED" }, "StateSync: started by 2 clocks"},
		{"no clock", func(m map[string]any) { at(m, "Mappings", "Cadence", "mainnet")["JobRules"] = "DISABLED" }, "StateSync: started by 0 clocks"},
		{"nothing starts it", func(m map[string]any) {
			delete(at(m, "Resources"), "ActionExecutorDoorbell")
			delete(at(m, "Resources"), "ActionExecutorTick")
			delete(at(m, "Resources"), "ActionExecutorTickPermission")
		}, "ActionExecutor: started by 0 clocks"},
		{"replayed ticks", func(m map[string]any) { delete(at(props(m, "StateSyncTick"), "Targets", 0), "RetryPolicy") }, "StateSync: rule Tick is retried 185 times"},
		{"pacer invokes nobody", func(m map[string]any) {
			at(props(m, "Pacer"), "Environment", "Variables")["PACER_JOBS"] = `[{"job":"state-sink","function":"rc-state-sink","every":10}]`
		}, `Pacer: "state-sink" is no job`},
		{"pacer invokes by job name", func(m map[string]any) {
			at(props(m, "Pacer"), "Environment", "Variables")["PACER_JOBS"] = `[{"job":"state-sync","function":"state-sync","every":10}]`
		}, `invokes "state-sync", want "rc-state-sync"`},
		{"uneven pace", func(m map[string]any) {
			at(props(m, "Pacer"), "Environment", "Variables")["PACER_JOBS"] = `[{"job":"state-sync","function":"rc-state-sync","every":7}]`
		}, "does not divide a minute"},
		{"pace unreadable", func(m map[string]any) { at(props(m, "Pacer"), "Environment", "Variables")["PACER_JOBS"] = `[` }, "PACER_JOBS: unexpected end"},

		// Queues.
		{"short visibility", func(m map[string]any) { at(m, "Mappings", "Cadence", "test")["DoorbellVisibility"] = 179 }, "less than six times ActionExecutor's timeout"},
		{"reserve below what starts it", func(m map[string]any) { props(m, "ActionExecutor")["ReservedConcurrentExecutions"] = 4 }, "ActionExecutor: 4 executions are reserved, and its queues and its clock start 5 at once"},
		{"reserve without a bound", func(m map[string]any) {
			props(m, "ActionExecutor")["ReservedConcurrentExecutions"] = 4
			delete(props(m, "ActionExecutorDoorbell"), "ScalingConfig")
		}, "ActionExecutor: mapping Doorbell has no bound"},
		{"all or nothing", func(m map[string]any) { delete(props(m, "ActionExecutorDoorbell"), "FunctionResponseTypes") }, "does not report batch item failures"},
		{"no dead letters", func(m map[string]any) { delete(props(m, "Doorbells"), "RedrivePolicy") }, "Doorbells: no dead-letter queue"},
		{"dead letters too late", func(m map[string]any) { props(m, "Doorbells")["MessageRetentionPeriod"] = 60 }, "before they can reach the dead-letter queue"},
		{"plain queue", func(m map[string]any) { delete(props(m, "Doorbells"), "SqsManagedSseEnabled") }, "Doorbells: not encrypted"},
		{"forgetful dead letters", func(m map[string]any) { delete(props(m, "DoorbellsDead"), "MessageRetentionPeriod") }, "DoorbellsDead: nobody reads it"},

		// Tables.
		{"no TTL", func(m map[string]any) { delete(props(m, "Jobs"), "TimeToLiveSpecification") }, `Jobs: TTL attribute ""`},
		{"TTL off", func(m map[string]any) { at(props(m, "Jobs"), "TimeToLiveSpecification")["Enabled"] = false }, `Jobs: TTL attribute ""`},
		{"other TTL", func(m map[string]any) { at(props(m, "Jobs"), "TimeToLiveSpecification")["AttributeName"] = "ttl" }, `Jobs: TTL attribute "ttl"`},
		{"no backups", func(m map[string]any) { delete(props(m, "Jobs"), "PointInTimeRecoverySpecification") }, "point in time recovery false"},
		{"paid key", func(m map[string]any) { props(m, "Jobs")["SSESpecification"] = map[string]any{"SSEEnabled": true} }, "Jobs: encrypted by a key of KMS"},
		{"deleted with the stack", func(m map[string]any) { at(m, "Resources", "Journal")["DeletionPolicy"] = "Delete" }, "Journal: on demand true, point in time recovery true, retained false"},
		{"index lost", func(m map[string]any) { delete(props(m, "Orders"), "GlobalSecondaryIndexes") }, `"src_shard" is in no key`},
		{"index of another type", func(m map[string]any) {
			at(props(m, "Orders"), "AttributeDefinitions", 3)["AttributeType"] = "S"
		}, "Orders: attributes"},
		{"index with everything", func(m map[string]any) {
			at(props(m, "Orders"), "GlobalSecondaryIndexes", 0, "Projection")["ProjectionType"] = "ALL"
		}, "Orders: indexes"},
		{"unknown table", func(m map[string]any) { at(m, "Resources")["Notes"] = at(m, "Resources", "Jobs") }, "Notes: table without a known layout"},

		// Buckets.
		{"no versions", func(m map[string]any) { delete(props(m, "Archive"), "VersioningConfiguration") }, "Archive: versioned false"},
		{"versions suspended", func(m map[string]any) { at(props(m, "Archive"), "VersioningConfiguration")["Status"] = "Suspended" }, "Archive: versioned false"},
		{"plain bucket", func(m map[string]any) { delete(props(m, "Archive"), "BucketEncryption") }, "encrypted false"},
		{"open to a policy", func(m map[string]any) {
			at(props(m, "Archive"), "PublicAccessBlockConfiguration")["BlockPublicPolicy"] = false
		}, "private false"},
		{"open to everybody", func(m map[string]any) { delete(props(m, "Archive"), "PublicAccessBlockConfiguration") }, "private false"},
		{"no policy", func(m map[string]any) { delete(at(m, "Resources"), "ArchivePolicy") }, "by TLS only false"},
		{"without TLS", func(m map[string]any) {
			at(props(m, "ArchivePolicy"), "PolicyDocument", "Statement", 0)["Effect"] = "Allow"
		}, "by TLS only false"},
		{"bucket goes", func(m map[string]any) { at(m, "Resources", "Archive")["UpdateReplacePolicy"] = "Delete" }, "Archive: versioned true, encrypted true, private true, by TLS only true, retained false"},
		{"versions for ever", func(m map[string]any) {
			delete(at(props(m, "Archive"), "LifecycleConfiguration", "Rules", 3), "NoncurrentVersionExpiration")
		}, "Archive: former versions are kept for ever"},

		// Signing.
		{"another signer", func(m map[string]any) {
			grant(m, "StateSyncRole", map[string]any{"Action": "kms:Sign", "Resource": "key"})
		}, "StateSyncRole: may kms:Sign"},
		{"another signer by wildcard", func(m map[string]any) {
			grant(m, "StateSyncRole", map[string]any{"Action": []any{"KMS:S*"}, "Resource": "key"})
		}, "StateSyncRole: may kms:Sign"},
		{"another signer by the shared policy", func(m map[string]any) {
			doc := at(props(m, "JobPolicy"), "PolicyDocument")
			doc["Statement"] = append(doc["Statement"].([]any), map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"})
		}, "PacerRole: may kms:Sign"},
		{"signer policy on another role", func(m map[string]any) {
			props(m, "SignerPolicy")["Roles"] = []any{map[string]any{"Ref": "StateSyncRole"}}
		}, "StateSyncRole: may kms:Sign"},
		{"more than signing", func(m map[string]any) {
			grant(m, "ActionExecutorRole", map[string]any{"Action": "kms:GetPublicKey", "Resource": "key"})
		}, "ActionExecutorRole: may kms:GetPublicKey"},
		{"executor cannot sign", func(m map[string]any) { delete(at(m, "Resources"), "SignerPolicy") }, "ActionExecutorRole: may not kms:Sign"},
		{"signs anything", func(m map[string]any) {
			delete(at(props(m, "SignerPolicy"), "PolicyDocument", "Statement", 0), "Condition")
		}, "ActionExecutorRole: kms:Sign is not bound"},
		{"key signs anything", func(m map[string]any) {
			delete(at(props(m, "SignerKey"), "KeyPolicy", "Statement", 1), "Condition")
		}, "SignerKey: kms:Sign is not bound"},
		{"root signs", func(m map[string]any) {
			at(props(m, "SignerKey"), "KeyPolicy", "Statement", 0)["Action"] = "kms:*"
		}, "SignerKey: its policy lets any IAM policy of the account grant kms:Sign"},
		{"root grants", func(m map[string]any) {
			at(props(m, "SignerKey"), "KeyPolicy", "Statement", 0)["Action"] = []any{"kms:PutKeyPolicy", "kms:Create*"}
		}, "grant kms:CreateGrant"},
		{"everybody signs", func(m map[string]any) {
			at(props(m, "SignerKey"), "KeyPolicy", "Statement", 1)["Principal"] = "*"
		}, "SignerKey: its policy names *"},
		{"any AWS account signs", func(m map[string]any) {
			at(props(m, "SignerKey"), "KeyPolicy", "Statement", 1, "Principal")["AWS"] = []any{"*"}
		}, "SignerKey: its policy names *"},
		{"key nobody administers", func(m map[string]any) {
			at(props(m, "SignerKey"), "KeyPolicy", "Statement", 0)["Effect"] = "Deny"
		}, "nobody could change its policy"},
		{"all but", func(m map[string]any) {
			at(props(m, "SignerKey"), "KeyPolicy", "Statement", 1)["NotPrincipal"] = map[string]any{"AWS": "x"}
		}, "uses NotPrincipal"},
		{"wrong curve", func(m map[string]any) { props(m, "SignerKey")["KeySpec"] = "ECC_NIST_P256" }, "SignerKey: ECC_NIST_P256"},
		{"key goes", func(m map[string]any) { delete(at(m, "Resources", "SignerKey"), "DeletionPolicy") }, "SignerKey: goes with the stack"},
		{"no alias", func(m map[string]any) { delete(at(m, "Resources"), "SignerAlias"); delete(m, "Outputs") }, "SignerKey: aliases []"},

		// What the watchdog may know.
		{"everybody knows the monitor", func(m map[string]any) {
			at(props(m, "StateSync"), "Environment", "Variables")["HEARTBEAT_URL"] = map[string]any{"Ref": "HeartbeatUrl"}
		}, "StateSync: is told the heartbeat's address: true"},
		{"nobody knows the monitor", func(m map[string]any) {
			delete(at(props(m, "JobWatchdog"), "Environment", "Variables"), "HEARTBEAT_URL")
		}, "JobWatchdog: is told the heartbeat's address: false"},
		{"watchdog cannot count subscribers", func(m map[string]any) {
			granting(m, "JobWatchdogRole", "sns:GetTopicAttributes", "Alerts")["Action"] = "sns:Publish"
		}, "JobWatchdogRole: may not sns:GetTopicAttributes on Alerts"},
		{"watchdog reads orders", func(m map[string]any) {
			grant(m, "JobWatchdogRole", map[string]any{"Action": "dynamodb:GetItem", "Resource": "arn:aws:dynamodb:eu-west-1:000000000000:table/rc-Orders"})
		}, "JobWatchdogRole: may read Orders"},

		// Roles.
		{"wildcard action", func(m map[string]any) {
			grant(m, "PacerRole", map[string]any{"Action": "sqs:*", "Resource": "q"})
		}, "PacerRole: grants sqs:*"},
		{"every resource", func(m map[string]any) {
			grant(m, "PacerRole", map[string]any{"Action": "sns:Publish", "Resource": "*"})
		}, "PacerRole: grants sns:Publish on every resource"},
		{"assumed by another service", func(m map[string]any) {
			at(props(m, "PacerRole"), "AssumeRolePolicyDocument", "Statement", 0, "Principal")["Service"] = "ec2.amazonaws.com"
		}, "PacerRole: may be assumed by"},
		{"policy from elsewhere", func(m map[string]any) {
			props(m, "PacerRole")["ManagedPolicyArns"] = []any{"arn:aws:iam::aws:policy/AdministratorAccess"}
		}, "so it cannot be judged"},
		{"role from elsewhere", func(m map[string]any) { props(m, "Pacer")["Role"] = "arn:aws:iam::000000000000:role/other" }, "Pacer: role arn:aws:iam::000000000000:role/other is not in this template"},
		{"silent", func(m map[string]any) {
			granting(m, "PacerRole", "logs:PutLogEvents", "PacerLogs")["Action"] = "logs:CreateLogStream"
		}, "PacerRole: pacer uses logs:PutLogEvents on PacerLogs"},
		{"cannot read its queue", func(m map[string]any) {
			granting(m, "PacerRole", "sqs:ReceiveMessage", "PacerTicks")["Action"] = "sqs:SendMessage"
		}, "PacerRole: pacer uses sqs:ReceiveMessage on PacerTicks"},
		{"cannot report", func(m map[string]any) {
			find(at(props(m, "JobPolicy"), "PolicyDocument"), "sqs:SendMessage", "FailedEvents")["Action"] = "sqs:ReceiveMessage"
		}, "StateSyncRole: state-sync uses sqs:SendMessage on FailedEvents"},
		{"cannot invoke", func(m map[string]any) {
			granting(m, "PacerRole", "lambda:InvokeFunction", "StateSync")["Resource"] = "arn:aws:lambda:eu-west-1:000000000000:function:rc-state-sync"
		}, "Pacer: may not invoke timelock-monitor"},
		{"scans allowed by an empty set", func(m map[string]any) {
			delete(at(granting(m, "HealthCheckRole", "dynamodb:GetItem", "Jobs"), "Condition"), "Null")
		}, "HealthCheckRole: ForAllValues of dynamodb:LeadingKeys holds of requests without it too"},
		{"role of another", func(m map[string]any) {
			props(m, "StateSync")["Role"], props(m, "TimelockMonitor")["Role"] = props(m, "TimelockMonitor")["Role"], props(m, "StateSync")["Role"]
		}, "TimelockMonitorRole: state-sync uses dynamodb:"},
		{"tag of another", func(m map[string]any) { at(props(m, "StateSyncRole"), "Tags", 0)["Value"] = "pacer" }, "StateSyncRole: state-sync uses dynamodb:UpdateItem on Jobs job#state-sync"},
		{"whole archive", func(m map[string]any) {
			granting(m, "DailyReportRole", "s3:PutObject", "Archive")["Resource"] = map[string]any{"Fn::Sub": "${Archive.Arn}/*"}
		}, "DailyReportRole: grants s3:PutObject on arn:aws:s3:::rc-archive/*, which nothing uses"},
		{"policy too long", func(m map[string]any) {
			for i := range 70 {
				grant(m, "PacerRole", map[string]any{"Action": "sqs:SendMessage", "Resource": fmt.Sprintf("arn:aws:sqs:eu-west-1:000000000000:a-queue-with-a-long-name-%d", i)})
			}
		}, "PacerRole: its policies have"},
		{"managed policy too long", func(m map[string]any) {
			st := find(at(props(m, "JobPolicy"), "PolicyDocument"), "sqs:SendMessage", "FailedEvents")
			st["Sid"] = strings.Repeat("x", 5000)
		}, "JobPolicy:"},

		// Queues and topics are closed.
		{"queues without policy", func(m map[string]any) { delete(at(m, "Resources"), "QueuePolicy") }, "Doorbells: other accounts are not denied sqs:SendMessage"},
		{"queue left out", func(m map[string]any) {
			p := props(m, "QueuePolicy")
			p["Queues"] = p["Queues"].([]any)[1:]
		}, "Doorbells: sqs:ReceiveMessage without TLS is not denied"},
		{"queue in the clear", func(m map[string]any) {
			at(props(m, "QueuePolicy"), "PolicyDocument", "Statement", 0)["Action"] = "sqs:ReceiveMessage"
		}, "FailedEvents: sqs:SendMessage without TLS is not denied"},
		{"queue for everybody", func(m map[string]any) {
			at(props(m, "QueuePolicy"), "PolicyDocument", "Statement", 1)["Effect"] = "Allow"
		}, "Doorbells: other accounts are not denied"},
		{"queue for every role", func(m map[string]any) {
			st := at(props(m, "QueuePolicy"), "PolicyDocument", "Statement", 1)
			st["Effect"] = "Allow"
			delete(st, "Condition")
		}, "Doorbells: its policy says allowed of sqs:SendMessage by any role of the account"},
		{"topic without policy", func(m map[string]any) { delete(at(m, "Resources"), "AlarmsPolicy") }, "Alarms: alarms of account 000000000000 are silent"},
		{"topic for any account's alarms", func(m map[string]any) {
			delete(at(props(m, "AlarmsPolicy"), "PolicyDocument", "Statement", 0), "Condition")
		}, "Alarms: alarms of account 111111111111 are allowed"},
		{"topic in the clear", func(m map[string]any) {
			delete(at(props(m, "AlertsPolicy"), "PolicyDocument", "Statement", 0), "Condition")
		}, "Alerts: its policy says denied of sns:Publish"},
		{"topic for other accounts", func(m map[string]any) {
			at(props(m, "AlertsPolicy"), "PolicyDocument", "Statement", 1)["Action"] = "sns:Subscribe"
		}, "Alerts: other accounts are not denied sns:Publish"},

		// Who is told.
		{"nobody is mailed", func(m map[string]any) { delete(at(m, "Resources"), "AlertEmailSubscription") }, "Alerts: email of alerts@example.org is not subscribed"},
		{"no pager", func(m map[string]any) { delete(at(m, "Resources"), "PagerSubscription") }, "Alerts: https of https://pager.example.org/sns is not subscribed"},
		{"pager for everything", func(m map[string]any) { delete(props(m, "PagerSubscription"), "FilterPolicy") }, "Alerts: https of https://pager.example.org/sns is not subscribed"},

		// Rules and queues must be able to start what they name.
		{"rule without permission", func(m map[string]any) { delete(at(m, "Resources"), "StateSyncTickPermission") }, "StateSyncTick: may not invoke StateSync"},
		{"permission for another rule", func(m map[string]any) {
			props(m, "StateSyncTickPermission")["SourceArn"] = map[string]any{"Fn::GetAtt": []any{"TimelockMonitorTick", "Arn"}}
		}, "StateSyncTick: may not invoke StateSync"},
		{"permission for everybody", func(m map[string]any) { delete(props(m, "StateSyncTickPermission"), "SourceArn") }, "StateSyncTickPermission: lets every rule"},
		{"queue of another name", func(m map[string]any) {
			res := at(m, "Resources")
			res["Bells"] = res["Doorbells"]
			delete(res, "Doorbells")
		}, "Doorbells"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := recorded(t)
			tt.mutate(m)
			src := encode(t, m)
			var all []string
			// The first two take both profiles.
			for _, v := range variants[:2] {
				if doc, stack, err := read(src, v); err != nil {
					all = append(all, lines("translated template", err)...)
				} else {
					all = append(all, inspect(doc, stack)...)
				}
			}
			if got := strings.Join(all, "\n"); !strings.Contains(got, tt.want) {
				t.Errorf("want %q, found:\n%s", tt.want, got)
			}
		})
	}
}

func TestDifferences(t *testing.T) {
	own := encode(t, recorded(t))
	_, stack, err := read(own, variants[0])
	if err != nil {
		t.Fatal(err)
	}
	index := slices.IndexFunc(stack.Functions, func(f template.Function) bool { return f.LogicalID == "StateSync" })
	for name, tt := range map[string]struct {
		mutate func(m map[string]any)
		want   string
	}{
		"value": {func(m map[string]any) { props(m, "StateSync")["MemorySize"] = 512 }, "StateSync.MemoryMB as 256, deployed is 512"},
		"variable": {func(m map[string]any) {
			at(props(m, "StateSync"), "Environment", "Variables")["MODE"] = "live"
		}, "StateSync.Env as map"},
		"missing": {func(m map[string]any) {
			delete(at(m, "Resources"), "StateSyncTick")
			delete(at(m, "Resources"), "StateSyncTickPermission")
		}, "StateSync.Schedules as [{Tick"},
	} {
		t.Run(name, func(t *testing.T) {
			m := recorded(t)
			tt.mutate(m)
			want := strings.Replace(tt.want, "StateSync.", fmt.Sprintf("Functions[%d].", index), 1)
			got := strings.Join(variant(encode(t, m), own, map[string]string{"Profile": "test", "Mode": "shadow"}), "\n")
			if !strings.Contains(got, want) {
				t.Errorf("want %q, found:\n%s", want, got)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	src := encode(t, recorded(t))
	_, stack, err := read(src, variants[0])
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	t.Chdir(root)
	if got := files(src); len(got) != 2*len(stack.Functions) || !strings.Contains(got[0], "events/action-executor.json") {
		t.Errorf("found %v", got)
	}
	for _, f := range stack.Functions {
		for _, path := range []string{"functions/" + f.Folder + "/main.go", "events/" + f.Folder + ".json"} {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := files(src); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}

func TestRunReportsUnreadableFiles(t *testing.T) {
	if _, err := run("testdata/missing.json", "testdata/template.json"); err == nil {
		t.Error("no error")
	}
	if _, err := run("testdata/template.json", "testdata/missing.yaml"); err == nil {
		t.Error("no error")
	}
}
