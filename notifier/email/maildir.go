package email

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ReadBounces reads the reports in a Maildir (new/ and cur/, but for what is marked as seen) and gives each what they say, the oldest file first.
//
// A report is moved to cur/ and marked as seen once each took all that is in it: who is killed before is given the same again, so each must be able to take a
// Bounce twice. An error of each ends ReadBounces, and the report stays. Mail that is no report of a mail that was sent, whoever wrote it, is left
// where it is: CountBounces counts it. Anybody may write to a mailbox: what a report says is a claim, and only its Message-ID speaks for it.
func ReadBounces(ctx context.Context, dir string, each func(Bounce) error) error {
	return maildir(ctx, dir, func(path string) error {
		list, err := readReport(path)
		if errors.Is(err, errOther) || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, b := range list {
			if err := each(b); err != nil {
				return err
			}
		}
		return seen(dir, path)
	})
}

// A Tally is what waits in a Maildir.
type Tally struct {
	Reports int // that ReadBounces has not read yet
	Others  int // that it leaves alone
}

// CountBounces counts what waits in a Maildir, and changes nothing.
func CountBounces(ctx context.Context, dir string) (t Tally, err error) {
	return t, maildir(ctx, dir, func(path string) error {
		switch _, err := readReport(path); {
		case errors.Is(err, errOther):
			t.Others++
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		default:
			t.Reports++
		}
		return nil
	})
}

// maildir goes through the files of a Maildir that are not seen, by their names, which begin with the time. One that is gone meanwhile is somebody else's work.
func maildir(ctx context.Context, dir string, each func(path string) error) error {
	var paths []string
	for _, sub := range []string{"new", "cur"} {
		list, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			return fmt.Errorf("notices.bounces: %s is no Maildir that can be read: %w", dir, err)
		}
		for _, f := range list {
			if f.Type().IsRegular() && !strings.HasPrefix(f.Name(), ".") && !strings.Contains(flags(f.Name()), "S") {
				paths = append(paths, filepath.Join(dir, sub, f.Name()))
			}
		}
	}
	slices.SortFunc(paths, func(a, b string) int { return cmp.Compare(filepath.Base(a), filepath.Base(b)) })
	for _, p := range paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

func readReport(path string) ([]Bounce, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := parseReport(f)
	if err != nil {
		return nil, err
	}
	i, err := f.Stat()
	if err != nil {
		return nil, err
	}
	for n := range list {
		// A date that a report makes up, or has not, is when it came.
		if at := list[n].At; at.IsZero() || at.After(i.ModTime().Add(24*time.Hour)) {
			list[n].At = i.ModTime().UTC()
		}
	}
	return list, nil
}

// seen moves a file of a Maildir to cur/, with the flag S.
func seen(dir, path string) error {
	name := filepath.Base(path)
	unique, _, _ := strings.Cut(name, ":")
	letters := append([]byte(flags(name)), 'S')
	slices.Sort(letters) // as Maildir has them
	err := os.Rename(path, filepath.Join(dir, "cur", unique+":2,"+string(letters)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("notices.bounces: %w: let this user move files in %s", err, dir)
	}
	return nil
}

// flags are those of a file of a Maildir.
func flags(name string) string {
	_, f, _ := strings.Cut(name, ":2,")
	return f
}
