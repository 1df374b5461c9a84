package audit

import (
	"slices"
)

// A NightCount is how many critical and high findings a finished run filed.
type NightCount struct {
	Run      string
	AsOf     Instant
	Baseline bool
	Severe   int
	Released bool // by a person
	Limit    int  // beyond which it is abnormal
	Abnormal bool
}

// MarkAbnormal marks the nights that filed more than the larger of a number and a multiple of the median of the nights before. nights are in order.
func (l *Ladder) MarkAbnormal(nights []NightCount) {
	var before []int
	for i := range nights {
		n := &nights[i]
		if n.Baseline { // all that it found is new
			continue
		}
		n.Limit = max(l.Abnormal, l.AbnormalTimes*median(before[max(0, len(before)-l.AbnormalNights):]))
		n.Abnormal = n.Severe > n.Limit
		before = append(before, n.Severe)
	}
}

// median is the lower one of an even number.
func median(list []int) int {
	if len(list) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(list))
	return s[(len(s)-1)/2]
}
