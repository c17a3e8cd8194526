package main

import (
	"context"
	"errors"
)

var indexClosedCommand = command{"index-closed", "", "once after a release without order-cleanup: have archived what it closed", indexClosed}

// indexClosed makes order-cleanup find the orders that an earlier release closed. It
// reads the whole orders table, and may be repeated.
func indexClosed(ctx context.Context, t tool, args []string) error {
	f := t.flags()
	if err := f.none(args); err != nil {
		return err
	}
	db, err := t.open(ctx, f) // orders are the same in both modes
	if err != nil {
		return err
	}
	n, err := db.Closed().Index(ctx)
	if f.json {
		return errors.Join(err, t.printJSON(map[string]int{"indexed": n}))
	}
	return errors.Join(err, t.say("%d closed orders are to be archived", n))
}
