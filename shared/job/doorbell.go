package job

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Doorbell says "look at the work of this signer on this chain, now". It carries no work: lost,
// doubled, late and reordered ones cost nothing but time. Its body is
// {"chain":8453,"signer":"0x…"}.
type Doorbell struct {
	Chain  uint64 `json:"chain"`  // chain id, not 0
	Signer string `json:"signer"` // address, 0x and 40 lower-case hex digits
}

// Body is the message of the doorbell.
func (d Doorbell) Body() (string, error) {
	signer, err := d.check()
	if err != nil {
		return "", fmt.Errorf("doorbell: %w", err)
	}
	b, err := json.Marshal(Doorbell{d.Chain, signer})
	return string(b), err
}

// DecodeDoorbell reads a message. Its errors do not quote the body.
func DecodeDoorbell(body string) (Doorbell, error) {
	var d Doorbell
	if err := decodeMessage(body, &d); err != nil {
		return Doorbell{}, fmt.Errorf("doorbell: %w", err)
	}
	signer, err := d.check()
	if err != nil {
		return Doorbell{}, fmt.Errorf("doorbell: %w", err)
	}
	return Doorbell{d.Chain, signer}, nil
}

// check returns the signer in lower case, so that equal doorbells are equal and name one lease.
func (d Doorbell) check() (string, error) {
	if d.Chain == 0 {
		return "", errors.New("chain is missing or 0")
	}
	signer := strings.ToLower(d.Signer)
	digits, ok := strings.CutPrefix(signer, "0x")
	if b, err := hex.DecodeString(digits); !ok || err != nil || len(b) != 20 {
		return "", errors.New("signer is no address of 0x and 40 hex digits")
	}
	return signer, nil
}

// maxMessage is far above every message of ours, in bytes.
const maxMessage = 1024

// decodeMessage reads the one JSON object that body must be, with no field that v does not have.
// Its errors say what is wrong and where, and never quote the body, which may hold anything.
func decodeMessage(body string, v any) error {
	if len(body) > maxMessage {
		return fmt.Errorf("%d bytes, more than %d", len(body), maxMessage)
	}
	if !strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "{") {
		return errors.New("no JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("field %s is no %s", wrong.Field, wrong.Type)
		}
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return fmt.Errorf("no JSON from byte %d on", syntax.Offset)
		}
		return errors.New("a field is unknown or unreadable")
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}
