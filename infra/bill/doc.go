// Package bill computes what a stack costs in a month of thirty days: from the template, the measurements of
// `go run ./infra/local measure`, the table of prices, and how many swaps there are. Money is exact until it is
// printed.
//
// A function's runs are those of its schedules, and those that doorbells begin. A run takes what it takes when nothing
// is to be done, and more for each swap that is open; a swap takes what it takes in its life. The time that is paid for
// is that on a core, at the share that the function's memory gives it, and the answers of services and providers, one
// after the other. That is more than the truth, as many are asked at once.
package bill
