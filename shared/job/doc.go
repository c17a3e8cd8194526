// Package job runs scheduled and queue-driven work as Lambda functions.
package job
