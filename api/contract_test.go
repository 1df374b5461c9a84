package api_test

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mailreeve/mailreeve/api"
)

// A contract is the description, held against what is asked and answered.
type contract struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
	seen     map[string]bool // what of it came to pass: "GET /findings 200", "GET /findings ?limit"
}

const docURL = "https://mailreeve.example/openapi.json"

func newContract(t *testing.T) *contract {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.Description))
	must(t, err)
	strict(doc, "")
	c := &contract{doc: doc.(map[string]any), compiler: jsonschema.NewCompiler(), seen: map[string]bool{}}
	c.compiler.AssertFormat()
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	must(t, c.compiler.AddResource(docURL, doc))
	return c
}

// strict makes schemas refuse fields that they do not name: answers may get more one day, but not without being described. Schemas whose names end in Fields
// are parts of others.
func strict(v any, name string) {
	switch v := v.(type) {
	case map[string]any:
		_, object := v["properties"].(map[string]any)
		_, whole := v["allOf"]
		_, says := v["additionalProperties"]
		if (object || whole) && !says && !strings.HasSuffix(name, "Fields") {
			v["unevaluatedProperties"] = false
		}
		for k, x := range v {
			strict(x, k)
		}
	case []any:
		for _, x := range v {
			strict(x, "")
		}
	}
}

// at follows a JSON pointer, and the references that it leads to.
func (c *contract) at(pointer ...string) (map[string]any, []string) {
	var v any = c.doc
	for _, p := range pointer {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, nil
		}
		if v, ok = m[p]; !ok {
			return nil, nil
		}
	}
	m, _ := v.(map[string]any)
	if ref, ok := m["$ref"].(string); ok {
		return c.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return m, pointer
}

func (c *contract) validate(t *testing.T, what string, value any, pointer ...string) error {
	t.Helper()
	fragment := ""
	for _, p := range pointer {
		fragment += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(p)
	}
	s, err := c.compiler.Compile(docURL + "#" + (&url.URL{Fragment: fragment}).EscapedFragment())
	if err != nil {
		t.Fatalf("%s: the schema at %s: %v", what, fragment, err)
	}
	return s.Validate(value)
}

// template is the path of the description that a path of a request is one of; "": none.
func (c *contract) template(path string) string {
	for p := range c.doc["paths"].(map[string]any) {
		pattern := regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(p), `[^/]+`)
		if strings.HasSuffix(p, "{key}") {
			pattern = strings.TrimSuffix(pattern, "+") + "*" // calls by no app have none
		}
		if regexp.MustCompile("^" + pattern + "$").MatchString(path) {
			if _, literal := c.doc["paths"].(map[string]any)[path]; !literal || p == path {
				return p
			}
		}
	}
	return ""
}

// hold holds a request and its answer against the description. A 400 whose body the description's schema takes is one of meaning, and has to be said to be one.
func (c *contract) hold(t *testing.T, r *http.Request, sent []byte, meaning bool, w *http.Response, got []byte) {
	t.Helper()
	path := c.template(strings.TrimPrefix(r.URL.EscapedPath(), api.Prefix))
	method := strings.ToLower(r.Method)
	what := r.Method + " " + path
	op, at := c.at("paths", path, method)
	if op == nil {
		t.Errorf("%s %s is not described", r.Method, r.URL)
		return
	}
	status := strconv.Itoa(w.StatusCode)
	answer, where := c.at(append(slices.Clone(at), "responses", status)...)
	if answer == nil {
		t.Errorf("%s %s: %s is not described: %s", r.Method, r.URL, w.Status, got)
		return
	}
	c.seen[what+" "+status] = true
	content, _ := answer["content"].(map[string]any)
	kind := w.Header.Get("Content-Type")
	if _, ok := content[kind]; !ok || len(content) != 1 {
		t.Errorf("%s: %s is answered as %q, and described as %v", what, status, kind, slices.Sorted(maps.Keys(content)))
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(got))
	if err == nil {
		err = c.validate(t, what, value, append(slices.Clone(where), "content", kind, "schema")...)
	}
	if err != nil {
		t.Errorf("%s %s: the answer is not as described: %v\n%s", r.Method, r.URL, err, got)
	}
	headers, _ := answer["headers"].(map[string]any)
	for _, name := range []string{"ETag", "WWW-Authenticate", "Link", "Allow", "Location"} {
		_, described := headers[name]
		if given := w.Header.Get(name) != ""; given && !described || described && !given && name != "Link" {
			t.Errorf("%s: %s: header %s is there: %t, described: %t", what, status, name, given, described)
		}
	}
	if w.StatusCode == http.StatusOK {
		c.holdQuery(t, what, op, at, r.URL.Query())
	}
	if len(sent) > 0 && (w.StatusCode == http.StatusOK || w.StatusCode == http.StatusBadRequest) {
		body, err := jsonschema.UnmarshalJSON(bytes.NewReader(sent))
		if err == nil {
			err = c.validate(t, what, body, append(slices.Clone(at), "requestBody", "content", "application/json", "schema")...)
		}
		if fits := err == nil; fits != (w.StatusCode == http.StatusOK || meaning) {
			t.Errorf("%s: %s is answered %s, and the description says %v: %s", what, sent, status, err, got)
		}
	}
}

func (c *contract) holdQuery(t *testing.T, what string, op map[string]any, at []string, q url.Values) {
	t.Helper()
	list, _ := op["parameters"].([]any)
	for name, values := range q {
		found := false
		for i := range list {
			param, where := c.element(list, at, i)
			if param["name"] != name || param["in"] != "query" {
				continue
			}
			found = true
			c.seen[what+" ?"+name] = true
			schema := param["schema"].(map[string]any)
			var value any
			switch schema["type"] {
			case "array":
				all := make([]any, len(values))
				for i, v := range values {
					all[i] = v
				}
				value = all
			case "integer":
				n, err := strconv.Atoi(values[0])
				must(t, err)
				value = n
			default:
				value = values[0]
			}
			if err := c.validate(t, what, value, append(where, "schema")...); err != nil {
				t.Errorf("%s: %s=%v is taken, and the description says %v", what, name, values, err)
			}
		}
		if !found {
			t.Errorf("%s: the parameter %s is taken, and not described", what, name)
		}
	}
}

// element is the i-th parameter of an operation, and where it is.
func (c *contract) element(list []any, at []string, i int) (map[string]any, []string) {
	m := list[i].(map[string]any)
	if ref, ok := m["$ref"].(string); ok {
		return c.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return m, append(slices.Clone(at), "parameters", strconv.Itoa(i))
}

// operations lists what is described: METHOD, path and the operation.
func (c *contract) operations(each func(method, path string, op map[string]any)) {
	paths := c.doc["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for _, method := range slices.Sorted(maps.Keys(paths[path].(map[string]any))) {
			op, _ := c.at("paths", path, method)
			each(strings.ToUpper(method), path, op)
		}
	}
}

func scopesOf(op map[string]any) (list []string) {
	for _, s := range op["security"].([]any) {
		for _, scope := range s.(map[string]any)["token"].([]any) {
			list = append(list, scope.(string))
		}
	}
	return list
}
