package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// folder is the storage of paths in the file system.
type folder struct{}

func (folder) glob(_ context.Context, pattern string) ([]string, error) {
	if info, err := os.Stat(pattern); err == nil && info.Mode().IsRegular() {
		return []string{pattern}, nil
	}
	all, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (see the pattern's brackets and backslashes)", pattern, err)
	}
	slices.Sort(all)
	return slices.DeleteFunc(all, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.IsDir()
	}), nil
}

func (folder) stat(_ context.Context, path string) (identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return identity{}, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait
		return identity{}, fmt.Errorf("%s: not a file", path)
	}
	return identify(info), nil
}

func (folder) open(_ context.Context, path string, _ int) (content, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

func (folder) beside(_ context.Context, manifest, name string) (content, error) {
	f, err := func() (*os.File, error) {
		root, err := os.OpenRoot(filepath.Dir(manifest)) // whatever links say
		if err != nil {
			return nil, err
		}
		defer root.Close()
		name := filepath.FromSlash(name)
		info, err := root.Stat(name)
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("it is no file")
		}
		if err != nil {
			return nil, err
		}
		return root.Open(name)
	}()
	var path *fs.PathError
	switch {
	case err == nil:
		return file{f}, nil
	case errors.As(err, &path):
		return nil, path.Err // the name may hold anything
	}
	return nil, err
}

// file is a content in the file system.
type file struct{ *os.File }

func (f file) identify() (identity, error) {
	info, err := f.Stat()
	if err != nil {
		return identity{}, err
	}
	return identify(info), nil
}
