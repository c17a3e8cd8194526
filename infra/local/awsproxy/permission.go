package awsproxy

import (
	"cmp"
	"encoding/json"
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

// permissions derives what a call needs, sorted and distinct. A body that does not parse
// needs the bare action on "*": the service behind will refuse it.
func permissions(c *Call) []Permission {
	name := c.Action
	if iam, ok := iamNames[name]; ok {
		name = iam
	}
	var found []Permission
	add := func(action, resource string) {
		if resource != "" {
			found = append(found, Permission{c.Service + ":" + action, resource})
		}
	}
	switch c.Service {
	case "dynamodb":
		dynamoDBPermissions(c, add)
	case "sqs":
		var in struct{ QueueUrl, QueueName string } //nolint:revive // the protocol's spelling
		if json.Unmarshal(c.Body, &in) == nil {
			add(name, cmp.Or(afterLast(in.QueueUrl, "/"), in.QueueName))
		}
	case "sns":
		form := c.form()
		add(name, cmp.Or(afterLast(form.Get("TopicArn"), ":"), afterLast(form.Get("TargetArn"), ":"), form.Get("Name")))
	case "kms":
		var in struct{ KeyId string } //nolint:revive // the protocol's spelling
		if json.Unmarshal(c.Body, &in) == nil {
			add(name, strings.TrimPrefix(afterLast(in.KeyId, ":"), "key/"))
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
		}
	}
	if len(found) == 0 {
		return []Permission{{c.Service + ":" + name, "*"}}
	}
	slices.SortFunc(found, comparePermissions)
	return slices.Compact(found)
}

func dynamoDBPermissions(c *Call, add func(action, resource string)) {
	type item struct{ TableName string }
	var in struct {
		TableName, IndexName string
		RequestItems         map[string]json.RawMessage
		TransactItems        []struct{ Get, Put, Update, Delete, ConditionCheck *item }
	}
	if json.Unmarshal(c.Body, &in) != nil {
		return
	}
	switch {
	case in.IndexName != "":
		add(c.Action, tableName(in.TableName)+"/index/"+in.IndexName)
	case in.TableName != "":
		add(c.Action, tableName(in.TableName))
	}
	for table := range in.RequestItems {
		add(c.Action, tableName(table))
	}
	for _, t := range in.TransactItems {
		for action, it := range map[string]*item{"GetItem": t.Get, "PutItem": t.Put, "UpdateItem": t.Update, "DeleteItem": t.Delete, "ConditionCheckItem": t.ConditionCheck} {
			if it != nil {
				add(action, tableName(it.TableName))
			}
		}
	}
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
