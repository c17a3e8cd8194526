package cleanup

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Schema is the version of an archived line.
const Schema = 1

const (
	// maxLine bounds a line of the archive: an order with thousands of works.
	maxLine = 2 << 20
	// maxContent bounds what an object unpacks to.
	maxContent = 8 << 20
)

// Item is an item of an order's history.
type Item struct {
	Key     string          `json:"key"`     // its sort key
	Version uint64          `json:"version"` // its own
	Body    json.RawMessage `json:"body"`
}

// encode writes the same lines as the same bytes: as many of the orders, from the
// first on, as one object takes. One that is too large by itself is left out, and
// told.
func encode(finished []Finished) (body []byte, left []stays, err error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	size := 0
	for _, f := range finished {
		f.Schema = Schema
		line, err := json.Marshal(&f) // by pointer, for the sake of the 256-bit numbers in it
		if err != nil || len(line) > maxLine {
			err = cmp.Or(err, fmt.Errorf("%d bytes, at most %d", len(line), maxLine))
			left = append(left, stays{f.Order.ID, f.ClosedAt, fmt.Errorf("encode order %s: %w", f.Order.ID, err)})
			continue
		}
		if size += len(line) + 1; size > maxContent {
			break
		}
		if _, err := zip.Write(append(line, '\n')); err != nil {
			return nil, nil, fmt.Errorf("compress: %w", err)
		}
	}
	if err := zip.Close(); err != nil {
		return nil, nil, fmt.Errorf("compress: %w", err)
	}
	if size == 0 {
		return nil, left, nil
	}
	return out.Bytes(), left, nil
}

// decode reads what encode wrote: all of it or none.
func decode(body []byte) ([]Finished, error) {
	zip, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the archived object is damaged: %w", err)
	}
	in := bufio.NewScanner(io.LimitReader(zip, maxContent))
	in.Buffer(nil, maxLine+1)
	var out []Finished
	for in.Scan() {
		var f Finished
		err := json.Unmarshal(in.Bytes(), &f)
		switch {
		case err != nil:
		case f.Schema != Schema:
			err = fmt.Errorf("schema version %d, and this program reads %d", f.Schema, Schema)
		case f.ClosedAt.IsZero() || !f.Order.Closed || f.Order.Version == 0 || f.Order.ID.ChainID == 0:
			err = fmt.Errorf("order %s is not a closed one", f.Order.ID)
		}
		if err != nil && in.Err() != nil {
			break // the line was cut
		}
		if err != nil {
			return nil, fmt.Errorf("the archived object is damaged: line %d: %w", len(out)+1, err)
		}
		out = append(out, f)
	}
	switch err := in.Err(); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("the archived object is truncated after line %d: %w", len(out), err)
	case err != nil:
		return nil, fmt.Errorf("the archived object is damaged after line %d: %w", len(out), err)
	case len(out) == 0:
		return nil, errors.New("the archived object is empty")
	}
	return out, nil
}
