//go:build !purego

package exposure

import "golang.org/x/sys/cpu"

// masksAVX2 classifies blocks of 64 bytes at p, from the block on that out is the first mask of.
//
//go:noescape
func masksAVX2(p *byte, blocks int, out *uint64)

// classify sets the masks of b, whose length is a multiple of 64, from block k on.
func (m *masks) classify(b []byte, k int) {
	if len(b) == 0 {
		return
	}
	if !cpu.X86.HasAVX2 {
		m.classifyGeneric(b, k)
		return
	}
	_ = m[maskCount-1][k+len(b)/64-1]
	masksAVX2(&b[0], len(b)/64, &m[0][k])
}
