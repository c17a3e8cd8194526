package template

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Table is a DynamoDB table.
type Table struct {
	LogicalID, Name, ARN string
	// Attributes gives the type ("S", "N", "B") of each key attribute.
	Attributes map[string]string
	KeySchema
	Indexes []Index
	// TTL is the attribute with the expiry in epoch seconds, "" for none.
	TTL               string
	OnDemand          bool
	PointInTime       bool
	Encrypted         bool
	DeletionProtected bool
	// Retained: neither removing nor replacing the resource deletes the data.
	Retained bool
}

// KeySchema names the partition and sort attribute ("" for no sort key).
type KeySchema struct{ Hash, Range string }

// Index is a global secondary index.
type Index struct {
	Name string
	KeySchema
	// Projection is KEYS_ONLY, INCLUDE or ALL.
	Projection string
}

// Queue is an SQS queue.
type Queue struct {
	LogicalID, Name, ARN         string
	Visibility, Retention, Delay time.Duration
	// DeadLetterARN receives a message after MaxReceives receives, "" for none.
	DeadLetterARN string
	MaxReceives   int
	Encrypted     bool
}

// Topic is an SNS topic.
type Topic struct {
	LogicalID, Name, ARN string
	Subscriptions        []Subscription
}

// Subscription of a topic.
type Subscription struct{ Protocol, Endpoint string }

// Key is a KMS key with its aliases ("alias/…").
type Key struct {
	LogicalID, ARN, Spec, Usage string
	Aliases                     []string
	Retained                    bool
}

func table(r Declared, props *Props) Table {
	t := Table{
		LogicalID:         r.LogicalID,
		Name:              r.Name,
		ARN:               r.arn,
		Attributes:        map[string]string{},
		OnDemand:          props.String("BillingMode") == "PAY_PER_REQUEST",
		DeletionProtected: props.Bool("DeletionProtectionEnabled", false),
		Retained:          r.retained(),
	}
	props.Ignore("TableName")
	if !t.OnDemand {
		props.Bad("BillingMode", "want PAY_PER_REQUEST")
	}
	for _, a := range props.Objects("AttributeDefinitions") {
		t.Attributes[a.String("AttributeName")] = a.String("AttributeType")
		a.Close()
	}
	used := map[string]bool{}
	t.KeySchema = keySchema(props, t.Attributes, used)
	for _, g := range props.Objects("GlobalSecondaryIndexes") {
		i := Index{Name: g.String("IndexName"), KeySchema: keySchema(g, t.Attributes, used)}
		projection := g.Object("Projection")
		i.Projection = projection.String("ProjectionType")
		projection.Close()
		g.Close()
		t.Indexes = append(t.Indexes, i)
	}
	for _, a := range slices.Sorted(maps.Keys(t.Attributes)) {
		if !used[a] {
			props.Bad("AttributeDefinitions", "%q is in no key", a)
		}
	}
	if ttl := props.Object("TimeToLiveSpecification"); ttl.Bool("Enabled", false) {
		t.TTL = ttl.String("AttributeName")
	}
	t.PointInTime = props.Object("PointInTimeRecoverySpecification").Bool("PointInTimeRecoveryEnabled", false)
	t.Encrypted = props.Object("SSESpecification").Bool("SSEEnabled", false)
	props.Close()
	return t
}

func keySchema(props *Props, attributes map[string]string, used map[string]bool) KeySchema {
	var k KeySchema
	for i, e := range props.Objects("KeySchema") {
		name := e.String("AttributeName")
		if attributes[name] == "" {
			props.Bad(fmt.Sprintf("KeySchema[%d]", i), "attribute %q is not defined", name)
		}
		used[name] = true
		switch typ := e.String("KeyType"); typ {
		case "HASH":
			k.Hash = name
		case "RANGE":
			k.Range = name
		default:
			props.Bad(fmt.Sprintf("KeySchema[%d].KeyType", i), "%q is neither HASH nor RANGE", typ)
		}
		e.Close()
	}
	if k.Hash == "" {
		props.Bad("KeySchema", "no HASH key")
	}
	return k
}

// Defaults of SQS.
const (
	defaultVisibility = 30 * time.Second
	defaultRetention  = 4 * 24 * time.Hour
)

func queue(r Declared, props *Props) Queue {
	q := Queue{
		LogicalID:  r.LogicalID,
		Name:       r.Name,
		ARN:        r.arn,
		Visibility: props.Seconds("VisibilityTimeout", defaultVisibility),
		Retention:  props.Seconds("MessageRetentionPeriod", defaultRetention),
		Delay:      props.Seconds("DelaySeconds", 0),
		Encrypted:  props.Bool("SqsManagedSseEnabled", false),
	}
	props.Ignore("QueueName")
	if props.Has("RedrivePolicy") {
		redrive := props.Object("RedrivePolicy")
		q.DeadLetterARN = redrive.String("deadLetterTargetArn")
		q.MaxReceives = redrive.Int("maxReceiveCount", 0)
		if q.DeadLetterARN == "" || q.MaxReceives < 1 {
			props.Bad("RedrivePolicy", "want deadLetterTargetArn and a maxReceiveCount of at least 1")
		}
		redrive.Close()
	}
	props.Close()
	return q
}

func topic(d *Document, r Declared, props *Props) Topic {
	t := Topic{LogicalID: r.LogicalID, Name: r.Name, ARN: r.arn}
	props.Ignore("TopicName")
	props.Close()
	for _, s := range d.ofType("AWS::SNS::Subscription") {
		if s.Properties["TopicArn"] == r.arn {
			t.Subscriptions = append(t.Subscriptions, Subscription{text(s.Properties["Protocol"]), text(s.Properties["Endpoint"])})
		}
	}
	return t
}

func key(d *Document, r Declared, props *Props) Key {
	k := Key{LogicalID: r.LogicalID, ARN: r.arn, Spec: props.String("KeySpec"), Usage: props.String("KeyUsage"), Retained: r.retained()}
	props.Ignore("Description", "KeyPolicy", "PendingWindowInDays")
	props.Close()
	for _, a := range d.ofType("AWS::KMS::Alias") {
		if target := text(a.Properties["TargetKeyId"]); target == r.ref || target == r.arn {
			k.Aliases = append(k.Aliases, a.Name)
		}
	}
	return k
}
