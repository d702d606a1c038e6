// Package orttest lets tests of any package say that they need ONNX Runtime. It holds nothing that a program would use.
package orttest

import (
	"os"
	"testing"

	"github.com/moezoo/moezoo/export/ort"
)

// Require returns the ONNX Runtime of this machine, loaded. Where there is none, or where this build cannot use it, the test is
// skipped with the reason; with MOEZOO_STRICT=1 it fails instead.
func Require(t testing.TB) ort.Runtime {
	t.Helper()
	rt, err := ort.Load()
	if err == nil {
		return rt
	}
	if os.Getenv("MOEZOO_STRICT") == "1" {
		t.Fatalf("this test needs ONNX Runtime (MOEZOO_STRICT=1): %v", err)
	}
	t.Skipf("this test needs ONNX Runtime: %v", err)
	return ort.Runtime{}
}
