package awsproxy

import (
	"crypto/md5" //nolint:gosec // the protocol's checksum
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// maxDelaySeconds is the longest delay of an SQS message.
const maxDelaySeconds = 900

// LoseMessages answers SendMessage and SendMessageBatch as SQS does, checksum included,
// for the messages whose body lose chooses (nil: every message), and forwards only the
// others. Other calls pass.
func LoseMessages(lose func(body string) bool) Fault {
	if lose == nil {
		lose = func(string) bool { return true }
	}
	return func(c *Call, next Forward) (*Reply, error) {
		switch sends(c) {
		case "SendMessage":
			var m sent
			if json.Unmarshal(c.Body, &m) != nil || !lose(m.MessageBody) {
				return next(c)
			}
			return jsonReply(c, m.accepted())
		case "SendMessageBatch":
			return loseFromBatch(c, next, lose)
		}
		return next(c)
	}
}

// DoubleMessages sends every message twice; the copy has a message id of its own, so the
// receiver meets it as it would a second delivery. Other calls pass.
func DoubleMessages() Fault {
	double := Double()
	return func(c *Call, next Forward) (*Reply, error) {
		if sends(c) == "" {
			return next(c)
		}
		return double(c, next)
	}
}

// DelayMessages adds d, in whole seconds, to the delay of every message sent, up to the
// 900 s that SQS allows. A message without a delay of its own is given d, whatever the
// queue's. Other calls pass.
func DelayMessages(d time.Duration) Fault {
	more := int(d / time.Second)
	return func(c *Call, next Forward) (*Reply, error) {
		var fields map[string]json.RawMessage
		if sends(c) == "" || json.Unmarshal(c.Body, &fields) != nil {
			return next(c)
		}
		if err := delayAll(fields, more); err != nil {
			return next(c) // not a message that SQS would take
		}
		body, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("delay messages: %w", err)
		}
		c.Body = body
		return next(c)
	}
}

func sends(c *Call) string {
	if c.Service == "sqs" && (c.Action == "SendMessage" || c.Action == "SendMessageBatch") {
		return c.Action
	}
	return ""
}

// sent is a message as its sender puts it.
type sent struct {
	Id          string `json:",omitempty"` //nolint:revive // the protocol's spelling
	MessageBody string
}

// receipt is SQS's word that it has a message.
type receipt struct {
	Id               string `json:",omitempty"` //nolint:revive // the protocol's spelling
	MessageId        string //nolint:revive // the protocol's spelling
	MD5OfMessageBody string
}

func (m sent) accepted() receipt {
	sum := md5.Sum([]byte(m.MessageBody)) //nolint:gosec // the protocol's checksum
	return receipt{Id: m.Id, MessageId: messageID(), MD5OfMessageBody: hex.EncodeToString(sum[:])}
}

func messageID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func loseFromBatch(c *Call, next Forward, lose func(string) bool) (*Reply, error) {
	var fields map[string]json.RawMessage
	var entries []json.RawMessage
	if json.Unmarshal(c.Body, &fields) != nil || json.Unmarshal(fields["Entries"], &entries) != nil {
		return next(c)
	}
	var kept []json.RawMessage
	var lost []receipt
	for _, entry := range entries {
		var m sent
		if json.Unmarshal(entry, &m) == nil && lose(m.MessageBody) {
			lost = append(lost, m.accepted())
		} else {
			kept = append(kept, entry)
		}
	}
	switch {
	case len(lost) == 0:
		return next(c)
	case len(kept) == 0:
		return jsonReply(c, map[string]any{"Successful": lost})
	}
	raw, err := json.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("lose messages: %w", err)
	}
	fields["Entries"] = raw
	if c.Body, err = json.Marshal(fields); err != nil {
		return nil, fmt.Errorf("lose messages: %w", err)
	}
	reply, err := next(c)
	if err != nil || reply.Status != http.StatusOK {
		return reply, err
	}
	var out struct {
		Successful []any
		Failed     []any `json:",omitempty"`
	}
	if err := json.Unmarshal(reply.Body, &out); err != nil {
		return nil, fmt.Errorf("lose messages: answer of SQS: %w", err)
	}
	for _, r := range lost {
		out.Successful = append(out.Successful, r)
	}
	if reply.Body, err = json.Marshal(out); err != nil {
		return nil, fmt.Errorf("lose messages: %w", err)
	}
	return reply, nil
}

// delayAll adds to the delay of the message, or of each entry of a batch.
func delayAll(fields map[string]json.RawMessage, more int) error {
	raw, batch := fields["Entries"]
	if !batch {
		return addDelay(fields, more)
	}
	var entries []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return err
	}
	for _, entry := range entries {
		if err := addDelay(entry, more); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(entries)
	fields["Entries"] = raw
	return err
}

func addDelay(message map[string]json.RawMessage, more int) error {
	seconds := 0
	if raw, ok := message["DelaySeconds"]; ok {
		if err := json.Unmarshal(raw, &seconds); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(min(seconds+more, maxDelaySeconds))
	message["DelaySeconds"] = raw
	return err
}
