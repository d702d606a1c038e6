//go:build unix

package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAThirdPartyRouterTrainsAndExports follows examples/plugin-go/README.md.
func TestAThirdPartyRouterTrainsAndExports(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a plugin")
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "zoo-plugin-cosine"), ".")
	build.Dir = "../../examples/plugin-go"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := filepath.Join(dir, "run")
	zoo := func(args ...string) string {
		t.Helper()
		out, err := zooProcess(t, append([]string{"--plugin-dir", dir}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("zoo %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	if out := zoo("list", "--kind", "router"); strings.Contains(out, "panic") {
		t.Error(out)
	}
	zoo("train", "moe-mamba-debug", "--set", "layers.moe.router=cosine", "--set", "layers.moe.top_k=2", "--steps", "3", "--out", run)
	// Without the plugin the run still generates: it keeps the function.
	if out, err := zooProcess(t, "generate", run, "--prompt", "Call me", "--max-tokens", "5").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := zooProcess(t, "build", "moe-mamba-debug", "--set", "layers.moe.router=cosine").CombinedOutput(); err == nil || !strings.Contains(string(out), "cosine") {
		t.Errorf("without the plugin: %v\n%s", err, out)
	}
}
