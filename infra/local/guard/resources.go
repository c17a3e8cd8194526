package guard

import (
	"strings"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// resource is what a request names.
type resource struct {
	arn string
	// logical is its name in the template, with an index or the folder of an object
	// behind it.
	logical string
	// hash is the attribute whose values are the leading keys, of a table or an index.
	hash string
}

// resources are those of a stack.
type resources struct {
	named      map[string]map[string]resource // by service and the plain name that the proxy gives
	parameters string                         // ARN of all parameters
}

func of(s *template.Stack, account string) resources {
	all := map[string]map[string]resource{"dynamodb": {}, "sqs": {}, "sns": {}, "kms": {}, "lambda": {}, "s3": {}}
	for _, t := range s.Tables {
		all["dynamodb"][t.Name] = resource{t.ARN, t.LogicalID, t.Hash}
		for _, i := range t.Indexes {
			all["dynamodb"][t.Name+"/index/"+i.Name] = resource{t.ARN + "/index/" + i.Name, t.LogicalID + "/index/" + i.Name, i.Hash}
		}
	}
	for _, q := range s.Queues {
		all["sqs"][q.Name] = resource{arn: q.ARN, logical: q.LogicalID}
	}
	for _, t := range s.Topics {
		all["sns"][t.Name] = resource{arn: t.ARN, logical: t.LogicalID}
	}
	for _, k := range s.Keys {
		all["kms"][k.LogicalID] = resource{arn: k.ARN, logical: k.LogicalID}
	}
	for _, f := range s.Functions {
		all["lambda"][f.Name] = resource{arn: f.ARN, logical: f.LogicalID}
	}
	for _, b := range s.Buckets {
		all["s3"][b.Name] = resource{arn: b.ARN, logical: b.LogicalID}
	}
	parameters := ""
	if len(s.Functions) > 0 { // in whose region they are
		parts := strings.Split(s.Functions[0].ARN, ":")
		parameters = strings.Join([]string{parts[0], parts[1], "ssm", parts[3], account, "parameter"}, ":")
	}
	return resources{all, parameters}
}

// find is the resource of that plain name. What the template does not have keeps its name
// and is granted to nobody, but for keys: those of a chains file stand for the template's
// one key, for which the cloud has no more.
func (all resources) find(service, name string) resource {
	if service == "s3" {
		bucket, object, inside := strings.Cut(name, "/")
		r, ok := all.named[service][bucket]
		if ok && inside {
			folder, _, _ := strings.Cut(object, "/")
			r.arn, r.logical = r.arn+"/"+object, r.logical+"/"+folder+"/*"
		}
		if ok {
			return r
		}
	}
	if service == "kms" && len(all.named[service]) == 1 {
		for _, r := range all.named[service] {
			return r
		}
	}
	if r, ok := all.named[service][name]; ok {
		return r
	}
	if service == "ssm" { // parameters are none of the template's
		return resource{arn: all.parameters + "/" + name, logical: Parameters}
	}
	return resource{arn: name, logical: name}
}
