package exposure

import (
	"context"
	"testing"
)

func TestMaskQuick(t *testing.T) {
	m := NewMasker(Limits{})
	m.Know("alice@example.com")
	for _, d := range []string{
		"hello alice@example.com bye",
		"https://t.example/p?x=1&e=alice%40example.com&y=2",
		"https://t.example/p?x=1&e=YWxpY2VAZXhhbXBsZS5jb20%3D&y=2",
		`<p>alice<b>@</b>example.com</p>`,
		`<p>alice [at] example [dot] com</p>`,
		`x=c160f8cc69a4f0bf2b0362752353d060`, `x=c160f8cc69a4f0bf2b0362752353d061`,
		"String.fromCharCode(97,108,105,99,101,64,101,120,97,109,112,108,101,46,99,111,109)",
		`{"u":"alice\u0040example.com","v":"a@2x.png"}`,
		`var u='alice',d='example.com';x=u+'@'+d`,
	} {
		t.Logf("%s\n   → %s", d, m.Mask(context.Background(), "html", []byte(d)))
	}
}
