package faultfs

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// Fault is what goes wrong at one call.
type Fault uint8

// Faults. Crash and PowerLoss end the process: that call and all later ones fail without
// effect, and a power loss also takes back what had not been synced. LyingWrite says that
// everything was written, and drops it. Kill ends this process with SIGKILL, and so is for
// tests that start one of their own.
const (
	NoSpace Fault = iota
	IOError
	ReadOnly
	LyingWrite
	Crash
	PowerLoss
	Kill
)

// Faults lists all that a process survives.
var Faults = []Fault{NoSpace, IOError, ReadOnly, LyingWrite, Crash, PowerLoss}

func (f Fault) String() string {
	return [...]string{"ENOSPC", "EIO", "EROFS", "lying write", "crash", "power loss", "SIGKILL"}[f]
}

// ErrCrashed is what calls answer after a crash.
var ErrCrashed = errors.New("the process has crashed")

// Faulty passes calls on to another file system and fails at call number At, counted from
// 1. With At 0 it only counts. One process uses it at a time.
type Faulty struct {
	FS
	At     int
	Always bool // it goes on failing, as a broken disk does
	Fault  Fault
	Calls  int
	Fired  bool // the fault happened

	crashed bool
	undo    []undo // what a power loss takes back, oldest first
}

type undo struct {
	path string // lost unless this file or folder is synced
	back func()
}

// call counts a call and answers its error.
func (f *Faulty) call() error {
	if f.crashed {
		return ErrCrashed
	}
	f.Calls++
	if !f.broken() {
		return nil
	}
	f.Fired = true
	switch f.Fault {
	case NoSpace:
		return syscall.ENOSPC
	case IOError:
		return syscall.EIO
	case ReadOnly:
		return syscall.EROFS
	case Kill:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal may come a moment later
	case PowerLoss:
		for i := len(f.undo) - 1; i >= 0; i-- {
			f.undo[i].back()
		}
		fallthrough
	case Crash:
		f.crashed = true
		return ErrCrashed
	}
	return nil
}

// broken reports whether the present call is one that fails.
func (f *Faulty) broken() bool {
	return f.Calls == f.At || f.Always && f.At > 0 && f.Calls > f.At
}

func (f *Faulty) synced(path string) {
	kept := f.undo[:0]
	for _, u := range f.undo {
		if u.path != path {
			kept = append(kept, u)
		}
	}
	f.undo = kept
}

// MkdirAll passes on.
func (f *Faulty) MkdirAll(path string) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.FS.MkdirAll(path)
}

// Create passes on; the content is lost in a power loss until it is synced.
func (f *Faulty) Create(path string) (File, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(path)
	if err != nil {
		return nil, err
	}
	f.undo = append(f.undo, undo{path, func() { _ = os.Truncate(path, 0) }})
	return &faultyFile{f, file, path}, nil
}

type faultyFile struct {
	fs   *Faulty
	file File
	path string
}

func (w *faultyFile) Write(p []byte) (int, error) {
	if err := w.fs.call(); err != nil {
		return 0, err
	}
	if w.fs.Fault == LyingWrite && w.fs.broken() {
		return len(p), nil
	}
	return w.file.Write(p)
}

func (w *faultyFile) Sync() error {
	if err := w.fs.call(); err != nil {
		return err
	}
	w.fs.synced(w.path)
	return w.file.Sync()
}

func (w *faultyFile) Close() error {
	if err := w.fs.call(); err != nil {
		w.file.Close()
		return err
	}
	return w.file.Close()
}

// Open passes on.
func (f *Faulty) Open(path string) (io.ReadCloser, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	return f.FS.Open(path)
}

// Rename passes on; a power loss takes it back until the folder is synced.
func (f *Faulty) Rename(from, to string) error {
	if err := f.call(); err != nil {
		return err
	}
	saved, wasFile := os.ReadFile(to)
	if err := f.FS.Rename(from, to); err != nil {
		return err
	}
	f.undo = append(f.undo, undo{parent(to), func() {
		_ = os.Rename(to, from)
		if wasFile == nil {
			_ = os.WriteFile(to, saved, 0o666)
		}
	}})
	return nil
}

func parent(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '/' {
			return path[:i]
		}
	}
	return "."
}

// RemoveAll passes on.
func (f *Faulty) RemoveAll(path string) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.FS.RemoveAll(path)
}

// SyncDir passes on.
func (f *Faulty) SyncDir(path string) error {
	if err := f.call(); err != nil {
		return err
	}
	f.synced(path)
	return f.FS.SyncDir(path)
}

// ReadDir passes on.
func (f *Faulty) ReadDir(path string) ([]os.DirEntry, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	return f.FS.ReadDir(path)
}
