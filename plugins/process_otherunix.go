//go:build unix && !linux

package plugins

import "syscall"

// processAttributes puts the provider in a group of its own: a Ctrl-C at the
// terminal is the host's. The provider itself watches for the host's death.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// descriptorPath is empty: this system cannot execute an open file, so a swap of
// the file in the moment between hashing and start goes unseen.
func descriptorPath(int) string { return "" }

// selfPath is the program's path as given.
func selfPath(path string) string { return path }
