// Package queue sends the messages of this system by SQS: doorbells for the
// executor and ticks for the pacer. Both are standard queues: messages may be
// lost to nobody's harm but time, doubled and reordered. Each names the run that
// sent it in an attribute, and the trace that it belongs to in its header.
package queue
