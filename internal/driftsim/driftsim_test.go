package driftsim

import (
	"os"
	"testing"
)

// TestBounds holds the check's bounds on few apps; bench/drift does on many, and its seeds are others.
func TestBounds(t *testing.T) {
	t.Parallel()
	r, err := Run(7, 16, 5)
	if err != nil {
		t.Fatal(err)
	}
	if testing.Verbose() {
		if err := r.Write(os.Stdout); err != nil {
			t.Fatal(err)
		}
	}
	all := r.Total()
	if all.Nights < 8_000 {
		t.Errorf("%d app-nights say too little", all.Nights)
	}
	if all.False > 0 { // one in 50,000 is allowed
		t.Errorf("found wrongly in %d app-nights: %q", all.Nights, r.Wrong)
	}
	for _, x := range append(r.Patterns, all) {
		if x.Planted == 0 || float64(x.Found) < 0.9*float64(x.Planted) {
			t.Errorf("%s: %d of %d drifts found within two nights", x.Name, x.Found, x.Planted)
		}
	}
}
