// Package bench holds the figures of the whole: what the functions weigh, how
// fast they start, what a pass with nothing to do costs, and how long 500 swaps
// take that are due at once. `make bench` prints them; no test depends on them.
package bench
