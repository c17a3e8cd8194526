// Package queue sends the messages of this system by SQS: doorbells for the
// executor and ticks for the pacer. Both are standard queues: messages may be
// lost to nobody's harm but time, doubled and reordered.
package queue
