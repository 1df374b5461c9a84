package checks_test

import (
	"testing"

	"github.com/mailreeve/mailreeve/checks"
)

// A vendor is told in plain words which clause it is.
func TestEachClauseHasItsWords(t *testing.T) {
	for _, c := range checks.All() {
		if checks.ClauseText(c.Clause) == "" {
			t.Errorf("%s: nothing says what %s is", c.ID, c.Clause)
		}
	}
}
