package file

import (
	"bufio"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// commit puts the files of l in place: all written and synced under other names
// first, then renamed, the model last.
func (l *layout) commit(path string) (err error) {
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return &Error{File: path, Offset: -1, Problem: "there is no folder " + short(dir) + " to write to"}
	}
	model, err := temporary(path, l.writeModel)
	if err != nil {
		return err
	}
	defer os.Remove(model) // no longer there after a rename
	if l.dataBytes == 0 {
		return settle(model, path, dir)
	}
	data, err := temporary(DataPath(path), l.writeData)
	if err != nil {
		return err
	}
	defer os.Remove(data)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	} else if err == nil {
		if err := syncFolder(dir); err != nil {
			return err
		}
	}
	if err := settle(data, DataPath(path), dir); err != nil {
		return err
	}
	if err := settle(model, path, dir); err != nil {
		return errors.Join(err, os.Remove(DataPath(path)))
	}
	return nil
}

// temporary writes a new file beside path, synced, and gives its name. It is gone
// after a failure.
func temporary(path string, write func(*bufio.Writer) error) (name string, err error) {
	name = filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text()+".tmp")
	// O_EXCL also refuses a symbolic link of that name.
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(name)
		return "", err
	}
	return name, nil
}

// settle renames a finished file and makes the new name durable.
func settle(from, to, dir string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if err := syncFolder(dir); err != nil {
		return errors.Join(err, os.Remove(to)) // it might vanish later: better now
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
