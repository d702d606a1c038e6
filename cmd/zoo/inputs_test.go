//go:build unix

package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ended is the exit code of a command, and what it wrote.
func ended(t *testing.T, c *exec.Cmd) (code int, out, message string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if c.Stdout == nil {
		c.Stdout = &stdout
	}
	c.Stderr = &stderr
	stop := time.AfterFunc(time.Minute, func() {
		if c.Process != nil {
			_ = c.Process.Kill() // it waits for something that never comes
		}
	})
	defer stop.Stop()
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// smallRun trains a model of one step in a folder, with a text beside it.
func smallRun(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "book.txt"), bytes.Repeat([]byte("some words of a book\n"), 100), 0o666); err != nil {
		t.Fatal(err)
	}
	c := zooProcess(t, "train", "mamba-debug", "--out", "run", "--data", "book.txt", "--steps", "1", "--set", "train.batch=1", "--set", "train.context=16")
	c.Dir = dir
	if code, _, message := ended(t, c); code != 0 {
		t.Fatalf("training ended with %d: %s", code, message)
	}
}

// listing is every file below dir, with its kind and when it was written. The lock of a run
// is written whenever the run is looked at.
func listing(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.Name() == ".lock" {
			return err
		}
		info, err := e.Info()
		all = append(all, path+" "+info.Mode().String()+" "+info.ModTime().Format(time.RFC3339Nano))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Bad input: exit code 2, one line that says what is wrong, and nothing written.
func TestBadInputsAreRefusedInOneLine(t *testing.T) {
	dir := t.TempDir()
	smallRun(t, dir)
	for _, f := range []func() error{
		func() error { return os.WriteFile(filepath.Join(dir, "precious"), []byte("precious"), 0o666) },
		func() error { return os.Symlink("precious", filepath.Join(dir, "link.onnx")) },
		func() error { return os.Symlink("precious", filepath.Join(dir, "data.onnx_data")) },
		func() error { return os.Symlink("precious", filepath.Join(dir, "cfg.config.json")) },
		func() error { return os.Symlink("nowhere", filepath.Join(dir, "dangling.onnx")) },
		func() error { return os.Symlink("run", filepath.Join(dir, "folderlink")) },
		func() error { return os.Mkdir(filepath.Join(dir, "folder"), 0o777) },
		func() error { return syscall.Mkfifo(filepath.Join(dir, "pipe.onnx"), 0o666) },
		func() error { return os.WriteFile(filepath.Join(dir, "bad.yaml"), nil, 0o666) },
		func() error {
			return os.WriteFile(filepath.Join(dir, "other.txt"), bytes.Repeat([]byte("another book\n"), 100), 0o666)
		},
		func() error {
			var bomb bytes.Buffer
			z := gzip.NewWriter(&bomb)
			for range 16 {
				z.Write(make([]byte, 1<<20))
			}
			return errors.Join(z.Close(), os.WriteFile(filepath.Join(dir, "bomb.gz"), bomb.Bytes(), 0o666))
		},
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	train := func(more ...string) []string {
		return append([]string{"train", "mamba-debug", "--data", "book.txt"}, more...)
	}
	export := func(out string) []string { return []string{"export", "run", "--no-verify", "-o", out} }
	for _, c := range []struct {
		args []string
		want string
	}{
		// numbers
		{train("--out", "new", "--steps", "-1"), "steps: got -1, want at least 1"},
		{train("--out", "new", "--steps", "0"), "steps: got 0, want at least 1"},
		{train("--out", "new", "--steps", "1e99"), `invalid argument "1e99" for "--steps"`},
		{train("--out", "new", "--steps", "99999999999999999999"), "--steps"},
		{train("--out", "new", "--set", "train.lr=1e99"), "lr"},
		{train("--out", "new", "--threads", "-1"), "--threads -1: want 0 or more"},
		{[]string{"generate", "run", "--prompt", "x", "--max-tokens", "-1"}, "--max-tokens -1: want at least 1"},
		{[]string{"generate", "run", "--prompt", "x", "--temperature", "NaN"}, "temperature NaN"},
		// empty names
		{train("--out", ""), "--out is empty"},
		{train("--out="), "--out is empty"},
		{[]string{"train", "", "--out", "new"}, "argument 1 of zoo train is empty"},
		{[]string{"train", "mamba-debug", "--out", "new", "--data", ""}, "--data is empty"},
		{[]string{"build", ""}, "argument 1 of zoo build is empty"},
		{[]string{"eval", ""}, "argument 1 of zoo eval is empty"},
		{[]string{"generate", "", "--prompt", "x"}, "argument 1 of zoo generate is empty"},
		{[]string{"verify", "x.onnx", "--against", ""}, "--against is empty"},
		{export(""), "--output is empty"},
		// names that look like flags
		{[]string{"train", "mamba-debug", "--out", "--resume"}, "--out needs a value, and --resume looks like another flag"},
		{[]string{"train", "mamba-debug", "--data", "--json", "--out", "new"}, "--data needs a value, and --json looks like another flag"},
		{export("--json"), "--output needs a value"},
		{[]string{"build", "--", "--steps"}, "--steps"},
		{[]string{"eval", "--", "--run"}, "--run: there is no run in this folder"},
		{[]string{"--out"}, "unknown flag: --out"},
		{[]string{"trian"}, `unknown command "trian"`},
		{[]string{"plugin", "lst"}, `unknown command "lst" for "zoo plugin"`},
		{[]string{"runtime", "uninstall"}, `unknown command "uninstall" for "zoo runtime"`},
		{[]string{"completion", "tcsh"}, `unknown command "tcsh" for "zoo completion"`},
		{[]string{"build"}, "got 0 arguments, want zoo build RECIPE; see zoo build --help"},
		{[]string{"plugin", "info", "a", "b"}, "got 2 arguments, want zoo plugin info NAME; see zoo plugin info --help"},
		// flags given twice
		{train("--out", "new", "--out", "newer"), "it is given twice"},
		{train("--out", "new", "--steps", "1", "--steps", "1"), "it is given twice"},
		{train("--out", "new", "--json", "--json"), "it is given twice"},
		// folders for files, files for folders
		{[]string{"build", "folder"}, "folder"},
		{[]string{"train", "folder", "--out", "new"}, "folder"},
		{[]string{"verify", "folder", "--against", "run"}, "folder"},
		{[]string{"verify", "pipe.onnx", "--against", "run"}, "pipe.onnx: not a regular file"},
		{[]string{"eval", "precious"}, "precious"},
		{[]string{"generate", "precious", "--prompt", "x"}, "precious"},
		{train("--out", "precious"), "--out precious: is a file, want a folder for the run"},
		{[]string{"train", "mamba-debug", "--out", "new", "--data", "folder"}, "folder: the text is empty"},
		{[]string{"train", "mamba-debug", "--out", "new", "--data", "pipe.onnx"}, "pipe.onnx: is no regular file"},
		{[]string{"build", "bad.yaml"}, "bad.yaml"},
		// texts
		{[]string{"train", "mamba-debug", "--out", "new", "--data", "precious"}, "fewer than one window"},
		{[]string{"train", "mamba-debug", "--out", "new", "--data", "bad.yaml"}, "bad.yaml: the text is empty"},
		{[]string{"train", "mamba-debug", "--out", "new", "--data", "bomb.gz"}, "bomb.gz: holds more than"},
		{[]string{"train", "--resume", "--out", "run", "--data", "other.txt"}, "was trained on a text with SHA-256"},
		{[]string{"eval", "run", "--data", "nowhere.txt"}, "nowhere.txt: no such file"},
		// where an export goes
		{export("link.onnx"), "link.onnx: is a symbolic link"},
		{export("dangling.onnx"), "dangling.onnx: is a symbolic link"},
		{export("data.onnx"), "data.onnx_data: is a symbolic link"},
		{export("cfg.onnx"), "cfg.config.json: is a symbolic link"},
		{export("pipe.onnx"), "pipe.onnx: is a symbolic link or no plain file"},
		{export("folder"), "folder: is a folder; write folder/"},
		{export("nowhere/x.onnx"), "there is no folder nowhere"},
		{export("precious/x.onnx"), "there is no folder precious"},
		{export("precious/"), "precious: is a file"},
		{export("folderlink/"), "folderlink: is a file or a symbolic link"},
		{export("run/"), "not empty and holds no earlier export"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			before := listing(t, dir)
			p := zooProcess(t, c.args...)
			p.Dir = dir
			code, _, message := ended(t, p)
			if code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			if !strings.Contains(message, c.want) {
				t.Errorf("%q lacks %q", message, c.want)
			}
			if !strings.HasPrefix(message, "zoo: ") || strings.Count(message, "zoo: ") != 1 || strings.Contains(message, "panic") || strings.Contains(message, ".export-") {
				t.Errorf("not one message: %q", message)
			}
			if after := listing(t, dir); !slices.Equal(before, after) {
				t.Errorf("files have changed:\n%v\n%v", before, after)
			}
		})
	}
}

func TestAnExportReplacesPlainFilesAndItsOwnFolders(t *testing.T) {
	dir := t.TempDir()
	smallRun(t, dir)
	for range 2 {
		for _, out := range [][]string{{"a.onnx"}, {"b.onnx", "--external"}, {"site/"}} {
			p := zooProcess(t, append([]string{"export", "run", "--no-verify", "-o"}, out...)...)
			p.Dir = dir
			if code, _, message := ended(t, p); code != 0 {
				t.Errorf("%v: exit code %d: %s", out, code, message)
			}
		}
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range names {
		names[i] = filepath.Base(n)
	}
	if want := []string{"a.config.json", "a.onnx", "b.config.json", "b.onnx", "b.onnx_data", "book.txt", "run", "site"}; !slices.Equal(names, want) {
		t.Errorf("left %v, want %v", names, want)
	}
}

func TestWithoutAHomeEverythingWorks(t *testing.T) {
	dir := t.TempDir()
	smallRun(t, dir)
	for _, args := range [][]string{{"list"}, {"build", "moe-mamba-debug"}, {"plugin", "list"}, {"doctor"}, {"eval", "run", "--data", "book.txt"}, {"export", "run", "--no-verify", "-o", "a.onnx"}} {
		c := zooProcess(t, args...)
		c.Dir, c.Env = dir, []string{"PATH=" + os.Getenv("PATH")}
		if code, out, message := ended(t, c); code != 0 || out == "" {
			t.Errorf("%v: exit code %d, %q, %q", args, code, out, message)
		}
	}
	c := zooProcess(t, "plugin", "install", "book.txt") // needs a place to install to
	c.Dir, c.Env = dir, []string{"PATH=" + os.Getenv("PATH")}
	if code, _, message := ended(t, c); code == 0 || strings.Contains(message, "panic") {
		t.Errorf("exit code %d, %q", code, message)
	}
}

func TestAReaderThatIsGoneEndsQuietly(t *testing.T) {
	for _, args := range [][]string{{"list"}, {"build", "mamba-debug", "--json"}, {"--help"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		c := zooProcess(t, args...)
		c.Stdout = w
		code, _, message := ended(t, c)
		w.Close()
		// The system ends it with SIGPIPE, as it does other programs.
		quiet := code == exitOK || c.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGPIPE
		if !quiet || message != "" {
			t.Errorf("%v: %v, %q", args, c.ProcessState, message)
		}
	}
}

func TestOutputThatCannotBeWrittenIsNoSuccess(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	c := zooProcess(t, "list")
	c.Stdout = full
	if code, _, message := ended(t, c); code != exitEnvironment || !strings.Contains(message, "no space left on device") {
		t.Errorf("exit code %d, %q", code, message)
	}
}

// TestAFullDiskLeavesNoHalfCheckpoint lets a run come upon a limit to the size of files.
func TestAFullDiskLeavesNoHalfCheckpoint(t *testing.T) {
	dir := t.TempDir()
	smallRun(t, dir)
	const blocks = "200" // of 512 bytes or of 1024, by shell: less than the moments take
	c := exec.Command("sh", "-c", `ulimit -f `+blocks+` && exec "$@"`, "sh")
	zoo := zooProcess(t, "train", "--init-from", "run", "--out", "full", "--data", "book.txt", "--steps", "4", "--set", "d_model=32", "--set", "train.save_every=1")
	c.Args, c.Env, c.Dir = append(c.Args, zoo.Args...), zoo.Env, dir
	code, _, message := ended(t, c)
	if code != exitEnvironment || !strings.Contains(message, "saving step 1 in full") || !strings.Contains(message, "file too large") {
		t.Errorf("exit code %d, %q", code, message)
	}
	left, err := filepath.Glob(filepath.Join(dir, "full", "checkpoints", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestFoldersThatCannotBeWrittenEndTheRunBeforeItBegins, also for root.
func TestFoldersThatCannotBeWrittenEndTheRunBeforeItBegins(t *testing.T) {
	for _, dir := range []string{"/proc/run", "/dev/null/run"} {
		code, _, message := ended(t, zooProcess(t, "train", "mamba-debug", "--steps", "1", "--out", dir))
		if code != exitEnvironment || !strings.HasPrefix(message, "zoo: run folder: mkdir ") || strings.Count(message, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q", dir, code, message)
		}
	}
}

// TestTrainingThatDivergesIsAFailedCheck: rates far too high leave no finite gradient.
func TestTrainingThatDivergesIsAFailedCheck(t *testing.T) {
	dir := t.TempDir()
	c := zooProcess(t, "train", "mamba-debug", "--out", "run", "--steps", "100", "--set", "train.lr=1000", "--set", "train.clip=0", "--set", "train.warmup=0", "--set", "train.batch=1", "--set", "train.save_every=1")
	c.Dir = dir
	code, _, message := ended(t, c)
	if code != exitCheck || !strings.Contains(message, "training diverged: the gradient was not finite for 10 steps in a row") {
		t.Errorf("exit code %d, %q", code, message)
	}
}

// TestWhatIsRefusedLeavesNothing: a mistake is told before anything is made or started.
func TestWhatIsRefusedLeavesNothing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "made")
	code, _, message := ended(t, zooProcess(t, "quickstart", "--steps", "-5", "--out", out))
	if code != exitUsage || !strings.Contains(message, "-5") {
		t.Errorf("exit code %d, %q", code, message)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("it made its folder")
	}
	c := zooProcess(t, "build", "moe-mamba-debug")
	c.Env = append(c.Env, "ZOO_REATTACH_PROVIDERS={")
	if code, _, message := ended(t, c); code != exitUsage || !strings.Contains(message, "ZOO_REATTACH_PROVIDERS") {
		t.Errorf("exit code %d, %q", code, message)
	}
}
