package faultfs

import (
	"io"
	"os"
	"syscall"
)

// FS is what saving needs of a file system.
type FS interface {
	MkdirAll(path string) error
	// Create makes a new file for writing; one that exists, or a symbolic link, is an error.
	Create(path string) (File, error)
	Open(path string) (io.ReadCloser, error)
	Rename(from, to string) error
	RemoveAll(path string) error
	// SyncDir makes renames and new files in a folder durable.
	SyncDir(path string) error
	ReadDir(path string) ([]os.DirEntry, error)
}

// File is a file being written.
type File interface {
	io.Writer
	Sync() error
	Close() error
}

// OS is the operating system's file system.
type OS struct{}

// MkdirAll makes a folder and those above it.
func (OS) MkdirAll(path string) error { return os.MkdirAll(path, 0o777) }

// Create makes a new file.
func (OS) Create(path string) (File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o666)
}

// Open opens a file for reading.
func (OS) Open(path string) (io.ReadCloser, error) { return os.Open(path) }

// Rename moves a file or folder over what is there.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// RemoveAll removes a file or folder, if it is there.
func (OS) RemoveAll(path string) error { return os.RemoveAll(path) }

// SyncDir flushes a folder.
func (OS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// ReadDir lists a folder.
func (OS) ReadDir(path string) ([]os.DirEntry, error) { return os.ReadDir(path) }
