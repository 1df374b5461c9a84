// Command compile writes a JSON Schema of OCSF's class Compliance Finding (2003) from a checkout of github.com/ocsf/ocsf-schema. It takes the objects that
// mailreeve writes, and of these all attributes but those of other objects, of profiles, and those that are deprecated; what the schema then lacks is refused.
//
//	git -C ocsf-schema checkout 1.8.0
//	go run ./internal/ocsf/testdata/compile.go ocsf-schema > internal/ocsf/testdata/compliance_finding-1.8.0.schema.json
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// objects are those that mailreeve writes. Object is the one that holds what the schema has no place for.
var objects = []string{"check", "compliance", "evidences", "finding_info", "metadata", "object", "organization", "product", "remediation", "resource_details", "user"}

type attribute struct {
	Type        string          `json:"type"`
	IsArray     bool            `json:"is_array"`
	Requirement string          `json:"requirement"`
	Profile     *string         `json:"profile"`
	Enum        map[string]any  `json:"enum"`
	Deprecated  json.RawMessage `json:"@deprecated"`
}

type definition struct {
	Name        string                     `json:"name"`
	UID         int                        `json:"uid"`
	Extends     string                     `json:"extends"`
	Attributes  map[string]json.RawMessage `json:"attributes"`
	Constraints map[string][]string        `json:"constraints"`
}

type dataType struct {
	Type   string    `json:"type"`
	Regex  string    `json:"regex"`
	MaxLen int       `json:"max_len"`
	Range  []float64 `json:"range"`
}

type dictionary struct {
	Attributes map[string]attribute `json:"attributes"`
	Types      struct {
		Attributes map[string]dataType `json:"attributes"`
	} `json:"types"`
}

type schema = map[string]any

type compiler struct {
	dir string
	dictionary
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: compile DIR")
	}
	c := compiler{dir: os.Args[1]}
	read(filepath.Join(c.dir, "dictionary.json"), &c.dictionary)
	var version struct {
		Version string `json:"version"`
	}
	read(filepath.Join(c.dir, "version.json"), &version)

	event := c.object("compliance_finding", "events/findings", "events")
	const category = 2 // findings, in categories.json
	class := category*1000 + 3
	properties := event["properties"].(schema)
	properties["category_uid"], properties["class_uid"] = schema{"const": category}, schema{"const": class}
	properties["metadata"] = schema{"allOf": []any{properties["metadata"], schema{"properties": schema{"version": schema{"const": version.Version}}}}}
	var activities []any // the type of an event follows from its class and activity
	for id := range 4 {
		activities = append(activities, schema{"properties": schema{"activity_id": schema{"const": id}, "type_uid": schema{"const": class*100 + id}}})
	}
	event["oneOf"] = activities

	defs := schema{}
	for _, name := range objects {
		defs[name] = c.object(name, "objects")
	}
	defs["object"] = schema{"type": "object"}
	event["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	event["title"] = "OCSF " + version.Version + ", Compliance Finding, as far as mailreeve writes it"
	event["$comment"] = "Compiled by compile.go from github.com/ocsf/ocsf-schema, tag " + version.Version + ", Apache License 2.0"
	event["$defs"] = defs
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	if err := out.Encode(event); err != nil {
		log.Fatal(err)
	}
}

func read(path string, into any) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		log.Fatalf("%s: %v", path, err)
	}
}

// load finds a definition in the first of some folders that has it, and takes in what it extends.
func (c *compiler) load(name string, folders ...string) (attributes map[string]attribute, constraints map[string][]string) {
	var d definition
	for _, f := range folders {
		path := filepath.Join(c.dir, f, name+".json")
		if _, err := os.Stat(path); err == nil {
			read(path, &d)
			break
		}
	}
	if d.Name == "" {
		log.Fatalf("there is no %s", name)
	}
	attributes, constraints = map[string]attribute{}, map[string][]string{}
	if d.Extends != "" {
		attributes, constraints = c.load(d.Extends, folders...)
	}
	for at, raw := range d.Attributes {
		if at == "$include" { // of profiles, of which mailreeve claims none
			continue
		}
		a, known := attributes[at]
		if !known {
			a = c.Attributes[at]
		}
		before := a.Enum
		a.Enum = nil
		if err := json.Unmarshal(raw, &a); err != nil {
			log.Fatalf("%s.%s: %v", name, at, err)
		}
		enum := map[string]any{} // it adds to what it extends
		maps.Copy(enum, before)
		maps.Copy(enum, a.Enum)
		a.Enum = enum
		attributes[at] = a
	}
	maps.Copy(constraints, d.Constraints)
	return attributes, constraints
}

func (c *compiler) object(name string, folders ...string) schema {
	attributes, constraints := c.load(name, folders...)
	properties, required := schema{}, []string{}
	for _, at := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[at]
		if a.Requirement == "required" {
			required = append(required, at)
		}
		if p, ok := c.value(&a); ok && a.Deprecated == nil && a.Profile == nil {
			properties[at] = p
		}
	}
	out := schema{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	for kind, word := range map[string]string{"at_least_one": "anyOf", "just_one": "oneOf"} {
		var one []any
		for _, at := range constraints[kind] {
			if _, ok := properties[at]; ok {
				one = append(one, schema{"required": []string{at}})
			}
		}
		if one != nil {
			out[word] = one
		}
	}
	return out
}

// value is the schema of an attribute's value; false: it is of an object that is not among those compiled.
func (c *compiler) value(a *attribute) (schema, bool) {
	var v schema
	if t, ok := c.Types.Attributes[a.Type]; ok {
		v = c.scalar(a.Type, t)
		if len(a.Enum) > 0 {
			var list []any
			for _, key := range slices.Sorted(maps.Keys(a.Enum)) {
				if n, err := strconv.Atoi(key); err == nil && v["type"] == "integer" {
					list = append(list, n)
				} else {
					list = append(list, key)
				}
			}
			v["enum"] = list
		}
	} else if slices.Contains(objects, a.Type) {
		v = schema{"$ref": "#/$defs/" + a.Type}
	} else {
		return nil, false
	}
	if a.IsArray {
		v = schema{"type": "array", "items": v}
	}
	return v, true
}

func (c *compiler) scalar(name string, t dataType) schema {
	base := t
	if t.Type != "" {
		base, name = c.Types.Attributes[t.Type], t.Type
	}
	v := schema{}
	switch name {
	case "boolean_t":
		v["type"] = "boolean"
	case "float_t":
		v["type"] = "number"
	case "integer_t", "long_t":
		v["type"] = "integer"
	case "string_t":
		v["type"] = "string"
	case "json_t":
	default:
		log.Fatal(fmt.Errorf("type %s", name))
	}
	for _, x := range []dataType{base, t} {
		if x.Regex != "" {
			v["pattern"] = x.Regex
		}
		if x.MaxLen > 0 {
			v["maxLength"] = x.MaxLen
		}
		if len(x.Range) == 2 {
			v["minimum"], v["maximum"] = x.Range[0], x.Range[1]
		}
	}
	return v
}
