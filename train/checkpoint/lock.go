//go:build unix

package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrInUse says that another process works in a run's folder.
var ErrInUse = errors.New("is in use")

// ErrHoldsRun says that a folder for a new run has checkpoints in it.
var ErrHoldsRun = errors.New("already holds a run")

// Lock keeps other runs out of a folder until it is released; the system releases it
// when the process ends in any way.
type Lock struct{ f *os.File }

// Acquire makes the run's folder and locks it. A folder that another process uses is an
// EnvironmentError that names the process.
func Acquire(run string) (*Lock, error) {
	if _, err := os.Stat(filepath.Join(run, manifestFile)); err == nil {
		return nil, &Error{run, errors.New("is a checkpoint, want the folder of a run")}
	}
	if err := os.MkdirAll(run, 0o777); err != nil {
		return nil, environment("run folder: %w", err)
	}
	path := filepath.Join(run, ".lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return nil, environment("run folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return nil, environment("%s cannot be locked, which keeps two processes from training one run: %w; its file system needs flock", run, err)
	} else if err != nil {
		raw, _ := os.ReadFile(path)
		f.Close()
		return nil, environment("%s %w by process %s", run, ErrInUse, strings.TrimSpace(string(raw)))
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, environment("run folder: %w", err)
	}
	return &Lock{f}, nil
}

// Release lets go of the folder.
func (l *Lock) Release() error { return l.f.Close() }

// Free is how many bytes can still be written in a folder.
func Free(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, environment("%s: %w", dir, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // other types elsewhere
}
