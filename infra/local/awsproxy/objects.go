package awsproxy

import (
	"crypto/rand"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
)

// S3 speaks REST with XML. The SDK addresses a bucket by path where the endpoint is
// an IP address, which that of the proxy is.

// objectOf reads /BUCKET/OBJECT, unescaped.
func objectOf(c *Call) (bucket, object string) {
	bucket, object, _ = strings.Cut(c.path, "/")
	plain, err := url.PathUnescape(object)
	if err != nil {
		return bucket, object
	}
	return bucket, plain
}

// objectAction names the calls that the product makes; any other stays what it is.
func objectAction(c *Call) string {
	query, err := url.ParseQuery(c.query)
	if err != nil {
		return c.Method + " /" + c.path
	}
	query.Del("x-id") // the SDK's own name for what it does
	switch bucket, object := objectOf(c); {
	case bucket == "":
	case object == "" && c.Method == http.MethodGet && query.Get("list-type") == "2":
		return "ListObjectsV2"
	case object != "" && len(query) == 0:
		switch c.Method {
		case http.MethodGet:
			return "GetObject"
		case http.MethodHead:
			return "HeadObject"
		case http.MethodPut:
			return "PutObject"
		case http.MethodDelete:
			return "DeleteObject"
		}
	}
	return c.Method + " /" + c.path
}

// objectError is an error of S3.
func objectError(status int, code, message string) *Reply {
	id := rand.Text()
	body, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		RequestID string `xml:"RequestId"`
	}{Code: code, Message: message, RequestID: id})
	if err != nil {
		panic(err) // a struct of strings always encodes
	}
	return &Reply{Status: status, Header: http.Header{"Content-Type": {"application/xml"}, "X-Amz-Request-Id": {id}}, Body: body}
}
