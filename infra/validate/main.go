// Command validate checks what the template will deploy, beyond what the linters know: it reads the CloudFormation
// form that the SAM transform made and the template itself, under every profile.
//
//	go run ./infra/validate .build/template.json
//
// It prints every finding and exits with 1 if there is one.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
	watched "github.com/bridge-me-not/resolver-cron/infra/watching"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./infra/validate TRANSLATED.json (in the root of the repository)")
		os.Exit(2)
	}
	findings, err := run(os.Args[1], "template.yaml")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, f := range findings {
		fmt.Println(f)
	}
	if len(findings) > 0 {
		os.Exit(1)
	}
	fmt.Printf("template: %d sets of parameters checked, nothing found\n", len(variants))
}

// variants are the sets of parameters under which the template is checked; together they take every branch of its conditions.
var variants = []map[string]string{
	{"Profile": "test", "Mode": "live", "HeartbeatUrl": "none"},
	{"Profile": "mainnet", "Mode": "live", "HeartbeatUrl": "https://monitor.example.org/ping", "AlertEmail": "alerts@example.org", "ChatEndpoint": "https://chat.example.org/sns", "PagerEndpoint": "https://pager.example.org/sns", "ExecutorReservedConcurrency": "5"},
	{"Profile": "mainnet", "Mode": "shadow", "Tracing": "All"},
	{"Profile": "mainnet", "Mode": "off", "Tracing": "None"},
}

func run(translatedPath, templatePath string) ([]string, error) {
	translated, err := os.ReadFile(translatedPath)
	if err != nil {
		return nil, err
	}
	source, err := os.ReadFile(templatePath)
	if err != nil {
		return nil, err
	}
	var findings []string
	for _, parameters := range variants {
		name := fmt.Sprintf("profile %s, mode %s: ", parameters["Profile"], parameters["Mode"])
		for _, f := range variant(translated, source, parameters) {
			findings = append(findings, name+f)
		}
	}
	for _, src := range [][]byte{translated, source} {
		if _, _, err := read(src, map[string]string{"Mode": "live"}); err == nil || !strings.Contains(err.Error(), "needs HeartbeatUrl") {
			findings = append(findings, fmt.Sprintf("mode live without a stated heartbeat is not refused: %v", err))
		}
	}
	for _, profile := range []string{"test", "mainnet"} {
		w, err := watched.Read(filepath.Dir(templatePath), profile)
		if err != nil {
			findings = append(findings, lines("profile "+profile, err)...)
			continue
		}
		for _, f := range alarms(w) {
			findings = append(findings, "profile "+profile+": "+f)
		}
	}
	findings = append(findings, files(source)...)
	return findings, nil
}

// variant checks one set of parameters.
func variant(translated, source []byte, parameters map[string]string) []string {
	deployed, deployedStack, err := read(translated, parameters)
	if err != nil {
		return lines("translated template", err)
	}
	_, ownStack, err := read(source, parameters)
	if err != nil {
		return lines("our reading of the template", err)
	}
	return append(differences(ownStack, deployedStack), inspect(deployed, deployedStack)...)
}

// inspect runs every check.
func inspect(doc *template.Document, s *template.Stack) []string {
	var findings []string
	for _, check := range []func(*template.Document, *template.Stack) []string{functions, schedules, mappings, tables, buckets, queues, signing, watcher, roles, privilege, closed, subscribed, invocable} {
		for _, f := range check(doc, s) {
			if !slices.Contains(findings, f) {
				findings = append(findings, f)
			}
		}
	}
	return findings
}

func read(src []byte, parameters map[string]string) (*template.Document, *template.Stack, error) {
	doc, err := template.Evaluate(src, template.Options{
		Parameters: parameters,
		Pseudo:     template.Pseudo("rc", "eu-west-1", "000000000000"),
		Resolve: template.Names("eu-west-1", "000000000000", func(name string) string {
			return "https://sqs.example.org/" + name
		}),
	})
	if err != nil {
		return nil, nil, err
	}
	stack, err := doc.Stack()
	return doc, stack, err
}

func lines(where string, err error) []string {
	out := strings.Split(err.Error(), "\n")
	for i := range out {
		out[i] = where + ": " + out[i]
	}
	return out
}

// files checks that each function of the template has its folder and its recorded event.
func files(source []byte) []string {
	_, stack, err := read(source, variants[0])
	if err != nil {
		return nil // reported by every variant
	}
	var findings []string
	for _, f := range stack.Functions {
		for _, path := range []string{"functions/" + f.Folder + "/main.go", "events/" + f.Folder + ".json"} {
			if _, err := os.Stat(path); err != nil {
				findings = append(findings, fmt.Sprintf("%s: %v", f.LogicalID, err))
			}
		}
	}
	slices.Sort(findings)
	return findings
}
