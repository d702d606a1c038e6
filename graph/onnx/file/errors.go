package file

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Error is a fault of the input: a file that is damaged, hostile, or asks for
// what this package refuses. It is always the reader's input that must change.
type Error struct {
	File    string // path as the caller gave it; empty for bytes without a file
	Offset  int64  // byte in the file where it was seen, -1 when it is not tied to one
	Field   string // place in the message, such as "graph.node[3].input[0]"; may be empty
	Problem string // what was found and what was expected
}

// Error gives one line: file, place, problem. Control characters are escaped.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(printable(e.File) + ": ")
	}
	if e.Field != "" {
		b.WriteString(e.Field)
		if e.Offset < 0 {
			b.WriteString(": ")
		} else {
			b.WriteString(" ")
		}
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, "at byte %d: ", e.Offset)
	}
	b.WriteString(e.Problem)
	return b.String()
}

// ExitCode is the command line's code for bad input.
func (e *Error) ExitCode() int { return 2 }

// bad is an Error tied to a place in the message.
func bad(field, format string, args ...any) *Error {
	return &Error{Offset: -1, Field: field, Problem: fmt.Sprintf(format, args...)}
}

// inFile names the file in an error made where the file was not known.
func inFile(file string, err error) error {
	var e *Error
	if errors.As(err, &e) && e.File == "" {
		e.File = file
	}
	return err
}

// openError turns a failure to open a file that the caller named into bad input
// when it is one (it is not there, is a folder, may not be read), and leaves
// faults of the machine as they are.
func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{File: path, Offset: -1, Problem: "no such file"}
	case errors.Is(err, fs.ErrPermission):
		return &Error{File: path, Offset: -1, Problem: "may not be read: permission denied"}
	}
	return err
}

// printable escapes what would disturb a terminal.
func printable(s string) string {
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}

// short quotes a name from a file, cut to a length that fits one line.
func short(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
