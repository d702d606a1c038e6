package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moezoo/moezoo/internal/whole"
)

// commit puts the files of l in place: all written and synced under other names
// first, then renamed, the model last.
func (l *layout) commit(path string) (err error) {
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return &Error{File: path, Offset: -1, Problem: "there is no folder " + short(dir) + " to write to"}
	}
	model, err := whole.Temporary(path, 0o666, l.writeModel)
	if err != nil {
		return err
	}
	defer os.Remove(model) // no longer there after a rename
	if l.dataBytes == 0 {
		return settle(model, path, dir)
	}
	data, err := whole.Temporary(DataPath(path), 0o666, l.writeData)
	if err != nil {
		return err
	}
	defer os.Remove(data)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	} else if err == nil {
		if err := whole.SyncFolder(dir); err != nil {
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

// settle renames a finished file and makes the new name durable.
func settle(from, to, dir string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if err := whole.SyncFolder(dir); err != nil {
		return errors.Join(err, os.Remove(to)) // it might vanish later: better now
	}
	return nil
}
