//go:build windows

package ort

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// lockFile takes an exclusive lock that the system drops when the process ends, however it ends. While another process holds it,
// lockFile waits until ctx is done.
func lockFile(ctx context.Context, path string, progress func(string)) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cache folder: %w", err)
	}
	for told := false; ; told = true {
		err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			progress("another install is running; waiting for it")
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("lock %s is held by another install: %w", path, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// syncFolder does nothing: Windows keeps a rename with the file.
func syncFolder(string) error { return nil }

func isDiskFull(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }
