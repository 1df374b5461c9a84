// Package docs holds those of the manual's files that the program itself uses.
package docs

import _ "embed"

//go:embed policy.schema.json
var policySchema []byte

// PolicySchema is the JSON Schema of policy.yaml.
func PolicySchema() []byte { return policySchema }
