package watching_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// deployed are the properties of every resource of both templates, as a stack of that name deploys them, by template and
// logical id.
func deployed(t *testing.T, stack, profile string) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	parameters := map[string]string{"Profile": profile, "Mode": "live", "HeartbeatUrl": "none"}
	for file := "template.yaml"; file != ""; {
		src, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := template.Evaluate(src, template.Options{Parameters: parameters, Pseudo: template.Pseudo(stack, "eu-west-1", "000000000000"),
			Resolve: template.Names("eu-west-1", "000000000000", func(name string) string { return "https://sqs.example.org/" + name })})
		if err != nil {
			t.Fatal(err)
		}
		if file == "template.yaml" { // whose functions have more by Globals
			s, err := doc.Stack()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range s.Functions {
				all[f.LogicalID+" environment"] = map[string]any{}
				for name, v := range f.Env {
					all[f.LogicalID+" environment"][name] = v
				}
			}
		}
		next := ""
		for id, r := range doc.Resources {
			all[file+" "+id] = r.Properties
			if r.Type == "AWS::Serverless::Application" {
				next, _ = r.Properties["Location"].(string)
				parameters = map[string]string{}
				for name, v := range r.Properties["Parameters"].(map[string]any) {
					parameters[name] = fmt.Sprint(v)
				}
			}
		}
		file = next
	}
	return all
}

// named are the texts of a resource's properties that give something its name in the account, by their path.
var named = regexp.MustCompile(`(\.|^)(FunctionName|LogGroup|LogGroupName|AliasName|AlarmName|DashboardName|QueueName|TopicName|TableName|BucketName|RoleName|ManagedPolicyName|PARAMETERS_PATH|SIGNER_KEY)$`)

func texts(path string, v any, each func(path, text string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			texts(strings.TrimPrefix(path+"."+k, "."), v[k], each)
		}
	case []any:
		for i, item := range v {
			texts(fmt.Sprintf("%s[%d]", path, i), item, each)
		}
	case string:
		each(path, v)
	}
}

// Two stacks in one account and region share no name: no function, queue, log group, alarm, dashboard or saved query.
func TestTwoStacksShareNoName(t *testing.T) {
	for _, profile := range profiles {
		one, two := deployed(t, "one", profile), deployed(t, "two", profile)
		found := map[string]int{}
		for id, properties := range one {
			taken := map[string]string{}
			texts("", two[id], func(path, text string) { taken[path] = text })
			texts("", properties, func(path, text string) {
				kind := named.FindStringSubmatch(path)
				switch {
				case kind == nil:
				case text == taken[path] || !strings.Contains(text, "one"):
					t.Errorf("profile %s, %s: both stacks have %s %q", profile, id, path, text)
				default:
					found[kind[2]]++
				}
			})
			// Saved queries are named by what others call their parameters too.
			if name, _ := properties["Name"].(string); properties["QueryString"] != nil && !strings.HasPrefix(name, "one/") {
				t.Errorf("profile %s, %s: saved query %q", profile, id, name)
			}
		}
		for _, kind := range []string{"FunctionName", "LogGroupName", "AliasName", "AlarmName", "DashboardName", "PARAMETERS_PATH", "SIGNER_KEY"} {
			if found[kind] == 0 {
				t.Errorf("profile %s: nothing has a %s", profile, kind)
			}
		}
	}
}
