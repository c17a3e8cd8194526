package awsproxy

import (
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"net/http"
)

// namespaces are what the JSON protocols put before the error code in "__type".
var namespaces = map[string]string{
	"dynamodb": "com.amazonaws.dynamodb.v20120810#",
	"sqs":      "com.amazonaws.sqs#",
}

// errorReply is an error in the protocol that the caller speaks.
func errorReply(c *Call, status int, code, message string) *Reply {
	if c.form() != nil {
		return queryError(status, code, message)
	}
	if c.Service == "s3" {
		return objectError(status, code, message)
	}
	id := rand.Text()
	h := http.Header{"X-Amzn-Requestid": {id}}
	fields := map[string]string{"message": message}
	switch {
	case c.Header.Get("X-Amz-Target") != "":
		h.Set("Content-Type", c.Header.Get("Content-Type"))
		fields["__type"] = namespaces[c.Service] + code
		if c.Service == "sqs" {
			// SQS keeps the code of its older protocol beside the new one.
			h.Set("X-Amzn-Query-Error", code+";"+faultOf(status))
		}
	default: // REST
		h.Set("Content-Type", "application/json")
		h.Set("X-Amzn-Errortype", code)
		fields["Type"] = "User"
		if status >= http.StatusInternalServerError {
			fields["Type"] = "Service"
		}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		panic(err) // a map of strings always encodes
	}
	return &Reply{Status: status, Header: h, Body: body}
}

// queryError is an error of the query protocol, which SNS speaks.
func queryError(status int, code, message string) *Reply {
	id := rand.Text()
	body, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ ErrorResponse"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}{Type: faultOf(status), Code: code, Message: message, RequestID: id})
	if err != nil {
		panic(err) // a struct of strings always encodes
	}
	return &Reply{Status: status, Header: http.Header{"Content-Type": {"text/xml"}, "X-Amzn-Requestid": {id}}, Body: body}
}

func faultOf(status int) string {
	if status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

// jsonReply is a success of the JSON protocols.
func jsonReply(c *Call, fields any) (*Reply, error) {
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	h := http.Header{"Content-Type": {c.Header.Get("Content-Type")}, "X-Amzn-Requestid": {rand.Text()}}
	return &Reply{Status: http.StatusOK, Header: h, Body: body}, nil
}
