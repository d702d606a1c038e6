// Package testroot finds the folders that people name in environment variables for the
// tests. go test runs each package in its own folder; people write paths as seen from the
// module's.
package testroot

import (
	"os"
	"path/filepath"
)

// FromEnv is the folder that a variable names, "" when it is not set. A relative path counts
// from the folder of go.mod.
func FromEnv(name string) string {
	dir := os.Getenv(name)
	if dir == "" || filepath.IsAbs(dir) {
		return dir
	}
	at, err := os.Getwd()
	for ; err == nil; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return filepath.Join(at, dir)
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	return dir
}
