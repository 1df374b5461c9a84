package audit

import (
	"fmt"
	"slices"
)

// A NightCount is a finished run, and how many critical and high findings it filed.
type NightCount struct {
	Run      string
	AsOf     Instant
	Baseline bool
	Released bool // by a person
	Severe   int  // critical and high findings that it filed; of a run that nobody judged yet, those of them that are kept

	Verdict *Verdict // nil: nobody judged it yet
}

// A Verdict says whether a night is abnormal. It is given once, when the night is filed: neither what is purged later nor another policy changes it.
type Verdict struct {
	Limit    int // how many new critical and high findings are still normal; 0 of a baseline, which is not held against any
	Abnormal bool
}

// Abnormal says whether the night was found to be abnormal.
func (n *NightCount) Abnormal() bool { return n.Verdict != nil && n.Verdict.Abnormal }

// Holds says whether the night holds up every notice: it is abnormal, and nobody has released it.
func (n *NightCount) Holds() bool { return n.Abnormal() && !n.Released }

// Alarm is what people are told of an abnormal night.
func (n *NightCount) Alarm() string {
	return fmt.Sprintf("%s was abnormal: it filed %d new critical and high findings, and more than %d are abnormal. No notice goes to any vendor until somebody has looked, and releases it: mailreeve notices release %s",
		n.Run, n.Severe, n.Verdict.Limit, n.Run)
}

// Judge judges those nights that nobody judged yet, and gives them. Abnormal is one that filed more than the larger of a number and a multiple of the
// median of the nights before. nights are in order.
func (l *Ladder) Judge(nights []NightCount) (judged []NightCount) {
	var before []int
	for i := range nights {
		n := &nights[i]
		if n.Verdict == nil {
			n.Verdict = &Verdict{}
			if !n.Baseline { // all that a baseline finds is new
				n.Verdict.Limit = max(l.Abnormal, l.AbnormalTimes*median(before[max(0, len(before)-l.AbnormalNights):]))
				n.Verdict.Abnormal = n.Severe > n.Verdict.Limit
			}
			judged = append(judged, *n)
		}
		if !n.Baseline {
			before = append(before, n.Severe)
		}
	}
	return judged
}

// JudgeRun is a run that filed changes as a night, judged after those before it, and all nights that it is the first to judge, itself the last of them.
func (l *Ladder) JudgeRun(before []NightCount, run *Run, changes []Change) (night NightCount, judged []NightCount) {
	night = NightCount{Run: run.ID, AsOf: run.AsOf, Baseline: run.Baseline}
	for i := range changes {
		if c := &changes[i]; c.What == IsNew && c.Finding.Severity.Severe() {
			night.Severe++
		}
	}
	judged = l.Judge(append(slices.Clone(before), night))
	return judged[len(judged)-1], judged
}

// median is the lower one of an even number.
func median(list []int) int {
	if len(list) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(list))
	return s[(len(s)-1)/2]
}
