//go:build unix

package plugins

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// lockDir takes the lock of a folder, so that no lock file of its own lies
// about, and waits for it at most patience.
func lockDir(dir string, patience time.Duration) (release func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { d.Close() }, nil
		case errors.Is(err, syscall.EINTR):
		case !errors.Is(err, syscall.EWOULDBLOCK):
			d.Close()
			return nil, err
		case time.Now().After(deadline):
			d.Close()
			return nil, ErrLockHeld
		}
	}
}
