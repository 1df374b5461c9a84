//go:build !amd64 || purego

package exposure

// classify sets the masks of b, whose length is a multiple of 64, from block k on.
func (m *masks) classify(b []byte, k int) { m.classifyGeneric(b, k) }
