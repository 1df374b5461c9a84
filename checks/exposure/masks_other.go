//go:build !amd64 || purego

package exposure

// classify fills out with the masks of b, whose length is a multiple of 64.
func classify(b []byte, out []masks) { classifyGeneric(b, out) }
