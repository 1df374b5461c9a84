// Package audit is the domain of mailreeve, and the night itself: what is audited (apps, calls, reports, installs), what is found and how it lives on,
// and how one run gets from new lines to filed findings. It imports nothing else of mailreeve; the interfaces that it needs are declared here.
//
// Facts are kept once, packed per app and UTC day. A judgment is a pure function of an app's facts, the rules and an as-of. A finding is the union of
// what its days contribute. So the same input again, nights instead of one run, late files and killed runs are one mechanism.
package audit
