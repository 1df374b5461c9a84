package exposure

import "unicode/utf8"

// shortText is how long a decoded text may be that is asked for leads before anything else is done with it. Longer ones seldom come by chance.
const shortText = 64

// What a byte may be the lead of, in a text that is short.
const (
	leadNone   = iota // parts runs
	leadRun           // of base64's letters
	leadSure          // is followed by itself
	leadFour          // 64, 40, 46
	leadPlus          // of base64's letters, and adds literals
	leadEscape        // a percent sign
)

var leadOf = leadKinds()

func leadKinds() (t [256]uint8) {
	for i := range t {
		switch c := byte(i); {
		case c == '@' || c == '&' || c == '\\' || c >= utf8.RuneSelf || !is(c, inText):
			t[i] = leadSure
		case c == '4':
			t[i] = leadFour
		case c == '+':
			t[i] = leadPlus
		case c == '%':
			t[i] = leadEscape
		case is(c, inBase64):
			t[i] = leadRun
		}
	}
	return t
}

// leadPairs has the pairs of letters with which a word for the at-sign begins, or by which it is told: bit n of the entry of a letter is about the n-th
// letter after it.
var leadPairs = pairsOfLetters("at", "ob", "ch", "jo", "ap", "kl", "af", "ku", "sn", "za", "ma", "so")

func pairsOfLetters(pairs ...string) (t [32]uint32) {
	for _, p := range pairs {
		t[p[0]&31] |= 1 << (p[1] & 31)
	}
	return t
}

// leads says whether anything that explore follows may be in a short text: it is wrong only where it says so.
func leads(b []byte) bool {
	run := 0
	for i, x := range b {
		switch leadOf[x] {
		case leadNone:
			run = 0
			if (x == ']' || x == ')') && i > 0 && b[i-1]|0x20 == 'a' { // [a]
				return true
			}
			continue
		case leadSure:
			return true
		case leadFour:
			if i > 0 && b[i-1] == '6' || i+1 < len(b) && (b[i+1] == '0' || b[i+1] == '6') {
				return true
			}
		case leadPlus:
			if i > 0 && (isQuote(b[i-1]) || is(b[i-1], inSpace)) || i+1 < len(b) && (isQuote(b[i+1]) || is(b[i+1], inSpace)) {
				return true
			}
		case leadEscape:
			if i+2 < len(b) && (isHex(b[i+1]) || b[i+1] == 'u') && isHex(b[i+2]) || i >= 2 && isHex(b[i-1]) && isHex(b[i-2]) {
				return true
			}
			run = 0
			continue
		}
		if run++; run >= minRun {
			return true
		}
		if i > 0 && isLetter(x) && isLetter(b[i-1]) && leadPairs[b[i-1]&31]>>(x&31)&1 != 0 {
			return true
		}
	}
	return false
}
