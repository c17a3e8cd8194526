// Package bench holds the figures of the whole: what the functions weigh, how
// fast they start, and what a pass with nothing to do costs. `make bench`
// prints them; no test depends on them.
package bench
