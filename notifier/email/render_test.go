package email

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSee(t *testing.T) {
	for i, n := range Samples() {
		m, err := Render(n, nil)
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join("/tmp/mailh", "s"+string(rune('0'+i))+".html"), []byte(m.HTML), 0o600)
		os.WriteFile(filepath.Join("/tmp/mailh", "s"+string(rune('0'+i))+".txt"), []byte(m.Subject+"\n\n"+m.Text), 0o600)
	}
}
