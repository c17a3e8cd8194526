package main

import (
	"slices"

	"github.com/bridge-me-not/resolver-cron/infra/local/guard"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// exception is what has to be granted though no run of the local stack is sure to show it.
type exception struct {
	why       string
	functions []string
	uses      []guard.Use // without the function
}

// exceptions to the record, with their reasons.
var exceptions = []exception{
	{
		"Which alerts a run raises, repeats, ends or delivers is chance, and whoever can do one can do all: even a job " +
			"that raises none tells of its pause.",
		without(job.PacerJob),
		[]guard.Use{
			{Action: "dynamodb:GetItem", Resource: "Jobs", Key: "alert#*"},
			{Action: "dynamodb:BatchGetItem", Resource: "Jobs", Key: "alert#*"},
			{Action: "dynamodb:PutItem", Resource: "Jobs", Key: "alert#*"},
			{Action: "dynamodb:Query", Resource: "Jobs", Key: "outbox"},
			{Action: "dynamodb:PutItem", Resource: "Jobs", Key: "outbox"},
			{Action: "dynamodb:DeleteItem", Resource: "Jobs", Key: "outbox"},
			{Action: "dynamodb:PutItem", Resource: "Jobs", Key: "open-alerts"},
			{Action: "dynamodb:DeleteItem", Resource: "Jobs", Key: "open-alerts"},
			{Action: "dynamodb:PutItem", Resource: "Jobs", Key: "resolved-alerts"},
			{Action: "dynamodb:UpdateItem", Resource: "Jobs", Key: "alert-rate#*"},
			{Action: "sns:Publish", Resource: "Alerts"},
		},
	},
	{
		"A run that is recorded more than an hour late marks its hour to be counted anew.",
		without(),
		[]guard.Use{{Action: "dynamodb:PutItem", Resource: "Jobs", Key: "run-fresh"}},
	},
	{
		"Whoever counts takes such marks away.",
		[]string{job.MetricsAggregator, job.DailyReport},
		[]guard.Use{{Action: "dynamodb:DeleteItem", Resource: "Jobs", Key: "run-fresh"}},
	},
	{
		"The report counts only what the aggregator has not yet.",
		[]string{job.DailyReport},
		[]guard.Use{{Action: "dynamodb:DeleteItem", Resource: "Orders", Key: "feed-fresh#*"}},
	},
	{
		"The executor takes no lease of its own, but those of accounts: one policy for all jobs grants it all the same, " +
			"and nobody else asks for it.",
		[]string{job.ActionExecutor},
		[]guard.Use{{Action: "dynamodb:UpdateItem", Resource: "Jobs", Key: "job#" + job.ActionExecutor}},
	},
	{
		"Facts too large for one item are kept in parts.",
		[]string{job.StateSync, job.TimelockMonitor, job.CancellationCheck, job.TransactionTracker, job.ActionExecutor, job.StatePersistence},
		[]guard.Use{{Action: "dynamodb:Query", Resource: "Orders", Key: "chain#*"}},
	},
	{
		"Who replaces facts writes the parts, and deletes the former ones.",
		[]string{job.StateSync},
		[]guard.Use{
			{Action: "dynamodb:PutItem", Resource: "Orders", Key: "chain#*"},
			{Action: "dynamodb:DeleteItem", Resource: "Orders", Key: "chain#*"},
		},
	},
	{
		"An order that a reorganisation had ended is open again if its creation returns.",
		[]string{job.StateSync},
		[]guard.Use{{Action: "dynamodb:DeleteItem", Resource: "Orders", Key: "closed#*"}},
	},
	{
		"Work that is not wanted any more goes to the history of its order, whoever finds that.",
		[]string{job.TimelockMonitor, job.CancellationCheck, job.ActionExecutor},
		[]guard.Use{
			{Action: "dynamodb:DeleteItem", Resource: "Actions", Key: "<mode>#*"},
			{Action: "dynamodb:PutItem", Resource: "Orders", Key: "order#*"},
		},
	},
	{
		"An action whose transaction failed, or whose nonce another took, is live again.",
		[]string{job.TransactionTracker},
		[]guard.Use{{Action: "dynamodb:PutItem", Resource: "Actions", Key: "<mode>#*"}},
	},
	{
		"A settled nonce that a reorganisation undid is open again, and what was fed of it is taken back.",
		[]string{job.ActionExecutor},
		[]guard.Use{
			{Action: "dynamodb:DeleteItem", Resource: "Journal", Key: "<mode>#*"},
			{Action: "dynamodb:DeleteItem", Resource: "Orders", Key: "feed#*"},
			{Action: "dynamodb:PutItem", Resource: "Orders", Key: "feed-fresh#*"},
		},
	},
	{
		"An account that was not done with in the time of an invocation is rung for again.",
		[]string{job.ActionExecutor, job.TransactionTracker},
		[]guard.Use{{Action: "sqs:SendMessage", Resource: "Doorbells"}},
	},
	{
		"Before it pings the monitor outside, which local stacks do not have, the watchdog counts who would be told.",
		[]string{job.JobWatchdog},
		[]guard.Use{{Action: "sns:GetTopicAttributes", Resource: "Alerts"}},
	},
	{
		"Endpoints of local stacks have their tokens from the environment, which goes before the Parameter Store.",
		[]string{job.StateSync, job.TimelockMonitor, job.CancellationCheck, job.ActionExecutor, job.TransactionTracker, job.BalanceMonitor, job.HealthCheck},
		[]guard.Use{{Action: "ssm:GetParameters", Resource: guard.Parameters}},
	},
}

// without are all functions but some.
func without(names ...string) (functions []string) {
	for _, s := range job.Table {
		if !slices.Contains(names, s.Name) {
			functions = append(functions, s.Name)
		}
	}
	return functions
}

// seldom are the uses of the exceptions.
func seldom() (uses []guard.Use) {
	for _, e := range exceptions {
		for _, f := range e.functions {
			for _, u := range e.uses {
				u.Function = f
				uses = append(uses, u)
			}
		}
	}
	return uses
}
