package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moezoo/moezoo/internal/faultfs"
)

// Checkpoint is a complete checkpoint whose sums were checked.
type Checkpoint struct {
	Step int
	Dir  string
	// Note says why this is not the checkpoint that "latest" names, empty when it is.
	Note  string
	files map[string]file
}

// Error says what is wrong with a run's folder or a checkpoint.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Load opens the latest complete checkpoint of a run. When the newest is damaged it
// falls back to the newest good one and says so in Note; when there is none it fails.
func Load(run string) (*Checkpoint, error) {
	info, err := os.Stat(run)
	if err != nil || !info.IsDir() {
		return nil, &Error{run, errors.New("there is no run in this folder")}
	}
	steps, err := Steps(run)
	if err != nil {
		return nil, &Error{run, err}
	}
	named, latestErr := latest(run)
	var problems []string
	if latestErr == nil {
		c, err := Open(run, named)
		if err == nil {
			return c, nil
		}
		problems = append(problems, err.Error())
	} else if len(steps) > 0 {
		problems = append(problems, latestErr.Error())
	}
	for i := len(steps) - 1; i >= 0; i-- {
		// A step behind "latest" was renamed but never announced: complete all the same.
		if latestErr == nil && steps[i] == named {
			continue
		}
		c, err := Open(run, steps[i])
		if err == nil {
			c.Note = fmt.Sprintf("%s; using the newest good checkpoint, step %d", strings.Join(problems, "; "), c.Step)
			return c, nil
		}
		problems = append(problems, err.Error())
	}
	if len(problems) == 0 {
		return nil, &Error{run, errors.New("there is no checkpoint in this folder")}
	}
	return nil, &Error{run, fmt.Errorf("no checkpoint is whole: %s", strings.Join(problems, "; "))}
}

// Find opens the latest complete checkpoint of a run as [Load] does, or, given the folder
// of one checkpoint, that one.
func Find(path string) (*Checkpoint, error) {
	path = filepath.Clean(path)
	root, name := filepath.Split(path)
	if step, ok := stepOf(name); ok && filepath.Base(root) == folder {
		return Open(filepath.Dir(filepath.Clean(root)), step)
	}
	return Load(path)
}

// stepOf is the step whose checkpoint has this name.
func stepOf(name string) (int, bool) {
	var step int
	n, _ := fmt.Sscanf(name, "step-%d", &step)
	return step, n == 1 && name == Name(step)
}

// latest is the step that the file "latest" names.
func latest(run string) (int, error) {
	path := filepath.Join(run, latestFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, &Error{path, errors.New("cannot be read")}
	}
	name := strings.TrimSpace(string(raw))
	step, ok := stepOf(name)
	if !ok || len(raw) > 64 {
		return 0, &Error{path, fmt.Errorf("names no checkpoint: %.64q", raw)}
	}
	return step, nil
}

// Open opens the checkpoint of one step and checks every byte of it.
func Open(run string, step int) (*Checkpoint, error) {
	dir := filepath.Join(run, folder, Name(step))
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return nil, &Error{dir, errors.New("does not exist")}
	case info.Mode()&os.ModeSymlink != 0:
		return nil, &Error{dir, errors.New("is a symbolic link")}
	}
	m, err := readManifest(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, err
	}
	if m.Step != step {
		return nil, &Error{dir, fmt.Errorf("its manifest is of step %d", m.Step)}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, &Error{dir, err}
	}
	for _, e := range entries {
		if _, listed := m.Files[e.Name()]; !listed && e.Name() != manifestFile {
			return nil, &Error{dir, fmt.Errorf("holds %q, which its manifest does not list", e.Name())}
		}
	}
	for name, want := range m.Files {
		got, err := sum(faultfs.OS{}, filepath.Join(dir, name))
		if err != nil {
			return nil, &Error{dir, fmt.Errorf("%s is missing or cannot be read", name)}
		}
		if got != want {
			return nil, &Error{dir, fmt.Errorf("%s has changed: %d bytes with SHA-256 %.12s…, its manifest says %d with %.12s…", name, got.Bytes, got.SHA256, want.Bytes, want.SHA256)}
		}
	}
	return &Checkpoint{Step: m.Step, Dir: dir, files: m.Files}, nil
}

// maxManifest bounds the manifest before it is parsed.
const maxManifest = 1 << 20

func readManifest(path string) (manifest, error) {
	var m manifest
	info, err := os.Stat(path)
	if err != nil {
		return m, &Error{path, errors.New("is missing: the checkpoint is not complete")}
	}
	if info.Size() > maxManifest {
		return m, &Error{path, fmt.Errorf("%d bytes are over the limit of %d", info.Size(), maxManifest)}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return m, &Error{path, err}
	}
	if m, err = parseManifest(raw); err != nil {
		return m, &Error{path, err}
	}
	return m, nil
}

func parseManifest(raw []byte) (manifest, error) {
	var m manifest
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, err
	}
	if m.Version != Version {
		return m, fmt.Errorf("format version %d, this program reads version %d", m.Version, Version)
	}
	if m.Step < 0 || len(m.Files) == 0 {
		return m, fmt.Errorf("step %d with %d files is no checkpoint", m.Step, len(m.Files))
	}
	for name := range m.Files {
		if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
			return m, fmt.Errorf("file name %q is not allowed", name)
		}
	}
	return m, nil
}

// Path is the path of one of the checkpoint's files.
func (c *Checkpoint) Path(name string) (string, error) {
	if _, ok := c.files[name]; !ok {
		return "", &Error{c.Dir, fmt.Errorf("holds no file %q", name)}
	}
	return filepath.Join(c.Dir, name), nil
}

// Read reads one of the checkpoint's files.
func (c *Checkpoint) Read(name string) ([]byte, error) {
	path, err := c.Path(name)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// Files lists the names of the checkpoint's files.
func (c *Checkpoint) Files() []string {
	names := make([]string, 0, len(c.files))
	for n := range c.files {
		names = append(names, n)
	}
	return names
}
