//go:build !purego

package exposure

import "golang.org/x/sys/cpu"

// masksAVX2 classifies blocks of 64 bytes at p.
//
//go:noescape
func masksAVX2(p *byte, blocks int, out *masks)

// classify fills out with the masks of b, whose length is a multiple of 64.
func classify(b []byte, out []masks) {
	if len(b) == 0 {
		return
	}
	if !cpu.X86.HasAVX2 {
		classifyGeneric(b, out)
		return
	}
	_ = out[len(b)/64-1]
	masksAVX2(&b[0], len(b)/64, &out[0])
}
