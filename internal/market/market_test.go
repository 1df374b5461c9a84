package market

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mailreeve/mailreeve/internal/oracle"
)

// What a market writes in disguise the oracle recognizes, where it is written and as what; what only looks so it does not.
func TestDisguises(t *testing.T) {
	g := &generator{Market: &Market{}, rng: rand.New(rand.NewPCG(1, 2)), accounts: []string{"acc"}, sites: []string{"s"}}
	g.Addresses, g.AsOf = true, time.Date(2025, 3, 2, 0, 0, 0, 0, time.UTC)
	g.address("acc")
	judge := func(kind, content string) map[oracle.Key]oracle.Finding {
		line := fmt.Sprintf(`{"file":"f","kind":%q,"app_key":"a","captured_at":"2025-03-01T00:00:00Z"}`, kind)
		list := fmt.Sprintf(`{"account_id":"acc","email":%q}`, g.known[0].address)
		res := oracle.Judge(oracle.Input{AsOf: g.AsOf, Captures: &oracle.Manifest{Files: []oracle.File{{Data: []byte(line)}}, Beside: map[string][]byte{"f": []byte(content)}},
			Addresses: &oracle.Source{Files: []oracle.File{{Data: []byte(list)}}}, Apps: &oracle.Source{Files: []oracle.File{{Data: []byte(`{"key":"z"}`)}}}})
		if len(res.Bad) > 0 {
			t.Fatal(res.Bad, content)
		}
		return res.Open
	}
	has := func(found map[oracle.Key]oracle.Finding, check string) bool {
		for k := range found {
			if k.Check == check {
				return true
			}
		}
		return false
	}
	address := g.known[0].address
	others := cast{g, "", 50} // mostly acc's
	nobody := cast{g, "", 25}
	for range 2000 {
		s := g.disguised(address, pick(g, inMarkup, inText, inURL))
		if found := judge("text", "see: "+s+" there"); len(found) != 1 {
			t.Fatalf("%q in text: %v", s, found)
		}
		s = g.disguised(address, inURL)
		if found := judge("har", harOf([]any{fields{"request": fields{"url": "https://x.example/u/" + s}, "response": fields{"content": fields{"text": "x"}}}})); !has(found, "third-party-sharing") || len(found) != 1 {
			t.Fatalf("%q in a URL: %v", s, found)
		}
		s = g.decoy(pick(g, inMarkup, inText, inURL))
		if found := judge("text", "see: "+s+" there"); len(found) != 0 {
			t.Fatalf("the decoy %q: %v", s, found)
		}
		for _, content := range []string{nobody.page(), nobody.shown() + nobody.carried()} {
			if found := judge("html", content); len(found) != 0 {
				t.Fatalf("nobody's page: %v\n%s", found, content)
			}
		}
		if found := judge("har", nobody.har("a")); len(found) != 0 {
			t.Fatalf("nobody's HAR: %v", found)
		}
	}
	for range 2000 {
		if found := judge("html", others.shown()); has(found, "ui-payload-exposure") {
			t.Fatalf("shown: %v", found)
		}
		if found := judge("html", others.carried()); has(found, "ui-exposure") {
			t.Fatalf("carried: %v", found)
		}
		if found := judge("js", others.script()); has(found, "ui-exposure") {
			t.Fatalf("a script: %v", found)
		}
	}
}

// A market is in order as files: what a line names is there when the line comes.
func TestFilesComeWithTheirLines(t *testing.T) {
	for seed := range uint64(30) {
		m := New(seed)
		there := map[string]bool{}
		for _, n := range m.Nights(rand.New(rand.NewPCG(seed, 5)), 5) {
			for _, f := range n.Files {
				there[f.Path] = true
			}
			for _, l := range m.Lines {
				for _, f := range n.Files {
					// Names of files are written without escapes only where the spelling is plain; that is enough of them.
					for _, b := range l.Beside {
						path := strings.TrimSuffix(Glob(l.Kind), "manifest-*.jsonl*") + b.Name
						if f.Op != Remove && strings.Contains(f.Text, `"`+b.Name+`"`) && strings.Contains(f.Path, "manifest-") && !there[path] {
							t.Fatalf("seed %d: %s is not there yet as of %s", seed, path, n.AsOf)
						}
					}
				}
			}
		}
	}
}
