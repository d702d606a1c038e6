//go:build unix

package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// buildExample builds a plugin of examples.
func buildExample(t *testing.T, example, binary string) {
	t.Helper()
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = filepath.Join("../../examples", example)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestARouterThatLeaksIsFound follows examples/plugin-leaky/README.md.
func TestARouterThatLeaksIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a plugin")
	}
	dir := t.TempDir()
	buildExample(t, "plugin-leaky", filepath.Join(dir, "zoo-plugin-leaky"))
	for _, c := range []struct {
		args string
		code int
		want string // a pattern of what is printed
	}{
		{"check causal --router leaky/scattered", exitCheck, `causal +failed +layers\.1 \(moe, router leaky/scattered\): in inference, position 0 of \d+ changes by [0-9.]+ when the tokens from 1 on do`},
		{"check causal --router leaky/scattered-unaware", exitCheck, `position 0 of \d+ changes`},
		{"check step --router leaky/scattered-unaware", exitCheck, `step +failed +layers\.1 \(moe, .*the logits at position \d+ differ`},
		{"build moe-mamba-debug --set layers.moe.router=leaky/scattered", exitUsage, `looks at later tokens, which a causal model must not(?s:.*)allow_future: true`},
		{"build moe-mamba-debug --set layers.moe.router=leaky/scattered --set layers.moe.allow_future=true", exitOK, `router leaky/scattered`},
		{"build moe-mamba-debug --set layers.moe.router=leaky/scattered-unaware --set layers.moe.allow_future=true", exitPlugin, `says that it is causal, but the routing of token \d changes`},
	} {
		p := zooProcess(t, append([]string{"--plugin-dir", dir}, strings.Fields(c.args)...)...)
		out, _ := p.CombinedOutput()
		if p.ProcessState.ExitCode() != c.code || !regexp.MustCompile(c.want).Match(out) {
			t.Errorf("zoo %s: exit code %d, want %d and %q in\n%s", c.args, p.ProcessState.ExitCode(), c.code, c.want, out)
		}
	}
}

// TestAThirdPartyRouterTrainsAndExports follows examples/plugin-go/README.md.
func TestAThirdPartyRouterTrainsAndExports(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a plugin")
	}
	dir := t.TempDir()
	buildExample(t, "plugin-go", filepath.Join(dir, "zoo-plugin-cosine"))
	run := filepath.Join(dir, "run")
	zoo := func(args ...string) string {
		t.Helper()
		out, err := zooProcess(t, append([]string{"--plugin-dir", dir}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("zoo %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	if out := zoo("plugin", "verify", filepath.Join(dir, "zoo-plugin-cosine")); !strings.Contains(out, " 0 failed") || !strings.Contains(out, "with generic kernels") {
		t.Error(out)
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
