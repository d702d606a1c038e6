//go:build unix

package plugins

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A run of a host keeps its sockets in a folder of its own,
//
//	$TMPDIR/zoo-UID/rXXXXXXXX/{owner, plugin-dir…/plugin…}
//
// all mode 0700. While the host lives it holds a lock on the file "owner", so a
// folder whose lock can be had belongs to a dead host and is removed: at the
// start of the next host, and by the providers the dead one left.

// socketPathLimit is what a folder name may take so that a socket's whole path
// fits the 104 bytes that macOS allows.
const socketPathLimit = 40

// runDir is the socket folder of one host.
type runDir struct {
	root, path string
	owner      *os.File
}

// runRoot is the folder that holds the folders of all this user's runs.
func runRoot() string {
	tmp := os.TempDir()
	if len(tmp) > socketPathLimit {
		tmp = "/tmp"
	}
	return filepath.Join(tmp, fmt.Sprintf("zoo-%d", os.Getuid()))
}

// newRunDir sweeps what dead hosts left under root and makes a folder for this
// one.
func newRunDir(root string) (*runDir, error) {
	if err := os.Mkdir(root, 0o700); err != nil && !os.IsExist(err) {
		return nil, fmt.Errorf("folder for plugin sockets: %w", err)
	}
	if err := checkPrivate(root); err != nil {
		return nil, err
	}
	sweepRuns(root)
	for range 3 {
		r, err := makeRunDir(root)
		if err == nil || !os.IsNotExist(err) {
			return r, err
		}
		// Another host's sweep took the folder before its lock was held.
	}
	return nil, fmt.Errorf("folder for plugin sockets: %s is being cleared by another process", root)
}

func makeRunDir(root string) (*runDir, error) {
	path, err := os.MkdirTemp(root, "r")
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(path, "owner"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, os.ErrNotExist
	}
	if _, err := os.Stat(f.Name()); err != nil {
		f.Close()
		return nil, os.ErrNotExist
	}
	return &runDir{root: root, path: path, owner: f}, nil
}

// close removes the folder.
func (r *runDir) close() {
	_ = os.RemoveAll(r.path)
	_ = r.owner.Close()
}

// checkPrivate refuses a folder that another user could have made or can enter:
// a socket in it could be somebody else's.
func checkPrivate(dir string) error {
	fi, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("folder for plugin sockets: %w", err)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !fi.IsDir() || !ok || int(st.Uid) != os.Getuid() || fi.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("folder for plugin sockets: %s must be a folder of this user with mode 0700, it is %v; remove it or set TMPDIR", dir, fi.Mode())
	}
	return nil
}

// sweepRuns removes the folders of dead hosts under root.
func sweepRuns(root string) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), "r") {
			continue
		}
		path := filepath.Join(root, e.Name())
		f, err := os.OpenFile(filepath.Join(path, "owner"), os.O_RDWR, 0)
		if err != nil {
			// Being made or removed, unless its host died in that very moment.
			if fi, err := e.Info(); err == nil && time.Since(fi.ModTime()) > time.Minute {
				_ = os.Remove(path)
			}
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(path)
		}
		f.Close()
	}
}
