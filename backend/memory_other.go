//go:build !linux

package backend

// preferHugePages does nothing where the system is not asked for large pages.
func preferHugePages([]byte) {}
