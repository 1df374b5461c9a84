package exposure

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mailreeve/mailreeve/audit"
)

// Encoders of one text, with what is around it.
var frames = map[string]func(e string) string{
	"MessagePack": func(e string) string {
		head := string([]byte{0xd9, byte(len(e))})
		if len(e) < 32 {
			head = string([]byte{0xa0 | byte(len(e))})
		}
		return "\x82\xa2id\xcd\x12\x34\xa5email" + head + e + "\xc3"
	},
	"protobuf": func(e string) string {
		return "\x08\x96\x01\x12" + string(rune(len(e))) + e + "\x1a\x03abc\x20\x81\x02"
	},
	"protobuf, tags are letters": func(e string) string {
		return "\x08\x96\x01\x52" + string(rune(len(e))) + e + "\x72\x03abc\x20\x81\x02"
	},
	"protobuf, nothing else in it": func(e string) string { return "\x0a" + string(rune(len(e))) + e },
	"gRPC": func(e string) string {
		m := "\x0a" + string(rune(len(e))) + e + "\x10\x01"
		return "\x00\x00\x00\x00" + string(rune(len(m))) + m
	},
	"CBOR": func(e string) string {
		head := string([]byte{0x78, byte(len(e))})
		if len(e) < 24 {
			head = string([]byte{0x60 | byte(len(e))})
		}
		return "\xa1\x65email" + head + e + "\xf5"
	},
}

// Whatever letter a length is, the address is found that is as long, and none that is longer or shorter by one.
func TestAddressesAfterTheirLength(t *testing.T) {
	ctx := context.Background()
	for name, frame := range frames {
		for length := 14; length < 80; length++ {
			local := min(length-13, 40)
			email := strings.Repeat("quentin", 6)[:local] + "@" + strings.Repeat("acme", 30)[:length-local-9] + ".example"
			if len(email) != length {
				t.Fatal(email)
			}
			for near := range 4 {
				in := [...]string{email, "x" + email, email + "x", "4" + email}[near]
				if len(in) > 126 {
					continue
				}
				switch byte(len(in)) {
				case '\\', '@', 'P': // an escape of the digit after it, a sign, a tag that fits as a length
					continue
				}
				raw := frame(in)
				for way, doc := range map[string]string{
					"base64":  "x=\"" + b64(raw) + "\"",
					"middle":  "x=\"" + b64(`{"a":1,"b":"some text"}`+raw+"and more of it") + "\"",
					"query":   "https://t.example/?p=" + b64url(raw) + "&x=1",
					"hex":     "x=\"" + hexed(raw) + "\"",
					"body":    harOf(harEntry{Content: body64("application/octet-stream", raw)}),
					"message": harOf(harEntry{URL: "wss://t.example/s", Extra: `"_webSocketMessages":[{"type":"send","time":1,"opcode":2,"data":"` + b64(raw) + `"}]`}),
					"msgpack": harOf(harEntry{Content: body64("application/msgpack", raw)}),
				} {
					if way == "middle" && name == "protobuf, nothing else in it" { // a line that begins with some letter
						continue
					}
					kind := audit.CaptureJS
					if strings.HasPrefix(doc, `{"log"`) {
						kind = audit.CaptureHAR
					}
					f := New(Limits{})
					if _, err := f.Scan(ctx, 1, kind, strings.NewReader(doc)); err != nil {
						t.Fatal(err)
					}
					m := f.Matcher()
					m.Address("q", email)
					if found := len(m.Sightings()[1]) > 0; found != (near == 0) {
						t.Errorf("%s of %d, %s, %s: found %v", name, len(in), way, fmt.Sprintf("%q", in), found)
					}
				}
			}
		}
	}
}
