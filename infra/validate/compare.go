package main

import (
	"fmt"
	"reflect"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// differences compares what the local stack runs with what gets deployed, resource by resource.
func differences(own, deployed *template.Stack) []string {
	var findings []string
	diff("", reflect.ValueOf(*own), reflect.ValueOf(*deployed), &findings)
	return findings
}

func diff(path string, own, deployed reflect.Value, findings *[]string) {
	switch own.Kind() {
	case reflect.Struct:
		for i := range own.NumField() {
			diff(path+"."+own.Type().Field(i).Name, own.Field(i), deployed.Field(i), findings)
		}
		return
	case reflect.Slice:
		if own.Len() == deployed.Len() {
			for i := range own.Len() {
				diff(fmt.Sprintf("%s[%d]", path, i), own.Index(i), deployed.Index(i), findings)
			}
			return
		}
	}
	if !reflect.DeepEqual(own.Interface(), deployed.Interface()) {
		*findings = append(*findings, fmt.Sprintf("the local stack reads %s as %v, deployed is %v", path[1:], own, deployed))
	}
}
