//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/plugins"
)

// pythonWith is a PATH with a Python first that has the packages of a requirements file. The
// environment is made once, by venv and pip, and kept in the user's cache. Where that cannot
// be, the test is skipped with the reason; with MOEZOO_STRICT=1 it fails instead.
func pythonWith(t *testing.T, requirements string) (path string) {
	t.Helper()
	bin, err := virtualEnvironment(requirements)
	switch {
	case err == nil:
	case os.Getenv("MOEZOO_STRICT") == "1":
		t.Fatalf("this test needs Python with %s (MOEZOO_STRICT=1): %v", requirements, err)
	default:
		t.Skipf("this test needs Python with %s: %v", requirements, err)
	}
	return bin + string(os.PathListSeparator) + os.Getenv("PATH")
}

func virtualEnvironment(requirements string) (bin string, err error) {
	wanted, err := os.ReadFile(requirements)
	if err != nil {
		return "", err
	}
	version, err := exec.Command("python3", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("python3: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	root := filepath.Join(cache, "moezoo", "python")
	if err := os.MkdirAll(root, 0o777); err != nil {
		return "", err
	}
	dir := filepath.Join(root, fmt.Sprintf("%.12x", sha256.Sum256(append(version, wanted...))))
	if _, err := os.Stat(dir); err == nil {
		return filepath.Join(dir, "bin"), nil
	}
	work, err := os.MkdirTemp(root, ".new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	for _, args := range [][]string{
		{"python3", "-m", "venv", work},
		{filepath.Join(work, "bin", "python3"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	// Only python itself is used, which finds its environment wherever that is moved.
	if err := os.Rename(work, dir); err != nil && !errors.Is(err, syscall.EEXIST) && !errors.Is(err, syscall.ENOTEMPTY) {
		return "", err
	}
	return filepath.Join(dir, "bin"), nil
}

const pythonExample = "../../examples/plugin-python"

// TestAPythonPluginTrainsExportsAndInstalls follows examples/plugin-python/README.md.
func TestAPythonPluginTrainsExportsAndInstalls(t *testing.T) {
	t.Setenv("PATH", pythonWith(t, pythonExample+"/requirements.txt"))
	dir := t.TempDir()
	t.Setenv("ZOO_HOME", filepath.Join(dir, "home"))
	zoo := func(args ...string) string {
		t.Helper()
		c := zooProcess(t, args...)
		c.Env = append(c.Env, "ZOO_HOME="+os.Getenv("ZOO_HOME"))
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("zoo %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run := filepath.Join(dir, "run")
	zoo("--plugin-dir", pythonExample, "train", "moe-mamba-debug", "--set", "layers.moe.router=cosine-py", "--set", "layers.moe.top_k=2",
		"--set", "layers.moe.expert=siglu", "--steps", "3", "--out", run)
	script := filepath.Join(pythonExample, "zoo-plugin-cosine-py.py")
	if out := zoo("plugin", "verify", script); !strings.Contains(out, " 0 failed") {
		t.Error(out)
	}
	zoo("generate", run, "--prompt", "Call me", "--max-tokens", "5") // the run keeps the functions
	zoo("export", run, "-o", filepath.Join(dir, "m.onnx"))

	if out, err := zooProcess(t, "plugin", "install", script).CombinedOutput(); err == nil || !strings.Contains(string(out), "bundle") {
		t.Errorf("a script that needs a file beside it was installed, or the message says not how it can be: %v\n%s", err, out)
	}
	bundled := filepath.Join(dir, "zoo-plugin-cosine-py")
	for range 2 { // equal bytes both times: the lock holds them
		before, _ := os.ReadFile(bundled)
		if out, err := exec.Command(script, "bundle", bundled).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if after, _ := os.ReadFile(bundled); before != nil && !slices.Equal(before, after) {
			t.Error("two bundles of one plugin differ")
		}
	}
	zoo("plugin", "install", bundled)
	if out := zoo("build", "moe-mamba-debug", "--set", "layers.moe.router={use: cosine-py, temperature: 0.2}"); !strings.Contains(out, "cosine-py") {
		t.Error(out)
	}
	zoo("plugin", "remove", "cosine-py")
}

// TestAPersonInstallsLocksAndRemoves a plugin of which there are two versions, in a project.
func TestAPersonInstallsLocksAndRemoves(t *testing.T) {
	t.Setenv("PATH", pythonWith(t, pythonExample+"/requirements.txt"))
	dir := t.TempDir()
	home := t.TempDir()
	zoo := func(code int, want string, args ...string) {
		t.Helper()
		c := zooProcess(t, args...)
		c.Dir, c.Env = dir, append(c.Env, "ZOO_HOME="+home)
		got, out, message := ended(t, c)
		if got != code || !regexp.MustCompile(want).MatchString(out+message) {
			t.Errorf("zoo %s: exit code %d, want %d and %q in\n%s%s", strings.Join(args, " "), got, code, want, out, message)
		}
	}
	zoo(exitOK, "", "plugin", "new", "--python", "mine")
	bundle := func(version string) {
		t.Helper()
		script := filepath.Join(dir, "zoo-plugin-mine", "zoo-plugin-mine.py")
		raw, err := os.ReadFile(script)
		if err == nil {
			err = os.WriteFile(script, []byte(strings.Replace(string(raw), `"0.1.0"`, `"`+version+`"`, 1)), 0o777)
		}
		if err == nil {
			err = exec.Command(script, "bundle", filepath.Join(dir, "zoo-plugin-mine", "zoo-plugin-mine")).Run()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".zoo"), 0o777); err != nil {
		t.Fatal(err)
	}
	build := []string{"build", "moe-mamba-debug", "--set", "layers.moe.router=mine"}
	bundle("0.1.0")
	zoo(exitUsage, `did you mean .*zoo-plugin-mine/zoo-plugin-mine\?`, "plugin", "install", "zoo-plugin-mine")
	zoo(exitOK, `installed mine 0\.1\.0: .*zoo-plugin-mine\n$`, "plugin", "install", "zoo-plugin-mine/zoo-plugin-mine")
	zoo(exitOK, `mine +0\.1\.0 +user +mine +/`, "plugin", "list")
	zoo(exitOK, "", build...)
	zoo(exitOK, `mine +0\.1\.0 +1 +[a-z0-9]+_[a-z0-9]+ sha256:[0-9a-f]{64}`, "plugin", "lock")
	bundle("0.2.0")
	zoo(exitOK, `zoo\.lock records mine 0\.1\.0, which this project goes on with; to take the new one: zoo plugin lock --update mine`, "plugin", "install", "zoo-plugin-mine/zoo-plugin-mine")
	zoo(exitOK, `mine +0\.1\.0 +user`, "plugin", "list")
	zoo(exitOK, "", build...)
	zoo(exitOK, `forgets mine, and records it anew at its next use`, "plugin", "lock", "--update", "mine")
	zoo(exitUsage, `records no plugin mine`, "plugin", "lock", "--update", "mine")
	zoo(exitOK, "", build...)
	zoo(exitOK, `"version": "0\.2\.0"`, "plugin", "lock", "--json")
	zoo(exitOK, `removed mine 0\.2\.0\n$`, "plugin", "remove", "mine", "0.2.0")
	zoo(exitPlugin, `mine.*\n.*zoo plugin lock --update mine`, build...)
	zoo(exitOK, `removed mine\n$`, "plugin", "remove", "mine")
	zoo(exitUsage, `no plugin mine is installed`, "plugin", "remove", "mine")
}

// besideSDK puts a plugin of testdata/python into a folder with the SDK.
func besideSDK(t *testing.T, name string) (script string) {
	t.Helper()
	dir := t.TempDir()
	for _, from := range []string{pythonExample + "/moezoo_plugin.py", "testdata/python/" + name} {
		raw, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(from)), raw, 0o777)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, name)
}

// TestEveryFormOfRoutingWorksInPython: claims, mixtures, states, functions of their own for
// training, ids and positions, and warnings.
func TestEveryFormOfRoutingWorksInPython(t *testing.T) {
	t.Setenv("PATH", pythonWith(t, pythonExample+"/requirements.txt"))
	script := besideSDK(t, "forms.py")
	out, err := zooProcess(t, "plugin", "verify", script).CombinedOutput()
	if err != nil || bytes.Count(out, []byte("20 steps lower the loss")) != 6 || !bytes.Contains(out, []byte(" 0 failed")) {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = zooProcess(t, "build", "moe-mamba-debug", "--set", "layers.moe.router=ids", "--plugin-dev", "forms="+script).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("tokens are told apart by their ids alone")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestVerifyNamesWhatAPythonPluginDoesWrong, and ends with exit code 1.
func TestVerifyNamesWhatAPythonPluginDoesWrong(t *testing.T) {
	t.Setenv("PATH", pythonWith(t, pythonExample+"/requirements.txt"))
	c := zooProcess(t, "plugin", "verify", besideSDK(t, "bad.py"))
	raw, _ := c.CombinedOutput()
	out := string(raw)
	if code := c.ProcessState.ExitCode(); code != exitCheck || !strings.Contains(out, "the check failed") {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, want := range []string{
		"failed   leaking: later tokens change nothing before them, as declared: it says that it is causal",
		"failed   raising: builds at d_model 14 and top_k 2, the same bytes twice and in a fresh process: plugin bad-py: build raising: it panicked: NameError",
		"name 'nothing' is not defined",
		"failed   impure: builds at d_model 14 and top_k 2, the same bytes twice and in a fresh process: plugin bad-py: build impure: two answers to one request differ",
		`misspelt: its answer was refused: node "Softmx_1": unknown operator Softmx, did you mean "Softmax"?`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestThePythonRouterIsTheGoRouter: both examples build the same function of the same
// parameters, to rounding.
func TestThePythonRouterIsTheGoRouter(t *testing.T) {
	t.Setenv("PATH", pythonWith(t, pythonExample+"/requirements.txt"))
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "zoo-plugin-cosine"), ".")
	build.Dir = "../../examples/plugin-go"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h, err := plugins.NewHost(plugins.Config{Dirs: []string{dir, pythonExample}, NotBeside: true, Checker: plugins.CheckFunctions})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	const tokens, width, experts = 9, 8, 4
	in := map[string]*backend.Tensor{"x": backend.NewTensor(graph.Float32, tokens, width), "directions": backend.NewTensor(graph.Float32, width, experts)}
	for _, x := range in {
		for i := range x.F32() {
			x.F32()[i] = float32(rng.NormFloat64())
		}
	}
	d := cpu.New(1)
	defer d.Close()
	var answers [][]*backend.Tensor
	for _, name := range []string{"cosine", "cosine-py"} {
		b, err := h.Build(context.Background(), plugins.Request{
			Kind: plugins.RouterKind, Name: name, Config: []byte(`{"temperature":0.3}`), Dims: map[string]int64{"d_model": width, "experts": experts, "top_k": 2},
		})
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.Store()
		if err != nil {
			t.Fatal(err)
		}
		f, err := s.Function()
		if err != nil {
			t.Fatal(err)
		}
		out, err := eval.New(f.Infer, d, eval.Limits{}).Run(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, out[:2]) // expert and weight come first
	}
	if goes, py := answers[0][0].I64(), answers[1][0].I64(); !slices.Equal(goes, py) {
		t.Errorf("experts %v and %v", goes, py)
	}
	for i, w := range answers[0][1].F32() {
		if v := answers[1][1].F32()[i]; math.Abs(float64(w-v)) > 1e-6 {
			t.Errorf("weight %d is %v in Go and %v in Python", i, w, v)
		}
	}
}
