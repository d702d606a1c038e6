package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/moezoo/moezoo/internal/faultfs"
)

// Version is the format of checkpoint folders.
const Version = 1

const (
	folder       = "checkpoints"
	latestFile   = "latest"
	manifestFile = "manifest.json"
	temporary    = ".tmp-"
)

// manifest describes a checkpoint folder.
type manifest struct {
	Version int             `json:"version"`
	Step    int             `json:"step"`
	Files   map[string]file `json:"files"`
}

type file struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Content is what a checkpoint holds: named files, each written by a function.
type Content map[string]func(w io.Writer) error

// Blob is a file's content that is already at hand.
func Blob(b []byte) func(io.Writer) error {
	return func(w io.Writer) error { _, err := w.Write(b); return err }
}

// EnvironmentError is a fault of the machine rather than of the data: a full or
// read-only disk, an I/O error, a lock that is held.
type EnvironmentError struct{ Err error }

func (e *EnvironmentError) Error() string { return e.Err.Error() }
func (e *EnvironmentError) Unwrap() error { return e.Err }

func environment(format string, args ...any) error {
	return &EnvironmentError{fmt.Errorf(format, args...)}
}

// Name is the folder of a step's checkpoint.
func Name(step int) string { return fmt.Sprintf("step-%09d", step) }

// Path is where a run's checkpoint of a step lies.
func Path(run string, step int) string { return filepath.Join(run, folder, Name(step)) }

// attempts is how often a save is tried. A file whose sync failed is never synced again,
// as the system may have dropped what it could not write: each attempt writes new files.
const attempts = 3

// Save writes a checkpoint and makes it the latest, trying again where that may help. When
// it fails, the checkpoints that were there are untouched and still load.
func Save(disk faultfs.FS, run string, step int, content Content) error {
	root := filepath.Join(run, folder)
	temp := filepath.Join(root, temporary+Name(step))
	var err error
	for range attempts {
		if err = save(disk, root, temp, step, content); err == nil {
			err = moveLatest(disk, run, step)
		}
		if err == nil {
			return nil
		}
		_ = disk.RemoveAll(temp) // what is left over is cleaned at the next save, too
		if hopeless(err) {
			break
		}
	}
	return environment("saving step %d in %s: %w", step, run, err)
}

// hopeless reports whether an error comes again at once when the save is repeated.
func hopeless(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, fs.ErrPermission, faultfs.ErrCrashed} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func save(fs faultfs.FS, root, temp string, step int, content Content) error {
	if err := fs.MkdirAll(root); err != nil {
		return err
	}
	if err := clean(fs, root); err != nil {
		return err
	}
	if err := fs.MkdirAll(temp); err != nil {
		return err
	}
	m := manifest{Version: Version, Step: step, Files: map[string]file{}}
	names := make([]string, 0, len(content))
	for name := range content {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		f, err := writeFile(fs, filepath.Join(temp, name), content[name])
		if err != nil {
			return err
		}
		m.Files[name] = f
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	written, err := writeFile(fs, filepath.Join(temp, manifestFile), Blob(raw))
	if err != nil {
		return err
	}
	if err := fs.SyncDir(temp); err != nil {
		return err
	}
	m.Files[manifestFile] = written
	if err := readBack(fs, temp, m); err != nil {
		return err
	}
	final := filepath.Join(root, Name(step))
	if err := fs.RemoveAll(final); err != nil { // left by a save that never became the latest
		return err
	}
	if err := fs.Rename(temp, final); err != nil {
		return err
	}
	return fs.SyncDir(root)
}

// clean removes what interrupted saves left.
func clean(fs faultfs.FS, root string) error {
	entries, err := fs.ReadDir(root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), temporary) {
			if err := fs.RemoveAll(filepath.Join(root, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeFile writes and syncs one file.
func writeFile(fs faultfs.FS, path string, content func(io.Writer) error) (file, error) {
	f, err := fs.Create(path)
	if err != nil {
		return file{}, err
	}
	w := &summing{w: f, h: sha256.New()}
	if err := content(w); err != nil {
		f.Close()
		return file{}, err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return file{}, err
	}
	return file{w.n, hex.EncodeToString(w.h.Sum(nil))}, f.Close()
}

type summing struct {
	w io.Writer
	h hash.Hash
	n int64
}

func (s *summing) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.h.Write(p[:n])
	s.n += int64(n)
	return n, err
}

// readBack makes sure that the files hold what was written: a disk may say that it wrote
// and not have.
func readBack(fs faultfs.FS, dir string, m manifest) error {
	for name, want := range m.Files {
		got, err := sum(fs, filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s reads back as %d bytes with another sum than the %d written", name, got.Bytes, want.Bytes)
		}
	}
	return nil
}

func sum(fs faultfs.FS, path string) (file, error) {
	f, err := fs.Open(path)
	if err != nil {
		return file{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return file{n, hex.EncodeToString(h.Sum(nil))}, err
}

// moveLatest points "latest" at a step, by renaming a file over it.
func moveLatest(fs faultfs.FS, run string, step int) error {
	temp := filepath.Join(run, temporary+latestFile)
	if err := fs.RemoveAll(temp); err != nil {
		return err
	}
	want, err := writeFile(fs, temp, Blob([]byte(Name(step)+"\n")))
	if err != nil {
		return err
	}
	if got, err := sum(fs, temp); err != nil || got != want {
		return errors.Join(errors.New("the file \"latest\" does not read back as written"), err)
	}
	if err := fs.Rename(temp, filepath.Join(run, latestFile)); err != nil {
		return err
	}
	return fs.SyncDir(run)
}

// Prune removes all checkpoints but the newest keep and those that keepAlso names.
func Prune(fs faultfs.FS, run string, keep int, keepAlso ...int) error {
	steps, err := Steps(run)
	if err != nil {
		return err
	}
	kept := map[int]bool{}
	for _, s := range keepAlso {
		kept[s] = true
	}
	for i, s := range steps {
		if i >= len(steps)-max(keep, 1) || kept[s] {
			continue
		}
		if err := fs.RemoveAll(filepath.Join(run, folder, Name(s))); err != nil {
			return environment("removing an old checkpoint: %w", err)
		}
	}
	return nil
}

// Steps lists the steps of all checkpoints of a run, oldest first.
func Steps(run string) ([]int, error) {
	entries, err := os.ReadDir(filepath.Join(run, folder))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var steps []int
	for _, e := range entries {
		if step, ok := stepOf(e.Name()); ok {
			steps = append(steps, step)
		}
	}
	sort.Ints(steps)
	return steps, err
}
