package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/moezoo/moezoo/bench"
	"github.com/moezoo/moezoo/internal/whole"
	"github.com/moezoo/moezoo/train/metrics"
	"github.com/moezoo/moezoo/zoo"
)

// Page is a report.
type Page struct {
	Title, Doc string
	Command    string // that makes its runs
	Note       string // what a person has to say of how they were made
	Program    string // that made them, where they do not tell its revision
	Reference  string // label of the model that others are compared with; the first when empty
	Runs       []*Run
	Groups     []*Group
	Missing    []string // runs of the study that have not begun
	Decoding   []*bench.Decoding

	pairs map[[2]*Group]*Pair // computed so far
}

// Manifest is what a study's folder says of its runs, so that a report finds them in its order.
type Manifest struct {
	Title   string   `json:"title"`
	Doc     string   `json:"doc"`
	Command string   `json:"command"`
	Models  []string `json:"models"` // labels, in the study's order
	// Reference is the label of the model that the others are compared with, the first when empty.
	Reference string   `json:"reference,omitempty"`
	Runs      []string `json:"runs"` // folders, relative to the study's
	// Decoding are files with measurements of decoding, which need not be there yet.
	Decoding []string `json:"decoding,omitempty"`
}

// ManifestFile is its name.
const ManifestFile = "study.json"

// Write writes the manifest into a study's folder.
func (m *Manifest) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return whole.WriteJSON(filepath.Join(dir, ManifestFile), m)
}

// Load reads runs: folders of runs, of studies, or of folders of runs.
func Load(paths ...string) (*Page, error) { return (&Loader{}).Load(paths...) }

// Loader loads pages again and again, and reads only runs that have gone on since.
type Loader struct{ read map[string]readRun }

// readRun is a run as its metrics file was when it was read.
type readRun struct {
	*Run
	size     int64
	modified time.Time
}

// run reads a run, unless its files are as they were.
func (l *Loader) run(dir string) (*Run, error) {
	info, err := os.Stat(filepath.Join(dir, metrics.File))
	if known, ok := l.read[dir]; ok && err == nil && known.size == info.Size() && known.modified.Equal(info.ModTime()) {
		return known.Run, nil
	}
	r, readErr := LoadRun(dir)
	if readErr == nil && err == nil && r.Record != nil {
		if l.read == nil {
			l.read = map[string]readRun{}
		}
		l.read[dir] = readRun{r, info.Size(), info.ModTime()}
	}
	return r, readErr
}

// Load is [Load].
func (l *Loader) Load(paths ...string) (*Page, error) {
	p := &Page{Title: "Runs"}
	var order []string
	for _, path := range paths {
		dirs, m, err := find(path)
		if err != nil {
			return nil, err
		}
		if m != nil {
			p.Title, p.Doc, p.Command, p.Reference = m.Title, m.Doc, m.Command, m.Reference
			order = append(order, m.Models...)
			if err := p.takeDecoding(path, m); err != nil {
				return nil, err
			}
		}
		for _, dir := range dirs {
			if _, err := os.Stat(dir); m != nil && errors.Is(err, os.ErrNotExist) {
				p.Missing = append(p.Missing, filepath.Base(dir))
				continue
			}
			r, err := l.run(dir)
			if err != nil {
				return nil, err
			}
			p.Runs = append(p.Runs, r)
		}
	}
	p.Groups = groups(p.Runs, order)
	if len(paths) == 1 && p.Title == "Runs" {
		p.Title = filepath.Base(filepath.Clean(paths[0]))
	}
	return p, nil
}

// takeDecoding reads a study's measurements.
func (p *Page) takeDecoding(path string, m *Manifest) error {
	for _, name := range m.Decoding {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%s: %q lies outside of the study", filepath.Join(path, ManifestFile), name)
		}
		d, err := readDecoding(filepath.Join(path, name))
		if err != nil {
			return err
		}
		if d != nil {
			p.Decoding = append(p.Decoding, d)
		}
	}
	return nil
}

// find answers the folders of the runs behind a path, and its manifest when it is a study's.
func find(path string) ([]string, *Manifest, error) {
	if isRun(path) {
		return []string{path}, nil, nil
	}
	raw, err := os.ReadFile(filepath.Join(path, ManifestFile))
	if err == nil {
		m := &Manifest{}
		if err := json.Unmarshal(raw, m); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", filepath.Join(path, ManifestFile), err)
		}
		var dirs []string
		for _, r := range m.Runs {
			if !filepath.IsLocal(r) {
				return nil, nil, fmt.Errorf("%s: %q lies outside of the study", filepath.Join(path, ManifestFile), r)
			}
			dirs = append(dirs, filepath.Join(path, r))
		}
		return dirs, m, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: there is no run and no study", path)
	}
	var dirs []string
	for _, e := range entries {
		if dir := filepath.Join(path, e.Name()); isRun(dir) {
			dirs = append(dirs, dir)
		}
	}
	sort.Strings(dirs)
	if len(dirs) == 0 {
		return nil, nil, fmt.Errorf("%s: there is no run and no study in this folder", path)
	}
	return dirs, nil, nil
}

// isRun tells whether a folder holds a run.
func isRun(dir string) bool {
	for _, name := range []string{metrics.File, zoo.RecordFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}
