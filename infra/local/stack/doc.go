// Package stack puts the deployment template to work on one machine: it creates
// the template's tables, queues, topic and key on real backing servers, runs
// the real function binaries on the template's schedules with the semantics of
// Lambda, and leads all their traffic to AWS and to the chains through proxies
// that count it and can disturb it.
//
// The functions are told where everything is by the environment variables of
// the AWS SDK and by the chains file, as they would be in the cloud. They cannot
// tell the difference, and nothing in them tries.
//
// What watches the functions in the cloud, the nested application of
// infra/watching with its alarms and dashboards, is not created: there is nobody
// here who would evaluate an alarm. Package watching does both from a log.
//
// Everything listens on loopback at free ports and ends with the stack; what
// the stack starts as processes is killed by the kernel should the stack
// itself be killed. A part that dies by itself ends Run with its last words.
package stack
