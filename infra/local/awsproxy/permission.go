package awsproxy

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Permission is what an IAM policy must grant for a call: IAM's name of the action and
// the plain name of the resource ("orders", "orders/index/by-wake", a queue, a topic, a
// function, a key id or alias as the caller named it, a parameter without its first "/", a bucket or BUCKET/OBJECT), or "*"
// where the call names none.
//
// Action is not always the API's: a TransactWriteItems needs PutItem, UpdateItem,
// DeleteItem or ConditionCheckItem on each table it touches; SQS and SNS batches need
// the action of the single message; Invoke is lambda:InvokeFunction; HeadObject needs
// GetObject, and a listing ListBucket.
type Permission struct{ Action, Resource string }

// iamNames are the actions that IAM calls otherwise.
var iamNames = map[string]string{
	"SendMessageBatch":             "SendMessage",
	"DeleteMessageBatch":           "DeleteMessage",
	"ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
	"PublishBatch":                 "Publish",
	"Invoke":                       "InvokeFunction",
	"HeadObject":                   "GetObject",
	"ListObjectsV2":                "ListBucket",
}

// Need is one permission with what the conditions of a policy may look at.
type Need struct {
	Permission
	// Items are, for DynamoDB, the keys or items named, as the protocol writes their
	// attributes; of a query, the attributes that must have one value.
	Items []Item
	// Context are the values of the service's own condition keys.
	Context map[string]string
}

// Needs lists what a policy must grant for the call, in no order: one need per element
// of a transaction and per table of a batch. A body that does not parse needs the bare
// action on "*": the service behind will refuse it.
func (c *Call) Needs() []Need {
	name := c.Action
	if iam, ok := iamNames[name]; ok {
		name = iam
	}
	var found []Need
	add := func(action, resource string, items ...Item) {
		if resource != "" {
			found = append(found, Need{Permission: Permission{c.Service + ":" + action, resource}, Items: items})
		}
	}
	switch c.Service {
	case "dynamodb":
		dynamoDBNeeds(c, add)
	case "sqs":
		var in struct{ QueueUrl, QueueName string } //nolint:revive // the protocol's spelling
		if json.Unmarshal(c.Body, &in) == nil {
			add(name, cmp.Or(afterLast(in.QueueUrl, "/"), in.QueueName))
		}
	case "sns":
		form := c.form()
		add(name, cmp.Or(afterLast(form.Get("TopicArn"), ":"), afterLast(form.Get("TargetArn"), ":"), form.Get("Name")))
	case "kms":
		var in struct{ KeyId, MessageType, SigningAlgorithm string } //nolint:revive // the protocol's spelling
		if json.Unmarshal(c.Body, &in) == nil {
			add(name, strings.TrimPrefix(afterLast(in.KeyId, ":"), "key/"))
			for i := range found {
				found[i].Context = map[string]string{"kms:MessageType": cmp.Or(in.MessageType, "RAW"), "kms:SigningAlgorithm": in.SigningAlgorithm}
			}
		}
	case "ssm":
		var in struct{ Names []string }
		if json.Unmarshal(c.Body, &in) == nil {
			for _, parameter := range in.Names {
				add(name, strings.TrimPrefix(parameter, "/"))
			}
		}
	case "lambda":
		if function, ok := invokedFunction(c); ok {
			function, _, _ = strings.Cut(afterLast(function, ":function:"), ":") // no version or alias
			add(name, function)
		}
	case "s3":
		bucket, object := objectOf(c)
		switch {
		case bucket == "":
		case object == "":
			add(name, bucket)
		default:
			add(name, bucket+"/"+object)
			if name == "PutObject" && c.Header.Get("If-Match") != "" {
				add("GetObject", bucket+"/"+object) // it tells whether the object has that tag
			}
		}
	}
	if len(found) == 0 {
		return []Need{{Permission: Permission{c.Service + ":" + name, "*"}}}
	}
	return found
}

// Permissions are the needs of the call without what conditions look at, sorted and
// distinct.
func (c *Call) Permissions() []Permission {
	var found []Permission
	for _, n := range c.Needs() {
		found = append(found, n.Permission)
	}
	slices.SortFunc(found, comparePermissions)
	return slices.Compact(found)
}

func dynamoDBNeeds(c *Call, add func(action, resource string, items ...Item)) {
	type element struct {
		TableName string
		Key, Item Item
	}
	var in struct {
		element
		IndexName                 string
		KeyConditionExpression    string
		ExpressionAttributeNames  map[string]string
		ExpressionAttributeValues Item
		RequestItems              map[string]json.RawMessage
		TransactItems             []struct{ Get, Put, Update, Delete, ConditionCheck *element }
	}
	if json.Unmarshal(c.Body, &in) != nil {
		return
	}
	named := in.Key
	switch {
	case in.Item != nil:
		named = in.Item
	case in.KeyConditionExpression != "":
		named = asked(in.KeyConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues)
	}
	var items []Item
	if named != nil {
		items = []Item{named}
	}
	switch {
	case in.IndexName != "":
		add(c.Action, tableName(in.TableName)+"/index/"+in.IndexName, items...)
	case in.TableName != "":
		add(c.Action, tableName(in.TableName), items...)
	}
	for table, batch := range in.RequestItems {
		add(c.Action, tableName(table), batched(batch)...)
	}
	for _, t := range in.TransactItems {
		for action, e := range map[string]*element{"GetItem": t.Get, "PutItem": t.Put, "UpdateItem": t.Update, "DeleteItem": t.Delete, "ConditionCheckItem": t.ConditionCheck} {
			switch {
			case e == nil:
			case e.Item != nil:
				add(action, tableName(e.TableName), e.Item)
			default:
				add(action, tableName(e.TableName), e.Key)
			}
		}
	}
}

// equality is a part of a key condition that names one value.
var equality = regexp.MustCompile(`([#\w]+)\s*=\s*(:\w+)`)

// asked are the attributes of which a key condition names the value.
func asked(expression string, names map[string]string, values Item) Item {
	out := Item{}
	for _, m := range equality.FindAllStringSubmatch(expression, -1) {
		if v, ok := values[m[2]]; ok {
			out[cmp.Or(names[m[1]], m[1])] = v
		}
	}
	return out
}

// batched are the keys and items of a batch on one table, to be read or to be written.
func batched(raw json.RawMessage) (items []Item) {
	var read struct{ Keys []Item }
	if json.Unmarshal(raw, &read) == nil {
		return read.Keys
	}
	var written []struct {
		PutRequest    struct{ Item Item }
		DeleteRequest struct{ Key Item }
	}
	if json.Unmarshal(raw, &written) != nil {
		return nil
	}
	for _, w := range written {
		if w.PutRequest.Item != nil {
			items = append(items, w.PutRequest.Item)
			continue
		}
		items = append(items, w.DeleteRequest.Key)
	}
	return items
}

func comparePermissions(a, b Permission) int {
	return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.Resource, b.Resource))
}

// resources lists the distinct resources of permissions.
func resources(permissions []Permission) []string {
	var names []string
	for _, p := range permissions {
		if p.Resource != "*" {
			names = append(names, p.Resource)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// tableName strips an ARN, which the API takes in place of a name.
func tableName(name string) string { return afterLast(name, ":table/") }

// afterLast is what follows the last sep in s, or s.
func afterLast(s, sep string) string {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[i+len(sep):]
	}
	return s
}
