package exposure

// A step is one disguise that was taken off.
type step uint8

const (
	stepEntities step = iota
	stepPercent
	stepJS
	stepCSS
	stepBase64
	stepBase64URL
	stepJWT
	stepHex
	stepBase32
	stepBase58
	stepGzip
	stepZlib
	stepDeflate
	stepBrotli
	stepZstd
	stepLZ
	stepQP
	stepUTF16
	stepCFEmail
	stepROT13
	stepROT
	stepAlphabet
	stepReversed
	stepSpelled
	stepSplit
	stepCodes
	stepConcat
	stepCompat
	stepIDN
	stepForm
	stepVERP
)

// String is the word for the step in a chain.
func (s step) String() string {
	return [...]string{"html entities", "percent", "js escapes", "css escapes", "base64", "base64url", "jwt", "hex", "base32", "base58", "gzip", "zlib",
		"deflate", "brotli", "zstd", "lz-string", "quoted-printable", "utf-16", "cfemail", "rot13", "rotated", "other alphabet", "reversed",
		"spelled out", "split", "char codes", "concatenation", "compatibility forms", "idn", "form", "verp"}[s]
}

// binary says whether what the step is taken from is no text, and letters whether the step takes bytes out of letters.
func (s step) binary() bool  { return s >= stepGzip && s <= stepZstd || s == stepUTF16 }
func (s step) letters() bool { return s >= stepBase64 && s <= stepBase58 }

// A chain is the steps that led to a text, from the outside in. It can be compared.
type chain struct {
	n     uint8
	steps [maxChain]step
}

// maxChain is how many steps a chain can hold: the deepest limit, and steps that are no decoding of their own.
const maxChain = 14

// with is the chain with one more step.
func (c chain) with(s step) chain {
	if c.n > 0 && c.steps[c.n-1] == s && (s == stepCompat || s == stepSplit || s == stepIDN) {
		return c
	}
	if c.n < maxChain {
		c.steps[c.n] = s
		c.n++
	}
	return c
}

// words are the steps as they stand in a sighting.
func (c chain) words() []string {
	var out []string
	for _, s := range c.steps[:c.n] {
		out = append(out, s.String())
	}
	return out
}

// within says whether the steps of c are among those of d, in the same order.
func (c chain) within(d chain) bool {
	i := uint8(0)
	for _, s := range d.steps[:d.n] {
		if i < c.n && c.steps[i] == s {
			i++
		}
	}
	return i == c.n
}

// asIDN corrects the step idn, which a chain has where a domain was in ASCII: if the address was handed out in that form it is none, and if it was not, and
// is international, then the other form is.
func (c chain) asIDN(handedOut, international bool) chain {
	if !international {
		return c
	}
	out := chain{}
	has := false
	for _, s := range c.steps[:c.n] {
		if s == stepIDN {
			has = true
			if handedOut {
				continue
			}
		}
		out = out.with(s)
	}
	if handedOut && !has {
		out = out.with(stepIDN)
	}
	return out
}
