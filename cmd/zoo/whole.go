package main

import (
	"io"
	"os"
	"path/filepath"
)

// writeWhole writes a file that appears whole or not at all.
func writeWhole(path string, write func(w io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".zoo-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // of a failure; behind the renaming there is none
	err = write(f)
	if e := f.Chmod(0o644); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
