package study

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/zoo"
)

// CheckReuse refuses folders that hold no study's runs.
func CheckReuse(studies []string) error {
	for _, dir := range studies {
		if info, err := os.Stat(filepath.Join(dir, runsFolder)); err != nil || !info.IsDir() {
			return fmt.Errorf("--reuse %s: there is no folder %s in it; want the folder of another study, its --out", dir, runsFolder)
		}
	}
	return nil
}

// finishedIn looks through the folders of studies for a finished run of this identity. It
// answers the run's folder, empty when there is none.
func finishedIn(studies []string, identity string, steps int64) (string, error) {
	for _, study := range studies {
		entries, err := os.ReadDir(filepath.Join(study, runsFolder))
		if err != nil {
			return "", &checkpoint.EnvironmentError{Err: err}
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ending(identity)) {
				continue
			}
			dir := filepath.Join(study, runsFolder, e.Name())
			state, err := StateOf(dir, identity, steps)
			if err != nil {
				return "", err
			}
			if state.Finished {
				return dir, nil
			}
		}
	}
	return "", nil
}

// reuse puts a copy of another study's finished run where this study's would be, and tells
// whether there was one. A copy that turns out to be damaged is none.
func reuse(t *Task, dir, identity string, steps int64, o RunOptions) (bool, error) {
	from, err := finishedIn(o.Reuse, identity, steps)
	if err != nil || from == "" {
		return false, err
	}
	err = take(from, dir, o.Out, t.Label, int(steps))
	var damaged *checkpoint.Error
	if errors.As(err, &damaged) {
		o.log("the finished run %s is not reused: %v", from, err)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	o.log("reused: the same recipe, seed and text were trained in %s", from)
	return true, nil
}

// take copies a finished run into a study, in place of what was begun there. The copy appears
// whole or not at all, whenever this process ends: it is gathered and checked elsewhere, and
// then renamed.
func take(from, dir, out, label string, step int) error {
	lock, err := checkpoint.Acquire(dir)
	if err != nil {
		return err
	}
	defer lock.Release()
	elsewhere := filepath.Join(out, ".reuse")
	gathered := filepath.Join(elsewhere, filepath.Base(dir)) // nobody else's: they need the lock
	if err := gather(from, gathered, out, label); err != nil {
		return &checkpoint.EnvironmentError{Err: fmt.Errorf("reusing %s: %w", from, err)}
	}
	if _, err := checkpoint.Open(gathered, step); err != nil {
		return errors.Join(err, os.RemoveAll(gathered))
	}
	if err := os.RemoveAll(dir); err != nil {
		return &checkpoint.EnvironmentError{Err: err}
	}
	if err := os.Rename(gathered, dir); errors.Is(err, fs.ErrExist) { // someone was quick
		return fmt.Errorf("%s %w", dir, checkpoint.ErrInUse)
	} else if err != nil {
		return &checkpoint.EnvironmentError{Err: err}
	}
	_ = os.Remove(elsewhere) // unless others are at work there
	return nil
}

// gather copies a run as the study calls it, with a word of where it is from.
func gather(from, to, out, label string) error {
	if err := os.RemoveAll(to); err != nil { // what a killed process left
		return err
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(to, ".lock")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r, err := zoo.ReadRecord(to)
	if err != nil {
		return err
	}
	r.Label, r.ReusedFrom = label, relative(out, from)
	return r.Write(to)
}

// relative is a path as seen from a folder, or as it is where there is no way from there.
func relative(dir, path string) string {
	d, err := filepath.Abs(dir)
	p, err2 := filepath.Abs(path)
	if err != nil || err2 != nil {
		return path
	}
	rel, err := filepath.Rel(d, p)
	if err != nil {
		return path
	}
	return filepath.ToSlash(rel)
}
