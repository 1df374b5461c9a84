package mailkind

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ownMails are mails that were written for these tests, each with its kind.
func ownMails(t testing.TB, file string) (mails []string, kinds []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split("\n"+string(b), "\n=== ")[1:] {
		kind, mail, _ := strings.Cut(block, "\n")
		mails, kinds = append(mails, mail), append(kinds, strings.TrimSpace(kind))
	}
	return mails, kinds
}

func TestKindsOfMail(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			mails, kinds := ownMails(t, filepath.Base(file))
			var s score
			for i, mail := range mails {
				m, notes, err := Read(strings.NewReader(mail))
				if err != nil {
					t.Fatal(err)
				}
				got := m.Kind()
				s.add(kinds[i], got.Kind)
				if got.Kind != kinds[i] {
					title, _, _ := strings.Cut(mail, "\n")
					t.Errorf("%s: %s, not %s: %s %v", title, got.Kind, kinds[i], strings.Join(got.Signs, "; "), notes)
				}
			}
			t.Log(s)
		})
	}
}
