// Package watching reads infra/watching/template.yaml, the nested application with the alarms, dashboards and saved
// queries of the product, as CloudWatch would, so that they can be tried on one machine:
//
//   - [Read] evaluates it with the parameters that template.yaml hands to it.
//   - [Alarm.Step] is CloudWatch's rule of evaluation for what the alarms here use.
//   - [Query] is the part of Logs Insights that the queries here use.
//   - [Emitted] is what functions were recorded to emit, by which names, dimensions, units and log fields are held.
//
// go run ./infra/watching/render draws the dashboards from the log of a demonstration.
//
// What is not understood is an error: an alarm or a query that this package cannot judge is not to be deployed.
package watching
