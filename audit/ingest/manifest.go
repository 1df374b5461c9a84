package ingest

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/mailreeve/mailreeve/audit/address"
)

// maxFeatures is how many features are taken from one manifest, and modules from one descriptor. Aliases let a short text name a lot; an app has hundreds.
const maxFeatures = 20_000

// maxWork is how many entries of mappings are looked at, for the same reason.
const maxWork = 5_000_000

// maxAliases is how many aliases and merged mappings are followed, one from another.
const maxAliases = 32

// egressKinds are the permissions that let a Forge app reach hosts, by their path below permissions.external.
var egressKinds = [...][]string{{"fetch", "backend"}, {"fetch", "client"}, {"images"}, {"media"}, {"scripts"}, {"styles"}, {"fonts"}, {"frames"}}

// readManifest reads a Forge manifest. Where it is no YAML, or no mapping, it gives nil; the notes say what could not be read and why.
func readManifest(text string) (f *features, notes []string) {
	root, err := parseYAML(text)
	if err != nil {
		return nil, []string{"manifest: " + err.Error() + "; nothing was read of it"}
	}
	m := manifest{found: &features{}}
	m.permissions(root)
	for _, section := range []string{"modules", "connectModules"} {
		m.each(m.get(root, section), func(kind string, list *yaml.Node) { m.modules(kind, list) })
	}
	if m.err != nil {
		return nil, []string{"manifest: " + m.err.Error() + "; nothing was read of it"}
	}
	return m.found, m.notes
}

// parseYAML gives the mapping that text is.
func parseYAML(text string) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil { // a parser's fault in one vendor's text must not end the night
			root, err = nil, errors.New("not YAML: the parser gave up on it")
		}
	}()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("not YAML: %s", address.Redact(err.Error()))
	}
	if len(doc.Content) != 1 || deref(doc.Content[0]).Kind != yaml.MappingNode {
		return nil, errors.New("not a YAML mapping")
	}
	return deref(doc.Content[0]), nil
}

// A manifest is read node by node, so that aliases are followed only where something is looked for.
type manifest struct {
	found *features
	notes []string
	err   error // why the whole of it counts as unreadable
	work  int   // entries of mappings that were looked at
}

// deref follows aliases; where they go on for ever it gives a node without content.
func deref(n *yaml.Node) *yaml.Node {
	for range maxAliases {
		if n == nil {
			break
		}
		if n.Kind != yaml.AliasNode {
			return n
		}
		n = n.Alias
	}
	return &yaml.Node{}
}

// each calls visit with the entries of a mapping, those that it merges (<<) after its own. A key twice makes the manifest unreadable.
func (m *manifest) each(n *yaml.Node, visit func(key string, value *yaml.Node)) {
	m.entries(n, map[string]bool{}, 0, visit)
}

func (m *manifest) entries(n *yaml.Node, seen map[string]bool, depth int, visit func(key string, value *yaml.Node)) {
	n = deref(n)
	if n.Kind != yaml.MappingNode || m.err != nil || depth > maxAliases {
		return
	}
	var merged []*yaml.Node
	own := map[string]bool{}
	if m.work += len(n.Content) / 2; m.work > maxWork {
		m.err = errors.New("it is too large, or its aliases make it so")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := deref(n.Content[i])
		if key.Tag == "!!merge" {
			if from := deref(n.Content[i+1]); from.Kind == yaml.SequenceNode {
				merged = append(merged, from.Content...)
			} else {
				merged = append(merged, from)
			}
			continue
		}
		if own[key.Value] {
			m.err = fmt.Errorf("line %d has a key that the mapping has already", key.Line)
			return
		}
		own[key.Value] = true
		if !seen[key.Value] {
			seen[key.Value] = true
			visit(key.Value, n.Content[i+1])
		}
	}
	for _, from := range merged {
		m.entries(from, seen, depth+1, visit)
	}
}

// get is what a mapping has under a path of keys; a node without content where it has nothing.
func (m *manifest) get(n *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		var next *yaml.Node
		m.each(n, func(key string, value *yaml.Node) {
			if key == name {
				next = value
			}
		})
		n = next
	}
	return deref(n)
}

// text is a scalar's text; "" for null and for what is no scalar.
func (m *manifest) text(n *yaml.Node) string {
	if n = deref(n); n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

// sequence is the entries of one; what is none is its own only entry.
func sequence(n *yaml.Node) []*yaml.Node {
	switch n = deref(n); {
	case n.Kind == yaml.SequenceNode:
		return n.Content
	case n.Kind == 0 || n.Tag == "!!null":
		return nil
	}
	return []*yaml.Node{n}
}

func (m *manifest) add(to *[]string, s string) {
	f := m.found
	if s == "" || m.err != nil {
		return
	}
	if len(f.scopes)+len(f.modules)+len(f.egress) >= maxFeatures {
		m.err = fmt.Errorf("it names more than %d scopes, modules and hosts", maxFeatures)
		return
	}
	*to = append(*to, s)
}

func (m *manifest) permissions(root *yaml.Node) {
	for _, n := range sequence(m.get(root, "permissions", "scopes")) {
		if s := m.text(n); s != "" {
			m.add(&m.found.scopes, s)
			continue
		}
		m.each(n, func(key string, _ *yaml.Node) { m.add(&m.found.scopes, key) })
	}
	remotes := map[string][]string{}
	for _, n := range sequence(m.get(root, "remotes")) {
		if key := m.text(m.get(n, "key")); key != "" {
			remotes[key] = append(remotes[key], m.urls(m.get(n, "baseUrl"))...)
		}
	}
	external := m.get(root, "permissions", "external")
	for _, kind := range egressKinds {
		for _, n := range sequence(m.get(external, kind...)) {
			if m.err != nil {
				return
			}
			m.egress(n, remotes)
		}
	}
}

// urls is a remote's baseUrl: one for all, or one for each region.
func (m *manifest) urls(n *yaml.Node) []string {
	if s := m.text(n); s != "" {
		return []string{s}
	}
	var all []string
	m.each(n, func(_ string, value *yaml.Node) {
		if s := m.text(value); s != "" && !slices.Contains(all, s) && len(all) < 100 {
			all = append(all, s)
		}
	})
	return all
}

func (m *manifest) egress(n *yaml.Node, remotes map[string][]string) {
	if s := m.text(n); s != "" {
		m.add(&m.found.egress, s)
		return
	}
	m.add(&m.found.egress, m.text(m.get(n, "address")))
	name := m.text(m.get(n, "remote"))
	if name == "" {
		return
	}
	if len(remotes[name]) == 0 {
		m.notes = append(m.notes, fmt.Sprintf("manifest: line %d lets the app reach the remote %q, which remotes does not give a baseUrl", deref(n).Line, address.Redact(name)))
	}
	for _, url := range remotes[name] {
		m.add(&m.found.egress, url)
	}
}

func (m *manifest) modules(kind string, entries *yaml.Node) {
	if kind == "function" {
		return
	}
	for _, n := range sequence(entries) {
		if m.err != nil {
			return
		}
		m.add(&m.found.modules, module(kind, m.text(m.get(n, "key")), m.text(m.get(n, "event")), m.text(m.get(n, "url"))))
	}
}
