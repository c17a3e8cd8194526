package template

import "fmt"

// Names returns a Resolve with the ARN forms of AWS. queueURL gives the address of a queue by its name.
// Pseudo is the same region and account as the pseudo parameters of a stack.
func Names(region, account string, queueURL func(name string) string) Resolve {
	arn := func(service, rest string) string {
		return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, region, account, rest)
	}
	arns := map[string]func(name string) string{
		"AWS::Serverless::Function": func(n string) string { return arn("lambda", "function:"+n) },
		"AWS::Lambda::Function":     func(n string) string { return arn("lambda", "function:"+n) },
		"AWS::DynamoDB::Table":      func(n string) string { return arn("dynamodb", "table/"+n) },
		"AWS::SQS::Queue":           func(n string) string { return arn("sqs", n) },
		"AWS::SNS::Topic":           func(n string) string { return arn("sns", n) },
		"AWS::Logs::LogGroup":       func(n string) string { return arn("logs", "log-group:"+n+":*") },
		"AWS::KMS::Key":             func(n string) string { return arn("kms", "key/"+n) },
		"AWS::IAM::Role":            func(n string) string { return fmt.Sprintf("arn:aws:iam::%s:role/%s", account, n) },
		"AWS::IAM::ManagedPolicy":   func(n string) string { return fmt.Sprintf("arn:aws:iam::%s:policy/%s", account, n) },
		"AWS::Events::Rule":         func(n string) string { return arn("events", "rule/"+n) },
		"AWS::S3::Bucket":           func(n string) string { return "arn:aws:s3:::" + n },
		"AWS::CloudWatch::Alarm":    func(n string) string { return arn("cloudwatch", "alarm:"+n) },

		"AWS::CloudWatch::CompositeAlarm": func(n string) string { return arn("cloudwatch", "alarm:"+n) },
	}
	return func(r Resource, attr string) (string, error) {
		form, known := arns[r.Type]
		switch {
		case attr == "Arn" && known, attr == "TopicArn" && r.Type == "AWS::SNS::Topic":
			return form(r.Name), nil
		case attr == "TopicName" && r.Type == "AWS::SNS::Topic":
			return r.Name, nil
		case attr == "QueueName" && r.Type == "AWS::SQS::Queue":
			return r.Name, nil
		case attr == "QueueUrl" && r.Type == "AWS::SQS::Queue":
			return queueURL(r.Name), nil
		case attr != "":
			return "", fmt.Errorf("attribute %s of %s is not known", attr, r.Type)
		}
		switch r.Type {
		case "AWS::SQS::Queue":
			return queueURL(r.Name), nil
		case "AWS::SNS::Topic", "AWS::IAM::ManagedPolicy":
			return form(r.Name), nil
		}
		return r.Name, nil
	}
}

// Pseudo returns the pseudo parameters of a stack.
func Pseudo(stack, region, account string) map[string]string {
	return map[string]string{
		"AWS::StackName": stack,
		"AWS::Region":    region,
		"AWS::AccountId": account,
		"AWS::Partition": "aws",
		"AWS::URLSuffix": "amazonaws.com",
	}
}
