package ingest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailreeve/mailreeve/audit"
	"github.com/mailreeve/mailreeve/audit/address"
)

const (
	goodCapture = `{"file":"a/x.har","kind":"har","app_key":"acme","cloud_id":"site","viewer_account_id":"dora","captured_at":"2026-11-22T03:00:00Z","url":"https://acme.example/p"}`
	goodMail    = `{"file":"m1.eml","app_key":"acme","cloud_id":"site","account_id":"canary","received_at":"2026-11-22T03:00:00Z"}`
	goodSignal  = `{"ts":"2026-11-22T03:00:00Z","app_key":"acme","cloud_id":"site","kind":"ui-exposure","text":"seen","source":"support-ticket"}`
)

func TestObservation(t *testing.T) {
	for _, x := range []struct {
		kind audit.Kind
		line string
		bad  string // what the error says; empty: it is good
	}{
		{audit.KindCaptures, goodCapture, ""},
		{audit.KindCaptures, swap(goodCapture, `"viewer_account_id":"dora",`, ``), ""},
		{audit.KindCaptures, swap(goodCapture, `"cloud_id":"site",`, `"cloud_id":null,`), ""},
		{audit.KindCaptures, swap(goodCapture, `"url":`, `"unknown":{"file":1},"url":`), ""},
		{audit.KindCaptures, swap(goodCapture, `"kind":"har"`, `"kind":"HAR"`), "kind is none of har, html, text, js"},
		{audit.KindCaptures, swap(goodCapture, `"kind":"har",`, ``), "kind is missing"},
		{audit.KindCaptures, swap(goodCapture, `"file":"a/x.har",`, ``), "file is missing"},
		{audit.KindCaptures, swap(goodCapture, `a/x.har`, `/etc/passwd`), "below the manifest's own folder"},
		{audit.KindCaptures, swap(goodCapture, `a/x.har`, `a/../../x.har`), "below the manifest's own folder"},
		{audit.KindCaptures, swap(goodCapture, `a/x.har`, `eve@people.example.har`), "file looks like an address"},
		{audit.KindCaptures, swap(goodCapture, `"app_key":"acme",`, ``), "app_key is missing"},
		{audit.KindCaptures, swap(goodCapture, `"acme"`, `"eve@people.example"`), "app_key looks like an address"},
		{audit.KindCaptures, swap(goodCapture, `"dora"`, `"eve@people.example"`), "looks like an address"},
		{audit.KindCaptures, swap(goodCapture, `"dora"`, `"`+strings.Repeat("d", 129)+`"`), "129 characters"},
		{audit.KindCaptures, swap(goodCapture, `2026-11-22T03:00:00Z`, `yesterday`), "captured_at is no time"},
		{audit.KindCaptures, swap(goodCapture, `"captured_at":"2026-11-22T03:00:00Z",`, ``), "captured_at is missing"},
		{audit.KindCaptures, swap(goodCapture, `"file":"a/x.har",`, `"file":"a/x.har","file":"b",`), "file comes twice"},
		{audit.KindCaptures, swap(goodCapture, `}`, `,"sightings":[]}`), ""},
		{audit.KindCaptures, swap(goodCapture, `}`, `,"sightings":[{"account_id":"ann","place":"visible"}]}`), ""},
		{audit.KindCaptures, swap(goodCapture, `}`, `,"sightings":[{"account_id":"ann","place":"sent"}]}`), "host is missing"},
		{audit.KindCaptures, swap(goodCapture, `}`, `,"sightings":[{"account_id":"ann","place":"there"}]}`), "place is none of"},
		{audit.KindCaptures, swap(goodCapture, `}`, `,"sightings":[{"account_id":"ann@people.example","place":"visible"}]}`), "looks like an address"},
		{audit.KindCaptures, swap(goodCapture, `}`, `,"sightings":{}}`), "not a list"},
		{audit.KindMail, goodMail, ""},
		{audit.KindMail, swap(goodMail, `"cloud_id":"site",`, ``), "cloud_id is missing"},
		{audit.KindMail, swap(goodMail, `"account_id":"canary",`, ``), "account_id is missing"},
		{audit.KindMail, swap(goodMail, `"received_at"`, `"captured_at"`), "received_at is missing"},
		{audit.KindSignals, goodSignal, ""},
		{audit.KindSignals, swap(goodSignal, `"cloud_id":"site",`, ``), ""},
		{audit.KindSignals, swap(goodSignal, `"kind":"ui-exposure",`, ``), "kind is missing"},
		{audit.KindSignals, swap(goodSignal, `"text":"seen"`, `"text":7`), "text is a number"},
		{audit.KindSignals, `[]`, "not a JSON object"},
	} {
		o, err := Observation(x.kind, []byte(x.line))
		switch {
		case x.bad == "" && err != nil:
			t.Errorf("%s: %v", x.line, err)
		case x.bad != "" && (err == nil || !strings.Contains(err.Error(), x.bad)):
			t.Errorf("%s: %v, want %q", x.line, err, x.bad)
		case err != nil && address.LooksLike([]byte(err.Error())):
			t.Errorf("%s: the error holds an address: %v", x.line, err)
		case err == nil && o.ID == (audit.ObservationID{}):
			t.Errorf("%s: no id", x.line)
		}
	}
}

