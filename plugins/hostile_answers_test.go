//go:build unix

package plugins

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// What comes over the wire and must not be taken: too large, not finite, ringed, of another
// version, no text, or escaping to the terminal; in functions, which the checker opens, and
// around them.
var hostileAnswers = []faultCase{
	{fault: "dims-huge", want: "its answer was refused: param \"weight\": dims [4611686018427387904 4]"},
	{fault: "nan-init", want: "init argument std is NaN"},
	{fault: "nan-loss", want: "weight is NaN"},
	{fault: "nan-fill", want: "fill is NaN"},
	{fault: "million-ops", want: "too many small parts"},
	{fault: "million-large-ops", want: "its functions have"},
	{fault: "cycle", want: "the nodes form a cycle"},
	{fault: "old-opset", want: "at version 9"},
	{fault: "other-opset", want: "com.evil"},
	{fault: "reply-65MiB", want: "larger than the 64 MiB allowed"},
	{fault: "bad-utf8", want: "invalid UTF-8"},
	{fault: "function-utf8", want: "UTF-8"},
	{fault: "function-ansi", want: `unknown operator \x1b[2JNeg`},
	{fault: "refuse", want: "got 3 red"},
	{fault: "ansi", log: "[WARN] owned end"},
	{fault: "describe-utf8", want: "invalid UTF-8"},
	{fault: "describe-ansi", want: `version "1" must match`},
	{fault: "describe-65MiB", want: "larger than the 64 MiB allowed"},
	{fault: "address-outside", want: "outside its socket folder"},
	{fault: "address-dots", want: "outside its socket folder"},
	{fault: "address-symlink", want: "which is no socket"},
	{fault: "address-ansi", want: `it answered from unix "/tmp/red"`},
	{fault: "address-tcp", want: "a unix socket was expected"},
}

// TestNothingOnTheWireHarmsTheHost: each is refused by name, nothing escapes to a terminal, and
// the host goes on with another provider.
func TestNothingOnTheWireHarmsTheHost(t *testing.T) {
	for _, c := range hostileAnswers {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			root := shortDir(t)
			plain := func(v Variant, req *wireRequest, resp *wireResponse) error {
				if bytes.HasPrefix(resp.Train, []byte("function ")) {
					return nil // the test provider's good answer, which is no ONNX
				}
				return CheckFunctions(v, req, resp)
			}
			h, log := testHost(t, Config{Dirs: []string{pluginDir(t)}, RunRoot: root, Timeouts: patient, Checker: plain, Env: []string{"ZOO_FAULT=" + c.fault}})
			_, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick", Dims: dims8})
			waitForLog(log, c.log)
			var plugin *Error
			switch {
			case (err == nil) != (c.want == ""):
				t.Errorf("%v, want %q", err, c.want)
			case err != nil && (!errors.As(err, &plugin) || plugin.Plugin != "faulty" || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q of plugin faulty", err, c.want)
			case err != nil && (strings.ContainsAny(err.Error(), "\x1b\x07") || !utf8.ValidString(err.Error()) || len(err.Error()) > 4000):
				t.Errorf("the message itself does harm: %q", err)
			}
			if strings.ContainsAny(log.String(), "\x1b\x07") || strings.Contains(log.String(), `\x1b`) {
				t.Errorf("escape sequences reached the log:\n%q", log)
			}
			if _, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "builtin/pick", Dims: dims8}); err != nil {
				t.Errorf("the host does not go on: %v", err)
			}
			h.Close()
			checkNothingLeft(t, root)
		})
	}
}
