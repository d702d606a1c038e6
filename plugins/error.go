package plugins

import (
	"fmt"
	"strings"
)

// Error is a fault of one plugin: it did not start, died, hung, answered
// nonsense, or is not the file that was locked. A command ends with exit code 3
// for it. Mistakes in a person's own input (a config that does not fit the
// schema, an unknown name) are [InputError]s, exit code 2.
type Error struct {
	Plugin string // provider name, or the file's name where it has not told one
	Op     string // "start", "describe", "build switch", "lock", "install" ...
	Detail string // one sentence: what happened, and what was expected
	Hint   string // what to do about it; may be empty
	Stderr string // tail of what the process wrote to stderr, cleaned; may be empty
	Err    error  // cause, for errors.Is; its text is not printed again

	panicked bool // the provider's code panicked
}

// Error is "plugin NAME: OP: DETAIL", then the tail of stderr and the hint on
// lines of their own.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plugin %s: %s: %s", e.Plugin, e.Op, e.Detail)
	if e.Stderr != "" {
		b.WriteString("\n  its stderr ends with:")
		for line := range strings.Lines(e.Stderr) {
			b.WriteString("\n    | " + strings.TrimRight(line, "\n"))
		}
	}
	if e.Hint != "" {
		b.WriteString("\n  " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// InputError is a mistake in what a person asked for: a name that no plugin
// has, or a config that does not fit the variant's schema.
type InputError struct {
	Plugin string   // provider/variant, or empty where none was found
	Path   []string // place in the config, for example ["balance"]; empty for the whole
	Detail string
	Hint   string // nearest valid choice
}

// Error is "PLUGIN: config.PATH: DETAIL (HINT)".
func (e *InputError) Error() string {
	var b strings.Builder
	if e.Plugin != "" {
		b.WriteString(e.Plugin + ": ")
	}
	if len(e.Path) > 0 {
		b.WriteString("config." + strings.Join(e.Path, ".") + ": ")
	}
	b.WriteString(e.Detail)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}
