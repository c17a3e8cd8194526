package watching

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// Watching is the nested application of one deployment. The lists are sorted by logical id.
type Watching struct {
	// Main is the stack that is watched.
	Main       *template.Stack
	Alarms     []Alarm
	Composites []Composite
	Dashboards []Dashboard
	Queries    []SavedQuery
}

// SavedQuery is one that people find in the console.
type SavedQuery struct {
	ID, Name string
	Groups   []string
	Query    Query
}

// What a deployment is called here.
const (
	Stack   = "rc"
	region  = "eu-west-1"
	account = "000000000000"
	id      = "Watching"
)

// Read reads the application as template.yaml of root deploys it under a profile. The error joins every problem.
func Read(root, profile string) (*Watching, error) {
	src, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		return nil, err
	}
	doc, err := template.Evaluate(src, options(map[string]string{"Profile": profile, "Mode": "shadow"}))
	if err != nil {
		return nil, fmt.Errorf("template.yaml: %w", err)
	}
	main, err := doc.Stack()
	if err != nil {
		return nil, fmt.Errorf("template.yaml: %w", err)
	}
	i := slices.IndexFunc(main.Nested, func(n template.Nested) bool { return n.LogicalID == id })
	if i < 0 {
		return nil, errors.New("template.yaml: no nested application " + id)
	}
	if src, err = os.ReadFile(filepath.Join(root, main.Nested[i].Location)); err != nil {
		return nil, err
	}
	w, err := Parse(src, main.Nested[i].Parameters)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", main.Nested[i].Location, err)
	}
	w.Main = main
	return w, nil
}

func options(parameters map[string]string) template.Options {
	return template.Options{Parameters: parameters, Pseudo: template.Pseudo(Stack, region, account),
		Resolve: template.Names(region, account, func(name string) string { return "https://sqs.example.org/" + name })}
}

// Parse reads the text of the application's template.
func Parse(src []byte, parameters map[string]string) (*Watching, error) {
	doc, err := template.Evaluate(src, options(parameters))
	if err != nil {
		return nil, err
	}
	w := &Watching{}
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(doc.Resources)) {
		r := doc.Resources[id]
		p := properties{id, r.Properties, map[string]bool{}, nil}
		switch r.Type {
		case "AWS::CloudWatch::Alarm":
			w.Alarms = append(w.Alarms, alarm(&p))
		case "AWS::CloudWatch::CompositeAlarm":
			w.Composites = append(w.Composites, composite(&p))
		case "AWS::CloudWatch::Dashboard":
			d := Dashboard{ID: id, Name: p.text("DashboardName"), Body: p.text("DashboardBody")}
			d.Widgets, err = widgets(d.Body)
			p.wrong(err)
			w.Dashboards = append(w.Dashboards, d)
		case "AWS::Logs::QueryDefinition":
			q := SavedQuery{ID: id, Name: p.text("Name"), Groups: p.texts("LogGroupNames")}
			q.Query, err = ParseQuery(p.text("QueryString"))
			p.wrong(err)
			w.Queries = append(w.Queries, q)
		default:
			p.wrong(fmt.Errorf("%s is not understood", r.Type))
		}
		errs = append(errs, p.close())
	}
	return w, errors.Join(errs...)
}

// properties reads those of one resource, and notes what is wrong with them. What nobody read is wrong too.
type properties struct {
	at   string
	m    map[string]any
	read map[string]bool
	errs []error
}

func (p *properties) wrong(err error) {
	if err != nil {
		p.errs = append(p.errs, fmt.Errorf("%s: %w", p.at, err))
	}
}

func (p *properties) get(key string) any { p.read[key] = true; return p.m[key] }

func (p *properties) text(key string) string {
	s, ok := p.get(key).(string)
	if !ok && p.m[key] != nil {
		p.wrong(fmt.Errorf("%s is no text", key))
	}
	return s
}

func (p *properties) number(key string) float64 {
	switch v := p.get(key).(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	p.wrong(fmt.Errorf("%s is no number", key))
	return 0
}

func (p *properties) flag(key string) bool {
	v, ok := p.get(key).(bool)
	if !ok && p.m[key] != nil {
		p.wrong(fmt.Errorf("%s is neither true nor false", key))
	}
	return v
}

func (p *properties) texts(key string) (out []string) {
	list, _ := p.get(key).([]any)
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			p.wrong(fmt.Errorf("%s names %v", key, v))
		}
		out = append(out, s)
	}
	return out
}

func (p *properties) objects(key string) (out []*properties) {
	list, _ := p.get(key).([]any)
	for i, v := range list {
		out = append(out, p.into(fmt.Sprintf("%s[%d]", key, i), v))
	}
	return out
}

func (p *properties) object(key string) *properties { return p.into(key, p.get(key)) }

func (p *properties) into(key string, v any) *properties {
	m, ok := v.(map[string]any)
	if !ok {
		p.wrong(fmt.Errorf("%s is no mapping", key))
	}
	return &properties{p.at + "." + key, m, map[string]bool{}, nil}
}

// done takes over what was found wrong in a part.
func (p *properties) done(part *properties) {
	if err := part.close(); err != nil {
		p.errs = append(p.errs, err)
	}
}

func (p *properties) close() error {
	for _, key := range slices.Sorted(maps.Keys(p.m)) {
		if !p.read[key] {
			p.wrong(fmt.Errorf("%s is not understood", key))
		}
	}
	return errors.Join(p.errs...)
}

func (p *properties) seconds(key string) time.Duration {
	return time.Duration(p.number(key)) * time.Second
}

// Function is the name of the function whose log group it is, in the deployment that Read reads.
func Function(group string) (string, bool) { return strings.CutPrefix(group, "/aws/lambda/"+Stack+"-") }
