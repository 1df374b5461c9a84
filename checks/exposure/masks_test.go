package exposure

import (
	"testing"

	"pgregory.net/rapid"
)

func TestMasksAreTheSameInAssembly(t *testing.T) {
	check := func(b []byte) bool {
		var x, y masks
		x.classify(b, 1)
		y.classifyGeneric(b, 1)
		for class := range x {
			if x[class] != y[class] {
				t.Errorf("class %d: %x, want %x", class, x[class], y[class])
				return false
			}
		}
		return true
	}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	if !check(all) {
		return
	}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 64, 640).Draw(t, "b")
		if !check(b[:len(b)/64*64]) {
			t.Fatal("differs")
		}
	})
}
