package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/mailreeve/mailreeve/docs"
)

// PolicyMistakes holds the policy of the configuration at path (empty: the one that [Find] finds) against the schema, and tells all that does not fit, each
// with its line, also where the configuration cannot be loaded. What it cannot read it leaves to [Load] to tell.
func PolicyMistakes(path string) []error {
	if path == "" {
		var err error
		if path, err = Find(); err != nil {
			return nil
		}
	}
	text, err := os.ReadFile(path)
	var c struct {
		Policy string `yaml:"policy"`
	}
	if err != nil || yaml.Unmarshal(text, &c) != nil || c.Policy == "" {
		return nil
	}
	policy, err := os.ReadFile(rooted(filepath.Dir(path), c.Policy))
	if err != nil {
		return nil
	}
	return misfits(c.Policy, policy)
}

// misfits is what of a policy does not fit the schema.
func misfits(name string, text []byte) []error {
	schema, err := policySchema()
	if err != nil {
		return []error{err}
	}
	var plain any
	if yaml.Unmarshal(text, &plain) != nil {
		return nil
	}
	asJSON, err := json.Marshal(plain)
	if err != nil {
		return nil // a key that is no text
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return nil
	}
	var wrong *jsonschema.ValidationError
	if err := schema.Validate(value); !errors.As(err, &wrong) {
		return nil
	}
	in := sheetOf(name, text)
	var found mistakes
	english := message.NewPrinter(language.English)
	var each func(e *jsonschema.ValidationError)
	each = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			each(cause)
		}
		if len(e.Causes) > 0 {
			return
		}
		var at []any
		for _, step := range e.InstanceLocation {
			if n, err := strconv.Atoi(step); err == nil {
				at = append(at, n)
			} else {
				at = append(at, step)
			}
		}
		if more, ok := e.ErrorKind.(*kind.AdditionalProperties); ok {
			slices.Sort(more.Properties)
			for _, key := range more.Properties {
				found.add(in.at(append(at, key)...), "unknown key %q", key)
			}
			return
		}
		where := ""
		for _, step := range at {
			where += fmt.Sprint(step) + ": "
		}
		found.add(in.at(at...), "%s%s", where, e.ErrorKind.LocalizedString(english))
	}
	each(wrong)
	return found
}

func policySchema() (*jsonschema.Schema, error) {
	const name = "policy.schema.json"
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(docs.PolicySchema()))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c.Compile(name)
}
