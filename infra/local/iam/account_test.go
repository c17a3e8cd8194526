package iam

import (
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

const region, account = "eu-west-1", "000000000000"

func read(t testing.TB, resources string) (*Account, error) {
	t.Helper()
	doc, err := template.Evaluate([]byte("Resources:\n"+resources), template.Options{Pseudo: template.Pseudo("rc", region, account),
		Resolve: template.Names(region, account, func(name string) string { return "https://sqs.example.org/" + name })})
	if err != nil {
		t.Fatal(err)
	}
	return Read(doc, account)
}

const small = `
  Reader:
    Type: AWS::IAM::Role
    Properties:
      Tags: [{ Key: job, Value: reading }]
      AssumeRolePolicyDocument: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: sts:AssumeRole }] }
      ManagedPolicyArns: [!Ref Shared]
      Policies:
        - PolicyName: own
          PolicyDocument: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "s3:*", Resource: [!GetAtt Box.Arn, !Sub "${Box.Arn}/*"] }] }
  Shared:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Action: dynamodb:GetItem
            Resource: table
            Condition: { StringEquals: { "dynamodb:LeadingKeys": "job#${aws:PrincipalTag/job}" } }
  Apart:
    Type: AWS::IAM::Policy
    Properties:
      Roles: [!Ref Reader]
      PolicyDocument: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: ["kms:Sign", "kms:Decrypt"], Resource: "*" }] }
  Box: { Type: AWS::S3::Bucket }
  BoxPolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Box
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - { Effect: Deny, Principal: "*", Action: s3:DeleteObject, Resource: !Sub "${Box.Arn}/kept/*" }
          - { Effect: Deny, Principal: "*", Action: "s3:*", Resource: [!GetAtt Box.Arn, !Sub "${Box.Arn}/*"], Condition: { Bool: { "aws:SecureTransport": false } } }
  Line: { Type: AWS::SQS::Queue }
  LinePolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Line]
      PolicyDocument: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: !GetAtt Reader.Arn }, Action: sqs:SendMessage, Resource: "*" }] }
  Key:
    Type: AWS::KMS::Key
    Properties:
      KeyPolicy:
        Version: "2012-10-17"
        Statement:
          - { Effect: Allow, Principal: { AWS: !Sub "arn:aws:iam::${AWS::AccountId}:root" }, Action: kms:Decrypt, Resource: "*" }
          - { Effect: Allow, Principal: { AWS: !GetAtt Reader.Arn }, Action: kms:Verify, Resource: "*" }
`

func TestAllows(t *testing.T) {
	a, err := read(t, small)
	if err != nil {
		t.Fatal(err)
	}
	const role = "arn:aws:iam::000000000000:role/rc-Reader"
	const key = "arn:aws:kms:eu-west-1:000000000000:key/rc-Key"
	for name, tt := range map[string]struct {
		role, action, resource string
		leading                string
		want                   string // of the reason
	}{
		"own policy":                               {role, "s3:PutObject", "arn:aws:s3:::rc-box/a", "", ""},
		"denied by the bucket":                     {role, "s3:DeleteObject", "arn:aws:s3:::rc-box/kept/a", "", "denied by the policy of arn:aws:s3:::rc-box"},
		"another bucket":                           {role, "s3:PutObject", "arn:aws:s3:::rc-boxes/a", "", "not granted to Reader"},
		"shared policy, by its tag":                {role, "dynamodb:GetItem", "table", "job#reading", ""},
		"another's part of it":                     {role, "dynamodb:GetItem", "table", "job#writing", "not granted to Reader"},
		"no part of it":                            {role, "dynamodb:GetItem", "table", "", "not granted to Reader"},
		"granted by the queue":                     {role, "sqs:SendMessage", "arn:aws:sqs:eu-west-1:000000000000:rc-Line", "", ""},
		"not granted by the queue":                 {role, "sqs:DeleteMessage", "arn:aws:sqs:eu-west-1:000000000000:rc-Line", "", "not granted to Reader"},
		"a role's grant is nothing to a key":       {role, "kms:Sign", key, "", "not granted by the policy of the key"},
		"unless its policy leaves it to the roles": {role, "kms:Decrypt", key, "", ""},
		"granted by the key":                       {role, "kms:Verify", key, "", ""},
		"no such role":                             {role + "s", "kms:Verify", key, "", "there is no role"},
	} {
		context := map[string][]string{}
		if tt.leading != "" {
			context["dynamodb:LeadingKeys"] = []string{tt.leading}
		}
		got := a.Allows(tt.role, tt.action, tt.resource, context)
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ old, new, want string }{
		"policy from elsewhere": {"[!Ref Shared]", "[arn:aws:iam::aws:policy/AdministratorAccess]", "Reader: policy arn:aws:iam::aws:policy/AdministratorAccess is not in this template"},
		"role from elsewhere":   {"Roles: [!Ref Reader]", "Roles: [other]", "Apart: role other is not in this template"},
		"user":                  {"Roles: [!Ref Reader]", "Users: [somebody]", "Apart: attached to users"},
		"all but":               {"Action: dynamodb:GetItem", "NotAction: dynamodb:GetItem", "Shared: statement 0 uses NotAction"},
		"boundary":              {"Tags:", "PermissionsBoundary: x\n      Tags:", "Reader: has a PermissionsBoundary"},
		"bucket":                {"Effect: Deny, Principal: \"*\", Action: s3:DeleteObject", "Effect: No, Principal: \"*\", Action: s3:DeleteObject", "BoxPolicy: statement 0"},
	} {
		text := strings.Replace(small, tt.old, tt.new, 1)
		if text == small {
			t.Fatalf("%s: changes nothing", name)
		}
		if _, err := read(t, text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func BenchmarkAllows(b *testing.B) {
	a, err := read(b, small)
	if err != nil {
		b.Fatal(err)
	}
	context := map[string][]string{"dynamodb:LeadingKeys": {"job#reading"}}
	for b.Loop() {
		if reason := a.Allows("arn:aws:iam::000000000000:role/rc-Reader", "dynamodb:GetItem", "table", context); reason != "" {
			b.Fatal(reason)
		}
	}
}
