package audit

import (
	"fmt"
	"testing"
)

// Of a day of too many purposes those with most calls are told apart; no call is lost.
func TestPurposesOfADay(t *testing.T) {
	day := &CallDay{Sites: []string{"site"}, Paths: []string{"/"}}
	for i := range 2 * purposesADay {
		day.Purposes = append(day.Purposes, fmt.Sprintf("p-%03d", i))
		for range 1 + i%2 { // each second one twice
			day.Calls = append(day.Calls, Call{At: Instant(len(day.Calls)), Purpose: uint32(i), Status: 200})
		}
	}
	f := FiguresOf(day, &ReportDay{}, RulesTimeline{{Rules: Rules{Policy: DefaultPolicy()}}}, Never)
	calls := map[string]int{}
	for _, r := range f.Calls {
		calls[r.Purpose] += r.Calls
	}
	if len(calls) != purposesADay+1 || calls[otherPurpose] != purposesADay || calls["p-127"] != 2 || calls["p-126"] != 0 {
		t.Errorf("%v", calls)
	}
}
