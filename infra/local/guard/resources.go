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

// resources of a stack by service and the plain name that the proxy gives.
type resources map[string]map[string]resource

func of(s *template.Stack) resources {
	all := resources{"dynamodb": {}, "sqs": {}, "sns": {}, "kms": {}, "lambda": {}, "s3": {}}
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
	return all
}

// find is the resource of that plain name. What the template does not have keeps its name
// and is granted to nobody, but for keys: those of a chains file stand for the template's
// one key, for which the cloud has no more.
func (all resources) find(service, name string) resource {
	if service == "s3" {
		bucket, object, inside := strings.Cut(name, "/")
		r, ok := all[service][bucket]
		if ok && inside {
			folder, _, _ := strings.Cut(object, "/")
			r.arn, r.logical = r.arn+"/"+object, r.logical+"/"+folder+"/*"
		}
		if ok {
			return r
		}
	}
	if service == "kms" && len(all[service]) == 1 {
		for _, r := range all[service] {
			return r
		}
	}
	if r, ok := all[service][name]; ok {
		return r
	}
	return resource{arn: name, logical: name}
}
