// Package tool builds the servers that tests talk to from their modules, in the versions that a go.mod of their own names, apart from mailreeve's requirements.
package tool

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// Build builds the command of a module where no test did before, and gives its binary. dir, in this repository, holds the go.mod that requires the module;
// command is the command's folder in it, "" for its root. The first time takes a minute or two.
func Build(dir, module, command string) (string, error) {
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(filepath.Dir(strings.TrimSpace(string(mod))), filepath.FromSlash(dir))
	list := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module)
	list.Dir = dir
	version, err := list.Output()
	if err != nil {
		return "", explain(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "mailreeve-test")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	binary := filepath.Join(cache, path.Base(module)+"-"+strings.TrimSpace(string(version)))
	lock := flock.New(binary + ".lock") // tests of several packages run at once
	if err := lock.Lock(); err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	cmd := exec.Command("go", "build", "-o", binary+".new", path.Join(module, command))
	cmd.Dir = dir
	if _, err := cmd.Output(); err != nil {
		return "", explain(err)
	}
	return binary, os.Rename(binary+".new", binary)
}

func explain(err error) error {
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return fmt.Errorf("%w: %s", err, ended.Stderr)
	}
	return err
}
