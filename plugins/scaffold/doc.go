// Package scaffold writes the beginning of a plugin: a router or an expert in Go or Python
// that works, with its test and a README.
//
// The templates are real files, which the tests of this repository build and run: a Go
// program a folder, and Python scripts. In them the plugin is called "scaffolded".
package scaffold