// TestObservationsAreKnownByWhatTheySay changes one field at a time: each change makes another fact, and spelling does not.
func TestObservationsAreKnownByWhatTheySay(t *testing.T) {
	id := func(kind audit.Kind, line string) audit.ObservationID {
		t.Helper()
		o, err := Observation(kind, []byte(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return o.ID
	}
	for kind, line := range map[audit.Kind]string{audit.KindCaptures: goodCapture, audit.KindMail: goodMail, audit.KindSignals: goodSignal} {
		first := id(kind, line)
		if id(kind, " "+swap(line, `"app_key":"acme"`, `"app_key" : "\u0061cme"`)) != first || id(kind, swap(line, `03:00:00Z`, `03:00:00.000Z`)) != first {
			t.Errorf("%s: another spelling is another fact", kind)
		}
		for old, with := range map[string]string{"acme\"": "b\"", "site": "site2", "03:00:00": "03:00:01", "a/x": "b/x", `"har"`: `"js"`, "dora": "ann", "/p": "/q", "m1": "m2",
			"canary": "c2", "ui-exposure": "slow", "seen": "heard", "support": "sales"} {
			if strings.Contains(line, old) && id(kind, swap(line, old, with)) == first {
				t.Errorf("%s: with %s for %s it is the same fact", kind, with, old)
			}
		}
	}
	bare := id(audit.KindCaptures, goodCapture)
	none := id(audit.KindCaptures, swap(goodCapture, `}`, `,"sightings":[]}`))
	some := id(audit.KindCaptures, swap(goodCapture, `}`, `,"sightings":[{"account_id":"ann","place":"visible"}]}`))
	if bare == none || none == some {
		t.Error("what was seen is no part of the fact")
	}
}

// TestAHostThatWasSeenIsOneInWhateverSpelling: with a port it would be none of the vendor's.
func TestAHostThatWasSeenIsOneInWhateverSpelling(t *testing.T) {
	for spelled, want := range map[string]string{" API.acme.example. ": "api.acme.example", "api.acme.example:8443": "api.acme.example",
		"https://api.acme.example/v1?to=eve@people.example": "api.acme.example", "[2001:db8::1]:443": "[2001:db8::1]", "2001:db8::1": "2001:db8::1",
		"eve%40people.example": address.Mask} {
		o, err := Observation(audit.KindCaptures, []byte(swap(goodCapture, `}`, `,"sightings":[{"account_id":"ann","place":"sent","host":"`+spelled+`"}]}`)))
		if err != nil || o.Sightings[0].Host != want {
			t.Errorf("%q: %+v, %v, want %q", spelled, o.Sightings, err, want)
		}
	}
}

func TestTextsOfObservationsAreRedacted(t *testing.T) {
	o, err := Observation(audit.KindSignals, []byte(swap(swap(goodSignal, "seen", "eve@people.example"), "support-ticket", "from eve@people.example")))
	if err != nil || strings.Contains(o.Text+o.Reporter, "@people") {
		t.Errorf("%+v, %v", o, err)
	}
	o, err = Observation(audit.KindCaptures, []byte(swap(goodCapture, "example/p", "example/p?e=eve%40people.example")))
	if err != nil || strings.Contains(o.URL, "people") {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestAddress(t *testing.T) {
	const good = `{"account_id":"ann","email":"ann@people.example"}`
	var d Decoder
	for _, x := range []struct {
		line, bad string
		want      AddressRecord
	}{
		{good, "", AddressRecord{Account: "ann", Email: "ann@people.example"}},
		{`{"email":"a\u006en@people.example","x":[1],"account_id":"ann"}`, "", AddressRecord{Account: "ann", Email: "ann@people.example"}},
		{`{"account_id":"ann","key_id":"k","digests":{"address":["AA"],"md5":[]}}`, "", AddressRecord{Account: "ann", KeyID: "k", Digests: map[string][]string{"address": {"AA"}, "md5": {}}}},
		{`{"account_id":"ann"}`, "email is missing", AddressRecord{}},
		{`{"account_id":"ann","email":"ann"}`, "email is no address", AddressRecord{}},
		{`{"account_id":"ann@people.example","email":"ann@people.example"}`, "looks like an address", AddressRecord{}},
		{`{"account_id":"ann","digests":{}}`, "key_id is missing", AddressRecord{}},
		{`{"account_id":"ann","key_id":"k","digests":{"address":"AA"}}`, "digests is bad", AddressRecord{}},
		{`{"account_id":"ann","email":"ann@people.example","key_id":"k","digests":{}}`, "both", AddressRecord{}},
		{`{"account_id":"ann","email":"ann@people.example","email":"x"}`, "email comes twice", AddressRecord{}},
	} {
		for name, read := range map[string]func([]byte) (AddressRecord, error){"fast": d.Address, "strict": Address} {
			got, err := read([]byte(x.line))
			switch {
			case x.bad == "" && (err != nil || !cmp.Equal(got, x.want)):
				t.Errorf("%s, %s: %+v, %v", x.line, name, got, err)
			case x.bad != "" && (err == nil || !strings.Contains(err.Error(), x.bad) || strings.Contains(err.Error(), "@")):
				t.Errorf("%s, %s: %v, want %q", x.line, name, err, x.bad)
			}
		}
	}
}

func FuzzAddress(f *testing.F) {
	f.Add([]byte(`{"account_id":"ann","email":"ann@people.example"}`))
	f.Add([]byte(`{"email":null,"account_id":"ann","key_id":"k","digests":{"md5":["x"]}}`))
	var d Decoder
	f.Fuzz(func(t *testing.T, line []byte) {
		fast, err1 := d.Address(line)
		strict, err2 := Address(line)
		if (err1 == nil) != (err2 == nil) || err1 == nil && !cmp.Equal(fast, strict) {
			t.Errorf("%q: fast %+v, %v; strict %+v, %v", line, fast, err1, strict, err2)
		}
	})
}

func FuzzObservation(f *testing.F) {
	kinds := []audit.Kind{audit.KindCaptures, audit.KindMail, audit.KindSignals}
	for i, line := range []string{goodCapture, goodMail, goodSignal, swap(goodCapture, `}`, `,"sightings":[{"account_id":"ann","place":"visible","chain":["hex"]}]}`)} {
		f.Add(i, []byte(line))
	}
	f.Fuzz(func(t *testing.T, kind int, line []byte) {
		o, err := Observation(kinds[uint(kind)%3], line)
		if err != nil {
			return
		}
		said, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var again audit.Observation
		if err := json.Unmarshal(said, &again); err != nil {
			t.Fatal(err)
		}
		if address.LooksLike([]byte(o.App + " " + o.Site + " " + o.Account + " " + o.File)) {
			t.Errorf("%q: an address passed: %+v", line, o)
		}
	})
}
