package template

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Options say where a template is read for.
type Options struct {
	// Parameters override the template's defaults. A parameter without a default must be here.
	Parameters map[string]string
	// Pseudo gives the pseudo parameters by full name ("AWS::Region"). AWS::StackName is needed
	// for the names of resources that state none.
	Pseudo map[string]string
	// Resolve answers references to resources.
	Resolve Resolve
}

// Resource identifies a declared resource.
type Resource struct {
	LogicalID string
	Type      string
	// Name is the physical name the template states, else "<stack>-<LogicalID>", of buckets in
	// lower case.
	Name string
}

// Resolve returns the value of a resource's attribute; attr "" asks for what Ref gives.
type Resolve func(r Resource, attr string) (string, error)

// Document is a template whose parameters, mappings, conditions and functions are resolved.
type Document struct {
	// Parameters after defaults and overrides.
	Parameters map[string]string
	// Conditions by name.
	Conditions map[string]bool
	// Resources that exist under these parameters, by logical id.
	Resources map[string]Declared
	Outputs   map[string]any

	globals map[string]any
}

// Declared is one resource with plain properties: maps, slices, string, int64, float64, bool.
type Declared struct {
	Resource
	Properties          map[string]any
	DeletionPolicy      string
	UpdateReplacePolicy string

	ref, arn string // arn is "" for types that have none
}

// Ref is what a reference to the resource gives; ARN is "" for types that have none here.
func (r Declared) Ref() string { return r.ref }

// ARN is the resource's own.
func (r Declared) ARN() string { return r.arn }

// retained tells whether neither removing nor replacing the resource deletes it, once the deployment that made it is
// through.
func (r Declared) retained() bool {
	return slices.Contains([]string{"Retain", "RetainExceptOnCreate"}, r.DeletionPolicy) && r.UpdateReplacePolicy == "Retain"
}

func (d *Document) ofType(typ string) []Declared {
	var out []Declared
	for _, id := range slices.Sorted(maps.Keys(d.Resources)) {
		if r := d.Resources[id]; r.Type == typ {
			out = append(out, r)
		}
	}
	return out
}

// Evaluate resolves src. The error joins every problem found; nothing is returned beside it.
func Evaluate(src []byte, opts Options) (*Document, error) {
	var p problems
	root := tree(src, &p)
	if p.err() != nil {
		return nil, p.err()
	}
	e := &evaluator{problems: &p, opts: opts, doc: &Document{
		Parameters: map[string]string{},
		Conditions: map[string]bool{},
		Resources:  map[string]Declared{},
		Outputs:    map[string]any{},
	}}
	e.parameters(section(root, "Parameters", &p))
	e.mappings = section(root, "Mappings", &p)
	e.conditions = section(root, "Conditions", &p)
	for name := range e.conditions {
		e.condition("Conditions."+name, name)
	}
	e.rules(section(root, "Rules", &p))
	e.declare(section(root, "Resources", &p))
	if p.err() != nil {
		// Everything below would only repeat these.
		return nil, p.err()
	}
	if g, ok := e.value("Globals", orEmpty(root["Globals"])).(map[string]any); ok {
		e.doc.globals = g
	} else {
		p.add("Globals", "want a mapping")
	}
	for _, id := range slices.Sorted(maps.Keys(e.declared)) {
		e.resource(id)
	}
	for name, raw := range section(root, "Outputs", &p) {
		e.output(name, raw)
	}
	if p.err() != nil {
		return nil, p.err()
	}
	return e.doc, nil
}

func orEmpty(v any) any {
	if v == nil {
		return map[string]any{}
	}
	return v
}

func section(root map[string]any, name string, p *problems) map[string]any {
	m, ok := orEmpty(root[name]).(map[string]any)
	if !ok {
		p.add(name, "want a mapping")
	}
	return m
}

func (e *evaluator) parameters(declared map[string]any) {
	for name := range e.opts.Parameters {
		if _, ok := declared[name]; !ok {
			e.add("Parameters."+name, "not declared by the template")
		}
	}
	for name, raw := range declared {
		path := "Parameters." + name
		decl, ok := raw.(map[string]any)
		if !ok {
			e.add(path, "want a mapping")
			continue
		}
		value, given := e.opts.Parameters[name]
		if !given {
			def, has := decl["Default"]
			if !has {
				e.add(path, "no value given and no default")
				continue
			}
			value = text(def)
		}
		e.checkParameter(path, decl, value)
		e.doc.Parameters[name] = value
	}
}

// rules refuses parameters that make no sense together, as the service does before it changes anything.
func (e *evaluator) rules(declared map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		path := "Rules." + name
		rule, _ := declared[name].(map[string]any)
		assertions, ok := rule["Assertions"].([]any)
		if !ok || len(assertions) == 0 {
			e.add(path, "want assertions")
			continue
		}
		if when, conditional := rule["RuleCondition"]; conditional && !e.truth(path+".RuleCondition", when) {
			continue
		}
		for _, raw := range assertions {
			a, _ := raw.(map[string]any)
			if !e.truth(path, a["Assert"]) {
				e.add(path, "%s", cmp.Or(text(a["AssertDescription"]), "refused"))
			}
		}
	}
}

