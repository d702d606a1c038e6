package prepare

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// stage makes the folder that becomes out when it is whole, or takes over the one that a killed
// process left; one that is still at work is an error. done removes the folder of a failure, but
// for one that is to be gone on with and holds what was saved.
func stage(out string) (dir string, done func(keep bool), err error) {
	out = filepath.Clean(out)
	dir = filepath.Join(filepath.Dir(out), "."+filepath.Base(out)+".preparing")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	lock, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return "", nil, fmt.Errorf("%s: is being prepared by another process", out)
	}
	done = func(keep bool) {
		if _, err := os.Stat(filepath.Join(dir, progressFile)); !keep || err != nil {
			os.RemoveAll(dir) // behind the renaming there is none
		}
		lock.Close()
	}
	return dir, done, nil
}

// clear empties a folder.
func clear(dir string) error {
	left, err := os.ReadDir(dir)
	for _, e := range left {
		err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
	}
	return err
}
