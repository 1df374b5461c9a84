package config

import (
	"net/url"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Shown is the configuration in force as YAML, for people to read: what is not set is left out, and of addresses on the network only scheme and host stand,
// for the rest may be a secret. Secrets themselves are in no configuration: it names the variables and files that hold them.
func (c *Config) Shown() string {
	var n yaml.Node
	if err := n.Encode(c); err != nil {
		return "# it cannot be shown: " + err.Error() + "\n"
	}
	trim(&n)
	text, err := yaml.Marshal(&n)
	if err != nil {
		return "# it cannot be shown: " + err.Error() + "\n"
	}
	return string(text)
}

// MarshalYAML writes a duration so that it can be read again.
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// trim takes out of a node what is not set and what may be secret, and says whether anything is left.
func trim(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.ScalarNode:
		n.Value = withoutSecrets(n.Value)
		return n.Tag != "!!null" && n.Value != "" && n.Value != "0s"
	case yaml.MappingNode:
		var kept []*yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if trim(n.Content[i+1]) {
				kept = append(kept, n.Content[i], n.Content[i+1])
			}
		}
		n.Content = kept
		return len(kept) > 0
	case yaml.SequenceNode:
		for _, x := range n.Content {
			trim(x)
		}
		return len(n.Content) > 0
	}
	return true
}

// withoutSecrets is a URL with what may be secret left out, or any other text as it is.
func withoutSecrets(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || scheme == "sqlite" || scheme == "s3" {
		return s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return scheme + "://…"
	}
	if strings.TrimSuffix(rest, "/") == u.Host {
		return s
	}
	return scheme + "://" + u.Host + "/…"
}
