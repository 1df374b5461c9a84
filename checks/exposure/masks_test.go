package exposure

import (
	"testing"

	"pgregory.net/rapid"
)

func TestMasksAreTheSameInAssembly(t *testing.T) {
	check := func(b []byte) bool {
		x, y := make([]masks, len(b)/64), make([]masks, len(b)/64)
		classify(b, x)
		classifyGeneric(b, y)
		for i := range x {
			if x[i] != y[i] {
				t.Errorf("%+v, want %+v", x[i], y[i])
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
