// Package report tells the day: what happened to the swaps, how much was at risk
// for how long, how much time was left, what broke, and how the jobs ran.
//
// A [Day] is plain data. [HTML] makes of it one page that stands alone: no
// script, no request, charts as SVG inside it, light or dark as its reader
// prefers, readable on a phone. [Text] makes of it the few lines that are sent.
// Both are pure: the same day gives the same bytes, whatever the order in which
// its parts were read. Their size is bounded, whatever the day.
//
// [Gatherer] reads the parts, each from whoever keeps it, writes down what it read,
// then the page, and tells of it once. What cannot be read is said on the page, and is
// the run's error. A run that is repeated makes the same page of what was written down.
package report
