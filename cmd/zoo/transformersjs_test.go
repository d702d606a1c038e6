//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestTransformersJSGeneratesTheSameTokens installs stock transformers.js from npm and lets
// it continue a prompt from an exported folder. It needs node, npm and a network, and so
// runs only when MOEZOO_NETWORK_TESTS=1.
func TestTransformersJSGeneratesTheSameTokens(t *testing.T) {
	if os.Getenv("MOEZOO_NETWORK_TESTS") != "1" {
		t.Skip("needs npm and a network: set MOEZOO_NETWORK_TESTS=1")
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "generate.mjs"} {
		raw, err := os.ReadFile(filepath.Join("../../examples/run-transformersjs", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), raw, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm: %v\n%s", err, out)
	}
	for name, model := range map[string][]string{
		"moe":         {"moe-mamba-debug"},
		"transformer": {"transformer-debug"},
		"both in one": {"mamba-debug", "--set", "layers=[{parallel: [{mamba: {}}, {attention: {heads: 4, kv_heads: 2}}]}]"},
	} {
		run, folder := filepath.Join(dir, name), filepath.Join(dir, name+"-export")+"/"
		for _, args := range [][]string{append([]string{"train", "--steps", "60", "--out", run}, model...), {"export", run, "-o", folder}} {
			if out, err := zooProcess(t, args...).CombinedOutput(); err != nil {
				t.Fatalf("zoo %v: %v\n%s", args, err, out)
			}
		}
		var want []struct{ Tokens []int64 }
		decode(t, zooProcess(t, "generate", run, "--prompt", "Call me", "--temperature", "0", "--max-tokens", "30", "--json"), &want)
		var got struct{ IDs []int64 }
		node := exec.Command("node", "generate.mjs", folder, "--prompt", "Call me", "--max-tokens", "30", "--json")
		node.Dir = dir
		decode(t, node, &got)
		if len(got.IDs) == 0 || !slices.Equal(got.IDs, want[0].Tokens) {
			t.Errorf("%s: transformers.js continues with %v, the zoo with %v", name, got.IDs, want[0].Tokens)
		}
	}
}

func decode(t *testing.T, c *exec.Cmd, into any) {
	t.Helper()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", c.Args, err, out, &stderr)
	}
}
