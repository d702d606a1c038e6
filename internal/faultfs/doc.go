// Package faultfs is the seam through which files are saved: a small file system
// interface, the operating system behind it, and one that fails on purpose, so that tests
// can break every single call of a save.
package faultfs
