package template

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

type evaluator struct {
	*problems
	opts       Options
	doc        *Document
	mappings   map[string]any
	conditions map[string]any
	all        map[string]bool           // every declared logical id
	declared   map[string]map[string]any // those whose condition holds
	visiting   []string                  // conditions and names under evaluation, against cycles
}

// noValue is what AWS::NoValue gives: the property or list item is as if not stated.
type noValue struct{}

func (e *evaluator) value(path string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if name, arg, ok := intrinsic(v); ok {
			return e.call(path, name, arg)
		}
		out := make(map[string]any, len(v))
		for k, item := range v {
			r := e.value(join(path, k), item)
			if _, gone := r.(noValue); !gone {
				out[k] = r
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for i, item := range v {
			r := e.value(fmt.Sprintf("%s[%d]", path, i), item)
			if _, gone := r.(noValue); !gone {
				out = append(out, r)
			}
		}
		return out
	}
	return v
}

// intrinsic tells a function call from data. {"Condition": "Name"} is a call only inside
// conditions, where [evaluator.truth] handles it; elsewhere it is a property.
func intrinsic(m map[string]any) (name string, arg any, ok bool) {
	if len(m) != 1 {
		return "", nil, false
	}
	for k, v := range m {
		if k == "Ref" || strings.HasPrefix(k, "Fn::") {
			return k, v, true
		}
	}
	return "", nil, false
}

func (e *evaluator) call(path, name string, arg any) any {
	switch name {
	case "Ref":
		id, _ := arg.(string)
		return e.ref(path, id)
	case "Fn::GetAtt":
		return e.getAtt(path, arg)
	case "Fn::Sub":
		return e.sub(path, arg)
	case "Fn::If":
		args, ok := e.args(path, name, arg, 3)
		if !ok {
			return nil
		}
		cond, _ := args[0].(string)
		if e.condition(path, cond) {
			return e.value(path, args[1])
		}
		return e.value(path, args[2])
	case "Fn::FindInMap":
		return e.findInMap(path, arg)
	case "Fn::Join":
		args, ok := e.args(path, name, arg, 2)
		if !ok {
			return nil
		}
		items, ok := e.value(path, args[1]).([]any)
		if !ok {
			e.add(path, "Fn::Join: want a list to join")
			return nil
		}
		parts := make([]string, len(items))
		for i, it := range items {
			parts[i] = text(it)
		}
		return strings.Join(parts, text(args[0]))
	case "Fn::Select":
		args, ok := e.args(path, name, arg, 2)
		if !ok {
			return nil
		}
		i, err := strconv.Atoi(text(e.value(path, args[0])))
		items, isList := e.value(path, args[1]).([]any)
		if err != nil || !isList || i < 0 || i >= len(items) {
			e.add(path, "Fn::Select: no such item")
			return nil
		}
		return items[i]
	case "Fn::Equals", "Fn::Not", "Fn::And", "Fn::Or":
		return e.truth(path, map[string]any{name: arg})
	}
	e.add(path, "function %s is not understood", name)
	return nil
}

func (e *evaluator) args(path, name string, arg any, n int) ([]any, bool) {
	args, ok := arg.([]any)
	if !ok || len(args) != n {
		e.add(path, "%s: want a list of %d", name, n)
		return nil, false
	}
	return args, true
}

func (e *evaluator) ref(path, id string) any {
	if id == "AWS::NoValue" {
		return noValue{}
	}
	if strings.HasPrefix(id, "AWS::") {
		v, ok := e.opts.Pseudo[id]
		if !ok {
			e.add(path, "pseudo parameter %s has no value", id)
		}
		return v
	}
	if v, ok := e.doc.Parameters[id]; ok {
		return v
	}
	return e.attribute(path, id, "")
}

func (e *evaluator) getAtt(path string, arg any) any {
	args, ok := e.args(path, "Fn::GetAtt", arg, 2)
	if !ok {
		return nil
	}
	id, _ := args[0].(string)
	attr, _ := args[1].(string)
	if attr == "" {
		e.add(path, "Fn::GetAtt: want Resource.Attribute")
		return nil
	}
	return e.attribute(path, id, attr)
}

func (e *evaluator) attribute(path, id, attr string) any {
	if _, ok := e.declared[id]; !ok {
		if e.all[id] {
			e.add(path, "%s does not exist under these parameters (its condition is false)", id)
		} else {
			e.add(path, "%q is neither a parameter nor a resource", id)
		}
		return nil
	}
	if e.opts.Resolve == nil {
		e.add(path, "nothing resolves references to %s", id)
		return nil
	}
	v, err := e.opts.Resolve(e.identify(path, id), attr)
	if err != nil {
		e.add(path, "%w", err)
		return nil
	}
	return v
}

func (e *evaluator) identify(path, id string) Resource {
	m := e.declared[id]
	r := Resource{LogicalID: id, Type: m["Type"].(string)}
	props, _ := m["Properties"].(map[string]any)
	if raw, stated := props[physicalName[r.Type]]; stated {
		key := "the name of " + id
		if !e.enter(path, key) {
			return r
		}
		defer e.leave()
		if name, ok := e.value("Resources."+id+".Properties."+physicalName[r.Type], raw).(string); ok && name != "" {
			r.Name = name
			return r
		}
	}
	r.Name = e.opts.Pseudo["AWS::StackName"] + "-" + id
	if r.Type == "AWS::S3::Bucket" {
		r.Name = strings.ToLower(r.Name) // it is part of a host name
	}
	return r
}

// sub replaces ${Name}, ${Resource.Attribute} and the variables of the long form; ${!x} stays as ${x}.
func (e *evaluator) sub(path string, arg any) any {
	vars := map[string]any{}
	pattern, ok := arg.(string)
	if args, isList := arg.([]any); isList && len(args) == 2 {
		pattern, ok = args[0].(string)
		vars, _ = e.value(path, args[1]).(map[string]any)
	}
	if !ok {
		e.add(path, "Fn::Sub: want a string, or a string and its variables")
		return nil
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(pattern, "${")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			e.add(path, "Fn::Sub: ${ is not closed")
			return nil
		}
		pattern = after
		name = strings.TrimSpace(name)
		switch id, attr, dotted := strings.Cut(name, "."); {
		case strings.HasPrefix(name, "!"):
			out.WriteString("${" + name[1:] + "}")
		case vars[name] != nil:
			out.WriteString(text(vars[name]))
		case dotted:
			out.WriteString(text(e.attribute(path, id, attr)))
		default:
			out.WriteString(text(e.ref(path, name)))
		}
	}
}