// checkParameter never prints the value: parameters marked NoEcho hold endpoint tokens.
func (e *evaluator) checkParameter(path string, decl map[string]any, value string) {
	if decl["Type"] == "Number" {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			e.add(path, "not a number")
			return
		}
		if limit, ok := number(decl["MinValue"]); ok && n < limit {
			e.add(path, "below MinValue %v", decl["MinValue"])
		}
		if limit, ok := number(decl["MaxValue"]); ok && n > limit {
			e.add(path, "above MaxValue %v", decl["MaxValue"])
		}
	}
	if limit, ok := number(decl["MinLength"]); ok && float64(len(value)) < limit {
		e.add(path, "shorter than MinLength %v", decl["MinLength"])
	}
	if pattern := text(decl["AllowedPattern"]); pattern != "" {
		switch whole, err := regexp.Compile("^(?:" + pattern + ")$"); { // the service matches all of the value
		case err != nil:
			e.add(path, "AllowedPattern: %v", err)
		case !whole.MatchString(value):
			e.add(path, "does not match AllowedPattern %s", pattern)
		}
	}
	if allowed, ok := decl["AllowedValues"].([]any); ok {
		names := make([]string, len(allowed))
		for i, a := range allowed {
			names[i] = text(a)
		}
		if !slices.Contains(names, value) {
			e.add(path, "not one of %s", strings.Join(names, ", "))
		}
	}
}

// physicalName is the property by which a template names a resource of a type.
var physicalName = map[string]string{
	"AWS::Serverless::Function": "FunctionName",
	"AWS::Lambda::Function":     "FunctionName",
	"AWS::DynamoDB::Table":      "TableName",
	"AWS::SQS::Queue":           "QueueName",
	"AWS::SNS::Topic":           "TopicName",
	"AWS::Logs::LogGroup":       "LogGroupName",
	"AWS::KMS::Alias":           "AliasName",
	"AWS::IAM::Role":            "RoleName",
	"AWS::Events::Rule":         "Name",
	"AWS::S3::Bucket":           "BucketName",
	"AWS::CloudWatch::Alarm":    "AlarmName",

	"AWS::CloudWatch::CompositeAlarm": "AlarmName",
}

// owned are the types that policies and events name by their ARN, with the attribute that holds it.
var owned = map[string]string{
	"AWS::Serverless::Function": "Arn",
	"AWS::Lambda::Function":     "Arn",
	"AWS::DynamoDB::Table":      "Arn",
	"AWS::SQS::Queue":           "Arn",
	"AWS::SNS::Topic":           "TopicArn",
	"AWS::KMS::Key":             "Arn",
	"AWS::S3::Bucket":           "Arn",
	"AWS::Logs::LogGroup":       "Arn",
	"AWS::Events::Rule":         "Arn",
}

// declare notes what exists, so that references can be told from mistakes.
func (e *evaluator) declare(resources map[string]any) {
	e.all = map[string]bool{}
	e.declared = map[string]map[string]any{}
	for id, raw := range resources {
		path := "Resources." + id
		e.all[id] = true
		m, ok := raw.(map[string]any)
		if !ok {
			e.add(path, "want a mapping")
			continue
		}
		if _, ok := m["Type"].(string); !ok {
			e.add(path+".Type", "want the type of the resource")
			continue
		}
		if c, ok := m["Condition"]; ok {
			name, _ := c.(string)
			if !e.condition(path+".Condition", name) {
				continue
			}
		}
		e.declared[id] = m
	}
}

func (e *evaluator) resource(id string) {
	m := e.declared[id]
	path := "Resources." + id
	props, ok := e.value(path+".Properties", orEmpty(m["Properties"])).(map[string]any)
	if !ok {
		e.add(path+".Properties", "want a mapping")
		return
	}
	deletion, _ := m["DeletionPolicy"].(string)
	replace, _ := m["UpdateReplacePolicy"].(string)
	r := Declared{
		Resource:            e.identify(path, id),
		Properties:          props,
		DeletionPolicy:      deletion,
		UpdateReplacePolicy: replace,
	}
	r.ref, _ = e.attribute(path, id, "").(string)
	if attr, ok := owned[r.Type]; ok {
		r.arn, _ = e.attribute(path, id, attr).(string)
	}
	e.doc.Resources[id] = r
}

func (e *evaluator) output(name string, raw any) {
	path := "Outputs." + name
	m, ok := raw.(map[string]any)
	if !ok {
		e.add(path, "want a mapping")
		return
	}
	if c, ok := m["Condition"].(string); ok && !e.condition(path+".Condition", c) {
		return
	}
	e.doc.Outputs[name] = e.value(path+".Value", m["Value"])
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case string:
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil
	}
	return 0, false
}
