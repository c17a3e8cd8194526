package template

import (
	"encoding/json"
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
	TTL         string
	OnDemand    bool
	PointInTime bool
	// PaidKey: encrypted by a key of KMS, whose requests are paid for, and not by one that DynamoDB owns.
	PaidKey           bool
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

// Subscription of a topic. FilterPolicy is JSON, as the service takes it; "" lets everything through.
type Subscription struct{ Protocol, Endpoint, FilterPolicy string }

// Key is a KMS key with its aliases ("alias/…").
type Key struct {
	LogicalID, ARN, Spec, Usage string
	Aliases                     []string
	Retained                    bool
}

func table(r Declared, props *reader) Table {
	t := Table{
		LogicalID:         r.LogicalID,
		Name:              r.Name,
		ARN:               r.arn,
		Attributes:        map[string]string{},
		OnDemand:          props.text("BillingMode") == "PAY_PER_REQUEST",
		DeletionProtected: props.flag("DeletionProtectionEnabled", false),
		Retained:          r.retained(),
	}
	props.ignore("TableName")
	if !t.OnDemand {
		props.bad("BillingMode", "want PAY_PER_REQUEST")
	}
	for _, a := range props.objects("AttributeDefinitions") {
		t.Attributes[a.text("AttributeName")] = a.text("AttributeType")
		a.close()
	}
	used := map[string]bool{}
	t.KeySchema = keySchema(props, t.Attributes, used)
	for _, g := range props.objects("GlobalSecondaryIndexes") {
		i := Index{Name: g.text("IndexName"), KeySchema: keySchema(g, t.Attributes, used)}
		projection := g.object("Projection")
		i.Projection = projection.text("ProjectionType")
		projection.close()
		g.close()
		t.Indexes = append(t.Indexes, i)
	}
	for _, a := range slices.Sorted(maps.Keys(t.Attributes)) {
		if !used[a] {
			props.bad("AttributeDefinitions", "%q is in no key", a)
		}
	}
	ttl, pitr, sse := props.object("TimeToLiveSpecification"), props.object("PointInTimeRecoverySpecification"), props.object("SSESpecification")
	if name := ttl.text("AttributeName"); ttl.flag("Enabled", false) {
		t.TTL = name
	}
	t.PointInTime = pitr.flag("PointInTimeRecoveryEnabled", false)
	t.PaidKey = sse.flag("SSEEnabled", false)
	for _, r := range []*reader{ttl, pitr, sse, props} {
		r.close()
	}
	return t
}

func keySchema(props *reader, attributes map[string]string, used map[string]bool) KeySchema {
	var k KeySchema
	for i, e := range props.objects("KeySchema") {
		name := e.text("AttributeName")
		if attributes[name] == "" {
			props.bad(fmt.Sprintf("KeySchema[%d]", i), "attribute %q is not defined", name)
		}
		used[name] = true
		switch typ := e.text("KeyType"); typ {
		case "HASH":
			k.Hash = name
		case "RANGE":
			k.Range = name
		default:
			props.bad(fmt.Sprintf("KeySchema[%d].KeyType", i), "%q is neither HASH nor RANGE", typ)
		}
		e.close()
	}
	if k.Hash == "" {
		props.bad("KeySchema", "no HASH key")
	}
	return k
}

// Defaults of SQS.
const (
	defaultVisibility = 30 * time.Second
	defaultRetention  = 4 * 24 * time.Hour
)

func queue(r Declared, props *reader) Queue {
	q := Queue{
		LogicalID:  r.LogicalID,
		Name:       r.Name,
		ARN:        r.arn,
		Visibility: props.seconds("VisibilityTimeout", defaultVisibility),
		Retention:  props.seconds("MessageRetentionPeriod", defaultRetention),
		Delay:      props.seconds("DelaySeconds", 0),
		Encrypted:  props.flag("SqsManagedSseEnabled", false),
	}
	props.ignore("QueueName")
	if props.has("RedrivePolicy") {
		redrive := props.object("RedrivePolicy")
		q.DeadLetterARN = redrive.text("deadLetterTargetArn")
		q.MaxReceives = redrive.whole("maxReceiveCount", 0)
		if q.DeadLetterARN == "" || q.MaxReceives < 1 {
			props.bad("RedrivePolicy", "want deadLetterTargetArn and a maxReceiveCount of at least 1")
		}
		redrive.close()
	}
	props.close()
	return q
}

func topic(d *Document, r Declared, props *reader) Topic {
	t := Topic{LogicalID: r.LogicalID, Name: r.Name, ARN: r.arn}
	props.ignore("TopicName")
	props.close()
	for _, s := range d.ofType("AWS::SNS::Subscription") {
		if s.Properties["TopicArn"] != r.arn {
			continue
		}
		sub := Subscription{Protocol: text(s.Properties["Protocol"]), Endpoint: text(s.Properties["Endpoint"])}
		if filter, ok := s.Properties["FilterPolicy"]; ok {
			policy, err := json.Marshal(filter)
			if _, object := filter.(map[string]any); err != nil || !object {
				props.bad("FilterPolicy", "of subscription %s: want a mapping", s.LogicalID)
			}
			sub.FilterPolicy = string(policy)
		}
		t.Subscriptions = append(t.Subscriptions, sub)
	}
	return t
}

func key(d *Document, r Declared, props *reader) Key {
	k := Key{LogicalID: r.LogicalID, ARN: r.arn, Spec: props.text("KeySpec"), Usage: props.text("KeyUsage"), Retained: r.retained()}
	props.ignore("Description", "KeyPolicy", "PendingWindowInDays")
	props.close()
	for _, a := range d.ofType("AWS::KMS::Alias") {
		if target := text(a.Properties["TargetKeyId"]); target == r.ref || target == r.arn {
			k.Aliases = append(k.Aliases, a.Name)
		}
	}
	return k
}

// Bucket is an S3 bucket.
type Bucket struct {
	LogicalID, Name, ARN string
	Versioned            bool
	Encrypted            bool
	// Private: all four settings that block public access are on.
	Private bool
	// TLSOnly: its policy denies whatever comes unencrypted.
	TLSOnly bool
	// Retained: neither removing nor replacing the resource deletes the data.
	Retained bool
	// Expires is after how many days the objects under each prefix go, by its lifecycle
	// rules; FormerDays after how many their former versions do, 0 for never.
	Expires    map[string]int
	FormerDays int
}

func bucket(d *Document, r Declared, props *reader) Bucket {
	b := Bucket{LogicalID: r.LogicalID, Name: r.Name, ARN: r.arn, Retained: r.retained(), Expires: map[string]int{}}
	props.ignore("BucketName")
	versioning, encryption, access, lifecycle := props.object("VersioningConfiguration"), props.object("BucketEncryption"),
		props.object("PublicAccessBlockConfiguration"), props.object("LifecycleConfiguration")
	b.Versioned = versioning.text("Status") == "Enabled"
	for _, rule := range encryption.objects("ServerSideEncryptionConfiguration") {
		by := rule.object("ServerSideEncryptionByDefault")
		b.Encrypted = by.text("SSEAlgorithm") != ""
		by.ignore("KMSMasterKeyID")
		by.close()
		rule.ignore("BucketKeyEnabled")
		rule.close()
	}
	b.Private = true
	for _, name := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
		b.Private = access.flag(name, false) && b.Private
	}
	for _, rule := range lifecycle.objects("Rules") {
		rule.ignore("Id")
		if rule.text("Status") == "Enabled" {
			if days := rule.whole("ExpirationInDays", 0); days > 0 {
				b.Expires[rule.text("Prefix")] = days
			}
			former := rule.object("NoncurrentVersionExpiration")
			if days := former.whole("NoncurrentDays", 0); days > 0 {
				b.FormerDays = days
			}
			former.close()
		}
		rule.ignore("Prefix", "AbortIncompleteMultipartUpload", "ExpiredObjectDeleteMarker", "ExpirationInDays", "NoncurrentVersionExpiration")
		rule.close()
	}
	for _, r := range []*reader{versioning, encryption, access, lifecycle, props} {
		r.close()
	}
	for _, p := range d.ofType("AWS::S3::BucketPolicy") {
		if p.Properties["Bucket"] == r.ref {
			b.TLSOnly = deniesPlain(p.Properties["PolicyDocument"])
		}
	}
	return b
}

// deniesPlain reports whether a bucket's policy denies everybody everything that
// comes without TLS.
func deniesPlain(document any) bool {
	doc, _ := document.(map[string]any)
	list, _ := doc["Statement"].([]any)
	for _, s := range list {
		s, _ := s.(map[string]any)
		condition, _ := s["Condition"].(map[string]any)
		secure, _ := condition["Bool"].(map[string]any)
		if s["Effect"] == "Deny" && s["Principal"] == "*" && s["Action"] == "s3:*" && text(secure["aws:SecureTransport"]) == "false" {
			return true
		}
	}
	return false
}
