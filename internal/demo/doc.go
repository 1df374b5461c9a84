// Package demo makes the marketplace of the two-minute tour: 200 invented apps and what a platform would log of them in thirty days, with violations
// planted among mostly clean apps, near misses beside them, and everything that files do wrong on their way.
//
// A market is a pure function of its seed and its end. Who plants a violation also counts it, where it is planted and by nothing else; so what an audit
// found can be held against what there was to find.
package demo