func (e *evaluator) findInMap(path string, arg any) any {
	args, ok := e.args(path, "Fn::FindInMap", arg, 3)
	if !ok {
		return nil
	}
	var at any = e.mappings
	name := "Mappings"
	for _, a := range args {
		key := text(e.value(path, a))
		m, _ := at.(map[string]any)
		next, found := m[key]
		if !found {
			e.add(path, "Fn::FindInMap: %s has no %q", name, key)
			return nil
		}
		at, name = next, name+"."+key
	}
	return at
}

// condition evaluates a named condition, once.
func (e *evaluator) condition(path, name string) bool {
	if v, done := e.doc.Conditions[name]; done {
		return v
	}
	raw, ok := e.conditions[name]
	if !ok {
		e.add(path, "condition %q is not declared", name)
		return false
	}
	if !e.enter(path, "condition "+name) {
		return false
	}
	defer e.leave()
	v := e.truth("Conditions."+name, raw)
	e.doc.Conditions[name] = v
	return v
}

func (e *evaluator) truth(path string, v any) bool {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		e.add(path, "want a condition function")
		return false
	}
	for name, arg := range m {
		if name == "Condition" {
			id, _ := arg.(string)
			return e.condition(path, id)
		}
		args, ok := arg.([]any)
		if !ok {
			e.add(path, "%s: want a list", name)
			return false
		}
		switch {
		case name == "Fn::Equals" && len(args) == 2:
			return text(e.value(path, args[0])) == text(e.value(path, args[1]))
		case name == "Fn::Not" && len(args) == 1:
			return !e.truth(path, args[0])
		case name == "Fn::And" && len(args) >= 2:
			return !slices.ContainsFunc(args, func(a any) bool { return !e.truth(path, a) })
		case name == "Fn::Or" && len(args) >= 2:
			return slices.ContainsFunc(args, func(a any) bool { return e.truth(path, a) })
		}
		e.add(path, "%s with %d arguments is not a condition", name, len(args))
	}
	return false
}

func (e *evaluator) enter(path, what string) bool {
	if slices.Contains(e.visiting, what) {
		e.add(path, "%s depends on itself", what)
		return false
	}
	e.visiting = append(e.visiting, what)
	return true
}

func (e *evaluator) leave() { e.visiting = e.visiting[:len(e.visiting)-1] }
