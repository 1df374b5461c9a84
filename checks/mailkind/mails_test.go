package mailkind

import (
	"path/filepath"
	"strings"
	"testing"
)

// ownMails are mails that were written for this package, each with its kind. They are its examples, too: that they are told right shows that nothing
// broke, not how well it tells others.
func ownMails(t testing.TB, file string) (mails []string, kinds []string) {
	t.Helper()
	for _, e := range examples(file) {
		mails, kinds = append(mails, e.mail), append(kinds, e.kind)
	}
	if len(mails) == 0 {
		t.Fatalf("no mails in %s", file)
	}
	return mails, kinds
}

func TestKindsOfMail(t *testing.T) {
	files, err := filepath.Glob("examples/*.txt")
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
